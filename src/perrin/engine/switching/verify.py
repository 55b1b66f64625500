"""Whether a switch shows in the displacements beside it: compiled.

One that the network reports and that does not show is taken back; one that the network takes for
possible and that shows clearly is reported.
"""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

from perrin.engine.switching.decode import HIGH, LOW, WIDTHS, best, quantile

__all__ = ["add_seen", "drop_unseen", "step_contrast"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LAGS = (1, 2, 4, 8)
_MOST_CORRELATED = 64  # frames over which displacements are taken to be correlated
_FEWEST = 2  # displacements from which a mean is taken
_SHORT = 5
"""Localizations of a segment below which the network is believed without a test."""
_SEEN = 2.75
"""Standard errors by which mean squared displacements differ at least at one lag."""
_CLEAR = 8.0
"""Standard errors from which a switch is reported that the network takes for possible."""
_POSSIBLE = 0.2
"""What a possible switch is expected to hold at least of the probability that is asked for."""


@numba.njit(cache=True, nogil=True)
def drop_unseen(position: Array, frame: Ints, bounds: Ints, low: Ints, high: Ints) -> None:
    """Take back switches that do not show in mean squared displacements, in place.

    One after the other, beginning with the one that shows least, each time for the segments that
    are left. Switches beside a segment of fewer than five localizations stay, since these are too
    few for a test.

    Parameters
    ----------
    position, frame
        All localizations, ``(n, axes)`` and ``(n,)``.
    bounds, low, high
        As for :func:`~.decode.choose_switches`; -1 is written where a switch is taken back.
    """
    for k in range(len(bounds) - 1):
        first, last = bounds[k], bounds[k + 1]
        while True:
            least, at = _SEEN, -1
            start, middle = first, -1
            for i in range(first + 1, last + 1):
                if i < last and low[i] < 0:
                    continue
                if middle >= 0:
                    if min(middle - start, i - middle) >= _SHORT:
                        value = step_contrast(position, frame, start, middle, i)
                        if value < least:
                            least, at = value, middle
                    start = middle
                middle = i
            if at < 0:
                break
            low[at] = high[at] = -1


@numba.njit(cache=True, nogil=True)
def add_seen(
    p: Array, position: Array, frame: Ints, bounds: Ints, threshold: float, low: Ints, high: Ints
) -> None:
    """Report switches that are possible and show clearly, in place.

    In tracks longer than most that it knows, the network may spread the probability of a plain
    switch too thinly to be reported. So the place of each segment within ten frames of which most
    of it lies, a fifth of the threshold or more, is a switch if mean squared displacements before
    and after differ by eight standard errors; and so on for the segments that come of it.

    Parameters
    ----------
    p
        Probability that a new state begins, per localization.
    position, frame
        All localizations, ``(n, axes)`` and ``(n,)``.
    bounds, threshold, low, high
        As for :func:`~.decode.choose_switches`.
    """
    reach = WIDTHS[-1]
    for k in range(len(bounds) - 1):
        start = bounds[k]
        while start < bounds[k + 1]:
            stop = start + 1
            while stop < bounds[k + 1] and low[stop] < 0:
                stop += 1
            # Away from the ends, where a switch already found holds what there is.
            at = best(p[start:stop], reach, _POSSIBLE * threshold, reach)
            if at >= 0:
                begin = start + at - reach
                window = p[begin : begin + 2 * reach + 1]
                middle = begin + quantile(window, 0.5)
                if step_contrast(position, frame, start, middle, stop) > _CLEAR:
                    low[middle] = begin + quantile(window, LOW)
                    high[middle] = begin + quantile(window, HIGH)
                    continue
            start = stop


@numba.njit(cache=True, nogil=True)
def step_contrast(position: Array, frame: Ints, start: int, middle: int, stop: int) -> float:
    """Say how much displacements before and after ``middle`` differ, in standard errors.

    The largest of the differences, at lags of 1, 2, 4 and 8 frames, of the logarithms of mean
    squared displacements. Displacements are taken to be Gaussian: the mean of n squares, along so
    many axes, has the relative variance ``2 sum(rho**2) / (n axes)``, with rho the correlations of
    the displacements, which are estimated in units of the size on either side.
    """
    axes = position.shape[1]
    most = 0.0
    for lag in _LAGS:
        n = max(stop - start - lag, 0)
        moved = np.zeros((n, axes))
        seen = np.zeros(n, np.bool_)
        sums, counts = np.zeros(2), np.zeros(2)
        for i in range(n):
            row = start + i
            if frame[row + lag] - frame[row] != lag:
                continue
            seen[i] = True
            square = 0.0
            for a in range(axes):
                moved[i, a] = position[row + lag, a] - position[row, a]
                square += moved[i, a] ** 2
            if row + lag < middle or row >= middle:
                side = int(row >= middle)
                sums[side] += square
                counts[side] += 1
        if counts.min() < _FEWEST:
            continue
        if sums.min() <= 0:
            return np.inf if sums.max() > 0 else 0.0
        size = np.sqrt(sums / counts)
        for i in range(n):
            moved[i] /= size[int(start + i + lag // 2 >= middle)]
        variance = 2 / axes * np.minimum(_correlated(moved, seen) / counts, 1.0).sum()
        most = max(most, abs(math.log(sums[0] / sums[1] * counts[1] / counts[0])) / variance**0.5)
    return most


@numba.njit(cache=True, nogil=True)
def _correlated(moved: Array, seen: npt.NDArray[np.bool_]) -> float:
    """Sum over all lags of the squared correlation of displacements, less its expected error."""
    n, axes = moved.shape
    total = 1.0
    for shift in range(1, min(_MOST_CORRELATED, n // 4) + 1):
        product, number = 0.0, 0
        for i in range(n - shift):
            if seen[i] and seen[i + shift]:
                for a in range(axes):
                    product += moved[i, a] * moved[i + shift, a]
                number += 1
        if number:
            total += 2 * max((product / number) ** 2 - 1 / (axes * number), 0.0)
    return total
