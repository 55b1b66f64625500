"""Which Tracks layers a network learns from, and the class of each."""

from __future__ import annotations

from typing import Any

from napari.layers import Tracks
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem

from napari_perrin._calibration import METADATA_KEY
from napari_perrin._session import Session
from napari_perrin.curate._edited import LABEL, name_before_edits
from napari_perrin.population._truth_layers import is_of_faults

__all__ = ["BY_LABEL", "ClassTable"]

BY_LABEL = "(label of each track)"
"""Stands for the class of layers whose tracks have labels of their own."""

_ROWS = 5


class ClassTable(QTableWidget):
    """One row for each Tracks layer: whether it is used, and its class.

    Layers of one class are recordings of their own, which are never divided between training and
    test.

    Parameters
    ----------
    viewer
        The viewer whose layers are offered.
    """

    changed = Signal()

    def __init__(self, viewer: Any) -> None:
        super().__init__(0, 2)
        self._viewer = viewer
        self._layers: list[Tracks] = []
        # Whether it is used, and the class that was typed.
        self._known: dict[int, tuple[bool, str | None]] = {}
        self.setHorizontalHeaderLabels(["Tracks", "Class"])
        for header, mode in (
            (self.horizontalHeader(), QHeaderView.ResizeMode.Stretch),
            (self.verticalHeader(), QHeaderView.ResizeMode.Fixed),
        ):
            if header is not None:
                header.setSectionResizeMode(mode)
        if (numbers := self.verticalHeader()) is not None:
            numbers.hide()
        self.setToolTip(
            "Tick the layers to learn from and type the class of each. Several layers of one "
            "class count as recordings of their own."
        )
        self.setMaximumHeight(_ROWS * 30 + 30)
        self.itemChanged.connect(self._on_item)
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.connect(self.refresh)
        Session.of(viewer).curated.connect(self.refresh)
        self.refresh()

    def chosen(self) -> list[tuple[Tracks, str]]:
        """Return the ticked layers and their classes."""
        return [
            (layer, _class_of(layer) if name is None else name)
            for layer in self._layers
            for used, name in (self._known[id(layer)],)
            if used
        ]

    def refresh(self, _event: Any = None) -> None:
        """Offer the layers there are now; what was chosen stays."""
        self._layers = [
            layer
            for layer in reversed(self._viewer.layers)
            if type(layer) is Tracks and not is_of_faults(layer)
        ]
        here = {id(layer) for layer in self._layers}
        self._known = {key: value for key, value in self._known.items() if key in here}
        with QSignalBlocker(self):
            self.setRowCount(len(self._layers))
            for row, layer in enumerate(self._layers):
                used, name = self._known.setdefault(id(layer), (True, None))
                item = QTableWidgetItem(layer.name)
                item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
                item.setCheckState(Qt.CheckState.Checked if used else Qt.CheckState.Unchecked)
                self.setItem(row, 0, item)
                self.setItem(row, 1, QTableWidgetItem(_class_of(layer) if name is None else name))
        self.changed.emit()

    def _on_item(self, item: QTableWidgetItem) -> None:
        used = self.item(item.row(), 0)
        name = self.item(item.row(), 1)
        if used is not None and name is not None:
            ticked = used.checkState() == Qt.CheckState.Checked
            layer, typed = self._layers[item.row()], name.text().strip()
            self._known[id(layer)] = (ticked, None if typed == _class_of(layer) else typed)
            self.changed.emit()


def _class_of(layer: Tracks) -> str:
    """Return the class of a layer for which none was typed."""
    names = layer.metadata.get(METADATA_KEY, {}).get("names", {})
    return BY_LABEL if names.get(LABEL) else name_before_edits(layer)
