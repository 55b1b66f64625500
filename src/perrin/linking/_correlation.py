"""Drift of the images themselves, by cross-correlation with a peak finer than a pixel."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import fft
from scipy.interpolate import make_interp_spline
from scipy.signal.windows import tukey

from perrin.errors import InputError, Progress
from perrin.io import Movie, as_movie
from perrin.tracks import AXES

__all__ = ["drift_of_images"]

Floats = npt.NDArray[np.float64]
# Of single precision, because all windows of the movie are in memory at once.
Images = npt.NDArray[np.float32]
Spectrum = npt.NDArray[np.complex64]

_MOST_WINDOWS = 30
_SMALLEST = 16  # pixels along an edge of a quarter of the field
_TAPER = 0.25  # of the width, faded out at the edges, which do not match when they wrap
_ROUNDS = 10
_CLOSE_ENOUGH = 1e-3  # px


def drift_of_images(
    movie: Movie | Any, window: int | None = None, *, progress: Progress | None = None
) -> pd.DataFrame:
    """Find how far the images have moved since the first frame.

    Parameters
    ----------
    movie
        A :class:`perrin.Movie`, or an array ``(T, Y, X)`` or ``(T, Z, Y, X)``, that shows
        something at rest in the sample.
    window
        Number of frames that are averaged before they are compared; a 30th of the movie if not
        given.
    progress
        Called as images are read; may raise :class:`perrin.Cancelled`.

    Returns
    -------
    pandas.DataFrame
        Index ``frame``, columns ``[z], y, x``: how far the field has moved (pixels), and
        ``[z_err], y_err, x_err``, its standard error.

    Raises
    ------
    InputError
        If the movie is no movie, has fewer than two windows, or is smaller than 32 × 32 px.

    Notes
    -----
    Each window's image is compared with the mean of all others, moved back by their drifts, until
    the drifts stay (ten rounds at most): the peak of the cross-correlation is found to a pixel
    and then, by Newton's method, on its trigonometric interpolation. Between the middles of windows
    the drift is linear. The same is done with each quarter of the field; the standard deviation
    of the quarters over 2 is the error.
    """
    movie = as_movie(movie)
    n_frames = movie.n_frames
    width = window or math.ceil(n_frames / _MOST_WINDOWS)
    n_windows = n_frames // width
    if n_windows < 2:
        raise InputError(
            f"{movie.name} has {n_frames} frames, too few to compare windows of {width}. Lower the "
            "drift window, or take the drift from the particles."
        )
    if min(movie.shape[-2:]) < 2 * _SMALLEST:
        raise InputError(
            f"The frames of {movie.name} are smaller than {2 * _SMALLEST} px, too small to take "
            "the drift from the images. Take it from the particles."
        )
    images = _windows(movie, width, n_windows, progress)
    middles = (np.arange(n_windows) + 0.5) * width - 0.5
    frames = np.arange(n_frames)
    parts = [images, *_quarters(images)]
    drifts = []
    for part in parts:
        line = make_interp_spline(middles, _drifts(part), k=1)
        drift = np.asarray(line(frames))
        drifts.append(drift - drift[0])
    error = np.std(drifts[1:], axis=0, ddof=1) / math.sqrt(len(drifts) - 1)
    axes = AXES[-(len(movie.shape) - 1) :]
    return pd.DataFrame(
        np.concatenate((drifts[0], error), axis=1),
        pd.RangeIndex(n_frames, name="frame"),
        [*axes, *(f"{axis}_err" for axis in axes)],
    )


def _windows(movie: Movie, width: int, n_windows: int, progress: Progress | None) -> Images:
    """Average frames ``(n_windows, ...)``; the last window takes what is left over."""
    images: Images = np.zeros((n_windows, *movie.shape[1:]), np.float32)
    number = np.zeros(n_windows, np.float32)
    for first, part in movie.chunks():
        for offset, image in enumerate(part):
            at = min((first + offset) // width, n_windows - 1)
            images[at] += image
            number[at] += 1
        if progress is not None:
            progress("Measuring the drift of the images", first + len(part), movie.n_frames)
    images /= number.reshape(-1, *[1] * (images.ndim - 1))
    return images


def _quarters(images: Images) -> list[Images]:
    halves = [(slice(0, n // 2), slice(n // 2, n)) for n in images.shape[-2:]]
    return [images[..., rows, columns] for rows, columns in itertools.product(*halves)]


def _drifts(images: Images) -> Floats:
    """Find the drift of each image, ``(n, dim)``, from the mean of all."""
    spectra: Spectrum = np.empty(images.shape, np.complex64)
    for spectrum, image in zip(spectra, images, strict=True):
        spectrum[...] = fft.fftn(_faded(image))
    steps = [_shift(one, other) for one, other in itertools.pairwise(spectra)]
    drift = np.cumsum([np.zeros(images.ndim - 1), *steps], axis=0)
    for _ in range(_ROUNDS):
        total = np.zeros_like(spectra[0])
        for spectrum, moved in zip(spectra, drift, strict=True):
            total += _moved(spectrum, -moved)
        change = np.empty_like(drift)
        for number, (spectrum, moved) in enumerate(zip(spectra, drift, strict=True)):
            back = _moved(spectrum, -moved)
            # What an image shows by chance must not be compared with itself.
            change[number] = _shift(total - back, back)
        drift = drift + change - change.mean(0)
        if np.abs(change - change.mean(0)).max() < _CLOSE_ENOUGH:
            break
    return drift


def _faded(image: Images) -> Images:
    faded: Images = image - image.mean(dtype=np.float64).astype(np.float32)
    for axis, n in enumerate(image.shape):
        if n > 1:
            taper = tukey(n + 2, _TAPER)[1:-1].astype(np.float32)
            faded *= taper.reshape(-1, *[1] * (image.ndim - 1 - axis))
    return faded


def _moved(spectrum: Spectrum, shift: Floats) -> Spectrum:
    for axis, distance in enumerate(shift):
        phase = np.exp(-2j * np.pi * fft.fftfreq(spectrum.shape[axis]) * distance)
        phase = phase.astype(np.complex64)
        spectrum = spectrum * phase.reshape(-1, *[1] * (spectrum.ndim - 1 - axis))
    return spectrum


def _shift(one: Spectrum, other: Spectrum) -> Floats:
    """Find how far the second image lies from the first, by the peak of their correlation."""
    product = one.conj() * other
    correlation = fft.ifftn(product).real
    peak = np.array(np.unravel_index(int(correlation.argmax()), correlation.shape))
    size = np.array(correlation.shape)
    shift = np.where(peak > size / 2, peak - size, peak).astype(np.float64)
    waves = [2 * np.pi * fft.fftfreq(n) for n in size]
    start = shift.copy()
    for _ in range(_ROUNDS):
        slope, curvature = _derivatives(product, waves, shift)
        step = np.linalg.lstsq(curvature, -slope)[0]
        shift = shift + step
        if np.abs(shift - start).max() > 1:
            return start  # no peak of its own there
        if np.abs(step).max() < _CLOSE_ENOUGH / 10:
            break
    return shift


def _derivatives(product: Spectrum, waves: list[Floats], shift: Floats) -> tuple[Floats, Floats]:
    """First and second derivatives of the correlation with respect to the shift."""
    dim = len(shift)

    def derivative(*axes: int) -> float:
        left = product
        for axis in range(dim):
            factor = np.exp(1j * waves[axis] * shift[axis]) * (1j * waves[axis]) ** axes.count(axis)
            left = np.tensordot(factor, left, axes=(0, 0))
        return float(left.real)

    slope = np.array([derivative(a) for a in range(dim)])
    curvature = np.array([[derivative(a, b) for b in range(dim)] for a in range(dim)])
    return slope, curvature
