"""Small simulated movies with known ground truth.

They are made by ``sample_data/make_samples.py``, and are there in a checkout as well as in a wheel.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pandas as pd

from perrin.errors import InputError
from perrin.io import Movie, read_movie, read_table, read_tracks

__all__ = ["SAMPLES", "Sample", "load_sample", "sample_path"]

SAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "free_beads": "Beads diffusing freely in water; all have the same diffusivity.",
        "two_state_receptors": "Receptors in a membrane, switching between fast and slow motion.",
        "five_models": "Particles moving after five models: ATTM, CTRW, FBM, LW and SBM.",
    }
)
"""Names of the samples, and what each shows."""

_FOLDER = "sample_data"


class Sample(NamedTuple):
    """A simulated movie and what went into it.

    Attributes
    ----------
    movie
        The movie, with its calibration.
    tracks
        True positions (px): ``particle``, ``frame``, ``y``, ``x``, and where it applies ``state``
        and ``diffusivity`` (µm²/s) of the step from this frame to the next.
    truth
        One row per particle: ``particle``, ``model``, ``alpha``, and where it applies
        ``diffusivity`` (µm²/s) or ``n_switches``.
    """

    movie: Movie
    tracks: pd.DataFrame
    truth: pd.DataFrame


def sample_path(name: str) -> Path:
    """Return the file of a sample movie.

    Parameters
    ----------
    name
        A key of :data:`SAMPLES`.

    Raises
    ------
    InputError
        If there is no such sample, or its file is missing.
    """
    if name not in SAMPLES:
        raise InputError(f"There is no sample {name!r}; there are {', '.join(SAMPLES)}.")
    path = _folder() / f"{name}.tif"
    if not path.is_file():
        raise InputError(
            f"The sample {name!r} is missing ({path}). Install Perrin again, or make the samples "
            "with sample_data/make_samples.py."
        )
    return path


def load_sample(name: str) -> Sample:
    """Load a sample movie with its ground truth.

    Parameters
    ----------
    name
        A key of :data:`SAMPLES`.

    Raises
    ------
    InputError
        If there is no such sample, or a file of it is missing or damaged.
    """
    path = sample_path(name)
    movie = read_movie(path)
    tracks = read_tracks(path.with_name(f"{name}_tracks.csv"))
    tracks.attrs["calibration"] = movie.calibration
    truth = read_table(path.with_name(f"{name}_truth.csv")).reset_index(drop=True)
    return Sample(movie, tracks, truth)


def _folder() -> Path:
    """Beside the modules in an installed package; at the top of the project in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / _FOLDER
    return installed if installed.is_dir() else package.parents[1] / _FOLDER
