"""All filters of the table of tracks: models that are ticked, and ranges on histograms."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from napari_perrin.inspect._filters import ModelFilter, RangeFilter
from napari_perrin.inspect._plot_style import PlotColors
from napari_perrin.inspect._table_model import COLUMNS, TrackTableModel
from perrin.filters import TrackFilters
from perrin.quantities import MODEL

__all__ = ["FilterPanel"]

_WIDTH = 300
_FIRST = ("n_points", "alpha", "diffusivity")
# While a range is dragged, the canvas of a million vertices follows so often and no oftener.
_FOLLOW_MS = 60


class FilterPanel(QWidget):
    """Set filters on the quantities of a table.

    Parameters
    ----------
    viewer
        For the colours of its theme.
    model
        The table.
    """

    changed = Signal()
    """Other tracks may be kept now."""
    cleared = Signal()
    """All filters were opened by hand."""

    def __init__(self, viewer: Any, model: TrackTableModel) -> None:
        super().__init__()
        self._viewer, self._model = viewer, model
        self.models = ModelFilter()
        self.ranges: list[RangeFilter] = []
        self.add_button = QPushButton("Add filter")
        self.add_button.setToolTip("Show only tracks whose value of a quantity lies in a range.")
        self.clear_button = QPushButton("Show all")
        self.clear_button.setToolTip("Open all filters: no track is hidden, none was ever deleted.")
        self._follow = QTimer(self)
        self._follow.setSingleShot(True)
        self._follow.setInterval(_FOLLOW_MS)
        page = QWidget()
        self._layout = QVBoxLayout(page)
        self._layout.setContentsMargins(0, 0, 6, 0)
        self._layout.addWidget(self.models)
        self._layout.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidget(page)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        buttons = QHBoxLayout()
        buttons.addWidget(self.add_button)
        buttons.addWidget(self.clear_button)
        self.setFixedWidth(_WIDTH)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll, 1)
        layout.addLayout(buttons)
        self.models.changed.connect(self._follow.start)
        self.add_button.clicked.connect(lambda: self.add())
        self.clear_button.clicked.connect(self.clear)
        self._follow.timeout.connect(self.changed)

    @property
    def is_moving(self) -> bool:
        """Whether a filter was moved just now, and :attr:`changed` is still to come."""
        return self._follow.isActive()

    def chosen(self, others: TrackFilters) -> TrackFilters:
        """Return the filters as they are set here.

        Parameters
        ----------
        others
            What these hold of columns that the table does not have, holds on.
        """
        columns = self._model.columns
        ranges = {name: ends for name, ends in others.ranges.items() if name not in columns}
        ranges |= {made.name: ends for made in self.ranges if (ends := made.range()) is not None}
        models = self.models.chosen() if MODEL in columns else others.models
        return TrackFilters(ranges=ranges, models=models)

    def settle(self) -> None:
        """Say no more that a filter was moved: what it says now is known."""
        self._follow.stop()

    def show_table(self, filters: TrackFilters) -> None:
        """Follow another table: the same quantities where it has them, and other filters."""
        names = [made.name for made in self.ranges] or _FIRST
        for made in list(self.ranges):
            self._remove(made)
        self.models.setVisible(MODEL in self._model.columns)
        for name in dict.fromkeys((*names, *filters.ranges)):
            if name in self._model.columns:
                self.add(name)
        self.show_filters(filters)

    def show_filters(self, filters: TrackFilters) -> None:
        """Show other filters of the same table."""
        self.models.choose(filters.models)
        here = {made.name for made in self.ranges}
        for name in filters.ranges:
            if name in self._model.columns and name not in here:
                self.add(name)
        for made in self.ranges:
            made.set_range(filters.ranges.get(made.name))

    def add(self, name: str | None = None) -> RangeFilter:
        """Add a filter, open over all values."""
        model = self._model
        numeric = [x for x in model.columns if x != "particle" and not model.is_text(x)]
        taken = {made.name for made in self.ranges}
        made = RangeFilter(
            {x: model.title(x) for x in numeric}, PlotColors.of_theme(self._viewer.theme)
        )
        made.choose(name or next((x for x in numeric if x not in taken), numeric[0]))
        made.changed.connect(self._on_moved)
        made.removed.connect(self._on_removed)
        made.quantity_changed.connect(self._fill)
        self.ranges.append(made)
        self._layout.insertWidget(self._layout.count() - 1, made)
        self._fill(made)
        return made

    def clear(self) -> None:
        """Keep all tracks again."""
        self.models.choose(None)
        for made in self.ranges:
            self._fill(made)
        self.cleared.emit()
        self.changed.emit()

    def _fill(self, made: RangeFilter) -> None:
        made.show_values(self._model.values(made.name), COLUMNS[made.name].logarithmic)
        self._follow.start()

    def _remove(self, made: RangeFilter) -> None:
        self.ranges.remove(made)
        self._layout.removeWidget(made)
        made.hide()
        made.deleteLater()

    def _on_moved(self) -> None:
        # Restarting the timer at each event would wait until the drag ends.
        if not self._follow.isActive():
            self._follow.start()

    def _on_removed(self, made: RangeFilter) -> None:
        self._remove(made)
        self.changed.emit()
