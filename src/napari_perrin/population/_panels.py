"""The plots of the population one by one, in which one selects with the mouse.

Each of them is told the tracks once and the selection often: what is selected is drawn on top.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyqtgraph as pg

from napari_perrin.inspect._panel import NOTHING, Panel
from napari_perrin.inspect._plot_style import PlotColors, label_axis, small_font
from napari_perrin.population._selecting import Area, SelectingBox, Shape, adds
from perrin.population import GROUP_COLORS, GROUPS, histogram_edges
from perrin.quantities import Quantity

__all__ = ["Counts", "Flags", "Histogram", "Scatter", "SelectingPanel", "Values"]

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_LEFT_WIDTH = 52
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


class SelectingPanel(Panel):
    """A plot with a :class:`SelectingBox`."""

    def __init__(self, colors: PlotColors, shape: Shape, title: str = "", **axes: Any) -> None:
        self.box = SelectingBox(colors, shape)
        super().__init__(colors, title, view_box=self.box, **axes)


class Scatter(SelectingPanel):
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


class Histogram(SelectingPanel):
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


class Counts(SelectingPanel):
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
