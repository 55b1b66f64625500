"""From probabilities per frame to switches: compiled."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["HIGH", "LOW", "WIDTHS", "best", "choose_switches", "quantile"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

WIDTHS = (0, 1, 2, 4, 7, 10)
"""Reach, in frames to either side, of the windows in which probability is summed."""

_MARGIN = 2
LOW, HIGH = 0.05, 0.95
"""Shares of a switch's probability at which its interval begins and ends."""


@numba.njit(cache=True, nogil=True)
def choose_switches(
    p: Floats, bounds: Ints, threshold: float, shortest: int, low: Ints, high: Ints
) -> None:
    """Choose the switches of each track, in place.

    A switch whose frame is uncertain has its probability spread over several. So, from narrow
    windows to wide ones, the window that holds most is taken as long as it holds ``threshold``; the
    switch is at the median of what it and its margins hold, and the probability in it is used up.

    Parameters
    ----------
    p
        Probability that a new state begins, per localization.
    bounds
        Track ``k`` is ``p[bounds[k] : bounds[k + 1]]``.
    threshold
        Least probability of a switch, summed over a window.
    shortest
        Fewest localizations from one switch to the next, and to the ends.
    low, high
        Receive at the localization of each switch where 5 % and 95 % of its probability are
        reached, as indices into ``p``; set to -1 elsewhere. What lies nearer to another switch is
        not its probability.
    """
    widest = WIDTHS[-1]
    for k in range(len(bounds) - 1):
        first, last = bounds[k], bounds[k + 1]
        low[first:last] = -1
        high[first:last] = -1
        n = last - first
        if n < 2 * shortest:
            continue
        own = p[first:last].copy()
        own[:shortest] = 0
        own[n - shortest + 1 :] = 0
        left = own.copy()
        chosen = np.zeros(n, np.bool_)
        for width in WIDTHS:
            while True:
                at = best(left, width, threshold, 0)
                if at < 0:
                    break
                # A little more than the window, which need not be centred on the switch.
                begin, end = max(at - width - _MARGIN, 0), min(at + width + _MARGIN + 1, n)
                middle = begin + quantile(left[begin:end], 0.5)
                chosen[middle] = True
                begin = min(at - width, middle - shortest + 1)
                end = max(at + width + 1, middle + shortest)
                left[max(begin, 0) : min(end, n)] = 0
        places = np.flatnonzero(chosen)
        for i in range(places.size):
            at = places[i]
            begin, end = max(at - widest, 0), min(at + widest + 1, n)
            if i > 0:
                begin = max(begin, (places[i - 1] + at) // 2 + 1)
            if i + 1 < places.size:
                end = min(end, (at + places[i + 1]) // 2 + 1)
            low[first + at] = first + begin + quantile(own[begin:end], LOW)
            high[first + at] = first + begin + quantile(own[begin:end], HIGH)


@numba.njit(cache=True, nogil=True)
def best(left: Floats, width: int, threshold: float, margin: int) -> int:
    """Return the middle of the window that holds most, or -1 if that is not enough.

    Windows reach ``width`` to either side; their middles keep ``margin`` away from the ends.
    """
    n = len(left)
    found, most = -1, threshold
    total = left[: width + 1].sum()
    for i in range(n):
        inside = margin <= i < n - margin
        if inside and (total > most or (found < 0 and total >= most)):
            found, most = i, total
        if i + width + 1 < n:
            total += left[i + width + 1]
        if i - width >= 0:
            total -= left[i - width]
    return found


@numba.njit(cache=True, nogil=True)
def quantile(p: Floats, share: float) -> int:
    """Return where a share of the sum is reached."""
    wanted = share * p.sum()
    total = 0.0
    for i in range(len(p)):
        total += p[i]
        if total >= wanted:
            return i
    return len(p) - 1
