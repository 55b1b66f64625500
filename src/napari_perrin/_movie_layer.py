"""Image layers as movies: what is in them, where they lie, and which frame is shown."""

from __future__ import annotations

from typing import Any

from napari.layers import Image, Layer

from napari_perrin._calibration import METADATA_KEY
from napari_perrin._layer_file import file_of
from perrin.results import Source

__all__ = ["array_of", "geometry_of", "movie_problem", "shown_frame", "source_of"]

_GEOMETRY = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
_CHANNEL = ("c", "ch", "channel", "channels")


def array_of(layer: Image) -> Any:
    """Return the pixels of a layer at full resolution."""
    return layer.data[0] if layer.multiscale else layer.data


def geometry_of(layer: Layer) -> dict[str, Any]:
    """Return how a layer lies in the world, for another one to lie on it."""
    return {key: getattr(layer, key) for key in _GEOMETRY}


def source_of(layer: Image) -> Source:
    """Return the file or the sample that a layer is, as results name it."""
    noted = layer.metadata.get(METADATA_KEY, {})
    return Source(movie=layer.source.path, sample=noted.get("sample"))


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
    if layer.ndim == 4 and _has_channels(layer):
        return (
            f"The second axis of '{layer.name}' is the channel. Tracking needs one: split the "
            "channels, in Fiji with Image > Color > Split Channels, or open the movie in napari's "
            "console with viewer.open(PATH, channel_axis=1)."
        )
    shape = array_of(layer).shape
    if shape[0] < 2:
        return f"'{layer.name}' has a single frame along its first axis, so nothing moves in it."
    return ""


def _has_channels(layer: Image) -> bool:
    """Say whether the second of four axes is the channel: the layer says so, or its file."""
    label = str(layer.axis_labels[1]).lower()
    if label in _CHANNEL:
        return True
    if label == "z":
        return False
    file = file_of(layer)
    # A channel of a stack with depth has four axes as well.
    return file is not None and file.has_channels and file.ndim == 3
