"""Perrin: from a movie to classified tracks.

The names below are the library's table of contents; each is imported when first used, so that
``import perrin`` stays fast and loads no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perrin.analysis import Analysis, AnalysisParameters, analyze
    from perrin.errors import Cancelled, InputError, OutputError, PerrinError
    from perrin.io import (
        Checkpoint,
        Movie,
        as_movie,
        read_movie,
        read_tracks,
        write_analysis,
        write_tracks,
    )
    from perrin.linking import DriftCorrection, LapLinker, MotionLinker, NearestLinker, link
    from perrin.localization import GaussianDetector, TrackpyDetector, localize
    from perrin.pipeline import Recipe, Result, run, track_movie
    from perrin.samples import SAMPLES, load_sample
    from perrin.simulate import Camera, render_movie, simulate_tracks
    from perrin.tracks import Calibration, validate_tracks

_HOMES = {
    "perrin.analysis": ("Analysis", "AnalysisParameters", "analyze"),
    "perrin.errors": ("Cancelled", "InputError", "OutputError", "PerrinError"),
    "perrin.io": (
        "Checkpoint", "Movie", "as_movie", "read_movie", "read_tracks", "write_analysis",
        "write_tracks",
    ),
    "perrin.linking": ("DriftCorrection", "LapLinker", "MotionLinker", "NearestLinker", "link"),
    "perrin.localization": ("GaussianDetector", "TrackpyDetector", "localize"),
    "perrin.pipeline": ("Recipe", "Result", "run", "track_movie"),
    "perrin.samples": ("SAMPLES", "load_sample"),
    "perrin.simulate": ("Camera", "render_movie", "simulate_tracks"),
    "perrin.tracks": ("Calibration", "validate_tracks"),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__version__ = "0.1.0"
__all__ = [
    "SAMPLES",
    "Analysis",
    "AnalysisParameters",
    "Calibration",
    "Camera",
    "Cancelled",
    "Checkpoint",
    "DriftCorrection",
    "GaussianDetector",
    "InputError",
    "LapLinker",
    "MotionLinker",
    "Movie",
    "NearestLinker",
    "OutputError",
    "PerrinError",
    "Recipe",
    "Result",
    "TrackpyDetector",
    "analyze",
    "as_movie",
    "link",
    "load_sample",
    "localize",
    "read_movie",
    "read_tracks",
    "render_movie",
    "run",
    "simulate_tracks",
    "track_movie",
    "validate_tracks",
    "write_analysis",
    "write_tracks",
]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module 'perrin' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
