"""What a detector will find in a single frame of a movie, and what it will leave out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.io import Movie
from perrin.localization._gaussian import GaussianDetector
from perrin.localization._localize import Detector, check_finite, localize_frame, resolve_detector

__all__ = ["FramePreview", "MoviePreview"]


class FramePreview(NamedTuple):
    """What :meth:`MoviePreview.look` found in a frame.

    Attributes
    ----------
    spots
        What :func:`perrin.localize` will find in this frame.
    left_out : array, shape (n,)
        The detector's ``quality`` of the maxima below the threshold.
    threshold
        Least quality of a spot: the detector's own, or found from the noise where that is empty.
    """

    spots: pd.DataFrame
    left_out: npt.NDArray[np.float64]
    threshold: float


class MoviePreview:
    """Looks at single frames of a movie with one detector after another.

    What does not depend on what was changed since the last look is not computed again: a look
    with another threshold takes half the time of one with another width.

    Parameters
    ----------
    movie
        The movie.
    """

    def __init__(self, movie: Movie) -> None:
        self.movie = movie
        self._resolved: tuple[Detector, Detector] | None = None
        self._maxima: tuple[tuple[int, Detector], npt.NDArray[np.float64]] | None = None

    def look(self, number: int, detector: Detector, *, device: str = "auto") -> FramePreview:
        """Find the spots of a frame, as :func:`perrin.localize` will.

        Parameters
        ----------
        number
            The frame.
        detector
            How to find spots.
        device
            Where to compute.

        Raises
        ------
        InputError
            As :func:`perrin.localize` does, and if there is no such frame.
        """
        image = self.movie.frame(number)
        check_finite(image, number, self.movie.name)
        resolved = self._resolve(detector)
        spots = localize_frame(image, resolved, device)
        threshold = (
            resolved.threshold(image.shape)
            if isinstance(resolved, GaussianDetector)
            else float(resolved.minmass or 0.0)
        )
        maxima = self._every_maximum(number, image, resolved, device)
        return FramePreview(spots, maxima[maxima < threshold], threshold)

    def _resolve(self, detector: Detector) -> Detector:
        if self._resolved is None or self._resolved[0] != detector:
            self._resolved = (detector, resolve_detector(self.movie, detector))
        return self._resolved[1]

    def _every_maximum(
        self, number: int, image: npt.NDArray[Any], detector: Detector, device: str
    ) -> npt.NDArray[np.float64]:
        key = (number, detector.of_every_maximum())
        if self._maxima is None or self._maxima[0] != key:
            found = localize_frame(image, key[1], device)[detector.quality]
            self._maxima = (key, found.to_numpy(np.float64))
        return self._maxima[1]
