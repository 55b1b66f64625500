"""A combobox of the viewer's layers of one type."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy

__all__ = ["LayerChoice"]


class LayerChoice(QComboBox):
    """Choose one layer of a type; follows layers that come, go and are renamed.

    Parameters
    ----------
    viewer
        The viewer whose layers are offered.
    layer_type
        For example :class:`napari.layers.Image`.
    """

    chosen = Signal(object)
    """Another layer is chosen now, or ``None``."""

    def __init__(self, viewer: Any, layer_type: type) -> None:
        super().__init__()
        self._viewer, self._type = viewer, layer_type
        self._layers: list[Any] = []
        self._current: Any = None
        # Long layer names must not widen the whole panel.
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.currentIndexChanged.connect(self._on_index)
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.connect(self.refresh)
        self.refresh()
        active = viewer.layers.selection.active
        if active in self._layers:
            self.layer = active

    @property
    def layer(self) -> Any:
        """The chosen layer, or ``None``."""
        return self._current

    @layer.setter
    def layer(self, layer: Any) -> None:
        if layer in self._layers:
            self.setCurrentIndex(self._layers.index(layer))

    def refresh(self, _event: Any = None) -> None:
        """Offer the layers there are now, keeping the choice where it still exists."""
        # The newest layer is on top in napari's own list as well.
        self._layers = [
            layer for layer in reversed(self._viewer.layers) if isinstance(layer, self._type)
        ]
        with QSignalBlocker(self):
            self.clear()
            self.addItems([layer.name for layer in self._layers])
            if self._current in self._layers:
                self.setCurrentIndex(self._layers.index(self._current))
        self._on_index(self.currentIndex())

    def _on_index(self, index: int) -> None:
        layer = self._layers[index] if 0 <= index < len(self._layers) else None
        if layer is not self._current:
            self._current = layer
            self.chosen.emit(layer)
