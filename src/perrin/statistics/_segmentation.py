"""Compiled kernels of the switch search: exact sums over all ways to cut a track into segments.

Everything works on the displacements of one track, in units where a segment is a run of
displacements with one variance. ``find_switches`` says what is computed and why.
"""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["segment_tracks"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_OCCAM = 2.0
"""Log of the factor by which a further segment's variance, unknown over four decades or so
(``log(log(1e4))``), dilutes the evidence for it."""

_MERGE = 3.0
"""Evidence that two segments must give for having different levels."""

_NEGLIGIBLE = 30.0
_ROUNDS = 3


@numba.njit(cache=True, nogil=True)
def _inflation(delta: Array) -> float:
    """Factor by which correlations reduce the number of independent displacements.

    ``1 + 2 sum(rho_k²)``, which is how much they widen the distribution of a sum of squares. The
    correlations come from directions alone, which a change of diffusivity does not touch.
    """
    n, axes = delta.shape
    unit = np.zeros((n, axes))
    moving = 0
    for i in range(n):
        size = 0.0
        for a in range(axes):
            size += delta[i, a] ** 2
        if size > 0:
            moving += 1
            for a in range(axes):
                unit[i, a] = delta[i, a] / math.sqrt(size)
    if moving < 4:
        return 1.0
    slope = 2 / math.pi if axes == 1 else (math.pi / 4 if axes == 2 else 8 / (3 * math.pi))
    inflation = 1.0
    for lag in range(1, max(2, n // 4)):
        mean = 0.0
        count = 0
        for i in range(n - lag):
            dot = 0.0
            norm = 0.0
            for a in range(axes):
                dot += unit[i, a] * unit[i + lag, a]
                norm += unit[i, a] ** 2 * unit[i + lag, a] ** 2
            if norm > 0:
                mean += dot
                count += 1
        if count < 3:
            break
        mean /= count
        if mean * mean < 2 / (count * axes):
            break
        correlation = mean * (1 + (1 / slope - 1) * (1 - mean * mean))
        inflation += 2 * correlation**2
    return inflation


@numba.njit(cache=True, nogil=True)
def _sum_over_cuts(
    total: Array, gamma: Array, freedom: float, penalty: float, shortest: int
) -> tuple[Ints, Array]:
    """Most probable cuts, and the posterior probability of a cut before each displacement.

    Dynamic programming over the last cut: a maximum gives the cuts, a forward and a backward sum
    the posterior (Fearnhead 2006, Stat. Comput. 16, 203).
    """
    n = total.size - 1
    best = np.full(n + 1, -np.inf)
    forward = np.full(n + 1, -np.inf)
    backward = np.full(n + 1, -np.inf)
    came = np.zeros(n + 1, np.int64)
    terms = np.empty(n + 1)
    best[0] = forward[0] = backward[n] = 0.0
    for j in range(shortest, n + 1):
        if n - shortest < j < n:
            continue
        peak = -np.inf
        for i in range(j - shortest + 1):
            terms[i] = -np.inf
            if 0 < i < shortest:
                continue
            value = gamma[j - i] - (j - i) * freedom / 2 * math.log((total[j] - total[i]) / 2)
            if i > 0:
                value -= penalty
            if best[i] + value > best[j]:
                best[j] = best[i] + value
                came[j] = i
            terms[i] = forward[i] + value
            peak = max(peak, terms[i])
        summed = 0.0
        for i in range(j - shortest + 1):
            if terms[i] > peak - _NEGLIGIBLE:
                summed += math.exp(terms[i] - peak)
        forward[j] = peak + math.log(summed)
    for i in range(n - shortest, shortest - 1, -1):
        peak = -np.inf
        for j in range(i + shortest, n + 1):
            terms[j] = -np.inf
            if n - shortest < j < n:
                continue
            value = gamma[j - i] - (j - i) * freedom / 2 * math.log((total[j] - total[i]) / 2)
            if j < n:
                value -= penalty
            terms[j] = backward[j] + value
            peak = max(peak, terms[j])
        summed = 0.0
        for j in range(i + shortest, n + 1):
            if terms[j] > peak - _NEGLIGIBLE:
                summed += math.exp(terms[j] - peak)
        backward[i] = peak + math.log(summed)
    posterior = np.zeros(n)
    for i in range(shortest, n - shortest + 1):
        posterior[i] = min(1.0, math.exp(forward[i] + backward[i] - forward[n] - penalty))
    cuts = np.zeros(n, np.int64)
    count = 0
    at = n
    while came[at] > 0:
        at = came[at]
        cuts[count] = at
        count += 1
    return cuts[:count][::-1].copy(), posterior


@numba.njit(cache=True, nogil=True)
def _interval(
    total: Array, freedom: float, left: int, cut: int, right: int, shortest: int
) -> tuple[int, int]:
    """5 % and 95 % of the cut's position, the two cuts beside it kept where they are."""
    first = left + shortest
    last = right - shortest
    weights = np.empty(last - first + 1)
    for t in range(first, last + 1):
        before = (t - left) * freedom / 2
        after = (right - t) * freedom / 2
        weights[t - first] = (
            math.lgamma(before)
            - before * math.log((total[t] - total[left]) / 2)
            + math.lgamma(after)
            - after * math.log((total[right] - total[t]) / 2)
        )
    weights = np.exp(weights - weights.max())
    weights /= weights.sum()
    low, high = cut, cut
    seen = 0.0
    for t in range(first, last + 1):
        if seen < 0.05 <= seen + weights[t - first]:
            low = t
        if seen < 0.95 <= seen + weights[t - first]:
            high = t
        seen += weights[t - first]
    return min(low, cut), max(high, cut)


@numba.njit(cache=True, nogil=True)
def _levels(counts: Array, sums: Array, freedom: float) -> Ints:
    """Give segments of the same variance the same level, 0 for the lowest variance."""
    n = counts.size
    order = np.argsort(sums / counts)
    size = counts[order] * freedom / 2
    energy = sums[order] / 2
    level = np.arange(n)
    alive = n
    while alive > 1:
        chosen = -1
        gain = -_MERGE
        for k in range(alive - 1):
            together = size[k] + size[k + 1]
            joint = energy[k] + energy[k + 1]
            value = (
                math.lgamma(together)
                - together * math.log(joint)
                - math.lgamma(size[k])
                + size[k] * math.log(energy[k])
                - math.lgamma(size[k + 1])
                + size[k + 1] * math.log(energy[k + 1])
            )
            if value > gain:
                gain = value
                chosen = k
        if chosen < 0:
            break
        size[chosen] += size[chosen + 1]
        energy[chosen] += energy[chosen + 1]
        for k in range(chosen + 1, alive - 1):
            size[k] = size[k + 1]
            energy[k] = energy[k + 1]
        for k in range(n):
            if level[k] > chosen:
                level[k] -= 1
        alive -= 1
    result = np.empty(n, np.int64)
    for k in range(n):
        result[order[k]] = level[k]
    return result


@numba.njit(cache=True, nogil=True)
def segment_tracks(
    delta: Array,
    energy: Array,
    bounds: Ints,
    penalty: float,
    shortest: int,
    posterior: Array,
    segment: Ints,
    level: Ints,
    low: Ints,
    high: Ints,
) -> None:
    """Cut every track of a block into segments, writing into the last five arguments.

    Parameters
    ----------
    delta
        Displacements ``(m, axes)`` of all tracks, one after the other.
    energy
        Their squared lengths ``(m,)``, brought to one frame each.
    bounds
        Track ``i`` holds the displacements ``bounds[i]`` to ``bounds[i + 1]``.
    penalty
        Evidence asked for before any switch, besides the logarithm of the number of displacements.
    shortest
        Displacements that a segment has at least.
    posterior, segment, level, low, high
        Outputs, one value per displacement: probability of a switch just before it; number of its
        segment within the track; level of that segment; and for the first displacement of a
        segment after a switch, the interval of the switch (as displacements, -1 elsewhere).
    """
    axes = delta.shape[1]
    for track in range(bounds.size - 1):
        start, stop = bounds[track], bounds[track + 1]
        n = stop - start
        if n < 2 * shortest:
            continue
        mean = 0.0
        for i in range(start, stop):
            mean += energy[i] / n
        if mean == 0.0:
            continue
        inflation = _inflation(delta[start:stop])
        freedom = axes / inflation
        total = np.zeros(n + 1)
        for i in range(n):
            # The floor keeps exactly equal positions (a rest without noise) at a finite level.
            total[i + 1] = total[i] + (energy[start + i] + 1e-7 * mean) / inflation
        gamma = np.zeros(n + 1)
        for i in range(1, n + 1):
            gamma[i] = math.lgamma(i * freedom / 2)
        cuts, chance = _sum_over_cuts(total, gamma, freedom, penalty + math.log(n), shortest)
        if cuts.size:
            # A track that switches once may switch often: its own rate replaces the prior.
            for _ in range(_ROUNDS):
                rate = min(0.5, max(chance.sum(), 1.0) / n)
                cost = _OCCAM + math.log((1 - rate) / rate)
                more, chance = _sum_over_cuts(total, gamma, freedom, cost, shortest)
                if more.size == cuts.size:
                    cuts = more
                    break
                cuts = more
        edges = np.zeros(cuts.size + 2, np.int64)
        edges[1:-1] = cuts
        edges[-1] = n
        counts = np.empty(edges.size - 1)
        sums = np.empty(edges.size - 1)
        for k in range(edges.size - 1):
            counts[k] = edges[k + 1] - edges[k]
            sums[k] = total[edges[k + 1]] - total[edges[k]]
        levels = _levels(counts, sums, freedom)
        for k in range(edges.size - 1):
            segment[start + edges[k] : start + edges[k + 1]] = k
            level[start + edges[k] : start + edges[k + 1]] = levels[k]
            if k:
                first, last = _interval(
                    total, freedom, edges[k - 1], edges[k], edges[k + 1], shortest
                )
                low[start + edges[k]] = start + first
                high[start + edges[k]] = start + last
        posterior[start:stop] = chance
