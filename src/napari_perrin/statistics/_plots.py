"""Plots of the statistics of one set of tracks, or of two in one plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor

from napari_perrin.inspect._panel import Panel
from napari_perrin.inspect._plot_style import LogAxis, PlotColors, label_axis
from perrin.inspection import STATE_COLORS
from perrin.statistics import Survey
from perrin.statistics.figures import faint_curves
from perrin.tracks import Calibration

__all__ = [
    "CONDITION_COLORS",
    "CorrelationPanel",
    "DisplacementPanel",
    "ErgodicityPanel",
    "MsdPanel",
    "NonGaussianPanel",
    "PopulationPanel",
    "Shown",
    "SurveyPanel",
    "legend",
]

Array = npt.NDArray[np.float64]

CONDITION_COLORS = STATE_COLORS[:2]
"""Colour of the first condition and of the second; seen on black and on white."""

_BAND_OPACITY = 70
_TRACK_OPACITY = 18
_AVERAGE = "time-ensemble"


class Shown(NamedTuple):
    """A set of tracks, and how it is drawn."""

    name: str
    survey: Survey
    color: str


def legend(shown: Sequence[Shown]) -> str:
    """Return the names of several conditions in their colours, as HTML; nothing of one."""
    words = [f"<span style='color:{x.color}'>■ {x.name}</span>" for x in shown]
    return " &nbsp;".join(words) if len(words) > 1 else ""


class SurveyPanel(Panel):
    """A plot that shows one side of sets of tracks; drawn anew each time."""

    def draw(self, shown: Sequence[Shown]) -> None:
        """Show sets of tracks that have the same calibration."""
        self.clear()
        self.label(shown[0].survey.calibration, shown[0].survey)
        for condition in shown:
            self.draw_survey(condition, alone=len(shown) == 1)
        self.say(legend(shown))

    def label(self, calibration: Calibration, survey: Survey) -> None:
        """Label the axes, with their units."""
        raise NotImplementedError

    def draw_survey(self, shown: Shown, *, alone: bool) -> None:
        """Add one set of tracks to the plot."""
        raise NotImplementedError

    def name_axes(self, bottom: str, left: str) -> None:
        """Label both axes."""
        label_axis(self, self.colors, "bottom", bottom)
        label_axis(self, self.colors, "left", left)

    def line(self, x: Any, y: Any, color: str, width: float = 1.5, *, dashed: bool = False) -> None:
        """Draw a line."""
        style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
        pen = pg.mkPen(color, width=width, style=style)
        self.addItem(pg.PlotCurveItem(np.asarray(x), np.asarray(y), pen=pen))

    def area(self, x: Any, low: Any, high: Any, color: str) -> None:
        """Fill the area between two curves."""
        lower, upper = self.band(color, _BAND_OPACITY)
        lower.setData(np.asarray(x), np.asarray(low))
        upper.setData(np.asarray(x), np.asarray(high))

    def points(self, x: Any, y: Any, low: Any, high: Any, color: str) -> None:
        """Draw points with error bars that end at ``low`` and ``high``."""
        ends = np.column_stack((low, high)).ravel()
        bars = self.curve(color, connect="pairs")
        bars.setData(np.repeat(np.asarray(x), 2), ends)
        self.dots(color, 5).setData(np.asarray(x), np.asarray(y))


class MsdPanel(SurveyPanel):
    """MSDs of single tracks, their average with its errors, and the power law fitted to it."""

    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors, "MSD", bottom=LogAxis("bottom"), left=LogAxis("left"))

    def label(self, calibration: Calibration, survey: Survey) -> None:
        self.name_axes(f"lag time ({calibration.time_unit})", f"MSD ({calibration.length_unit}²)")

    def draw_survey(self, shown: Shown, *, alone: bool) -> None:
        survey = shown.survey
        single = QColor(self.colors.faint if alone else shown.color)
        single.setAlpha(160 if alone else _TRACK_OPACITY)
        curves = [np.vstack((curve, [[np.nan] * 2])) for curve in faint_curves(survey)]
        if curves:
            x, y = np.log10(np.concatenate(curves)).T
            self.addItem(pg.PlotCurveItem(x, y, pen=pg.mkPen(single), connect="finite"))
        if alone:
            self._average(survey, "ensemble", CONDITION_COLORS[1], dashed=True)
        self._average(survey, _AVERAGE, shown.color, dashed=False, width=1.5 if alone else 3)
        fitted = survey.fitted_msd(_AVERAGE)
        if len(fitted):
            color = self.colors.fit if alone else self.colors.text
            self.line(np.log10(fitted["lag"]), np.log10(fitted["msd"]), color, 2.5 if alone else 1)
        floor = survey.noise_floor(_AVERAGE)
        if floor > 0:
            pen = pg.mkPen(self.colors.text if alone else shown.color, style=Qt.PenStyle.DashLine)
            label = {"position": 0.85, "color": self.colors.text, "anchors": [(0.5, 1), (0.5, 1)]}
            line = pg.InfiniteLine(np.log10(floor), 0, pen, label="noise floor", labelOpts=label)
            self.addItem(line)

    def draw(self, shown: Sequence[Shown]) -> None:
        """Show sets of tracks, and what is what."""
        super().draw(shown)
        if len(shown) == 1:
            first, second = CONDITION_COLORS
            self.say(
                f"<span style='color:{first}'>■ time-ensemble</span> "
                f"<span style='color:{second}'>■ ensemble</span> "
                f"<span style='color:{self.colors.fit}'>■ fit</span>"
            )

    def _average(
        self, survey: Survey, name: str, color: str, *, dashed: bool, width: float = 1.5
    ) -> None:
        table = survey.tables["mean_msd"]
        table = table[(table["average"] == name) & (table["n_tracks"] > 1) & (table["msd"] > 0)]
        msd, error = table["msd"].to_numpy(), table["msd_se"].fillna(0).to_numpy()
        x = np.log10(table["lag"].to_numpy())
        # On a logarithmic axis a band that reaches zero would have no end.
        low = np.maximum(msd - error, 0.05 * msd)
        self.area(x, np.log10(low), np.log10(msd + error), color)
        self.line(x, np.log10(msd), color, width, dashed=dashed)


class ErgodicityPanel(SurveyPanel):
    """Ergodicity breaking over the time that is measured, and that of Brownian motion."""

    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors, "EB", bottom=LogAxis("bottom"), left=LogAxis("left"))

    def label(self, calibration: Calibration, survey: Survey) -> None:
        lag = survey.ergodicity_lag * calibration.time_scale
        self.name_axes(
            f"measurement time ({calibration.time_unit})",
            f"ergodicity breaking at {lag:.3g} {calibration.time_unit}",
        )

    def draw_survey(self, shown: Shown, *, alone: bool) -> None:
        table = shown.survey.tables["ergodicity"].dropna(subset=["eb"])
        table = table[table["eb"] > 0]
        time = table["time"].to_numpy()
        low = np.maximum(table["eb_lo"], 0.05 * table["eb"])
        self.area(np.log10(time), np.log10(low), np.log10(table["eb_hi"]), shown.color)
        self.line(np.log10(time), np.log10(table["eb"]), shown.color, 2)
        brownian = shown.survey.brownian_eb(time)
        known = np.isfinite(brownian)
        self.line(np.log10(time[known]), np.log10(brownian[known]), self.colors.text, dashed=True)

    def draw(self, shown: Sequence[Shown]) -> None:
        """Show sets of tracks, and what the dashes are."""
        super().draw(shown)
        self.say(f"{legend(shown)} &nbsp;with 90 % band; dashed: Brownian motion")


class DisplacementPanel(SurveyPanel):
    """Distribution of displacements beside the normal one of the same variance."""

    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors, "Displacements", left=LogAxis("left"))

    def label(self, calibration: Calibration, survey: Survey) -> None:
        unit = calibration.length_unit
        self.name_axes(f"displacement along an axis in a frame ({unit})", f"density (1/{unit})")

    def draw_survey(self, shown: Shown, *, alone: bool) -> None:
        table = shown.survey.tables["displacements"]
        table = table[table["count"] > 0]
        density, error = table["density"].to_numpy(), table["density_se"].to_numpy()
        low = np.log10(np.maximum(density - error, 0.3 * density))
        x = table["displacement"]
        self.points(x, np.log10(density), low, np.log10(density + error), shown.color)
        color = self.colors.fit if alone else shown.color
        # Far out the normal distribution falls below anything that was counted.
        seen = table["gaussian"] > density.min() / 3
        self.line(x[seen], np.log10(table["gaussian"][seen]), color, 2, dashed=not alone)

    def draw(self, shown: Sequence[Shown]) -> None:
        """Show sets of tracks, and what the line is."""
        super().draw(shown)
        normal = f"<span style='color:{self.colors.fit}'>■ normal</span>"
        self.say(normal if len(shown) == 1 else f"{legend(shown)} &nbsp;dashed: normal")


class NonGaussianPanel(SurveyPanel):
    """How far displacements are from Gaussian, for each lag."""

    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors)

    def label(self, calibration: Calibration, survey: Survey) -> None:
        self.name_axes(f"lag time ({calibration.time_unit})", "non-Gaussian parameter")

    def draw_survey(self, shown: Shown, *, alone: bool) -> None:
        _with_zero(self, shown, shown.survey.tables["non_gaussian"], "parameter")


class CorrelationPanel(SurveyPanel):
    """Correlation of displacements, for each lag."""

    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors, "Velocity autocorrelation")

    def label(self, calibration: Calibration, survey: Survey) -> None:
        self.name_axes(f"lag time ({calibration.time_unit})", "correlation of displacements")

    def draw_survey(self, shown: Shown, *, alone: bool) -> None:
        table = shown.survey.tables["velocity_autocorrelation"]
        _with_zero(self, shown, table[(table["lag"] > 0) & (table["n_pairs"] > 1)], "correlation")


class PopulationPanel(SurveyPanel):
    """Occupancy over diffusivity by the state array, and the few states that explain it."""

    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors, "State array", bottom=LogAxis("bottom"))

    def label(self, calibration: Calibration, survey: Survey) -> None:
        self.name_axes(
            f"diffusivity D ({calibration.diffusivity_unit})", "share of displacements per decade"
        )

    def draw_survey(self, shown: Shown, *, alone: bool) -> None:
        table = shown.survey.tables["population"]
        place = np.log10(table["diffusivity"].to_numpy())
        decade = np.diff(place).mean()
        low, middle, high = (
            table[f"occupancy{end}"].to_numpy() / decade for end in ("_lo", "", "_hi")
        )
        self.area(place, low, high, shown.color)
        self.line(place, middle, shown.color, 2)
        pen = pg.mkPen(self.colors.fit if alone else shown.color, style=Qt.PenStyle.DashLine)
        states = shown.survey.tables["states"]
        # A state slower than the grid is drawn at its edge.
        slowest = table["diffusivity"].min()
        at = np.log10(np.maximum(states["diffusivity"].to_numpy(np.float64), slowest))
        for position, share in zip(at, states["occupancy"].to_numpy(np.float64), strict=True):
            options = {"position": 0.92, "color": self.colors.text, "movable": False}
            label = f"{share:.0%}" if alone else None
            line = pg.InfiniteLine(float(position), 90, pen, label=label, labelOpts=options)
            self.addItem(line)
        self.setXRange(place[0], place[-1], padding=0.01)

    def draw(self, shown: Sequence[Shown]) -> None:
        """Show sets of tracks, and what the dashes are."""
        super().draw(shown)
        self.say(f"{legend(shown)} &nbsp;with 5–95 % band; dashed: states")


def _with_zero(panel: SurveyPanel, shown: Shown, table: pd.DataFrame, column: str) -> None:
    """Draw values over the lag with their standard errors, and the line of zero."""
    values = table[column].to_numpy()
    error = table[f"{column}_se"].fillna(0).to_numpy()
    panel.addItem(pg.InfiniteLine(0, 0, pg.mkPen(panel.colors.faint)))
    panel.points(table["lag"].to_numpy(), values, values - error, values + error, shown.color)
