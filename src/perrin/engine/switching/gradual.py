"""Whether what looks like switches is a gradual change of the diffusivity: compiled."""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["drop_gradual"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_POWERS = np.array([-0.95, -0.8, -0.6, -0.4, -0.2, 0.25, 0.5, 0.75, 1.0])  # alpha - 1
_BEFORE = np.array([0.0, 0.1, 0.4])  # of the track's duration, from the motion's begin to its own
_FLOORS = np.array([0.0, 0.03, 0.1, 0.3, 0.6])  # share of what does not change, as noise
_SHOWS = 3.0
"""Log-likelihood that a gradual change gains at least: one for each of power, begin and floor."""
_BETTER = 2.0
"""Log-likelihood by which each switch explains a track better than a gradual change, to be kept."""
_SHORT, _LONG = 60, 200
"""Displacements at which either explanation is as good as the other, and from which it takes all of
the above: a few displacements fit a curve as easily as a step, and steps are more common."""
_TINY = 1e-300


@numba.njit(cache=True, nogil=True)
def drop_gradual(position: Array, frame: Ints, bounds: Ints, low: Ints, high: Ints) -> None:
    """Take back the switches of tracks whose diffusivity rises or falls steadily, in place.

    Displacements from frame to frame are taken for Gaussian. Their variance is constant; or that of
    scaled Brownian motion, a power of the time since the motion began, on a floor of noise; or
    constant between the switches. The switches go where the second gains on the first and the last
    gains hardly anything on the second. Of tracks of scaled Brownian motion with an exponent of 0.7
    6 % are cut then instead of 33 %; of plain switches, one in 200 frames in 2D, it costs 2 % where
    diffusivities differ threefold and 17 % where twofold.

    Parameters
    ----------
    position, frame, bounds, low, high
        As for :func:`~.verify.drop_unseen`.
    """
    for k in range(len(bounds) - 1):
        first, last = bounds[k], bounds[k + 1]
        n_switches = 0
        for i in range(first, last):
            n_switches += low[i] >= 0
        if n_switches == 0:
            continue
        square, time, part = _squares(position, frame, first, last, low)
        if square.size == 0:
            continue
        axes = position.shape[1]
        constant = axes * _log_likelihood_of_parts(square, np.zeros_like(part), 1)
        gradual = axes * _log_likelihood_of_power(square, time)
        switching = axes * _log_likelihood_of_parts(square, part, n_switches + 1)
        better = _BETTER * min(1.0, math.log(square.size / _SHORT) / math.log(_LONG / _SHORT))
        if gradual > constant + _SHOWS and switching < gradual + n_switches * better:
            low[first:last] = -1
            high[first:last] = -1


@numba.njit(cache=True, nogil=True)
def _squares(
    position: Array, frame: Ints, first: int, last: int, low: Ints
) -> tuple[Array, Array, Ints]:
    """Mean over axes of squared displacements in one frame, when, and in which segment they are."""
    square = np.empty(last - first)
    time = np.empty(last - first)
    part = np.empty(last - first, np.int64)
    n, segment = 0, 0
    for i in range(first, last - 1):
        segment += i > first and low[i] >= 0
        if frame[i + 1] - frame[i] != 1:
            continue
        total = 0.0
        for a in range(position.shape[1]):
            total += (position[i + 1, a] - position[i, a]) ** 2
        square[n] = total / position.shape[1]
        time[n] = frame[i] - frame[first] + 0.5
        part[n] = segment
        n += 1
    return square[:n], time[:n], part[:n]


@numba.njit(cache=True, nogil=True)
def _log_likelihood_of_parts(square: Array, part: Ints, n_parts: int) -> float:
    """Largest log-likelihood for one variance in each part, less what all explanations share."""
    sums, counts = np.zeros(n_parts), np.zeros(n_parts)
    for i in range(square.size):
        sums[part[i]] += square[i]
        counts[part[i]] += 1
    total = 0.0
    for j in range(n_parts):
        if counts[j] > 0:
            total -= 0.5 * counts[j] * math.log(max(sums[j] / counts[j], _TINY))
    return total


@numba.njit(cache=True, nogil=True)
def _log_likelihood_of_power(square: Array, time: Array) -> float:
    """Largest log-likelihood for a variance that is a power of time on a floor."""
    n = square.size
    duration = time[-1] + 0.5
    best = -np.inf
    power_of = np.empty(n)
    for before in _BEFORE:
        for power in _POWERS:
            mean = 0.0
            for i in range(n):
                power_of[i] = (time[i] + before * duration) ** power
                mean += power_of[i] / n
            for floor in _FLOORS:
                scale, logs = 0.0, 0.0
                for i in range(n):
                    shape = floor + (1 - floor) * power_of[i] / mean
                    scale += square[i] / shape
                    logs += math.log(shape)
                best = max(best, -0.5 * (n * math.log(max(scale / n, _TINY)) + logs))
    return best
