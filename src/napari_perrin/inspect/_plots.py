"""Plots of one track, drawn with pyqtgraph in the colours of napari's theme.

What is drawn is made once and given other data for each track, which takes a tenth of the time of
making it anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from qtpy.QtCore import Qt, Signal

from napari_perrin.inspect._panel import NOTHING, Panel, PlotArea, Pool
from napari_perrin.inspect._plot_style import LogAxis, PlotColors, label_axis, small_font
from perrin.inspection import TrackReport, state_color
from perrin.models import MODEL_COLORS, MODELS
from perrin.tracks import Calibration

__all__ = ["TrackPlots"]

Array = npt.NDArray[np.float64]

_HEIGHTS = (175, 68, 68, 88, 145)
_LEFT_WIDTH = 58
_WORTH_A_NUMBER = 0.05  # of a probability; the numbers of two low bars would run into each other


class _TrackPanel(Panel):
    """A plot that shows one side of a track."""

    def __init__(self, colors: PlotColors, title: str = "", **axes: pg.AxisItem) -> None:
        super().__init__(colors, title, **axes)
        # Numbers of different width must not shift one plot against the other, nor have all plots
        # painted twice for each track.
        self.getAxis("left").setWidth(_LEFT_WIDTH)

    def label(self, calibration: Calibration) -> None:
        """Label the axes, with their units."""
        raise NotImplementedError

    def draw(self, report: TrackReport) -> None:
        """Show a track."""
        raise NotImplementedError


class _PathPanel(_TrackPanel):
    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors, "Path")
        # As on the screen: y runs downwards.
        self.invertY(True)
        self.setAspectLocked(True)
        self._whole = self.curve(colors.faint)
        self._states = Pool(self, lambda: pg.PlotCurveItem(connect="pairs"))
        self._start = self.dots(colors.text, 7)
        ring = {"pen": pg.mkPen(colors.text, width=2), "brush": pg.mkBrush(None)}
        self.here = self.dots(colors.text, 11, **ring)
        for item in (self._start, self.here):
            item.setZValue(10)

    def label(self, calibration: Calibration) -> None:
        unit = calibration.length_unit
        label_axis(self, self.colors, "bottom", f"x ({unit})")
        label_axis(self, self.colors, "left", f"y ({unit})")

    def draw(self, report: TrackReport) -> None:
        x, y = _plane(report)
        self._whole.setData(x, y)
        self._start.setData(x[:1], y[:1])
        self.here.setData(NOTHING, NOTHING)
        # With one scale for both axes, a range found while painting has it painted again.
        self.setRange(xRange=_bounds(x), yRange=_bounds(y), padding=0.06)
        known = _states_of(report)
        for state, item in zip(known, self._states.take(len(known)), strict=True):
            pairs = _steps_in(report, state)
            item.setData(x[pairs], y[pairs], pen=pg.mkPen(state_color(state), width=2))
        words = [f"<span style='color:{state_color(state)}'>■{state:.0f}</span>" for state in known]
        self.say(f"{' '.join(words)} (state 0: slowest)" if len(known) > 1 else "")

    def show_time(self, report: TrackReport, time: float) -> None:
        """Put the ring where the particle is at a time, or was seen last before a gap."""
        x, y = _plane(report)
        half = report.calibration.time_scale / 2
        place = int(np.searchsorted(report.time, time + half)) - 1
        inside = place >= 0 and time < report.time[-1] + half
        self.here.setData(*((x[[place]], y[[place]]) if inside else (NOTHING, NOTHING)))


class _MsdPanel(_TrackPanel):
    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors, "MSD", bottom=LogAxis("bottom"), left=LogAxis("left"))
        self._low, self._high = self.band(colors.fit, 60)
        self._errors = self.curve(colors.text, connect="pairs")
        self._points = self.dots(colors.text, 4)
        self._fit = self.curve(colors.fit, 2)
        pen = pg.mkPen(colors.text, style=Qt.PenStyle.DashLine)
        label = {"position": 0.72, "color": colors.text, "anchors": [(0.5, 1), (0.5, 1)]}
        self._floor = pg.InfiniteLine(angle=0, pen=pen, label="noise floor", labelOpts=label)
        self.addItem(self._floor)

    def label(self, calibration: Calibration) -> None:
        label_axis(self, self.colors, "bottom", f"lag time ({calibration.time_unit})")
        label_axis(self, self.colors, "left", f"MSD ({calibration.length_unit}²)")

    def draw(self, report: TrackReport) -> None:
        curve = report.msd
        moves = curve is not None and bool((curve.msd > 0).any())
        for item in (self._points, self._errors, self._fit, self._low, self._high):
            item.setData(NOTHING, NOTHING)
        self._floor.setVisible(False)
        if curve is None or not moves:
            self.say("no motion seen")
            return
        shown = curve.msd > 0
        self._points.setData(np.log10(curve.lag[shown]), np.log10(curve.msd[shown]))
        known = shown & np.isfinite(curve.error)
        # On a logarithmic axis a bar that reaches zero would have no end.
        lowest = np.maximum(curve.msd - curve.error, 0.05 * curve.msd)[known]
        ends = np.column_stack((lowest, (curve.msd + curve.error)[known])).ravel()
        self._errors.setData(np.log10(np.repeat(curve.lag[known], 2)), np.log10(ends))
        self.say()
        if curve.fitted.size:
            lag = np.log10(curve.fitted_lag)
            self._low.setData(lag, np.log10(curve.low))
            self._high.setData(lag, np.log10(curve.high))
            self._fit.setData(lag, np.log10(curve.fitted))
            fit = f"α = {curve.alpha:.2f} ± {curve.alpha_se:.2f}"
            self.say(f"<span style='color:{self.colors.fit}'>{fit}</span>")
        if curve.floor > 0:
            self._floor.setValue(np.log10(curve.floor))
            self._floor.setVisible(True)


class _StepsPanel(_TrackPanel):
    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors, "Steps")
        filled = {"fillLevel": 0, "brush": pg.mkBrush(colors.faint), "stepMode": "center"}
        self._bars = self.curve(colors.background, x=[0, 1], y=[0], **filled)
        self._gaussian = self.curve(colors.fit, 2)

    def label(self, calibration: Calibration) -> None:
        unit = calibration.length_unit
        label_axis(self, self.colors, "bottom", f"displacement ({unit})")
        label_axis(self, self.colors, "left", f"density (1/{unit})")

    def draw(self, report: TrackReport) -> None:
        steps = report.steps
        self._bars.setVisible(steps is not None)
        self._gaussian.setVisible(steps is not None)
        if steps is None:
            self.say("none from frame to frame")
            return
        half = steps.width / 2
        edges = np.append(steps.displacement - half, steps.displacement[-1] + half)
        self._bars.setData(edges, steps.density)
        self._gaussian.setData(steps.curve, steps.gaussian)
        self.say(f"<span style='color:{self.colors.fit}'>Gaussian</span>")


class _ModelPanel(_TrackPanel):
    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors, "Model")
        places = np.arange(len(MODELS))
        # Five names in half the width of the panel.
        self.getAxis("bottom").setStyle(tickFont=small_font(7))
        self.getAxis("bottom").setTicks([list(zip(places.tolist(), MODELS, strict=True))])
        self.setXRange(-0.5, len(MODELS) - 0.5)
        self.setYRange(0, 1.12)
        brushes = [MODEL_COLORS[name] for name in MODELS]
        self.bars = pg.BarGraphItem(
            x=places, height=0 * places, width=0.7, brushes=brushes, pen=None
        )
        self.addItem(self.bars)
        self._numbers = [pg.TextItem(color=colors.text, anchor=(0.5, 0.85)) for _ in MODELS]
        for number in self._numbers:
            self.addItem(number, ignoreBounds=True)

    def label(self, calibration: Calibration) -> None:
        label_axis(self, self.colors, "left", "probability")

    def draw(self, report: TrackReport) -> None:
        values = [report.probabilities.get(name, 0.0) for name in MODELS]
        self.bars.setOpts(height=values)
        for place, (number, value) in enumerate(zip(self._numbers, values, strict=True)):
            number.setVisible(value >= _WORTH_A_NUMBER)
            number.setText(f"{value:.2f}")
            number.setPos(place, value)
        self.say("" if report.probabilities else "not called")


class _TimePanel(_TrackPanel):
    """One number over time, with the switches and the frame that the window shows."""

    column = ""
    words = ""

    def __init__(self, colors: PlotColors, **axes: pg.AxisItem) -> None:
        super().__init__(colors, **axes)
        dots = pg.mkPen(colors.text, style=Qt.PenStyle.DotLine)
        self.switches = Pool(self, lambda: pg.InfiniteLine(pen=dots), ignoreBounds=True)
        pens = {"pen": pg.mkPen(colors.text, width=1.5), "hoverPen": pg.mkPen(colors.fit, width=3)}
        self.now = pg.InfiniteLine(movable=True, **pens)
        self.now.setZValue(10)
        self.addItem(self.now, ignoreBounds=True)

    def label(self, calibration: Calibration) -> None:
        words = self.words.format(calibration.diffusivity_unit)
        label_axis(self, self.colors, "left", words)

    def draw(self, report: TrackReport) -> None:
        times = report.switch_times[:, 0].tolist()
        for when, line in zip(times, self.switches.take(len(times)), strict=True):
            line.setValue(when)
        self.draw_values(report, report.over_time[self.column])

    def draw_values(self, report: TrackReport, values: Array) -> None:
        """Draw the numbers of a track."""
        raise NotImplementedError


class _DiffusivityPanel(_TimePanel):
    column, words = "diffusivity", "D ({})"

    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors, left=LogAxis("left"))
        self._low, self._high = self.band(colors.faint, 130)
        self._states = Pool(self, lambda: pg.PlotCurveItem(connect="pairs"))

    def draw_values(self, report: TrackReport, values: Array) -> None:
        logarithm = _logarithm(values)
        low, high = (_logarithm(report.over_time[f"diffusivity_{x}"]) for x in ("lo", "hi"))
        bounded = np.isfinite(low) & np.isfinite(high)
        self._low.setData(report.time[bounded], low[bounded])
        self._high.setData(report.time[bounded], high[bounded])
        known = _states_of(report)
        for state, item in zip(known, self._states.take(len(known)), strict=True):
            pairs = _steps_in(report, state)
            pen = pg.mkPen(state_color(state), width=2.5)
            item.setData(report.time[pairs], logarithm[pairs], pen=pen)
        if np.isfinite(logarithm).any():
            # Bounds may lie decades away where a switch is near; the numbers are to be read.
            self.setYRange(np.nanmin(logarithm) - 0.3, np.nanmax(logarithm) + 0.3)


class _SwitchPanel(_TimePanel):
    column, words = "p_switch", "P(switch)"

    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors)
        self._curve = self.curve(colors.fit, 1.5, connect="finite")
        self.setYRange(0, 1, padding=0.08)

    def draw_values(self, report: TrackReport, values: Array) -> None:
        self._curve.setData(report.time, values)


class _WeightPanel(_TimePanel):
    column, words = "weight", "weight"

    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors)
        filled = {"fillLevel": 0, "brush": pg.mkBrush(colors.faint), "stepMode": "center"}
        self._bars = self.curve(colors.faint, x=[0, 1], y=[0], **filled)

    def label(self, calibration: Calibration) -> None:
        super().label(calibration)
        label_axis(self, self.colors, "bottom", f"time ({calibration.time_unit})")

    def draw_values(self, report: TrackReport, values: Array) -> None:
        half = report.calibration.time_scale / 2
        edges = np.append(report.time - half, report.time[-1] + half)
        self._bars.setData(edges, np.nan_to_num(values))


class TrackPlots(PlotArea):
    """All plots of one track.

    Parameters
    ----------
    colors
        The colours of napari's theme.
    """

    time_chosen = Signal(float)
    """Somebody dragged the line of the present or clicked at a time (in time units)."""

    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors)
        self._report: TrackReport | None = None
        self._calibration: Calibration | None = None
        self.path, self.msd = _PathPanel(colors), _MsdPanel(colors)
        self.models, self.steps = _ModelPanel(colors), _StepsPanel(colors)
        self.over_time: Sequence[_TimePanel] = (
            _DiffusivityPanel(colors), _SwitchPanel(colors), _WeightPanel(colors)
        )  # fmt: skip
        self._panels = (self.path, self.msd, *self.over_time, self.models, self.steps)
        self.addItem(self.path, 0, 0)
        self.addItem(self.msd, 0, 1)
        for row, panel in enumerate(self.over_time):
            self.addItem(panel, 1 + row, 0, 1, 2)
            panel.setXLink(self.over_time[0])
            panel.now.sigDragged.connect(self._on_dragged)
        for panel in self.over_time[:-1]:
            panel.getAxis("bottom").setStyle(showValues=False)
        self.addItem(self.models, 4, 0)
        self.addItem(self.steps, 4, 1)
        layout = self.ci.layout
        for row, height in enumerate(_HEIGHTS):
            layout.setRowPreferredHeight(row, height)
            layout.setRowStretchFactor(row, height)
        for column in (0, 1):
            layout.setColumnPreferredWidth(column, 1)
            layout.setColumnStretchFactor(column, 1)
        self.setFixedHeight(sum(_HEIGHTS))
        self.scene().sigMouseClicked.connect(self._on_clicked)

    def show_report(self, report: TrackReport) -> None:
        """Show a track."""
        self._report = report
        if report.calibration != self._calibration:
            self._calibration = report.calibration
            for panel in self._panels:
                panel.label(report.calibration)
        for panel in self._panels:
            panel.draw(report)
        self.over_time[0].setXRange(report.time[0], report.time[-1], padding=0.02)
        # Ranges and what follows from them are else found while painting, which is then done again.
        for _ in range(2):
            self.scene().prepareForPaint()

    def show_time(self, time: float) -> None:
        """Move the line of the present, and the ring on the path."""
        for panel in self.over_time:
            # A line tells of drags alone; moving it from here is none.
            panel.now.setValue(time)
        if self._report is not None:
            self.path.show_time(self._report, time)

    def _on_dragged(self, line: pg.InfiniteLine) -> None:
        self.time_chosen.emit(float(line.value()))

    def _on_clicked(self, event: Any) -> None:
        for panel in self.over_time:
            if panel.vb.sceneBoundingRect().contains(event.scenePos()):
                self.time_chosen.emit(float(panel.vb.mapSceneToView(event.scenePos()).x()))


def _plane(report: TrackReport) -> tuple[Array, Array]:
    """Return x and y of a path; y is 0 in 1D, and z is looked along in 3D."""
    x = report.path[:, -1]
    return x, report.path[:, -2] if len(report.axes) > 1 else np.zeros_like(x)


def _bounds(values: Array) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _logarithm(values: Array) -> Array:
    """Return decimal logarithms, NaN of what has none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(values > 0, np.log10(values), np.nan)


def _states_of(report: TrackReport) -> list[float]:
    """Return the states that a track was in."""
    states = report.over_time["state"]
    return [float(state) for state in np.unique(states[np.isfinite(states)])]


def _steps_in(report: TrackReport, state: float) -> npt.NDArray[np.intp]:
    """Return begin and end, one after the other, of the steps that begin in a state."""
    rows = np.flatnonzero(report.over_time["state"][:-1] == state)
    return np.column_stack((rows, rows + 1)).ravel()
