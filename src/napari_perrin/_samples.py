"""The samples of :mod:`perrin.samples`, as napari opens them."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from napari_perrin._calibration import METADATA_KEY, layer_geometry

__all__ = ["five_models", "free_beads", "open_sample", "two_state_receptors"]

LayerData = tuple[Any, dict[str, Any], str]


def open_sample(name: str) -> list[LayerData]:
    """Open a sample movie as an Image layer, in micrometres and seconds.

    Parameters
    ----------
    name
        A key of :data:`perrin.samples.SAMPLES`.
    """
    from perrin.samples import load_sample

    movie = load_sample(name).movie
    calibration = movie.calibration
    noted = {"calibration": calibration.model_dump(exclude_none=True), "sample": name}
    attributes = {
        "name": movie.name,
        "metadata": {METADATA_KEY: noted},
        **layer_geometry(calibration, len(movie.shape)),
    }
    # A few megabytes: in memory, playing them is smooth.
    frames = np.concatenate([part for _, part in movie.chunks()])
    return [(frames, attributes, "image")]


# One command for each sample: the manifest calls functions without arguments.
free_beads = partial(open_sample, "free_beads")
two_state_receptors = partial(open_sample, "two_state_receptors")
five_models = partial(open_sample, "five_models")
