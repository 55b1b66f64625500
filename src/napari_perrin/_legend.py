"""What the colours of a Tracks layer mean: a legend of names, or a colour bar."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QRectF, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_perrin._colors import CodeColormap, RangeColormap
from perrin.models import MODEL_DESCRIPTIONS
from perrin.summary import NOT_JUDGED

__all__ = ["CodeLegend", "Legend", "RangeLegend"]

_UNKNOWN = "Too short, or otherwise nothing that can be said."
_EDIT_WIDTH = 72


class _Swatch(QWidget):
    def __init__(self, color: npt.NDArray[np.float64]) -> None:
        super().__init__()
        self._color = QColor.fromRgbF(*(float(part) for part in color[:3]))
        self.setFixedSize(14, 14)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._color)
        painter.drawRoundedRect(QRectF(self.rect()), 3, 3)


class _Bar(QWidget):
    def __init__(self, colors: npt.NDArray[np.float64]) -> None:
        super().__init__()
        rgba = np.ascontiguousarray(np.round(colors[None] * 255).astype(np.uint8))
        self._image = QImage(
            rgba.tobytes(), rgba.shape[1], 1, rgba.shape[1] * 4, QImage.Format.Format_RGBA8888
        ).copy()
        self.setFixedHeight(14)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(QRectF(self.rect()), self._image)


class CodeLegend(QWidget):
    """One row for each code: colour, name, how many tracks (or frames) have it, and their share.

    Parameters
    ----------
    colormap
        The colormap of the layer, so that legend and canvas cannot differ.
    codes : array, shape (N,)
        The code of each track, or of each frame of each track.
    names
        What each code stands for.
    unknown
        What any other code stands for.
    """

    def __init__(
        self,
        colormap: CodeColormap,
        codes: npt.NDArray[np.int64],
        names: Sequence[str],
        unknown: str = NOT_JUDGED,
    ) -> None:
        super().__init__()
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setHorizontalSpacing(8)
        layout.setVerticalSpacing(3)
        layout.setColumnStretch(1, 1)
        counts = np.bincount(codes[(codes >= 0) & (codes < len(names))], minlength=len(names))
        n_unknown = len(codes) - int(counts.sum())
        rows = [(name, code, int(counts[code])) for code, name in enumerate(names)]
        for row, (name, code, count) in enumerate([*rows, (unknown, -1, n_unknown)]):
            share = f"{count / len(codes):.0%}" if len(codes) else ""
            description = MODEL_DESCRIPTIONS.get(name, _UNKNOWN if code < 0 else "")
            cells = (
                _Swatch(colormap.map(code)[0]),
                QLabel(name),
                QLabel(f"{count:,}"),
                QLabel(share),
            )
            for column, cell in enumerate(cells):
                cell.setToolTip(description)
                if isinstance(cell, QLabel) and column > 1:
                    cell.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                # What nothing is called is there, but steps back.
                cell.setEnabled(count > 0)
                layout.addWidget(cell, row, column)
            cells[3].setMinimumWidth(42)


class RangeLegend(QWidget):
    """A colour bar with its range, which can be set, and unit.

    Parameters
    ----------
    colormap
        The colormap of the layer.
    title
        Name and unit of the quantity.
    n_unknown
        Number of tracks without a value, shown in grey.
    """

    limits_changed = Signal(object)
    """Another range ``(low, high)`` was typed, or ``None`` for the one that fits the values."""

    def __init__(self, colormap: RangeColormap, title: str, n_unknown: int) -> None:
        super().__init__()
        self._colormap = colormap
        low, high = colormap.limits
        if colormap.logarithmic:
            values = np.geomspace(low, high, 128)
            middle = float(np.sqrt(low * high))
        else:
            values = np.linspace(low, high, 128)
            middle = (low + high) / 2
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(QLabel(title + (", logarithmic" if colormap.logarithmic else "")))
        layout.addWidget(_Bar(colormap.map(values)))
        self.low, self.high = QLineEdit(_short(low)), QLineEdit(_short(high))
        self.fit_button = QToolButton()
        self.fit_button.setText("Fit")
        self.fit_button.setToolTip(
            "Colour over the natural range, or from the 2nd to the 98th percentile of the values."
        )
        self.fit_button.clicked.connect(lambda: self.limits_changed.emit(None))
        for edit, side, which in (
            (self.low, Qt.AlignmentFlag.AlignLeft, "first"),
            (self.high, Qt.AlignmentFlag.AlignRight, "last"),
        ):
            edit.setAlignment(side)
            edit.setMaximumWidth(_EDIT_WIDTH)
            edit.setToolTip(f"Values from here on have the {which} colour; type another.")
            edit.editingFinished.connect(self._on_typed)
        ticks = QHBoxLayout()
        ticks.addWidget(self.low)
        ticks.addWidget(QLabel(_short(middle)), 1, Qt.AlignmentFlag.AlignHCenter)
        ticks.addWidget(self.high)
        ticks.addWidget(self.fit_button)
        layout.addLayout(ticks)
        if n_unknown:
            row = QHBoxLayout()
            row.addWidget(_Swatch(colormap.map(np.nan)[0]))
            row.addWidget(QLabel(f"not known: {n_unknown} tracks"), 1)
            layout.addLayout(row)

    def _on_typed(self) -> None:
        before = self._colormap.limits
        ends = []
        for edit, end in zip((self.low, self.high), before, strict=True):
            try:
                typed = float(edit.text().replace(",", "."))
            except ValueError:
                typed = end
            # What was only shown in few digits was not typed.
            ends.append(end if edit.text() == _short(end) else typed)
        low, high = ends
        possible = low < high and (low > 0 or not self._colormap.logarithmic)
        if possible and (low, high) != before:
            self.limits_changed.emit((low, high))
            return
        for edit, end in zip((self.low, self.high), before, strict=True):
            edit.setText(_short(end))


class Legend(QWidget):
    """Holds whichever legend belongs to the present colours."""

    def __init__(self) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.content: QWidget | None = None

    def show_content(self, content: QWidget | None) -> None:
        """Replace the legend."""
        if self.content is not None:
            self.content.hide()
            self.content.deleteLater()
        self.content = content
        if content is not None and (layout := self.layout()) is not None:
            layout.addWidget(content)

    def texts(self) -> Sequence[str]:
        """Return every text that is shown, row by row."""
        parts = [] if self.content is None else self.content.findChildren(QWidget)
        return [part.text() for part in parts if isinstance(part, QLabel | QLineEdit)]


def _short(value: float) -> str:
    return f"{value:.3g}"
