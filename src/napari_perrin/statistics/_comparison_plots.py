"""Two conditions side by side, quantity by quantity."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_perrin.inspect._panel import Panel, PlotArea
from napari_perrin.inspect._plot_style import PlotColors, label_axis
from napari_perrin.statistics._plots import CONDITION_COLORS
from perrin.statistics import Comparison
from perrin.statistics.figures import title_of

__all__ = ["ComparisonPlots"]

_COLUMNS = 2
_HEIGHT = 170
_SPREAD = 0.18  # of the points of a condition's movies
_WIDTH = 0.3  # of the bar of a condition's value, to either side


class _QuantityPanel(Panel):
    """One point per movie, the conditions' own values and their intervals."""

    def draw(self, comparison: Comparison, row: Any) -> None:
        """Show one quantity."""
        movies = comparison.movies
        for number, (which, color) in enumerate(
            zip(("first", "second"), CONDITION_COLORS, strict=True)
        ):
            values = movies.loc[movies["condition"] == number, row.quantity].to_numpy()
            beside = number + np.linspace(-_SPREAD, _SPREAD, len(values))
            self.dots(color, 7).setData(beside, values)
            value, low, high = (getattr(row, f"{which}{end}") for end in ("", "_lo", "_hi"))
            pairs = self.curve(self.colors.text, 2, connect="pairs")
            pairs.setData(
                np.array([number - _WIDTH, number + _WIDTH, number, number]),
                np.array([value, value, low, high]),
            )
        self.getAxis("bottom").setTicks([list(enumerate(comparison.names))])
        self.setXRange(-0.6, 1.6)
        label_axis(self, self.colors, "left", row.unit)
        label_axis(self, self.colors, "top", title_of(comparison, row.quantity).replace("\n", " "))


class ComparisonPlots(PlotArea):
    """A plot for each quantity that was compared.

    Parameters
    ----------
    colors
        The colours of napari's theme.
    """

    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors)
        self._colors = colors
        self.panels: dict[str, Panel] = {}

    def draw(self, comparison: Comparison) -> None:
        """Show a comparison."""
        self.clear()
        self.panels = {}
        for place, row in enumerate(comparison.table.itertuples()):
            panel = _QuantityPanel(self._colors)
            panel.draw(comparison, row)
            self.addItem(panel, place // _COLUMNS, place % _COLUMNS)
            self.panels[str(row.quantity)] = panel
        for column in range(_COLUMNS):
            self.ci.layout.setColumnPreferredWidth(column, 1)
            self.ci.layout.setColumnStretchFactor(column, 1)
        self.setFixedHeight(_HEIGHT * -(-len(self.panels) // _COLUMNS))
