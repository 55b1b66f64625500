"""The base of Perrin's plots: one plot in the colours of napari's theme, and its items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtGui import QColor, QWheelEvent

from napari_perrin.inspect._plot_style import PlotColors, label_axis, style_plot

__all__ = ["NOTHING", "Panel", "PlotArea", "Pool"]

NOTHING = np.empty(0)
"""Data of an item that shows nothing."""


class Pool:
    """As many items of one kind as are needed; those left over are hidden."""

    def __init__(self, plot: pg.PlotItem, make: Callable[[], Any], **options: Any) -> None:
        self._plot, self._make, self._options = plot, make, options
        self._items: list[Any] = []

    def take(self, count: int) -> list[Any]:
        """Return so many items, and hide the others."""
        while len(self._items) < count:
            self._items.append(self._make())
            self._plot.addItem(self._items[-1], **self._options)
        for place, item in enumerate(self._items):
            item.setVisible(place < count)
        return self._items[:count]


class Panel(pg.PlotItem):
    """One plot.

    Parameters
    ----------
    colors
        The colours of napari's theme.
    title
        What :meth:`say` begins with.
    view_box
        The inside of the plot, if it is no ordinary one.
    **axes
        Axes that are no ordinary ones, by their side.
    """

    def __init__(
        self,
        colors: PlotColors,
        title: str = "",
        view_box: pg.ViewBox | None = None,
        **axes: pg.AxisItem,
    ) -> None:
        super().__init__(axisItems=axes, viewBox=view_box)
        self.colors = colors
        self._title = title
        style_plot(self, colors)
        self.say()

    def say(self, more: str = "") -> None:
        """Write the title, and what there is to say besides."""
        if self._title:
            label_axis(self, self.colors, "top", f"{self._title} &nbsp;{more}")

    def curve(self, color: str, width: float = 1.0, **options: Any) -> pg.PlotCurveItem:
        """Return a new, empty curve of this plot."""
        item = pg.PlotCurveItem(pen=pg.mkPen(color, width=width), **options)
        self.addItem(item)
        return item

    def band(self, color: str, opacity: int) -> tuple[pg.PlotCurveItem, pg.PlotCurveItem]:
        """Return the unseen lower and upper edge of a new band of this plot."""
        edges = self.curve(color), self.curve(color)
        for edge in edges:
            edge.setPen(None)
        brush = QColor(color)
        brush.setAlpha(opacity)
        self.addItem(pg.FillBetweenItem(*edges, brush=brush))
        return edges

    def dots(self, color: str, size: int, **options: Any) -> pg.ScatterPlotItem:
        """Return a new, empty set of dots of this plot."""
        options = {"pen": None, "brush": pg.mkBrush(color), **options}
        item = pg.ScatterPlotItem(size=size, **options)
        self.addItem(item)
        return item


class PlotArea(pg.GraphicsLayoutWidget):
    """A place for panels in a page that scrolls."""

    def __init__(self, colors: PlotColors) -> None:
        super().__init__()
        self.setBackground(colors.background)
        layout = self.ci.layout
        layout.setSpacing(2)
        layout.setContentsMargins(0, 0, 6, 0)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Let the wheel scroll the page."""
        if event is not None:
            event.ignore()
