"""Filters of the table of tracks: ranges on histograms of quantities, and a choice of models."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

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
from perrin.filters import Limits
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

    def chosen(self) -> tuple[str, ...] | None:
        """Return the models that are shown, or ``None`` while all are."""
        ticked = tuple(name for name, box in self.boxes.items() if box.isChecked())
        return None if len(ticked) == len(self.boxes) else ticked

    def choose(self, models: tuple[str, ...] | None) -> None:
        """Show some models, or all."""
        for name, box in self.boxes.items():
            box.setChecked(models is None or name in models)


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
        self._given: tuple[Limits | None, tuple[float, float]] | None = None
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
        self._given = None
        histogram.region.sigRegionChanged.connect(self._on_dragged)
        self._write()

    def range(self) -> Limits | None:
        """Return the lowest and highest value shown, or ``None`` while that is everything.

        An end that reaches all values is ``None`` as well: other tracks may have greater ones.
        """
        if self._given is not None and self._given[1] == self._region():
            return self._given[0]
        slack = _SLACK * (self._bounds[1] - self._bounds[0])
        low, high = self._region()
        ends = (
            None if low <= self._bounds[0] + slack else self._value(low),
            None if high >= self._bounds[1] - slack else self._value(high),
        )
        return None if ends == (None, None) else ends

    def set_range(self, limits: Limits | None) -> None:
        """Show values from one end to another; all from or up to where an end is ``None``."""
        if self.histogram is None:
            return
        ends = list(self._bounds)
        for place, end in enumerate(limits or ()):
            if end is not None and not self._logarithmic:
                ends[place] = end
            elif end is not None and end > 0:
                ends[place] = float(np.log10(end))
        self.histogram.region.setRegion(np.clip(ends, *self._bounds))
        # A way through pixels and logarithms would change the last digits.
        self._given = (limits, self._region())

    def _value(self, end: float) -> float:
        return float(10**end) if self._logarithmic else end

    def _region(self) -> tuple[float, float]:
        if self.histogram is None:
            return self._bounds
        low, high = self.histogram.region.getRegion()
        return float(low), float(high)

    def _on_dragged(self) -> None:
        self._write()
        self.changed.emit()

    def _on_typed(self) -> None:
        ends = list(self.range() or (None, None))
        for place, edit in enumerate((self.low, self.high)):
            # What was only shown in few digits was not typed.
            if edit.text() != _short(self._value(self._region()[place])):
                with suppress(ValueError):
                    ends[place] = float(edit.text().replace(",", "."))
        low, high = ends
        if low is not None and high is not None:
            low, high = sorted((low, high))
        if (low, high) != (self.range() or (None, None)):
            self.set_range((low, high))
        self._write()

    def _write(self) -> None:
        for edit, end in zip((self.low, self.high), self._region(), strict=True):
            edit.setText(_short(self._value(end)))


def _short(value: float) -> str:
    return f"{value:.4g}"
