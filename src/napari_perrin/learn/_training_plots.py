"""What a training looks like: the learning curve while it runs, and how good the result is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_perrin.inspect._panel import Panel, PlotArea, Pool
from napari_perrin.inspect._plot_style import PlotColors, label_axis

__all__ = ["ConfusionTable", "LearningPlot"]

_HEIGHT = 150
_WHOLE = 0  # as perrin.learn.report has it, which loads torch


class _CurvePanel(Panel):
    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors, "Loss")
        label_axis(self, colors, "bottom", "epoch")
        self._training = Pool(self, lambda: pg.PlotCurveItem(pen=pg.mkPen(colors.faint)))
        pen = pg.mkPen(colors.fit, width=1.5)
        self._validation = Pool(self, lambda: pg.PlotCurveItem(pen=pen))

    def draw(self, curve: pd.DataFrame) -> None:
        folds = [part for _, part in curve.groupby("fold")] if "fold" in curve else [curve]
        for pool, column in (
            (self._training, "training_loss"),
            (self._validation, "validation_loss"),
        ):
            for item, part in zip(pool.take(len(folds)), folds, strict=True):
                item.setData(part["epoch"].to_numpy(float), part[column].to_numpy(float))
        self.say(f"<span style='color:{self.colors.fit}'>held out</span>, training")


class _AccuracyPanel(Panel):
    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors, "Accuracy")
        label_axis(self, colors, "bottom", "steps")
        self.setYRange(0, 1)
        self._curve = self.curve(colors.fit, 1.5)
        self._dots = self.dots(colors.fit, 6)
        self._bars = pg.ErrorBarItem(pen=pg.mkPen(colors.fit))
        self.addItem(self._bars)

    def draw(self, accuracy: pd.DataFrame) -> None:
        pieces = accuracy[accuracy["n_steps"] != _WHOLE]
        # Lengths are far from even: each gets the same room.
        x, y = np.arange(len(pieces), dtype=float), pieces["accuracy"].to_numpy()
        self._curve.setData(x, y)
        self._dots.setData(x, y)
        height = 2 * pieces["accuracy_se"].fillna(0).to_numpy()
        self._bars.setData(x=x, y=y, height=height)
        ticks = [(place, str(n)) for place, n in zip(x, pieces["n_steps"], strict=True)]
        self.getAxis("bottom").setTicks([ticks])
        self.setXRange(-0.3, len(x) - 0.7)
        whole = accuracy.loc[accuracy["n_steps"] == _WHOLE, "accuracy"]
        self.say(f"whole tracks: {float(whole.iloc[0]):.2f}")


class LearningPlot(PlotArea):
    """The learning curve and, for classes, accuracy by the number of steps.

    Parameters
    ----------
    colors
        The colours of napari's theme.
    has_accuracy
        Whether there are classes to be right about.
    """

    def __init__(self, colors: PlotColors, *, has_accuracy: bool) -> None:
        super().__init__(colors)
        self._rows: list[dict[str, float]] = []
        self.curve = _CurvePanel(colors)
        self.accuracy = _AccuracyPanel(colors) if has_accuracy else None
        self.addItem(self.curve, 0, 0)
        if self.accuracy is not None:
            self.addItem(self.accuracy, 0, 1)
            self.accuracy.hide()
        self.setFixedHeight(_HEIGHT)
        self.hide()

    def begin(self) -> None:
        """Forget the training before."""
        self._rows = []
        self.hide()
        if self.accuracy is not None:
            self.accuracy.hide()

    def add(self, row: dict[str, float]) -> None:
        """Show one epoch more."""
        self._rows.append(row)
        self.curve.draw(pd.DataFrame(self._rows))
        # One epoch is no curve yet.
        self.setVisible(len(self._rows) > 1)

    def show_accuracy(self, accuracy: pd.DataFrame) -> None:
        """Show what :meth:`perrin.learn.report.Report.accuracy` returned."""
        if self.accuracy is not None:
            self.accuracy.draw(accuracy)
            self.accuracy.show()


class ConfusionTable(QTableWidget):
    """How many tracks of each class (rows) were called what (columns)."""

    def __init__(self, colors: PlotColors) -> None:
        super().__init__()
        self._color = QColor(colors.fit)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.setToolTip("Whole tracks held out: their class (rows) and what the network called.")
        self.hide()

    def show_counts(self, counts: pd.DataFrame) -> None:
        """Show what :meth:`perrin.learn.report.Report.confusion` returned."""
        self.setRowCount(len(counts))
        self.setColumnCount(len(counts))
        self.setVerticalHeaderLabels(list(counts.index))
        self.setHorizontalHeaderLabels([f"→ {name}" for name in counts.columns])
        numbers = counts.to_numpy()
        shares = numbers / numbers.sum(1, keepdims=True).clip(min=1)
        for (row, column), number in np.ndenumerate(numbers):
            item = QTableWidgetItem(str(number))
            item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
            color = QColor(self._color)
            color.setAlphaF(0.6 * float(shares[row, column]))
            item.setBackground(color)
            item.setToolTip(f"{shares[row, column]:.0%} of {counts.index[row]}")
            self.setItem(row, column, item)
        header = self.horizontalHeader()
        if header is not None:
            header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        rows = sum(self.rowHeight(row) for row in range(len(counts)))
        self.setFixedHeight(rows + (header.sizeHint().height() if header is not None else 0) + 4)
        self.show()
