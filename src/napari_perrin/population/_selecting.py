"""Selecting in a plot with the mouse: a rectangle, a lasso, a range, a click."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from qtpy.QtCore import QPointF, Qt, Signal
from qtpy.QtGui import QColor, QPolygonF
from qtpy.QtWidgets import QGraphicsPolygonItem

from napari_perrin.inspect._plot_style import PlotColors

__all__ = ["Area", "SelectingBox", "Shape", "adds"]

Array = npt.NDArray[np.float64]

_OPACITY = 50
# A lasso of thousands of corners says no more than one whose corners are some pixels apart.
_CORNER_PIXELS = 3


class Shape(Enum):
    """What dragging the mouse draws."""

    RECTANGLE = "rectangle"
    LASSO = "lasso"
    ACROSS = "range of x"
    UPWARD = "range of y"


class Area:
    """A part of a plot that somebody drew.

    Parameters
    ----------
    shape
        What was drawn.
    corners : array, shape (n, 2)
        x and y of its corners as the plot has them, so logarithms on a logarithmic axis; the
        first and the last of the mouse's way, unless it is a lasso.
    """

    def __init__(self, shape: Shape, corners: Array) -> None:
        self.shape, self.corners = shape, corners

    def holds(self, x: Array, y: Array) -> npt.NDArray[np.bool_]:
        """Say which points lie inside; those that have no place do not."""
        if self.shape is Shape.LASSO:
            from matplotlib.path import Path

            return np.asarray(Path(self.corners).contains_points(np.column_stack((x, y))))
        low, high = self.corners.min(axis=0), self.corners.max(axis=0)
        inside = np.ones(np.broadcast(x, y).shape, np.bool_)
        if self.shape is not Shape.UPWARD:
            inside &= (x >= low[0]) & (x <= high[0])
        if self.shape is not Shape.ACROSS:
            inside &= (y >= low[1]) & (y <= high[1])
        return inside


class SelectingBox(pg.ViewBox):
    """The inside of a plot, where one drags and clicks to select.

    Parameters
    ----------
    colors
        The colours of napari's theme.
    drawing
        What dragging draws; it can be changed.
    """

    drawn = Signal(object, bool)
    """An :class:`Area` was drawn, and whether what it holds adds to the selection."""
    clicked = Signal(float, float, bool)
    """Somebody clicked at x and y, and whether that adds to the selection."""

    def __init__(self, colors: PlotColors, drawing: Shape) -> None:
        super().__init__(enableMenu=False)
        self.drawing = drawing
        self._way: list[QPointF] = []
        fill = QColor(colors.fit)
        fill.setAlpha(_OPACITY)
        self._outline = QGraphicsPolygonItem()
        self._outline.setPen(pg.mkPen(colors.fit, width=1.5))
        self._outline.setBrush(pg.mkBrush(fill))
        self._outline.setZValue(20)
        self._outline.hide()
        self.addItem(self._outline, ignoreBounds=True)

    def mouseDragEvent(self, event: Any, axis: int | None = None) -> None:
        """Draw, and say so at the end."""
        if event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
            return
        event.accept()
        if event.isStart():
            self._way = [event.buttonDownPos()]
        moved = event.pos() - self._way[-1]
        if self.drawing is not Shape.LASSO:
            self._way = [self._way[0], event.pos()]
        elif moved.manhattanLength() >= _CORNER_PIXELS or event.isFinish():
            self._way.append(event.pos())
        corners = np.array([_pair(self.mapToView(point)) for point in self._way])
        area = Area(self.drawing, corners)
        self._outline.setPolygon(QPolygonF([QPointF(*xy) for xy in self._shown(area)]))
        self._outline.setVisible(not event.isFinish())
        if event.isFinish() and len(corners) > 1:
            self.drawn.emit(area, adds(event))

    def mouseClickEvent(self, event: Any) -> None:
        """Say where somebody clicked."""
        if event.button() == Qt.MouseButton.LeftButton:
            event.accept()
            self.clicked.emit(*_pair(self.mapToView(event.pos())), adds(event))

    def _shown(self, area: Area) -> Array:
        """Return the corners to draw: those of a range reach over the whole plot."""
        if area.shape is Shape.LASSO:
            return area.corners
        (left, bottom), (right, top) = area.corners[0], area.corners[-1]
        (x_low, x_high), (y_low, y_high) = self.viewRange()
        if area.shape is Shape.ACROSS:
            bottom, top = y_low, y_high
        if area.shape is Shape.UPWARD:
            left, right = x_low, x_high
        return np.array([(left, bottom), (right, bottom), (right, top), (left, top)])


def _pair(point: Any) -> tuple[float, float]:
    return float(point.x()), float(point.y())


def adds(event: Any) -> bool:
    """Say whether what is selected adds to the selection: a key is held down."""
    keys = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.ControlModifier
    return bool(event.modifiers() & keys)
