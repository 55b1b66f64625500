"""The widget *Table of tracks*: all tracks, sorted and filtered, linked with the canvas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from qtpy.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, QSize, Qt
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDockWidget,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QPushButton,
    QTableView,
    QVBoxLayout,
)

from napari_perrin.curate._actions import CurationActions
from napari_perrin.curate._bar import CurateBar
from napari_perrin.inspect._filter_panel import FilterPanel
from napari_perrin.inspect._table_model import TrackTableModel
from napari_perrin.inspect._view import TracksView
from perrin.curation import CURATED_COLUMNS, Note
from perrin.filters import NO_FILTERS, TrackFilters

__all__ = ["TableWidget"]


class _Rows(QTableView):
    """A table that leaves letters, which it would search for, to the keys of the canvas."""

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is None:
            return
        key = QKeySequence.StandardKey
        is_letter = event.text().isprintable() and event.text().strip()
        if is_letter or event.matches(key.Undo) or event.matches(key.Redo):
            event.ignore()
        else:
            super().keyPressEvent(event)


class TableWidget(TracksView):
    """List all tracks with their numbers, sort and filter them, and find them in the canvas.

    Parameters
    ----------
    napari_viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._syncing = False
        self.model = TrackTableModel()
        self.table = _Rows()
        self.table.setModel(self.model)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.table.setSortingEnabled(True)
        self.table.setWordWrap(False)
        if (rows := self.table.verticalHeader()) is not None:
            rows.setVisible(False)
            rows.setDefaultSectionSize(22)
        if (headings := self.table.horizontalHeader()) is not None:
            headings.setSortIndicator(0, Qt.SortOrder.AscendingOrder)
        self.count = QLabel()
        self.count.setWordWrap(True)
        self.only_selected = QPushButton("Show only selected")
        self.only_selected.setCheckable(True)
        self.only_selected.setToolTip("Hide the tracks that are not selected in the canvas.")
        self.go_button = QPushButton("Go to first frame")
        self.go_button.setToolTip(
            "Show the selected track where it begins; a double click on its row does the same."
        )
        self.filter_panel = FilterPanel(self.viewer, self.model)
        self.curation = CurationActions(self.viewer, self.canvas)
        self.bar = CurateBar(self.session, self.curation, n_columns=8)
        self._build()

        self.table.doubleClicked.connect(self._on_double_clicked)
        self.only_selected.toggled.connect(self._on_only_selected)
        self.go_button.clicked.connect(self.go_to_first_frame)
        self.filter_panel.changed.connect(self.apply_filters)
        self.filter_panel.cleared.connect(self._on_cleared)
        self.model.modelReset.connect(self._on_reset)
        if (chosen := self.table.selectionModel()) is not None:
            chosen.selectionChanged.connect(self._on_rows_selected)
        self.session.shown_changed.connect(self._on_shown)
        self.session.curated.connect(self._on_curated)
        self.begin()

    def sizeHint(self) -> QSize:
        """Ask for room for some rows, and for no more width than the other panels."""
        return QSize(440, 330)

    def settle(self, window: QMainWindow, dock: QDockWidget) -> None:
        """Go below the canvas: a table is wide. Panels at the side keep their whole height."""
        side = Qt.DockWidgetArea.RightDockWidgetArea
        window.setCorner(Qt.Corner.BottomRightCorner, side)
        window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
        others = [x for x in window.findChildren(QDockWidget) if window.dockWidgetArea(x) == side]
        # The table was among them for a moment, and made them as wide as itself.
        widths = [other.sizeHint().width() for other in others]
        window.resizeDocks(others, widths, Qt.Orientation.Horizontal)

    def show_layer(self) -> None:
        """List the tracks of another layer."""
        self.model.show_numbers(self._numbers(), self.calibration)
        self.filter_panel.show_table(self._filters())
        for widget in (self.filter_panel, self.only_selected, self.go_button):
            widget.setEnabled(self.tracks is not None)
        self.table.resizeColumnsToContents()
        self.apply_filters()

    def show_selection(self) -> None:
        """Select the rows of the tracks that are selected, and show the first of them."""
        if self._syncing:
            self._say()
            return
        rows = self.model.rows_of(self.selection)
        selection = QItemSelection()
        last = self.model.columnCount() - 1
        for block in np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1) if rows.size else ():
            top, bottom = int(block[0]), int(block[-1])
            # Unlike model.index, this does not ask for the size of the table each time.
            selection.select(self.model.createIndex(top, 0), self.model.createIndex(bottom, last))
        chosen = self.table.selectionModel()
        if chosen is not None:
            self._syncing = True
            chosen.select(selection, QItemSelectionModel.SelectionFlag.ClearAndSelect)
            self._syncing = False
        if rows.size:
            self.table.scrollTo(self.model.index(int(rows[0]), 0))
        self._say()

    def apply_filters(self) -> None:
        """Show the tracks that every filter keeps, here and in the canvas."""
        self.filter_panel.settle()
        kept, curator = np.ones(self.model.n_tracks, np.bool_), self.curation.curator
        if self.layer is not None and self.tracks is not None:
            curator.filter(self.layer, self.filter_panel.chosen(self._filters()))
            kept = curator.kept(self.layer)
        self.model.keep(kept)

    def go_to_first_frame(self) -> None:
        """Show the selected track, or the first of several, where it begins."""
        rows = self.model.rows_of(self.selection)
        if rows.size:
            self._go_to(int(self.model.particles[rows[0]]))

    def _build(self) -> None:
        about = QLabel("List all tracks, and show those that are worth it.")
        head = QHBoxLayout()
        head.addWidget(about)
        head.addStretch(1)
        head.addWidget(QLabel("Tracks"))
        head.addWidget(self.layer_choice)
        foot = QHBoxLayout()
        foot.addWidget(self.count, 1)
        foot.addWidget(self.only_selected)
        foot.addWidget(self.go_button)
        left = QVBoxLayout()
        left.addLayout(head)
        left.addWidget(self.table, 1)
        left.addLayout(foot)
        left.addWidget(self.bar)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 6, 10, 6)
        layout.addLayout(left, 1)
        layout.addWidget(self.filter_panel)

    def _numbers(self) -> pd.DataFrame:
        """Return what is known of each track, and what was said of it by hand."""
        if self.tracks is None or self.layer is None:
            return self.model.empty()
        record = self.session.record(self.layer)
        numbers = self.tracks.numbers(record.analysis)
        numbers = numbers.drop(columns=list(CURATED_COLUMNS), errors="ignore")
        notes = {} if record.history is None else record.history.now.notes
        if not notes:
            return numbers
        said = [notes.get(number, Note()) for number in numbers["particle"].tolist()]
        return numbers.assign(
            verdict=[note.verdict for note in said], label=[note.label for note in said]
        )

    def _filters(self) -> TrackFilters:
        return NO_FILTERS if self.layer is None else self.curation.curator.filters(self.layer)

    def _go_to(self, particle: int) -> None:
        if self.layer is not None and self.tracks is not None:
            self.session.select(self.layer, self.selection | {particle})
            self.canvas.go_to(self.layer, particle, self.tracks.frames(particle)[0])

    def _say(self) -> None:
        shown, n_tracks = self.model.rowCount(), self.model.n_tracks
        text = (
            self.problem
            or f"{shown:,} of {n_tracks:,} tracks shown, {len(self.selection):,} selected"
        )
        self.count.setText(text)

    def _on_reset(self) -> None:
        """Let the canvas follow what the table shows, and in which order."""
        if self.layer is not None and self.tracks is not None:
            self.session.record(self.layer).order = self.model.order
            self.curation.curator.show_kept(self.layer)
        # A reset of the model unselects every row.
        self.show_selection()

    def _on_rows_selected(self, _selected: Any = None, _deselected: Any = None) -> None:
        chosen = self.table.selectionModel()
        if self._syncing or self.layer is None or chosen is None:
            return
        particles = self.model.particles
        # Asking for each selected row takes seconds when there are thousands.
        selection = chosen.selection()
        ranges = [selection[place] for place in range(len(selection))]
        blocks = [np.arange(block.top(), block.bottom() + 1) for block in ranges]
        rows = np.unique(np.concatenate(blocks)) if blocks else np.empty(0, np.intp)
        self._syncing = True
        self.session.select(self.layer, particles[rows].tolist())
        self._syncing = False

    def _on_curated(self, layer: Any) -> None:
        # While a range is dragged, it is ahead of the filters that are noted.
        if layer is not self.layer or self.filter_panel.is_moving:
            return
        self.model.show_numbers(self._numbers(), self.calibration)
        filters = self._filters()
        if filters != self.filter_panel.chosen(filters):
            self.filter_panel.show_filters(filters)
        self.apply_filters()

    def _on_cleared(self) -> None:
        self.only_selected.setChecked(False)
        if self.layer is not None and self.tracks is not None:
            # Filters of what the table does not show as well.
            self.curation.curator.filter(self.layer, NO_FILTERS)

    def _on_double_clicked(self, index: QModelIndex) -> None:
        self._go_to(int(self.model.particles[index.row()]))

    def _on_only_selected(self, only: bool) -> None:
        if self.layer is not None:
            self.session.show_only_selected(self.layer, only)

    def _on_shown(self, layer: Any) -> None:
        if layer is self.layer:
            self.only_selected.setChecked(self.session.record(layer).only_selected)
