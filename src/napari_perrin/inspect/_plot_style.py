"""How Perrin's plots look: napari's colours, small letters, ticks for logarithms."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyqtgraph as pg
from napari.utils.theme import get_theme
from qtpy.QtGui import QColor, QFont

__all__ = ["LogAxis", "PlotColors", "label_axis", "small_font", "style_plot"]

_POINT_SIZE = 8
_PIXELS_PER_TICK = 14
_FEWEST_TICKS = 3


class PlotColors(NamedTuple):
    """The colours of plots: those of a napari theme, and one for what was fitted."""

    background: str
    text: str
    faint: str
    fit: str

    @classmethod
    def of_theme(cls, name: str) -> PlotColors:
        """Return the colours for a theme of napari."""
        theme = get_theme(name)
        background = QColor(theme.background.as_hex())
        # One yellow cannot be read on black and on white.
        fit = "#F2C14E" if background.lightness() < 128 else "#9A6700"
        return cls(background.name(), theme.text.as_hex(), theme.secondary.as_hex(), fit)


class LogAxis(pg.AxisItem):
    """An axis for plots of decimal logarithms, with ticks at 1, 2, 5 where decades are too few."""

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, Any]]:
        """Return the places of the ticks, as pyqtgraph asks for them."""
        decades = np.arange(np.floor(low), np.ceil(high) + 1)
        for mantissas in ((1,), (1, 3), (1, 2, 5), range(1, 10)):
            places = (decades[:, None] + np.log10(mantissas)).ravel()
            places = places[(places >= low) & (places <= high)]
            if places.size >= _FEWEST_TICKS:
                break
        most = max(int(size / _PIXELS_PER_TICK), 1)
        return [(1.0, places[:: int(np.ceil(max(places.size, 1) / most))])]

    def tickStrings(self, values: Any, scale: float, spacing: float) -> list[str]:
        """Return the numbers whose logarithms the ticks are at."""
        return [f"{10**value:.3g}" for value in values]


def small_font(size: int) -> QFont:
    """Return the window's own font in a size in points."""
    font = QFont()
    font.setPointSize(size)
    return font


def style_plot(plot: pg.PlotItem, colors: PlotColors) -> None:
    """Give a plot the one style of Perrin's plots: small letters, no menus, no zooming by chance.

    Parameters
    ----------
    plot
        The plot.
    colors
        Colours of the theme.
    """
    plot.setMenuEnabled(False)
    plot.hideButtons()
    plot.setMouseEnabled(False, False)
    for side in ("bottom", "left"):
        axis = plot.getAxis(side)
        # The unit is part of the label: a prefix would change it while one looks.
        axis.enableAutoSIPrefix(False)
        axis.setStyle(tickFont=small_font(_POINT_SIZE), tickLength=-4)
        axis.setPen(pg.mkPen(colors.faint))
        axis.setTextPen(pg.mkPen(colors.text))


def label_axis(plot: pg.PlotItem, colors: PlotColors, side: str, text: str) -> None:
    """Label an axis of a plot.

    Parameters
    ----------
    plot
        The plot.
    colors
        Colours of the theme.
    side
        ``"bottom"`` or ``"left"``; a label on ``"top"`` is the title, which, unlike the titles of
        pyqtgraph, does not widen a narrow plot.
    text
        May be HTML.
    """
    axis = plot.getAxis(side)
    if side == "top":
        plot.showAxis("top")
        axis.enableAutoSIPrefix(False)
        axis.setStyle(showValues=False, tickLength=0)
        # Of the axis itself nothing is to be seen; the label has a colour of its own.
        axis.setPen(colors.background)
    axis.setLabel(text, **{"color": colors.text, "font-size": f"{_POINT_SIZE}pt"})
