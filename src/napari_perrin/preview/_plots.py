"""Plots of a preview: what spots are told from noise by, and how they lie within pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from qtpy.QtCore import Qt, Signal

from napari_perrin._forms import unit_of
from napari_perrin.inspect._panel import Panel, PlotArea
from napari_perrin.inspect._plot_style import LogAxis, PlotColors, label_axis
from perrin.localization import Detector, FramePreview, SubpixelBias

__all__ = ["PreviewPlots", "title_of"]

Array = npt.NDArray[np.float64]

_HEIGHTS = (112, 84)
_BINS = 60
_OFFSET_BINS = 10
_FLOOR = np.log10(0.6)  # below a single spot, on an axis of logarithms
_DIGITS = 3


def title_of(detector: Detector, field: str) -> str:
    """Return what a field of a detector is called within a sentence."""
    title = str(type(detector).model_fields[field].title)
    return title[:1].lower() + title[1:]


def _quality_of(detector: Detector) -> str:
    name = title_of(detector, detector.threshold_field).removeprefix("least ")
    unit = unit_of(type(detector).model_fields[detector.threshold_field])
    return f"{name} ({unit})" if unit else name


class _QualityPanel(Panel):
    """Histogram of all maxima of a frame, and the line from which on they are spots."""

    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors, bottom=LogAxis("bottom"), left=LogAxis("left"))
        self._left_out = self._bars(colors.faint)
        self._spots = self._bars(colors.fit)
        pens = {"pen": pg.mkPen(colors.text, width=2), "hoverPen": pg.mkPen(colors.fit, width=4)}
        self.line = pg.InfiniteLine(movable=True, **pens)
        self.line.setZValue(10)
        self.addItem(self.line, ignoreBounds=True)
        label_axis(self, colors, "left", "maxima")

    def draw(self, detector: Detector, look: FramePreview) -> None:
        """Show what was found, and what was left out."""
        label_axis(self, self.colors, "bottom", _quality_of(detector))
        spots, left_out = (
            _logarithm(np.asarray(values, np.float64))
            for values in (look.spots[detector.quality], look.left_out)
        )
        everything = np.concatenate((spots, left_out))
        at = float(_logarithm(np.array([look.threshold]))[0]) if look.threshold > 0 else None
        places = everything if at is None else np.append(everything, at)
        low, high = (places.min(), places.max()) if places.size else (0.0, 1.0)
        edges = np.linspace(low - 0.02, high + 0.02, _BINS + 1)
        counts = [np.histogram(values, edges)[0] for values in (left_out, spots)]
        for bars, count in zip((self._left_out, self._spots), counts, strict=True):
            bars.setData(edges, np.log10(np.maximum(count, 10**_FLOOR)))
        self.setXRange(edges[0], edges[-1], padding=0.02)
        self.setYRange(_FLOOR, np.log10(max(int(np.max(counts)), 3)) + 0.05, padding=0)
        self.line.setBounds((edges[0], edges[-1]))
        if not self.line.moving:
            self.line.setValue(edges[0] if at is None else at)

    def _bars(self, color: str) -> pg.PlotCurveItem:
        filled = {"fillLevel": _FLOOR, "brush": pg.mkBrush(color), "stepMode": "center"}
        bars = self.curve(color, x=[0, 1], y=[_FLOOR], **filled)
        # A line where there is nothing would look like something.
        bars.setPen(None)
        return bars


class _OffsetPanel(Panel):
    """Histogram of the distances from the middle of the pixel, along one axis."""

    def __init__(self, colors: PlotColors, axis: str) -> None:
        super().__init__(colors)
        self._fine, self._biased = pg.mkBrush(colors.faint), pg.mkBrush(colors.fit)
        filled = {"fillLevel": 0, "brush": self._fine, "stepMode": "center"}
        self._bars = self.curve(colors.background, x=[0, 1], y=[0], **filled)
        dashes = pg.mkPen(colors.text, style=Qt.PenStyle.DashLine)
        self._even = pg.InfiniteLine(angle=0, pen=dashes)
        self.addItem(self._even)
        self.setXRange(-0.5, 0.5, padding=0.02)
        self.getAxis("bottom").setTickSpacing(0.5, 0.25)
        label_axis(self, colors, "bottom", f"{axis} within its pixel (px)")

    def draw(self, bias: SubpixelBias, is_biased: bool) -> None:
        """Show the distances, and what even ones would give."""
        counts, edges = np.histogram(bias.offset, _OFFSET_BINS, (-0.5, 0.5))
        self._bars.setData(edges, counts)
        self._bars.setBrush(self._biased if is_biased else self._fine)
        self._even.setValue(bias.offset.size / _OFFSET_BINS)
        self.setYRange(0, max(int(counts.max()), 1), padding=0.05)


class PreviewPlots(PlotArea):
    """The plots of a preview.

    Parameters
    ----------
    colors
        The colours of napari's theme.
    """

    threshold_dragged = Signal(float)
    """The line of the threshold was dragged to a value."""

    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors)
        self.quality = _QualityPanel(colors)
        self.offsets = {axis: _OffsetPanel(colors, axis) for axis in ("x", "y")}
        label_axis(self.offsets["x"], colors, "left", "spots")
        self.addItem(self.quality, 0, 0, 1, 2)
        for column, panel in enumerate(self.offsets.values()):
            self.addItem(panel, 1, column)
        self.quality.line.sigDragged.connect(self._on_dragged)
        for row, height in enumerate(_HEIGHTS):
            self.ci.layout.setRowPreferredHeight(row, height)
            self.ci.layout.setRowStretchFactor(row, height)
        self.setFixedHeight(sum(_HEIGHTS))
        self.setToolTip(
            "Above: every maximum of this frame; drag the line to say which are spots. Below: "
            "where in their pixels the spots lie; everywhere alike (dashed) if the size is right."
        )

    def draw(
        self, detector: Detector, look: FramePreview, biases: dict[str, SubpixelBias], level: float
    ) -> None:
        """Show a frame; axes whose ``p`` is below ``level`` stand out."""
        self.quality.draw(detector, look)
        for axis, panel in self.offsets.items():
            panel.draw(biases[axis], biases[axis].p < level)

    def _on_dragged(self, line: pg.InfiniteLine) -> None:
        self.threshold_dragged.emit(float(f"{10 ** line.value():.{_DIGITS}g}"))


def _logarithm(values: Array) -> Array:
    return np.log10(values[values > 0])
