"""The table of tracks as Qt asks for it: a view on the numbers of an analysis, sorted and filtered.

Nothing is copied per cell: sorting and filtering make an array of row numbers, and cells are read
when they are painted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QColor

from perrin.analysis import FLAGS
from perrin.models import (
    MODEL_COLORS,
    MODEL_DESCRIPTIONS,
    MODELS,
    PROBABILITY_COLUMNS,
    UNKNOWN_COLOR,
)
from perrin.quantities import MODEL, PER_TRACK, Quantity
from perrin.summary import NOT_JUDGED
from perrin.tracks import Calibration

__all__ = ["COLUMNS", "TrackTableModel"]

Ints = npt.NDArray[np.int64]

_SHORT = {
    "particle": "Track",
    MODEL: "Model",
    "verdict": "Verdict",
    "label": "Label",
    "n_points": "Points",
    "first_frame": "First frame",
    "alpha": "α",
    "alpha_lo": "α 5 %",
    "alpha_hi": "α 95 %",
    "diffusivity": "D",
    "diffusivity_lo": "D 5 %",
    "diffusivity_hi": "D 95 %",
    "noise": "Error",
    "n_switches": "Switches",
    **{column: f"P({name})" for name, column in zip(MODELS, PROBABILITY_COLUMNS, strict=True)},
    "p_ergodic": "P(ergodic)",
    "flags": "Remarks",
}

COLUMNS: Mapping[str, Quantity] = {
    name: replace(PER_TRACK.get(name, Quantity(label)), label=label)
    for name, label in _SHORT.items()
}
"""The columns of the table in their order, with headings that leave room for numbers."""

_PROBABILITIES = (*PROBABILITY_COLUMNS, "p_ergodic")
_TEXTS = (MODEL, "flags", "verdict", "label")
_WHOLE = ("particle", "n_points", "first_frame", "n_switches")


class TrackTableModel(QAbstractTableModel):
    """The numbers of tracks, one row per track that is shown."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = self.empty()
        self._calibration = Calibration()
        self._values: dict[str, npt.NDArray[Any]] = {}
        self._order: Ints = np.empty(0, np.int64)
        self._kept: npt.NDArray[np.bool_] = np.empty(0, np.bool_)
        self._sorted_by = ("particle", Qt.SortOrder.AscendingOrder)
        self._rows: Ints = self._order
        self.columns: list[str] = []

    def show_numbers(self, numbers: pd.DataFrame, calibration: Calibration) -> None:
        """Show other tracks, all of them, in the order chosen before.

        Parameters
        ----------
        numbers
            What :meth:`napari_perrin.inspect._layer_tracks.LayerTracks.numbers` returns.
        calibration
            For the units in the headings.
        """
        self.beginResetModel()
        self._numbers, self._calibration = numbers, calibration
        self._values = {}
        self.columns = [name for name in COLUMNS if name in numbers]
        self._kept = np.ones(len(numbers), np.bool_)
        if self._sorted_by[0] not in self.columns:
            self._sorted_by = ("particle", Qt.SortOrder.AscendingOrder)
        self._arrange()
        self.endResetModel()

    @staticmethod
    def empty() -> pd.DataFrame:
        """Return the numbers of no tracks."""
        return pd.DataFrame({"particle": np.empty(0, np.int64)})

    def keep(self, kept: npt.NDArray[np.bool_]) -> None:
        """Show the tracks that a filter keeps.

        Parameters
        ----------
        kept : array, shape (n_tracks,)
        """
        self.beginResetModel()
        self._kept = kept
        self._rows = self._order[kept[self._order]]
        self.endResetModel()

    @property
    def n_tracks(self) -> int:
        """Number of tracks, shown or not."""
        return len(self._numbers)

    @property
    def particles(self) -> Ints:
        """Numbers of the tracks that are shown, from top to bottom."""
        return np.asarray(self._numbers["particle"].to_numpy()[self._rows], dtype=np.int64)

    @property
    def order(self) -> Ints | None:
        """Numbers of all tracks, shown or not, as they are sorted; ``None`` if by number."""
        if self._sorted_by == ("particle", Qt.SortOrder.AscendingOrder):
            return None
        return np.asarray(self._numbers["particle"].to_numpy()[self._order], dtype=np.int64)

    def rows_of(self, particles: Iterable[int]) -> Ints:
        """Return the rows, from top to bottom, of those of some tracks that are shown."""
        return np.flatnonzero(np.isin(self.particles, np.fromiter(particles, np.int64)))

    def values(self, name: str) -> npt.NDArray[Any]:
        """Return a column for all tracks, shown or not, in the order of their numbers.

        Returns
        -------
        array, shape (n_tracks,)
            Numbers, NaN where they are not known; texts for the model and the remarks, empty
            where there are none.
        """
        if name not in self._values:
            column = self._numbers[name]
            if self.is_text(name):
                self._values[name] = column.fillna("").to_numpy(dtype=object)
            else:
                self._values[name] = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return self._values[name]

    def title(self, name: str) -> str:
        """Return the heading of a column, with its unit."""
        return COLUMNS[name].title(self._calibration)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of tracks shown."""
        return 0 if parent is not None and parent.isValid() else self._rows.size

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(self.columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what Qt wants to know of a cell."""
        name = self.columns[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignLeft if self.is_text(name) else Qt.AlignmentFlag.AlignRight
            return side | Qt.AlignmentFlag.AlignVCenter
        value = self.values(name)[self._rows[index.row()]]
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(name, value)
        if role == Qt.ItemDataRole.DecorationRole and name == MODEL:
            return QColor(MODEL_COLORS.get(value, UNKNOWN_COLOR))
        if role == Qt.ItemDataRole.ToolTipRole:
            if name == MODEL:
                return MODEL_DESCRIPTIONS.get(value)
            if name == "flags":
                return "\n".join(FLAGS[flag] for flag in value.split(";") if flag in FLAGS)
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return the heading of a column; rows have none."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        name = self.columns[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return self.title(name)
        if role == Qt.ItemDataRole.ToolTipRole:
            # Those that are no feature of a layer have their whole name as heading.
            return PER_TRACK.get(name, COLUMNS[name]).title(self._calibration)
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; tracks without a value come last either way."""
        if not 0 <= column < len(self.columns):
            return
        self.beginResetModel()
        self._sorted_by = (self.columns[column], order)
        self._arrange()
        self.endResetModel()

    def _arrange(self) -> None:
        name, order = self._sorted_by
        values = self.values(name) if name in self._numbers else np.empty(0)
        if self.is_text(name):
            codes, _ = pd.factorize(values, sort=True)
            values = np.where(values == "", np.nan, codes)
        ascending = order == Qt.SortOrder.AscendingOrder
        self._order = np.argsort(values if ascending else -values, kind="stable")
        self._rows = self._order[self._kept[self._order]]

    @staticmethod
    def is_text(name: str) -> bool:
        """Say whether a column holds texts, not numbers."""
        return name in _TEXTS

    @staticmethod
    def _text(name: str, value: Any) -> str:
        if name == MODEL:
            return str(value) or NOT_JUDGED
        if name == "flags":
            return str(value).replace("_", " ").replace(";", ", ")
        if name in _TEXTS:
            return str(value)
        if np.isnan(value):
            return ""
        if name in _PROBABILITIES:
            return f"{value:.2f}"
        return f"{value:.0f}" if name in _WHOLE else f"{value:.3g}"
