"""Plots of all tracks together, in which one selects with the mouse.

Each of them is told the tracks once and the selection often: what is selected is drawn on top.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyqtgraph as pg
from qtpy.QtCore import Signal

from napari_perrin.inspect._panel import NOTHING, Panel, PlotArea
from napari_perrin.inspect._plot_style import LogAxis, PlotColors, label_axis, small_font
from napari_perrin.population._selecting import Area, SelectingBox, Shape, adds
from perrin.population import GROUP_COLORS, GROUPS, count_models, groups_of, histogram_edges
from perrin.quantities import Quantity

__all__ = ["PopulationPlots", "Values"]

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_SCATTER_HEIGHT, _MARGIN_HEIGHT, _COUNTS_HEIGHT = 270, 84, 160
_SIDE_WIDTH, _LEFT_WIDTH = 96, 52
_FAINT = 0.3
_MANY = 3000
_HEADROOM = 1.35


@dataclass(frozen=True)
class Values:
    """One quantity of all tracks, where an axis of a plot has it.

    Attributes
    ----------
    quantity
        What it is.
    title
        With its unit.
    numbers : array, shape (n_tracks,)
        NaN where it is not known.
    """

    quantity: Quantity
    title: str
    numbers: Array

    @property
    def logarithmic(self) -> bool:
        """Whether the axis is logarithmic."""
        return self.quantity.logarithmic

    @property
    def places(self) -> Array:
        """Return where each track lies on the axis: decimal logarithms if it is logarithmic."""
        return self._placed(self.numbers)

    @property
    def edges(self) -> Array:
        """Return the edges of a histogram's bins on the axis."""
        return self._placed(histogram_edges(self.numbers, self.quantity))

    def _placed(self, numbers: Array) -> Array:
        if not self.logarithmic:
            return numbers
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(numbers > 0, np.log10(numbers), np.nan)


class _SelectingPanel(Panel):
    """A plot with a :class:`SelectingBox`."""

    def __init__(self, colors: PlotColors, shape: Shape, title: str = "", **axes: Any) -> None:
        self.box = SelectingBox(colors, shape)
        super().__init__(colors, title, view_box=self.box, **axes)


class _Scatter(_SelectingPanel):
    def __init__(self, colors: PlotColors, axes: dict[str, pg.AxisItem]) -> None:
        super().__init__(colors, Shape.RECTANGLE, **axes)
        self.getAxis("left").setWidth(_LEFT_WIDTH)
        self._groups = [self.dots(GROUP_COLORS[name], 6) for name in GROUPS]
        ring = {"pen": pg.mkPen(colors.text, width=1.2)}
        self._chosen = [self.dots(GROUP_COLORS[name], 8, **ring) for name in GROUPS]
        for item in self._chosen:
            item.setZValue(10)
        for item in (*self._groups, *self._chosen):
            item.sigClicked.connect(self._on_dot)
        self._x = self._y = NOTHING
        self._known = np.zeros(0, np.bool_)
        self._group_of = np.zeros(0, np.intp)

    def draw(self, x: Values, y: Values, group_of: npt.NDArray[np.intp]) -> None:
        self._x, self._y, self._group_of = x.places, y.places, group_of
        self._known = np.isfinite(self._x) & np.isfinite(self._y)
        size = 6 if self._known.sum() < _MANY else 3
        for number, item in enumerate(self._groups):
            rows = self._known & (group_of == number)
            item.setData(self._x[rows], self._y[rows], size=size)
        label_axis(self, self.colors, "bottom", x.title)
        label_axis(self, self.colors, "left", y.title)

    def select(self, chosen: Flags) -> None:
        some = bool(chosen.any())
        for number, (all_of, item) in enumerate(zip(self._groups, self._chosen, strict=True)):
            all_of.setOpacity(_FAINT if some else 1.0)
            rows = chosen & self._known & (self._group_of == number)
            item.setData(self._x[rows], self._y[rows])

    def held(self, area: Area) -> Flags:
        return self._known & area.holds(self._x, self._y)

    def _on_dot(self, _item: Any, dots: Any, event: Any) -> None:
        # Dots keep clicks to themselves.
        place = dots[0].pos()
        self.box.clicked.emit(place.x(), place.y(), adds(event))

    def nearest(self, x: float, y: float, reach: float) -> int | None:
        """Return the track whose point is nearest to a place, if one is within some pixels."""
        rows = np.flatnonzero(self._known)
        if rows.size == 0:
            return None
        width, height = self.box.viewPixelSize()
        apart = np.hypot((self._x[rows] - x) / width, (self._y[rows] - y) / height)
        best = int(np.argmin(apart))
        return int(rows[best]) if apart[best] <= reach else None


class _Histogram(_SelectingPanel):
    """Stacked by model; upright, or lying beside a plot whose y it has."""

    def __init__(self, colors: PlotColors, upright: bool, axis: pg.AxisItem) -> None:
        shape, side = (Shape.ACROSS, "bottom") if upright else (Shape.UPWARD, "left")
        super().__init__(colors, shape, **{side: axis})
        self._upright = upright
        self.getAxis(side).setStyle(showValues=False)
        if upright:
            self.getAxis("left").setWidth(_LEFT_WIDTH)
            label_axis(self, colors, "left", "tracks")
        nothing = self._rectangles(NOTHING, NOTHING, NOTHING)
        self._all, self._chosen = (pg.BarGraphItem(**nothing, pen=None) for _ in range(2))
        for item in (self._all, self._chosen):
            self.addItem(item)
        self._places, self._edges, self._group_of = NOTHING, np.zeros(2), np.zeros(0, np.intp)

    def draw(self, values: Values, group_of: npt.NDArray[np.intp]) -> None:
        self._places, self._edges, self._group_of = values.places, values.edges, group_of
        highest = max(self._stack(self._all, np.ones(group_of.size, np.bool_)), 1.0)
        if self._upright:
            self.setYRange(0, highest, padding=0.04)
        else:
            self.setXRange(0, highest, padding=0.04)

    def select(self, chosen: Flags) -> None:
        self._all.setOpacity(_FAINT if chosen.any() else 1.0)
        self._stack(self._chosen, chosen)

    def held(self, area: Area) -> Flags:
        return area.holds(self._places, self._places)

    def _stack(self, bars: pg.BarGraphItem, rows: Flags) -> float:
        """Draw some tracks as bars, those of the models on each other; return the highest."""
        known = rows & np.isfinite(self._places)
        counts = np.array(
            [
                np.histogram(self._places[known & (self._group_of == number)], self._edges)[0]
                for number in range(len(GROUPS))
            ],
            np.float64,
        )
        tops = counts.cumsum(axis=0)
        group, place = np.nonzero(counts)
        end = tops[group, place]
        bars.setOpts(
            **self._rectangles(end - counts[group, place], end, place),
            brushes=[GROUP_COLORS[GROUPS[number]] for number in group],
        )
        return float(tops[-1].max(initial=0))

    def _rectangles(self, begin: Array, end: Array, place: npt.NDArray[Any]) -> dict[str, Array]:
        place = place.astype(np.intp)
        edges = (self._edges[place], self._edges[place + 1]) if place.size else (NOTHING, NOTHING)
        along, across = ("x", "y") if self._upright else ("y", "x")
        return {
            f"{along}0": edges[0], f"{along}1": edges[1], f"{across}0": begin, f"{across}1": end
        }  # fmt: skip


class _Counts(_SelectingPanel):
    """Tracks of each model, with intervals."""

    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors, Shape.ACROSS, "Models")
        self.getAxis("left").setWidth(_LEFT_WIDTH)
        # Six names in the width of a panel.
        self.getAxis("bottom").setStyle(tickFont=small_font(7))
        self.getAxis("bottom").setTicks([list(enumerate(GROUPS))])
        label_axis(self, colors, "left", "tracks")
        places = np.arange(len(GROUPS), dtype=np.float64)
        self.setXRange(-0.5, len(GROUPS) - 0.5, padding=0)
        brushes = [GROUP_COLORS[name] for name in GROUPS]
        common = {"x": places, "height": 0 * places}
        self._all, self._chosen = (
            pg.BarGraphItem(**common, width=0.7, brushes=brushes, pen=None) for _ in range(2)
        )
        pen = pg.mkPen(colors.text, width=1.2)
        self._errors = pg.ErrorBarItem(x=places, y=0 * places, beam=0.18, pen=pen)
        for item in (self._all, self._chosen, self._errors):
            self.addItem(item)
        self._words = [pg.TextItem(color=colors.text, anchor=(0.5, 1.0)) for _ in GROUPS]
        for word in self._words:
            self.addItem(word, ignoreBounds=True)
        self._group_of = np.zeros(0, np.intp)

    def draw(self, counts: pd.DataFrame, group_of: npt.NDArray[np.intp]) -> None:
        self._group_of = group_of
        tracks = counts["tracks"].to_numpy(np.float64)
        n_tracks = max(float(tracks.sum()), 1.0)
        low, high = (counts[f"share_{end}"].fillna(0).to_numpy() * n_tracks for end in ("lo", "hi"))
        self._all.setOpts(height=tracks)
        self._errors.setData(
            x=np.arange(tracks.size), y=tracks, top=np.maximum(high - tracks, 0),
            bottom=np.maximum(tracks - low, 0),
        )  # fmt: skip
        for place, (word, count, top) in enumerate(zip(self._words, tracks, high, strict=True)):
            word.setHtml(f"<small>{count:.0f} · {count / n_tracks:.0%}</small>")
            word.setPos(place, max(count, top))
        self.setYRange(0, _HEADROOM * max(float(high.max()), 1.0), padding=0)
        self.say("with the 90 % interval of counting")

    def select(self, chosen: Flags) -> None:
        self._all.setOpacity(_FAINT if chosen.any() else 1.0)
        counts = np.bincount(self._group_of[chosen], minlength=len(GROUPS))
        self._chosen.setOpts(height=counts.astype(np.float64))

    def held(self, area: Area) -> Flags:
        return area.holds(self._group_of.astype(np.float64), self._group_of.astype(np.float64))

    def of(self, place: float) -> Flags:
        """Return the tracks of the bar at a place."""
        return np.asarray(self._group_of == round(place))


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
        self.counts = _Counts(colors)
        self.counts.box.clicked.connect(self._on_bar)
        self.counts.box.drawn.connect(lambda area, add: self._emit(self.counts.held(area), add))
        self.addItem(self.counts, 2, 0, 1, 2)
        layout = self.ci.layout
        for row, height in enumerate((_MARGIN_HEIGHT, _SCATTER_HEIGHT, _COUNTS_HEIGHT)):
            layout.setRowPreferredHeight(row, height)
            layout.setRowStretchFactor(row, height)
        layout.setColumnFixedWidth(1, _SIDE_WIDTH)
        self.setFixedHeight(_MARGIN_HEIGHT + _SCATTER_HEIGHT + _COUNTS_HEIGHT)
        self.scatter: _Scatter
        self.across: _Histogram
        self.upward: _Histogram
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
        self.scatter = _Scatter(
            self._colors, {"bottom": axes[0]("bottom"), "left": axes[1]("left")}
        )
        self.across = _Histogram(self._colors, True, axes[0]("bottom"))
        self.upward = _Histogram(self._colors, False, axes[1]("left"))
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
