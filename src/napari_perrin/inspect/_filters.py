"""Filters of the table of tracks: ranges on histograms of quantities, and a choice of models."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from qtpy.QtCore import Signal
from qtpy.QtGui import QColor, QWheelEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_perrin._fields import ignore_wheel
from napari_perrin.inspect._plot_style import LogAxis, PlotColors, style_plot
from perrin.models import MODEL_COLORS, MODEL_DESCRIPTIONS, MODELS, UNKNOWN_COLOR
from perrin.summary import NOT_JUDGED

__all__ = ["ModelFilter", "RangeFilter"]

_HISTOGRAM_HEIGHT = 84
_BINS = 40
# So far inside its bounds a range counts as reaching them: a slider moves by pixels.
_SLACK = 1e-3


class ModelFilter(QWidget):
    """Tick the models whose tracks are shown."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.boxes: dict[str, QCheckBox] = {}
        for place, name in enumerate((*MODELS, NOT_JUDGED)):
            box = QCheckBox(name)
            box.setChecked(True)
            box.setToolTip(f"Show these tracks. {MODEL_DESCRIPTIONS.get(name, '')}")
            box.setStyleSheet(f"QCheckBox {{ color: {MODEL_COLORS.get(name, UNKNOWN_COLOR)}; }}")
            box.toggled.connect(self.changed)
            layout.addWidget(box, place // 3, place % 3)
            self.boxes[name] = box

    def kept(self, models: npt.NDArray[np.object_]) -> npt.NDArray[np.bool_]:
        """Say which tracks are shown; models that are not called are empty."""
        ticked = [name for name, box in self.boxes.items() if box.isChecked()]
        names = np.where(models == "", NOT_JUDGED, models)
        return np.isin(names.astype(str), ticked)

    def clear(self) -> None:
        """Show every model."""
        for box in self.boxes.values():
            box.setChecked(True)


class _Histogram(pg.PlotWidget):
    def __init__(self, colors: PlotColors, logarithmic: bool) -> None:
        axes = {"bottom": LogAxis("bottom")} if logarithmic else {}
        super().__init__(axisItems=axes, background=colors.background)
        style_plot(self.getPlotItem(), colors)
        self.hideAxis("left")
        self.setFixedHeight(_HISTOGRAM_HEIGHT)
        fill = pg.mkBrush(colors.faint)
        self.bars = pg.PlotCurveItem(
            [0, 1], [0], stepMode="center", fillLevel=0, brush=fill, pen=pg.mkPen(colors.faint)
        )
        band = QColor(colors.fit)
        band.setAlpha(45)
        self.region = pg.LinearRegionItem(
            brush=band, hoverBrush=band, pen=pg.mkPen(colors.fit, width=2)
        )
        self.addItem(self.bars)
        self.addItem(self.region)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Let the wheel scroll the panel."""
        if event is not None:
            event.ignore()


class RangeFilter(QWidget):
    """Show only tracks whose value of a quantity lies in a range, set on its histogram.

    Parameters
    ----------
    titles
        What can be chosen: names of quantities and what they are called.
    colors
        The colours of napari's theme.
    """

    changed = Signal()
    removed = Signal(object)
    quantity_changed = Signal(object)
    """Another quantity was chosen: its values are wanted."""

    def __init__(self, titles: Mapping[str, str], colors: PlotColors) -> None:
        super().__init__()
        self._colors, self._names = colors, list(titles)
        self._logarithmic = False
        self._bounds = (0.0, 1.0)
        self._filling = False
        self.choice = QComboBox()
        self.choice.addItems(list(titles.values()))
        self.choice.setToolTip("The quantity that decides which tracks are shown.")
        ignore_wheel(self.choice)
        remove = QToolButton()
        remove.setText("✕")
        remove.setToolTip("Remove this filter.")
        remove.clicked.connect(lambda: self.removed.emit(self))
        self.low, self.high = QLineEdit(), QLineEdit()
        for edit, which in ((self.low, "Lowest"), (self.high, "Highest")):
            edit.setToolTip(
                f"{which} value that is shown. Tracks without a value are hidden as soon as the "
                "range is narrowed."
            )
            edit.editingFinished.connect(self._on_typed)
        head = QHBoxLayout()
        head.addWidget(self.choice, 1)
        head.addWidget(remove)
        ends = QHBoxLayout()
        ends.addWidget(self.low)
        ends.addWidget(QLabel("to"))
        ends.addWidget(self.high)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        self._layout.addLayout(head)
        self._layout.addLayout(ends)
        self.histogram: _Histogram | None = None
        self.choice.currentIndexChanged.connect(lambda: self.quantity_changed.emit(self))

    @property
    def name(self) -> str:
        """The quantity that is chosen."""
        return self._names[self.choice.currentIndex()]

    def choose(self, name: str) -> None:
        """Choose a quantity."""
        self.choice.setCurrentIndex(self._names.index(name))

    def show_values(self, values: npt.NDArray[np.float64], logarithmic: bool) -> None:
        """Show the histogram of a quantity, and all of its range.

        Parameters
        ----------
        values : array, shape (n_tracks,)
            NaN where it is not known.
        logarithmic
            Whether the axis follows the logarithm.
        """
        known = values[np.isfinite(values)]
        self._logarithmic = logarithmic and bool(known.size and (known > 0).all())
        shown = np.log10(known) if self._logarithmic else known
        low, high = (float(shown.min()), float(shown.max())) if shown.size else (0.0, 1.0)
        self._bounds = (low, high) if low < high else (low - 0.5, high + 0.5)
        counts, edges = np.histogram(shown, bins=_BINS, range=self._bounds)
        if self.histogram is not None:
            self.histogram.deleteLater()
        histogram = self.histogram = _Histogram(self._colors, self._logarithmic)
        self._layout.insertWidget(1, histogram)
        histogram.bars.setData(edges, counts)
        histogram.setXRange(*self._bounds, padding=0.03)
        histogram.setYRange(0, max(int(counts.max()), 1), padding=0.02)
        histogram.region.setBounds(self._bounds)
        histogram.region.setRegion(self._bounds)
        histogram.region.sigRegionChanged.connect(self._on_dragged)
        self._write()

    def range(self) -> tuple[float, float] | None:
        """Return the lowest and highest value shown, or ``None`` while that is everything."""
        low, high = self._region()
        slack = _SLACK * (self._bounds[1] - self._bounds[0])
        if low <= self._bounds[0] + slack and high >= self._bounds[1] - slack:
            return None
        return (10**low, 10**high) if self._logarithmic else (low, high)

    def set_range(self, low: float, high: float) -> None:
        """Show values from ``low`` to ``high``."""
        if self.histogram is None:
            return
        ends = np.array([low, high])
        if self._logarithmic:
            ends = np.log10(np.maximum(ends, 10 ** self._bounds[0]))
        self.histogram.region.setRegion(np.clip(np.sort(ends), *self._bounds))

    def kept(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Say which tracks are shown."""
        limits = self.range()
        if limits is None:
            return np.ones(values.size, np.bool_)
        # Rounding on the way through the logarithm must not lose the value at the very end.
        slack = 1e-9 * np.abs(limits)
        inside = (values >= limits[0] - slack[0]) & (values <= limits[1] + slack[1])
        return np.asarray(inside, dtype=np.bool_)

    def _region(self) -> tuple[float, float]:
        if self.histogram is None:
            return self._bounds
        low, high = self.histogram.region.getRegion()
        return float(low), float(high)

    def _on_dragged(self) -> None:
        self._write()
        self.changed.emit()

    def _on_typed(self) -> None:
        low, high = self._region()
        before = [10**end if self._logarithmic else end for end in (low, high)]
        ends = []
        for edit, end in zip((self.low, self.high), before, strict=True):
            try:
                typed = float(edit.text().replace(",", "."))
            except ValueError:
                typed = end
            # What was only shown in few digits was not typed.
            ends.append(end if edit.text() == _short(end) else typed)
        if ends != before:
            self.set_range(*ends)
        self._write()

    def _write(self) -> None:
        for edit, end in zip((self.low, self.high), self._region(), strict=True):
            edit.setText(_short(10**end if self._logarithmic else end))


def _short(value: float) -> str:
    return f"{value:.4g}"
