"""Localizing a whole movie, part by part."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

import perrin
from perrin.errors import InputError, Progress
from perrin.io import Checkpoint, Movie, as_movie, fingerprint
from perrin.localization._gaussian import GaussianDetector
from perrin.localization._trackpy import TrackpyDetector

__all__ = [
    "Detector", "check_finite", "localize", "localize_frame", "minmass_of", "resolve_detector",
]  # fmt: skip

Detector = Annotated[
    TrackpyDetector | GaussianDetector, Field(title="Detector", discriminator="kind")
]
"""Any detector; each has its own ``kind``."""

_FRAMES_FOR_NOISE = 3
_FIRST_ROWS = 2**16


def localize(
    movie: Movie | Any,
    detector: Detector | None = None,
    *,
    device: str = "auto",
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> pd.DataFrame:
    """Find the spots in every frame of a movie.

    Parameters
    ----------
    movie
        A :class:`perrin.Movie`, or an array ``(T, Y, X)`` or ``(T, Z, Y, X)``. Only a part of it is
        in memory at any time.
    detector
        How to find spots; :class:`TrackpyDetector` with its defaults if not given.
    device
        Where a :class:`GaussianDetector` computes: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    progress
        Called after every frame, or every few of them where a detector takes several at once; may
        raise :class:`perrin.Cancelled`.
    checkpoint
        Where the spots of frames that are done are kept, and where work that was stopped goes on.

    Returns
    -------
    pandas.DataFrame
        One row per spot, sorted by ``frame``: ``frame``, ``y``, ``x`` (in 3D ``z`` before them;
        pixels, the middle of the first pixel being 0), ``mass`` (brightness above the
        surroundings) and what else the detector measures. ``attrs["calibration"]`` is the movie's.
        Without spots, a table without rows.

        Of :class:`TrackpyDetector`, unless ``characterize`` is off: ``size`` (radius of gyration),
        ``ecc`` (0 for round), ``signal`` (peak), ``raw_mass`` (sum of the pixels as recorded) and
        ``ep`` (expected error of the position).

        Of :class:`GaussianDetector`: ``y_err``, ``x_err`` (standard deviations of the position,
        pixels), ``photons`` (where the camera is known), ``background`` (level below the spot,
        counts per pixel as recorded), ``sigma`` (width, pixels) and ``snr`` (signal-to-noise
        ratio in the band-passed frame).

    Raises
    ------
    InputError
        If the movie is no movie (see :func:`perrin.as_movie`), a frame holds NaN, or the frames are
        smaller than a spot.
    """
    movie = as_movie(movie)
    detector = resolve_detector(movie, detector)
    ndim = len(movie.shape) - 1
    at_once = detector.frames_at_once(movie.shape[1:])
    found = _Rows()
    done = 0
    if checkpoint is not None:
        kept, done = checkpoint.begin(_work(movie, detector, device))
        for spots in kept:
            found.add(spots)
        if done and progress is not None:
            progress("Localizing", done, movie.n_frames)
    for first, part in movie.chunks(start=done):
        for start in range(0, len(part), at_once):
            images = part[start : start + at_once]
            for number, image in enumerate(images, start=first + start):
                check_finite(image, number, movie.name)
            spots = detector.locate_frames(images, device)
            spots["frame"] += first + start
            if len(spots):
                found.add(spots)
            if checkpoint is not None:
                checkpoint.keep(spots, first + start + len(images))
            if progress is not None:
                progress("Localizing", first + start + len(images), movie.n_frames)
    table = found.table(["frame", *detector.columns(ndim)])
    table["frame"] = table["frame"].astype(np.int64)
    table.attrs["calibration"] = movie.calibration
    return table


class _Rows:
    """Rows of numbers, gathered in one block of memory that doubles when it is full.

    Tables of single frames, kept for later among the large arrays that come and go with each frame,
    would keep their memory from being given back: gigabytes in a long movie.
    """

    def __init__(self) -> None:
        self._columns: list[str] = []
        self._values = np.empty((0, 0))
        self._n = 0

    def add(self, table: pd.DataFrame) -> None:
        """Add the rows of a table; all have the columns of the first."""
        if not self._columns:
            self._columns = list(table.columns)
            self._values = np.empty((_FIRST_ROWS, len(self._columns)))
        stop = self._n + len(table)
        while stop > len(self._values):
            self._values = np.concatenate((self._values, np.empty_like(self._values)))
        self._values[self._n : stop] = table[self._columns].to_numpy(np.float64)
        self._n = stop

    def table(self, columns: list[str]) -> pd.DataFrame:
        """Return all rows; with these columns, if there are none."""
        if not self._columns:
            return pd.DataFrame(columns=columns, dtype=np.float64)
        return pd.DataFrame(self._values[: self._n], columns=self._columns)


def _work(movie: Movie, detector: Detector, device: str) -> dict[str, Any]:
    """Say what spots depend on: the movie, the detector, what runs it, and on what."""
    return {
        "perrin": perrin.__version__,
        "movie": fingerprint(movie),
        "detector": detector.model_dump(mode="json"),
        "device": device,
    }


def localize_frame(
    image: npt.ArrayLike, detector: Detector | None = None, device: str = "auto"
) -> pd.DataFrame:
    """Find the spots of one frame, ``(Y, X)`` or ``(Z, Y, X)``: a preview of :func:`localize`.

    If a :class:`TrackpyDetector`'s ``minmass`` is empty it is found from this frame alone; to
    preview exactly what :func:`localize` will do, pass what :func:`resolve_detector` returned for
    the movie.

    Returns
    -------
    pandas.DataFrame
        The columns of :func:`localize` without ``frame``.

    Raises
    ------
    InputError
        If the frame holds NaN, is smaller than a spot, or has the wrong number of axes.
    """
    array = np.asarray(image)
    if array.dtype.kind not in "buif":
        raise InputError(f"The frame holds values of type {array.dtype}; give real numbers.")
    check_finite(array, 0, "the image")
    return (detector or TrackpyDetector()).locate_frames(array[None], device).drop(columns="frame")


def resolve_detector(movie: Movie | Any, detector: Detector | None = None) -> Detector:
    """Return the detector with an empty ``minmass`` filled in, from the noise of three frames.

    A :class:`GaussianDetector` measures the noise of each frame and is returned as it is.

    Raises
    ------
    InputError
        If the movie is no movie, a frame that is looked at holds NaN, or is smaller than a spot.
    """
    movie = as_movie(movie)
    detector = detector or TrackpyDetector()
    if not isinstance(detector, TrackpyDetector) or detector.minmass is not None:
        return detector
    return detector.model_copy(update={"minmass": minmass_of(movie, detector)})


def minmass_of(movie: Movie, detector: TrackpyDetector) -> float:
    """Return the least brightness of a spot, from the noise of three frames."""
    numbers = np.unique(np.linspace(0, movie.n_frames - 1, _FRAMES_FOR_NOISE).astype(int))
    images = [movie.frame(int(number)) for number in numbers]
    for number, image in zip(numbers, images, strict=True):
        check_finite(image, int(number), movie.name)
    return detector.find_minmass(*images)


def check_finite(image: npt.NDArray[Any], number: int, name: str) -> None:
    """Raise :class:`InputError` if a frame has pixels that are NaN or infinite."""
    if image.dtype.kind != "f" or np.isfinite(image).all():
        return
    n_bad = int((~np.isfinite(image)).sum())
    where = tuple(int(i) for i in np.argwhere(~np.isfinite(image))[0])
    raise InputError(
        f"Frame {number} of {name} has {n_bad} pixels that are NaN or infinite (the first at "
        f"{where}). Fill them with the background first, for instance with numpy.nan_to_num."
    )
