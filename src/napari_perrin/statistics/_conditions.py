"""Which layers are measured together, and which they are compared with."""

from __future__ import annotations

from typing import Any

from napari.layers import Tracks
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_perrin._fields import ignore_wheel
from napari_perrin._forms import RowLabel, form_layout
from perrin.errors import InputError

__all__ = ["ConditionsForm"]

_UNUSED = "not used"
_NAMES = ("first", "second")


class ConditionsForm(QWidget):
    """Say of each further Tracks layer which condition it is a movie of.

    Parameters
    ----------
    viewer
        The viewer whose layers are offered.
    """

    changed = Signal()

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._first: Tracks | None = None
        self._uses: dict[Tracks, int] = {}
        self.choices: dict[Tracks, QComboBox] = {}
        about = QLabel("Each layer is a movie. Two movies or more of each condition are compared.")
        about.setWordWrap(True)
        self.names = tuple(QLineEdit(name) for name in _NAMES)
        names = form_layout()
        for edit, which in zip(self.names, _NAMES, strict=True):
            edit.setToolTip(f"What to call the {which} condition.")
            edit.editingFinished.connect(self._rebuild)
            names.addRow(RowLabel(f"{which.capitalize()} condition"), edit)
        self._rows = form_layout()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(about)
        layout.addLayout(names)
        layout.addLayout(self._rows)
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.connect(self._rebuild)

    def show_first(self, layer: Tracks | None) -> None:
        """Offer all layers but the one that is chosen above."""
        self._first = layer
        self._rebuild()

    def use(self, layer: Tracks, condition: int | None) -> None:
        """Count a layer to the first condition (0), to the second (1) or to none."""
        self.choices[layer].setCurrentIndex(0 if condition is None else condition + 1)

    def conditions(self) -> dict[str, list[Tracks]]:
        """Return the layers of each condition by its name; a single one if none is compared.

        Raises
        ------
        InputError
            If the conditions have one name.
        """
        groups: list[list[Tracks]] = [[] if self._first is None else [self._first], []]
        for layer, use in self._uses.items():
            groups[use].append(layer)
        first, second = (edit.text().strip() for edit in self.names)
        if not groups[1]:
            alone = groups[0][0].name if len(groups[0]) == 1 else first
            return {alone: groups[0]}
        if first == second or not first or not second:
            raise InputError("Give the two conditions two different names.")
        return {first: groups[0], second: groups[1]}

    def _rebuild(self, _event: Any = None) -> None:
        while self._rows.rowCount():
            self._rows.removeRow(0)
        layers = [
            layer
            for layer in reversed(self._viewer.layers)
            if isinstance(layer, Tracks) and layer is not self._first
        ]
        self._uses = {layer: use for layer, use in self._uses.items() if layer in layers}
        self.choices = {}
        for layer in layers:
            choice = QComboBox()
            choice.addItems([_UNUSED, *(edit.text() for edit in self.names)])
            choice.setCurrentIndex(self._uses.get(layer, -1) + 1)
            choice.setToolTip("The condition that this layer is a movie of.")
            ignore_wheel(choice)
            choice.currentIndexChanged.connect(lambda index, layer=layer: self._on(layer, index))
            self.choices[layer] = choice
            self._rows.addRow(RowLabel(layer.name), choice)
        self.changed.emit()

    def _on(self, layer: Tracks, index: int) -> None:
        if index:
            self._uses[layer] = index - 1
        else:
            self._uses.pop(layer, None)
        self.changed.emit()
