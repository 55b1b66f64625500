"""Lets the selected tracks of a layer stand out, and hides those that are not to be shown."""

from __future__ import annotations

from typing import Any, ClassVar
from weakref import WeakKeyDictionary, ref

import numpy as np
import numpy.typing as npt
from napari.layers import Tracks

__all__ = ["FAINT", "Highlight"]

FAINT = 0.25
"""Opacity of tracks while others are selected: seen, but behind the selected ones."""


class Highlight:
    """Sets how opaque each track of a layer is, and leaves the colours as they are.

    Use :meth:`of`: there is one for each layer. Whoever colours the layer anew finds the opacities
    kept.
    """

    _known: ClassVar[WeakKeyDictionary[Tracks, Highlight]] = WeakKeyDictionary()

    def __init__(self, layer: Tracks) -> None:
        self._layer = ref(layer)
        self._opacity: npt.NDArray[np.float64] | None = None
        self._hidden: npt.NDArray[np.bool_] | None = None
        self._mine: Any = None
        self._base = np.ones(0)
        # Recolouring says so by either event, before the new colours are drawn.
        layer.events.color_by.connect(self._paint)
        layer.events.colormap.connect(self._paint)

    @classmethod
    def of(cls, layer: Tracks) -> Highlight:
        """Return the one of a layer, which lives as long as the layer."""
        if layer not in cls._known:
            cls._known[layer] = cls(layer)
        return cls._known[layer]

    def show(self, opacity: npt.NDArray[np.float64] | None) -> None:
        """Set the opacity of each vertex, or leave all as they are coloured.

        Parameters
        ----------
        opacity : array, shape (n_vertices,), or None
        """
        if opacity is None and self._opacity is None:
            return
        before, self._opacity = self._opacity, opacity
        layer = self._layer()
        if layer is not None and layer.track_colors is self._mine and _same(opacity, before):
            # Drawing a million vertices anew takes its time.
            return
        self._paint()

    def hide(self, hidden: npt.NDArray[np.bool_] | None) -> None:
        """Hide vertices, whoever else looks at the layer, or no longer any.

        Parameters
        ----------
        hidden : array, shape (n_vertices,), or None
        """
        if hidden is None and self._hidden is None:
            return
        self._hidden = hidden
        self._paint()

    def _paint(self, _event: Any = None) -> None:
        layer = self._layer()
        if layer is None:
            return
        colors = layer.track_colors
        if colors is None or len(colors) != len(layer.data):
            return
        wanted = [x for x in (self._opacity, self._hidden) if x is not None]
        if colors is not self._mine:
            if not wanted:
                return
            self._base = colors[:, 3].copy()
        elif _event is not None:
            # The event of the colours that were just set here.
            return
        if any(len(each) != len(colors) for each in wanted):
            return
        self._mine = np.array(colors, copy=True)
        self._mine[:, 3] = self._base
        if self._opacity is not None:
            self._mine[:, 3] *= self._opacity
        if self._hidden is not None:
            self._mine[self._hidden, 3] = 0
        layer.track_colors = self._mine


def _same(one: npt.NDArray[Any] | None, other: npt.NDArray[Any] | None) -> bool:
    return one is not None and other is not None and np.array_equal(one, other)
