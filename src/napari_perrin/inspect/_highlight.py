"""Lets the selected tracks of a layer stand out, and hides those that are not to be shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Tracks

__all__ = ["FAINT", "Highlight"]

FAINT = 0.25
"""Opacity of tracks while others are selected: seen, but behind the selected ones."""


class Highlight:
    """Sets how opaque each track of a layer is, and leaves the colours as they are.

    Parameters
    ----------
    layer
        Whoever colours it anew meanwhile finds the opacities kept.
    """

    def __init__(self, layer: Tracks) -> None:
        self.layer = layer
        self._opacity: npt.NDArray[np.float64] | None = None
        self._mine: Any = None
        self._base = np.ones(0)
        # Recolouring says so by either event, before the new colours are drawn.
        layer.events.color_by.connect(self._paint)
        layer.events.colormap.connect(self._paint)

    def show(self, opacity: npt.NDArray[np.float64] | None) -> None:
        """Set the opacity of each vertex, or leave all as they are coloured.

        Parameters
        ----------
        opacity : array, shape (n_vertices,), or None
        """
        if opacity is None and self._opacity is None:
            return
        self._opacity = opacity
        self._paint()

    def end(self) -> None:
        """Leave the layer as it is coloured."""
        self.show(None)
        self.layer.events.color_by.disconnect(self._paint)
        self.layer.events.colormap.disconnect(self._paint)

    def _paint(self, _event: Any = None) -> None:
        colors = self.layer.track_colors
        if colors is None or len(colors) != len(self.layer.data):
            return
        if colors is not self._mine:
            if self._opacity is None:
                return
            self._base = colors[:, 3].copy()
        elif _event is not None:
            # The event of the colours that were just set here.
            return
        opacity = self._opacity
        if opacity is not None and len(opacity) != len(colors):
            return
        self._mine = np.array(colors, copy=True)
        self._mine[:, 3] = self._base if opacity is None else self._base * opacity
        self.layer.track_colors = self._mine
