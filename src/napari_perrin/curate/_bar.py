"""The buttons of curation, which the views of tracks share."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_perrin._session import Session
from napari_perrin.curate._actions import ACTIONS, CurationActions

__all__ = ["CurateBar"]


class CurateBar(QWidget):
    """Accept, reject, split, join, shorten and label the selected tracks; undo and redo.

    Parameters
    ----------
    session
        Whose current layer is curated.
    actions
        What the buttons do.
    n_columns
        How many buttons stand in a row.
    """

    def __init__(self, session: Session, actions: CurationActions, *, n_columns: int = 4) -> None:
        super().__init__()
        self._session, self._actions = session, actions
        self.buttons = {name: QPushButton(action.text) for name, action in ACTIONS.items()}
        grid = QGridLayout()
        grid.setSpacing(4)
        for place, (name, button) in enumerate(self.buttons.items()):
            button.setToolTip(ACTIONS[name].tooltip)
            button.clicked.connect(partial(self._run, name))
            grid.addWidget(button, place // n_columns, place % n_columns)
        self.label_box = QComboBox()
        self.label_box.setEditable(True)
        self.label_box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.label_box.setToolTip(
            "A label of your own for the selected tracks: type it, or choose one. Empty takes it "
            "away. Key: Enter."
        )
        if (edit := self.label_box.lineEdit()) is not None:
            edit.setPlaceholderText("Label of your own")
            edit.returnPressed.connect(self._label)
        self.label_button = QPushButton("Label")
        self.label_button.setToolTip("Give the selected tracks this label.")
        self.label_button.clicked.connect(self._label)
        self.rejected_box = QCheckBox("Show rejected")
        self.rejected_box.setToolTip("Show the tracks that were rejected all the same.")
        self.rejected_box.toggled.connect(self._on_rejected)
        self.help = QLabel()
        self.help.setWordWrap(True)
        self.help.setEnabled(False)
        row = QHBoxLayout()
        row.addWidget(self.label_box, 1)
        row.addWidget(self.label_button)
        row.addWidget(self.rejected_box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(grid)
        layout.addLayout(row)
        layout.addWidget(self.help)
        for signal in (session.current_changed, session.selection_changed, session.curated,
                       session.analyzed):  # fmt: skip
            signal.connect(self._on_change)
        self.refresh()

    def refresh(self) -> None:
        """Enable what can be done now, and say what was done."""
        for name, button in self.buttons.items():
            button.setEnabled(self._actions.is_possible(name))
        layer, selected = self._session.current, self._actions.selected
        history = None if layer is None else self._session.record(layer).history
        notes = {} if history is None else history.now.notes
        for widget in (self.label_box, self.label_button):
            widget.setEnabled(bool(selected))
        labels = sorted({note.label for note in notes.values()} - {""})
        if labels != [self.label_box.itemText(i) for i in range(self.label_box.count())]:
            text = self.label_box.currentText()
            with QSignalBlocker(self.label_box):
                self.label_box.clear()
                self.label_box.addItems(labels)
                self.label_box.setCurrentText(text)
        with QSignalBlocker(self.rejected_box):
            self.rejected_box.setChecked(
                layer is not None and self._session.record(layer).show_rejected
            )
        self.rejected_box.setEnabled(any(note.verdict == "rejected" for note in notes.values()))
        self.help.setText("; ".join(self._words(len(selected))) + ".")

    def _words(self, n_selected: int) -> Iterator[str]:
        layer = self._session.current
        history = None if layer is None else self._session.record(layer).history
        if not n_selected:
            yield "Click a track in the canvas to curate it; with Shift, several"
        if history is not None and history.curation.operations:
            verdicts = [note.verdict for note in history.now.notes.values()]
            yield f"{verdicts.count('accepted')} accepted, {verdicts.count('rejected')} rejected"
            yield f"{len(history.curation.operations)} edits, all of which can be undone"
        elif n_selected:
            yield f"{n_selected} selected; whatever is done can be undone"

    def _run(self, name: str) -> None:
        self._actions.run(name)

    def _label(self) -> None:
        self._actions.label(self.label_box.currentText())

    def _on_rejected(self, shown: bool) -> None:
        if (layer := self._session.current) is not None:
            self._actions.curator.show_rejected(layer, shown)

    def _on_change(self, _layer: object = None) -> None:
        self.refresh()
