"""The plots of the population together: a scatter plot, the histograms beside it, the models."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyqtgraph as pg
from qtpy.QtCore import Signal

from napari_perrin.inspect._panel import PlotArea
from napari_perrin.inspect._plot_style import LogAxis, PlotColors
from napari_perrin.population._panels import Counts, Flags, Histogram, Scatter, Values
from napari_perrin.population._selecting import Shape
from perrin.population import GROUPS, count_models, groups_of

__all__ = ["PopulationPlots"]

_SCATTER_HEIGHT, _MARGIN_HEIGHT, _COUNTS_HEIGHT = 270, 84, 160
_SIDE_WIDTH = 96


class PopulationPlots(PlotArea):
    """A scatter plot with histograms beside it, and the tracks of each model.

    Parameters
    ----------
    colors
        The colours of napari's theme.
    """

    selected = Signal(object, bool)
    """Tracks were selected (which of all, shape (n_tracks,)), and whether that adds to others."""

    _REACH = 8.0

    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors)
        self._colors = colors
        self._lasso = False
        self._logarithmic: tuple[bool, bool] | None = None
        self._n_tracks = 0
        self.counts = Counts(colors)
        self.counts.box.clicked.connect(self._on_bar)
        self.counts.box.drawn.connect(lambda area, add: self._emit(self.counts.held(area), add))
        self.addItem(self.counts, 2, 0, 1, 2)
        layout = self.ci.layout
        for row, height in enumerate((_MARGIN_HEIGHT, _SCATTER_HEIGHT, _COUNTS_HEIGHT)):
            layout.setRowPreferredHeight(row, height)
            layout.setRowStretchFactor(row, height)
        layout.setColumnFixedWidth(1, _SIDE_WIDTH)
        self.setFixedHeight(_MARGIN_HEIGHT + _SCATTER_HEIGHT + _COUNTS_HEIGHT)
        self.scatter: Scatter
        self.across: Histogram
        self.upward: Histogram
        self._build((False, False))

    @property
    def lasso(self) -> bool:
        """Whether dragging in the scatter plot draws a lasso, else a rectangle."""
        return self._lasso

    @lasso.setter
    def lasso(self, lasso: bool) -> None:
        self._lasso = lasso
        self.scatter.box.drawing = Shape.LASSO if lasso else Shape.RECTANGLE

    def show_tracks(self, numbers: pd.DataFrame, x: Values, y: Values) -> None:
        """Show tracks.

        Parameters
        ----------
        numbers
            One row per track; its column ``model``, if it has one, decides on the colours.
        x, y
            Their quantities on the axes.
        """
        self._n_tracks = len(numbers)
        if "model" not in numbers:
            numbers = numbers.assign(model=None)
        names = groups_of(numbers)
        group_of = np.zeros(len(names), np.intp)
        for number, name in enumerate(GROUPS):
            group_of[names == name] = number
        self._build((x.logarithmic, y.logarithmic))
        self.scatter.draw(x, y, group_of)
        self.across.draw(x, group_of)
        self.upward.draw(y, group_of)
        self.counts.draw(count_models(numbers), group_of)
        for values, side in ((x, "X"), (y, "Y")):
            _set_range(self.scatter, side, values)

    def select(self, chosen: Flags) -> None:
        """Let tracks stand out, shape ``(n_tracks,)``."""
        for panel in (self.scatter, self.across, self.upward, self.counts):
            panel.select(chosen)

    def _build(self, logarithmic: tuple[bool, bool]) -> None:
        """Make the plots whose axes have changed their kind."""
        if logarithmic == self._logarithmic:
            return
        if self._logarithmic is not None:
            for old in (self.scatter, self.across, self.upward):
                self.removeItem(old)
        self._logarithmic = logarithmic
        axes = [LogAxis if each else pg.AxisItem for each in logarithmic]
        self.scatter = Scatter(self._colors, {"bottom": axes[0]("bottom"), "left": axes[1]("left")})
        self.across = Histogram(self._colors, True, axes[0]("bottom"))
        self.upward = Histogram(self._colors, False, axes[1]("left"))
        self.across.setXLink(self.scatter)
        self.upward.setYLink(self.scatter)
        self.addItem(self.across, 0, 0)
        self.addItem(self.scatter, 1, 0)
        self.addItem(self.upward, 1, 1)
        self.lasso = self._lasso
        for panel in (self.scatter, self.across, self.upward):
            panel.box.drawn.connect(
                lambda area, add, panel=panel: self._emit(panel.held(area), add)
            )
        self.scatter.box.clicked.connect(self._on_point)
        for panel in (self.across, self.upward):
            panel.box.clicked.connect(lambda _x, _y, add: self._emit(self._none(), add))

    def _none(self) -> Flags:
        return np.zeros(self._n_tracks, np.bool_)

    def _emit(self, chosen: Flags, add: bool) -> None:
        self.selected.emit(chosen, add)

    def _on_point(self, x: float, y: float, add: bool) -> None:
        chosen = self._none()
        if (nearest := self.scatter.nearest(x, y, self._REACH)) is not None:
            chosen[nearest] = True
        self._emit(chosen, add)

    def _on_bar(self, x: float, _y: float, add: bool) -> None:
        self._emit(self.counts.of(x), add)


def _set_range(plot: pg.PlotItem, side: str, values: Values) -> None:
    edges = values.edges
    known = values.places[np.isfinite(values.places)]
    low, high = float(edges[0]), float(edges[-1])
    if known.size and values.quantity.limits is None:
        low, high = float(known.min()), float(known.max())
        if low == high:
            low, high = low - 0.5, high + 0.5
    getattr(plot, f"set{side}Range")(low, high, padding=0.04)
