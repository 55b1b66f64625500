"""The samples of :mod:`perrin.samples`, as napari opens them."""

from __future__ import annotations

from typing import Any

from napari_perrin._calibration import METADATA_KEY, layer_geometry

__all__ = ["open_sample"]

LayerData = tuple[Any, dict[str, Any], str]


def open_sample(name: str) -> list[LayerData]:
    """Open a sample movie as an Image layer, in micrometres and seconds."""
    from perrin.samples import load_sample

    movie = load_sample(name).movie
    calibration = movie.calibration
    noted = {"calibration": calibration.model_dump(exclude_none=True), "sample": name}
    attributes = {
        "name": movie.name,
        "metadata": {METADATA_KEY: noted},
        **layer_geometry(calibration, len(movie.shape)),
    }
    return [(movie.frames, attributes, "image")]
