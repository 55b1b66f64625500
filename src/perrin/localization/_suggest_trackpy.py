"""Parameters of trackpy's detector, suggested from the data."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from perrin.io import Movie
from perrin.localization._gaussian import GaussianDetector
from perrin.localization._localize import minmass_of
from perrin.localization._trackpy import TrackpyDetector, noise_of

__all__ = ["SuggestedTrackpyDetector", "suggest_trackpy_detector"]

_NOISE_FRAMES = 3


class SuggestedTrackpyDetector(NamedTuple):
    """A detector, and in one sentence per parameter how it was found."""

    detector: TrackpyDetector
    reasons: tuple[str, ...]


def suggest_trackpy_detector(
    movie: Movie, sigma: float, detector: TrackpyDetector | None = None
) -> SuggestedTrackpyDetector:
    """Find the diameter and the least brightness for spots of a known width.

    Parameters
    ----------
    movie
        The movie.
    sigma
        Width of the spots, px, as :func:`perrin.localization.suggest_detector` finds it.
    detector
        What is known before; diameter and least brightness are replaced.

    Raises
    ------
    InputError
        If a frame that is looked at holds NaN, or is smaller than a spot.

    Notes
    -----
    The diameter is the smallest odd number of at least five times the width (sigma): a circle of it
    holds at least 96 % of a Gaussian spot. The least brightness is that of
    :meth:`TrackpyDetector.find_minmass`; how many false spots it lets pass is counted in simulated
    frames of the same noise.
    """
    detector = detector or TrackpyDetector()
    diameter = 2 * math.ceil((GaussianDetector(sigma=sigma).extent - 1) / 2) + 1
    chosen = detector.model_copy(update={"diameter": max(diameter, 3)})
    chosen = chosen.model_copy(update={"minmass": minmass_of(movie, chosen)})
    image = movie.frame(0)
    noise, random = noise_of(image), np.random.default_rng(0)
    n_false = [
        len(chosen.locate(random.normal(0.0, noise, image.shape))) for _ in range(_NOISE_FRAMES)
    ]
    share = 1 - math.exp(-((chosen.diameter / sigma) ** 2) / 8)
    size = " × ".join(map(str, image.shape))
    return SuggestedTrackpyDetector(
        chosen,
        (
            f"Spot diameter {chosen.diameter} px: a circle of it holds {share:.0%} of the light "
            "of a spot.",
            f"Least brightness {chosen.minmass:g} counts: five standard deviations above what "
            f"maxima of noise have. In {_NOISE_FRAMES} simulated frames of {size} px with the "
            f"noise of the movie it let {np.mean(n_false):.1f} false spots per frame pass.",
        ),
    )
