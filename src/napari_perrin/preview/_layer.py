"""Rings around the spots of one frame, in a layer of their own that is never kept."""

from __future__ import annotations

from typing import Any

import pandas as pd
from napari.layers import Image, Layer, Points

from napari_perrin._layers import points_layer_data
from napari_perrin._movie_layer import geometry_of

__all__ = ["PreviewLayer"]

_NAME = "Preview, not saved"
_BORDER = 0.1


class PreviewLayer:
    """The rings; the layer is there while there is something to show.

    Parameters
    ----------
    viewer
        The viewer that shows the movie.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._movie: Image | None = None
        self.layer: Points | None = None

    @property
    def is_there(self) -> bool:
        """Whether the layer is in the viewer; a user may have deleted it."""
        return self.layer is not None and self.layer in self._viewer.layers

    def show(
        self, movie: Image, spots: pd.DataFrame, frame: int, *, size: float, color: str
    ) -> None:
        """Draw rings around the spots of a frame.

        Parameters
        ----------
        movie
            The layer that they lie on.
        spots
            With ``y``, ``x`` and in 3D ``z``, pixels.
        frame
            The frame they were found in.
        size
            Pixels across a ring.
        color
            Of the rings.
        """
        if self._movie is not movie:
            # Another one lies elsewhere and may have other axes.
            self.remove()
        self._movie = movie
        table = spots.assign(frame=frame)
        data, attributes, kind = points_layer_data(
            table, name=_NAME, geometry=geometry_of(movie), ndim=movie.ndim
        )
        layer = self.layer
        if layer is None or not self.is_there:
            attributes |= {
                "features": None,
                "border_width": _BORDER,
                "border_color": color,
                "size": size,
                "visible": True,
            }
            self.layer = Layer.create(data, attributes, kind)
            self._add(self.layer)
            return
        # Each of these draws the layer anew.
        if layer.current_size != size:
            layer.current_size = size
            layer.size = size
        layer.data = data

    def remove(self) -> None:
        """Take the layer away."""
        layer, self.layer = self.layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _add(self, layer: Points) -> None:
        layers = self._viewer.layers
        # napari selects what is added; what somebody works on must not change.
        selected = set(layers.selection)
        self._viewer.add_layer(layer)
        layers.selection = selected
