"""What the colours of a Tracks layer mean: a legend of models, or a colour bar."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_perrin._colors import CodeColormap, RangeColormap
from perrin.models import MODEL_DESCRIPTIONS, MODELS
from perrin.summary import NOT_JUDGED

__all__ = ["Legend", "ModelLegend", "RangeLegend"]


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


class ModelLegend(QWidget):
    """One row for each model: colour, name, number of tracks and their share.

    Parameters
    ----------
    colormap
        The colormap of the layer, so that legend and canvas cannot differ.
    codes : array, shape (N,)
        The model code of each track.
    """

    def __init__(self, colormap: CodeColormap, codes: npt.NDArray[np.int64]) -> None:
        super().__init__()
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setHorizontalSpacing(8)
        layout.setVerticalSpacing(3)
        layout.setColumnStretch(1, 1)
        rows = [(name, code, MODEL_DESCRIPTIONS[name]) for code, name in enumerate(MODELS)]
        rows.append((NOT_JUDGED, -1, "Too short, or otherwise nothing that can be said."))
        for row, (name, code, description) in enumerate(rows):
            known = 0 <= code < len(MODELS)
            count = int((codes == code).sum() if known else (codes < 0).sum())
            share = f"{count / len(codes):.0%}" if len(codes) else ""
            cells = (
                _Swatch(colormap.map(code)[0]),
                QLabel(name),
                QLabel(str(count)),
                QLabel(share),
            )
            for column, cell in enumerate(cells):
                cell.setToolTip(description)
                if isinstance(cell, QLabel) and column > 1:
                    cell.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                # Models that nobody has are there, but step back.
                cell.setEnabled(count > 0)
                layout.addWidget(cell, row, column)
            cells[3].setMinimumWidth(42)


class RangeLegend(QWidget):
    """A colour bar with its range and unit.

    Parameters
    ----------
    colormap
        The colormap of the layer.
    title
        Name and unit of the quantity.
    n_unknown
        Number of tracks without a value, shown in grey.
    """

    def __init__(self, colormap: RangeColormap, title: str, n_unknown: int) -> None:
        super().__init__()
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
        ticks = QHBoxLayout()
        sides = (
            Qt.AlignmentFlag.AlignLeft,
            Qt.AlignmentFlag.AlignHCenter,
            Qt.AlignmentFlag.AlignRight,
        )
        for value, side in zip((low, middle, high), sides, strict=True):
            tick = QLabel(f"{value:.3g}")
            tick.setAlignment(side)
            ticks.addWidget(tick, 1)
        layout.addLayout(ticks)
        if n_unknown:
            row = QHBoxLayout()
            row.addWidget(_Swatch(colormap.map(np.nan)[0]))
            row.addWidget(QLabel(f"not known: {n_unknown} tracks"), 1)
            layout.addLayout(row)


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
        return [] if self.content is None else [x.text() for x in self.content.findChildren(QLabel)]
