"""A recipe suggested from a movie, each parameter with its reason in words."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from perrin.errors import Progress
from perrin.io import Movie, as_movie
from perrin.localization import (
    Detector,
    GaussianDetector,
    TrackpyDetector,
    suggest_detector,
    suggest_search_range,
    suggest_trackpy_detector,
)
from perrin.localization._localize import check_finite
from perrin.pipeline import Recipe
from perrin.tracks import in_even_pixels

__all__ = ["Suggestion", "suggest_recipe"]

_RUNS = 3  # pieces of the movie in which spots are followed from frame to frame
_RUN = (5, 20)  # frames of each, at least and at most
_PIXELS = 2**24  # to look at, where that is more than the fewest frames


class Suggestion(NamedTuple):
    """What :func:`suggest_recipe` found.

    Attributes
    ----------
    recipe
        The recipe to run.
    reasons
        In one sentence or two per parameter, how it was found.
    """

    recipe: Recipe
    reasons: tuple[str, ...]


def suggest_recipe(
    movie: Movie | Any,
    recipe: Recipe | None = None,
    *,
    device: str = "auto",
    progress: Progress | None = None,
) -> Suggestion:
    """Find the size of the spots, the threshold and the search range for a movie.

    Parameters
    ----------
    movie
        A :class:`~perrin.io.Movie`, or an array ``(T, Y, X)`` or ``(T, Z, Y, X)``. About 60 frames
        of it are looked at.
    recipe
        Everything else, and which detector; the defaults if not given.
    device
        Where to compute.
    progress
        Called as ``progress(what, done, total)``; may raise :class:`~perrin.Cancelled`.

    Raises
    ------
    InputError
        If no spot stands out, too few spots have others in the next frame, or the movie cannot be
        used.

    Notes
    -----
    See :func:`perrin.localization.suggest_detector`,
    :func:`perrin.localization.suggest_trackpy_detector` and
    :func:`perrin.localization.suggest_search_range`; the last one is asked about successive frames
    from the beginning, the middle and the end of the movie. How far particles move does not depend
    on the detector, so the spots are those of a :class:`perrin.GaussianDetector` in any case: where
    two spots meet, trackpy keeps one of them, and the other would seem to jump.
    """
    movie = as_movie(movie)
    recipe = (recipe or Recipe()).calibrated(movie.calibration)
    detector = recipe.detector
    known = (
        detector
        if isinstance(detector, GaussianDetector)
        else GaussianDetector(invert=detector.invert)
    )
    gaussian, reasons = suggest_detector(movie, known, device=device, progress=progress)
    chosen: Detector = gaussian
    if isinstance(detector, TrackpyDetector):
        chosen, more = suggest_trackpy_detector(movie, gaussian.sigma, detector)
        reasons = (reasons[0], *more)
    numbers = _successive_frames(movie)
    tables = []
    at_once = gaussian.frames_at_once(movie.shape[1:])
    for first in range(0, len(numbers), at_once):
        part = numbers[first : first + at_once]
        frames = np.stack([movie.frame(number) for number in part])
        for number, image in zip(part, frames, strict=True):
            check_finite(image, number, movie.name)
        spots = gaussian.locate_frames(frames, device)
        tables.append(spots.assign(frame=np.array(part)[spots["frame"]]))
        if progress is not None:
            progress("Following spots", first + len(part), len(numbers))
    spots = in_even_pixels(pd.concat(tables, ignore_index=True), recipe.calibration)
    found = suggest_search_range(spots)
    linker = recipe.linker
    search_range = linker.reach * found.search_range
    reasons = (*reasons, found.reason)
    if linker.reach != 1:
        reasons = (
            *reasons,
            f"Search range {search_range:g} px for the linker '{linker.kind}': {linker.reach:g} "
            "times as much, since it weighs long steps by how rare they are.",
        )
    changes = {"detector": chosen.model_dump(), "linker": {"search_range": search_range}}
    return Suggestion(recipe.with_values(changes), reasons)


def _successive_frames(movie: Movie) -> list[int]:
    length = int(np.clip(_PIXELS // (_RUNS * math.prod(movie.shape[1:])), *_RUN))
    if movie.n_frames <= _RUNS * length:
        return list(range(movie.n_frames))
    starts = np.linspace(0, movie.n_frames - length, _RUNS).astype(int)
    return [int(start) + step for start in starts for step in range(length)]
