"""Image layers as movies: what is in them, where they lie, and which frame is shown."""

from __future__ import annotations

from typing import Any

from napari.layers import Image, Layer

__all__ = ["array_of", "geometry_of", "movie_problem", "shown_frame"]

_GEOMETRY = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


def array_of(layer: Image) -> Any:
    """Return the pixels of a layer at full resolution."""
    return layer.data[0] if layer.multiscale else layer.data


def geometry_of(layer: Layer) -> dict[str, Any]:
    """Return how a layer lies in the world, for another one to lie on it."""
    return {key: getattr(layer, key) for key in _GEOMETRY}


def shown_frame(viewer: Any, layer: Layer) -> float:
    """Return the frame of a layer that the viewer shows."""
    return float(layer.world_to_data(viewer.dims.point)[0])


def movie_problem(layer: Image) -> str:
    """Say why an image layer is no movie that can be tracked, or return an empty string."""
    if layer.rgb:
        return (
            f"'{layer.name}' is a colour (RGB) image. Tracking needs one channel: right-click the "
            "layer and choose 'Split RGB', then choose one of its channels."
        )
    if layer.ndim < 3:
        return (
            f"'{layer.name}' is a single picture. Tracking needs a movie: frames along the first "
            "axis. Open the files as a stack (File → Open Files as Stack)."
        )
    if layer.ndim > 4:
        return (
            f"'{layer.name}' has {layer.ndim} axes. Tracking needs time, (z), y and x: right-click "
            "the layer and choose 'Split Stack' to separate channels or positions."
        )
    shape = array_of(layer).shape
    if shape[0] < 2:
        return f"'{layer.name}' has a single frame along its first axis, so nothing moves in it."
    return ""
