"""The widget *Table of tracks*: all tracks, sorted and filtered, linked with the canvas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from qtpy.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, QSize, Qt, QTimer
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDockWidget,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QPushButton,
    QScrollArea,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_perrin.curate._actions import CurationActions
from napari_perrin.curate._bar import CurateBar
from napari_perrin.inspect._filters import ModelFilter, RangeFilter
from napari_perrin.inspect._plot_style import PlotColors
from napari_perrin.inspect._table_model import COLUMNS, TrackTableModel
from napari_perrin.inspect._view import TracksView
from perrin.curation import CURATED_COLUMNS, Note
from perrin.filters import NO_FILTERS, Limits, TrackFilters
from perrin.quantities import MODEL

__all__ = ["TableWidget"]

_FILTERS_WIDTH = 300
_FIRST_FILTERS = ("n_points", "alpha", "diffusivity")
# While a range is dragged, the canvas of a million vertices follows so often and no oftener.
_FOLLOW_MS = 60


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
        self.models = ModelFilter()
        self.filters: list[RangeFilter] = []
        self.add_button = QPushButton("Add filter")
        self.add_button.setToolTip("Show only tracks whose value of a quantity lies in a range.")
        self.clear_button = QPushButton("Show all")
        self.clear_button.setToolTip("Open all filters: no track is hidden, none was ever deleted.")
        self.curation = CurationActions(self.viewer, self.canvas)
        self.bar = CurateBar(self.session, self.curation, n_columns=8)
        self._follow = QTimer(self)
        self._follow.setSingleShot(True)
        self._follow.setInterval(_FOLLOW_MS)
        self._build()

        self.table.doubleClicked.connect(self._on_double_clicked)
        self.only_selected.toggled.connect(self._on_only_selected)
        self.go_button.clicked.connect(self.go_to_first_frame)
        self.models.changed.connect(self._follow.start)
        self.add_button.clicked.connect(lambda: self.add_filter())
        self.clear_button.clicked.connect(self.clear_filters)
        self._follow.timeout.connect(self.apply_filters)
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
        names = [made.name for made in self.filters] or _FIRST_FILTERS
        for made in list(self.filters):
            self._remove(made)
        self.model.show_numbers(self._numbers(), self.calibration)
        self.models.setVisible(MODEL in self.model.columns)
        filters = self._filters()
        for name in dict.fromkeys((*names, *filters.ranges)):
            if name in self.model.columns:
                self.add_filter(name, filters.ranges.get(name))
        self.models.choose(filters.models)
        for widget in (self.add_button, self.clear_button, self.only_selected, self.go_button):
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
            selection.select(self.model.index(top, 0), self.model.index(bottom, last))
        chosen = self.table.selectionModel()
        if chosen is not None:
            self._syncing = True
            chosen.select(selection, QItemSelectionModel.SelectionFlag.ClearAndSelect)
            self._syncing = False
        if rows.size:
            self.table.scrollTo(self.model.index(int(rows[0]), 0))
        self._say()

    def add_filter(self, name: str | None = None, limits: Limits | None = None) -> RangeFilter:
        """Add a filter, open over all values unless there are limits."""
        numeric = [x for x in self.model.columns if x != "particle" and not self.model.is_text(x)]
        taken = {made.name for made in self.filters}
        made = RangeFilter(
            {x: self.model.title(x) for x in numeric}, PlotColors.of_theme(self.viewer.theme)
        )
        made.choose(name or next((x for x in numeric if x not in taken), numeric[0]))
        made.changed.connect(self._on_filter)
        made.removed.connect(self._on_removed)
        made.quantity_changed.connect(self._fill)
        self.filters.append(made)
        self._filters_layout.insertWidget(self._filters_layout.count() - 1, made)
        self._fill(made)
        if limits is not None:
            made.set_range(limits)
        return made

    def clear_filters(self) -> None:
        """Show all tracks again."""
        self.models.choose(None)
        for made in self.filters:
            self._fill(made)
        self.only_selected.setChecked(False)
        self.apply_filters()

    def apply_filters(self) -> None:
        """Show the tracks that every filter keeps, here and in the canvas."""
        self._follow.stop()
        if self.layer is None or self.tracks is None:
            self.model.keep(np.ones(self.model.n_tracks, np.bool_))
            return
        chosen = self._chosen_filters()
        here = chosen.of_columns(self.model.columns)
        used = [*here.ranges, *([MODEL] if here.models is not None else [])]
        numbers = pd.DataFrame({name: self.model.values(name) for name in used},
                               index=range(self.model.n_tracks))  # fmt: skip
        kept = here.kept(numbers)
        record = self.session.record(self.layer)
        if record.history is not None and not record.show_rejected:
            kept &= ~self.tracks.are(record.history.now.rejected)
        self.curation.curator.filter(self.layer, chosen)
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
        panel = QWidget()
        self._filters_layout = QVBoxLayout(panel)
        self._filters_layout.setContentsMargins(0, 0, 6, 0)
        self._filters_layout.addWidget(self.models)
        self._filters_layout.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidget(panel)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        buttons = QHBoxLayout()
        buttons.addWidget(self.add_button)
        buttons.addWidget(self.clear_button)
        side = QWidget()
        side.setFixedWidth(_FILTERS_WIDTH)
        right = QVBoxLayout(side)
        right.setContentsMargins(0, 0, 0, 0)
        right.addWidget(scroll, 1)
        right.addLayout(buttons)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 6, 10, 6)
        layout.addLayout(left, 1)
        layout.addWidget(side)

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

    def _chosen_filters(self) -> TrackFilters:
        """Return the filters as they are set here, and those of what is not listed here."""
        before, columns = self._filters(), self.model.columns
        ranges = {name: ends for name, ends in before.ranges.items() if name not in columns}
        ranges |= {made.name: ends for made in self.filters if (ends := made.range()) is not None}
        models = self.models.chosen() if MODEL in columns else before.models
        return TrackFilters(ranges=ranges, models=models)

    def _fill(self, made: RangeFilter) -> None:
        made.show_values(self.model.values(made.name), COLUMNS[made.name].logarithmic)
        self._follow.start()

    def _remove(self, made: RangeFilter) -> None:
        self.filters.remove(made)
        self._filters_layout.removeWidget(made)
        made.hide()
        made.deleteLater()

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

    def _on_filter(self) -> None:
        # Restarting the timer at each event would wait until the drag ends.
        if not self._follow.isActive():
            self._follow.start()

    def _on_removed(self, made: RangeFilter) -> None:
        self._remove(made)
        self.apply_filters()

    def _on_reset(self) -> None:
        """Let the canvas follow what the table shows, and in which order."""
        if self.layer is not None and self.tracks is not None:
            shown = None if self.model.is_plain else self.model.particles
            self.session.show_tracks(self.layer, shown)
        # A reset of the model unselects every row.
        self.show_selection()

    def _on_rows_selected(self, _selected: Any = None, _deselected: Any = None) -> None:
        chosen = self.table.selectionModel()
        if self._syncing or self.layer is None or chosen is None:
            return
        particles = self.model.particles
        rows = [index.row() for index in chosen.selectedRows()]
        self._syncing = True
        self.session.select(self.layer, particles[rows].tolist())
        self._syncing = False

    def _on_curated(self, layer: Any) -> None:
        # While a range is dragged, it is ahead of the filters that are noted.
        if layer is not self.layer or self._follow.isActive():
            return
        self.model.show_numbers(self._numbers(), self.calibration)
        filters = self._filters()
        if filters != self._chosen_filters():
            self.models.choose(filters.models)
            for name in filters.ranges:
                if name in self.model.columns and name not in {x.name for x in self.filters}:
                    self.add_filter(name)
            for made in self.filters:
                made.set_range(filters.ranges.get(made.name))
        self.apply_filters()

    def _on_double_clicked(self, index: QModelIndex) -> None:
        self._go_to(int(self.model.particles[index.row()]))

    def _on_only_selected(self, only: bool) -> None:
        if self.layer is not None:
            self.session.show_only_selected(self.layer, only)

    def _on_shown(self, layer: Any) -> None:
        if layer is self.layer:
            self.only_selected.setChecked(self.session.record(layer).only_selected)
