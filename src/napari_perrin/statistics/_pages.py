"""The pages of *Statistics of tracks*: a topic each, its plots and below them its numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QTabWidget, QVBoxLayout, QWidget

from napari_perrin.inspect._panel import PlotArea
from napari_perrin.inspect._plot_style import PlotColors
from napari_perrin.statistics._comparison_plots import ComparisonPlots
from napari_perrin.statistics._plots import (
    CONDITION_COLORS,
    CorrelationPanel,
    DisplacementPanel,
    ErgodicityPanel,
    MsdPanel,
    NonGaussianPanel,
    PopulationPanel,
    Shown,
    SurveyPanel,
)
from perrin.measurement import Measurement
from perrin.statistics import Survey
from perrin.statistics.words import (
    comparison_lines,
    correlation_lines,
    displacement_lines,
    ergodicity_lines,
    msd_lines,
    state_lines,
)

__all__ = ["StatisticsPages"]

_HEIGHTS = (320, 210)

_TOPICS: tuple[tuple[str, str, tuple[type[SurveyPanel], ...], Callable[[Survey], list[str]]], ...]
_TOPICS = (
    ("MSD", "Mean squared displacement", (MsdPanel,), msd_lines),
    ("States", "Diffusivities of the population", (PopulationPanel,), state_lines),
    ("EB", "Ergodicity breaking", (ErgodicityPanel,), ergodicity_lines),
    (
        "Steps",
        "Distribution of displacements",
        (DisplacementPanel, NonGaussianPanel),
        displacement_lines,
    ),
    ("VACF", "Velocity autocorrelation", (CorrelationPanel,), correlation_lines),
)


class _Numbers(QLabel):
    """Lines of numbers that can be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)

    def show_lines(self, lines: Sequence[str]) -> None:
        self.setText("<br>".join(lines))


class _Page(QWidget):
    """Plots, and the numbers below them."""

    def __init__(self, plots: PlotArea) -> None:
        super().__init__()
        self.plots = plots
        self.numbers = _Numbers()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(plots)
        layout.addWidget(self.numbers)
        layout.addStretch(1)


class StatisticsPages(QTabWidget):
    """All that was measured.

    Parameters
    ----------
    colors
        The colours of napari's theme.
    """

    def __init__(self, colors: PlotColors) -> None:
        super().__init__()
        self.panels: dict[str, tuple[SurveyPanel, ...]] = {}
        self.pages: dict[str, _Page] = {}
        for title, explanation, kinds, _ in _TOPICS:
            area = PlotArea(colors)
            self.panels[title] = tuple(kind(colors) for kind in kinds)
            for row, panel in enumerate(self.panels[title]):
                area.addItem(panel, row, 0)
                area.ci.layout.setRowPreferredHeight(row, _HEIGHTS[row])
                area.ci.layout.setRowStretchFactor(row, _HEIGHTS[row])
            area.setFixedHeight(sum(_HEIGHTS[: len(kinds)]))
            self._add(title, explanation, area)
        self.comparison = ComparisonPlots(colors)
        self._add("Compare", "The two conditions, movie by movie", self.comparison)

    def show_measurement(self, measurement: Measurement) -> None:
        """Show what was measured."""
        shown = [
            Shown(name, survey, color)
            for (name, survey), color in zip(
                measurement.surveys.items(), CONDITION_COLORS, strict=False
            )
        ]
        for title, _, _, lines_of in _TOPICS:
            for panel in self.panels[title]:
                panel.draw(shown)
            self.pages[title].numbers.show_lines(_lines(shown, lines_of))
        page, comparison = self.pages["Compare"], measurement.comparison
        self.setTabVisible(self.indexOf(page), len(shown) > 1)
        page.plots.setVisible(comparison is not None)
        if comparison is not None:
            self.comparison.draw(comparison)
            page.numbers.show_lines(comparison_lines(comparison))
        else:
            page.numbers.show_lines([measurement.refusal])

    def _add(self, title: str, explanation: str, plots: PlotArea) -> None:
        self.pages[title] = _Page(plots)
        self.addTab(self.pages[title], title)
        self.setTabToolTip(self.count() - 1, explanation)


def _lines(shown: Sequence[Shown], lines_of: Callable[[Survey], list[str]]) -> list[str]:
    lines: list[str] = []
    for condition in shown:
        if len(shown) > 1:
            lines.append(f"<b style='color:{condition.color}'>{condition.name}</b>")
        lines += lines_of(condition.survey)
    return lines
