"""Compiled kernels of linking by motion: filters, likelihoods, and one frame after the other."""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from perrin._assignment import match_rows

__all__ = ["AGES", "Active", "Beliefs", "Counts", "advance", "nobody"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

AGES = 3
"""Tracks of one localization, of two, and of more differ in how likely they go on."""

_FORGETTING = 0.02  # of what is known of a track's motion, per frame: motion may change


class Beliefs(NamedTuple):
    """What is taken to be known of all particles. Lengths are pixels, times frames."""

    motions: Floats  # (k, 3): variances per axis of step, first velocity, change of velocity
    shares: Floats  # (k,): of each motion among all steps
    goes_on: Floats  # (AGES, memory + 1): probability of a next localization, after some misses
    newcomers: float  # localizations per pixel and frame that belong to no earlier one
    longest: float  # way from one frame to the next that is looked at


class Active(NamedTuple):
    """The tracks that may go on, with a Kalman filter for each motion and axis."""

    number: Ints  # (n,)
    frame: Ints  # (n,): of the last localization
    length: Ints  # (n,)
    seen: Floats  # (n, dim): last localization
    mean: Floats  # (n, k, dim, 2): position, velocity
    cov: Floats  # (n, k, dim, 3): variance of position, covariance, variance of velocity
    weight: Floats  # (n, k): probability of each motion


class Counts(NamedTuple):
    """What happened, to learn from."""

    hits: Floats  # (AGES, memory + 1)
    chances: Floats  # (AGES, memory + 1)
    motions: Floats  # (k,): sum of probabilities
    first: Ints  # (1,): tracks begun


def nobody(n_motions: int, dim: int) -> Active:
    """Return what is before the first frame."""
    return Active(
        np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, dim)),
        np.empty((0, n_motions, dim, 2)), np.empty((0, n_motions, dim, 3)),
        np.empty((0, n_motions)),
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _predict(active: Active, motions: Floats, frame: int) -> tuple[Floats, Floats]:
    """Carry means and covariances of all filters on to a frame."""
    mean, cov = np.empty_like(active.mean), np.empty_like(active.cov)
    for i in range(len(mean)):
        t = float(frame - active.frame[i])
        for k in range(len(motions)):
            step, turn = motions[k, 0], motions[k, 2]
            for a in range(mean.shape[2]):
                mean[i, k, a, 1] = active.mean[i, k, a, 1]
                mean[i, k, a, 0] = active.mean[i, k, a, 0] + mean[i, k, a, 1] * t
                position, both = active.cov[i, k, a, 0], active.cov[i, k, a, 1]
                velocity = active.cov[i, k, a, 2]
                cov[i, k, a, 0] = (
                    position + 2 * t * both + t**2 * velocity + step * t + turn * t**3 / 3
                )
                cov[i, k, a, 1] = both + t * velocity + turn * t**2 / 2
                cov[i, k, a, 2] = velocity + turn * t
    return mean, cov


@numba.njit(cache=True, nogil=True)
def _density(mean: Floats, cov: Floats, position: Floats, variance: Floats) -> float:
    """Probability density of a localization (per pixel) by one filter of a track."""
    square, volume = 0.0, 1.0
    for a in range(len(position)):
        spread = cov[a, 0] + variance[a]
        square += (position[a] - mean[a, 0]) ** 2 / spread
        volume *= 2 * math.pi * spread
    return math.exp(-square / 2) / math.sqrt(volume)


@numba.njit(cache=True, nogil=True)
def _cells(positions: Floats, longest: float) -> tuple[Floats, Floats, Ints, Ints, Ints]:
    """Sort localizations into cells not smaller than the longest way.

    Returns
    -------
    tuple
        Corner and size of cells ``(3,)``, number of cells along each axis ``(3,)``, where each
        cell begins, and the localizations sorted by cell.
    """
    n, dim = positions.shape
    corner, size, number = np.zeros(3), np.ones(3), np.ones(3, np.int64)
    most = int(n ** (1 / dim)) + 1
    n_cells = 1
    for a in range(dim):
        low, high = positions[0, a], positions[0, a]
        for i in range(n):
            low, high = min(low, positions[i, a]), max(high, positions[i, a])
        corner[a], size[a] = low, max(longest, (high - low) / most)
        number[a] = int((high - low) / size[a]) + 1
        n_cells *= number[a]
    cell = np.zeros(n, np.int64)
    starts = np.zeros(n_cells + 2, np.int64)
    for i in range(n):
        for a in range(dim):
            cell[i] = cell[i] * number[a] + int((positions[i, a] - corner[a]) / size[a])
        starts[cell[i] + 2] += 1
    for c in range(2, n_cells + 2):
        starts[c] += starts[c - 1]
    order = np.empty(n, np.int64)
    for i in range(n):
        order[starts[cell[i] + 1]] = i
        starts[cell[i] + 1] += 1
    return corner, size, number, starts, order


@numba.njit(cache=True, nogil=True)
def _twice(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    longer = np.empty(2 * len(values), values.dtype)
    for i in range(len(values)):
        longer[i] = values[i]
    return longer


@numba.njit(cache=True, nogil=True)
def _candidates(
    active: Active,
    mean: Floats,
    cov: Floats,
    beliefs: Beliefs,
    frame: int,
    positions: Floats,
    variances: Floats,
) -> tuple[Ints, Ints, Floats]:
    """Find what may continue each track, and how much likelier that is than that it does not.

    Returns
    -------
    tuple
        As :func:`perrin._assignment.match_rows` takes them.
    """
    n, dim = active.seen.shape
    first = np.zeros(n + 1, np.int64)
    columns, gains = np.empty(4 * n + 4, np.int64), np.empty(4 * n + 4)
    n_found = 0
    memory = beliefs.goes_on.shape[1] - 1
    most = 0
    for i in range(n):
        most = max(most, min(frame - active.frame[i] - 1, memory))
    longest = beliefs.longest * math.sqrt(most + 1.0)
    corner, size, number, starts, order = _cells(positions, longest)
    low, high = np.zeros(3, np.int64), np.ones(3, np.int64)
    for i in range(n):
        first[i] = n_found
        misses = frame - active.frame[i] - 1
        if misses > memory:
            continue  # no frame between held any spot
        reach = beliefs.longest * math.sqrt(misses + 1.0)
        goes_on = beliefs.goes_on[min(active.length[i], AGES) - 1, misses]
        odds = goes_on / (1 - goes_on) / beliefs.newcomers
        for a in range(dim):
            middle = math.floor((active.seen[i, a] - corner[a]) / size[a])
            low[a], high[a] = max(middle - 1, 0), min(middle + 2, number[a])
        for c0 in range(low[0], high[0]):
            for c1 in range(low[1], high[1]):
                for c2 in range(low[2], high[2]):
                    cell = (c0 * number[1] + c1) * number[2] + c2
                    for s in range(starts[cell], starts[cell + 1]):
                        j = order[s]
                        square = 0.0
                        for a in range(dim):
                            square += (positions[j, a] - active.seen[i, a]) ** 2
                        if square > reach**2:
                            continue
                        density = 0.0
                        for k in range(mean.shape[1]):
                            density += active.weight[i, k] * _density(
                                mean[i, k], cov[i, k], positions[j], variances[j]
                            )
                        if odds * density <= 1:
                            continue
                        if n_found == len(columns):
                            columns, gains = _twice(columns), _twice(gains)
                        columns[n_found] = j
                        gains[n_found] = math.log(odds * density)
                        n_found += 1
    first[n] = n_found
    return first, columns[:n_found], gains[:n_found]


@numba.njit(cache=True, nogil=True)
def _see(
    active: Active, i: int, beliefs: Beliefs, mean: Floats, cov: Floats,
    position: Floats, variance: Floats,
) -> None:  # fmt: skip
    """Update a track's filters, carried on to now, and the weights of motions."""
    total = 0.0
    for k in range(len(mean)):
        active.weight[i, k] *= _density(mean[k], cov[k], position, variance)
        total += active.weight[i, k]
        for a in range(len(position)):
            before, both, velocity = cov[k, a, 0], cov[k, a, 1], cov[k, a, 2]
            spread = before + variance[a]
            surprise = position[a] - mean[k, a, 0]
            active.mean[i, k, a, 0] = mean[k, a, 0] + before / spread * surprise
            active.mean[i, k, a, 1] = mean[k, a, 1] + both / spread * surprise
            active.cov[i, k, a, 0] = before * variance[a] / spread
            active.cov[i, k, a, 1] = both * variance[a] / spread
            active.cov[i, k, a, 2] = velocity - both * both / spread
    for a in range(len(position)):
        active.seen[i, a] = position[a]
    for k in range(len(mean)):
        known = (1 - _FORGETTING) * active.weight[i, k] / total
        active.weight[i, k] = known + _FORGETTING * beliefs.shares[k]


@numba.njit(cache=True, nogil=True)
def _carry_on(
    active: Active, beliefs: Beliefs, counts: Counts, frame: int,
    positions: Floats, variances: Floats, particle: Ints,
) -> Active:  # fmt: skip
    """Leave out tracks that have ended, and begin one at each localization that has none yet."""
    n_motions, dim = len(beliefs.shares), positions.shape[1]
    memory = beliefs.goes_on.shape[1] - 1
    n = 0
    for i in range(len(active.number)):
        n += frame - active.frame[i] <= memory
    for j in range(len(particle)):
        n += particle[j] < 0
    now = Active(
        np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64), np.empty((n, dim)),
        np.empty((n, n_motions, dim, 2)), np.empty((n, n_motions, dim, 3)),
        np.empty((n, n_motions)),
    )  # fmt: skip
    n = 0
    for i in range(len(active.number)):
        if frame - active.frame[i] > memory:
            continue
        now.number[n], now.frame[n] = active.number[i], active.frame[i]
        now.length[n] = active.length[i]
        for a in range(dim):
            now.seen[n, a] = active.seen[i, a]
        for k in range(n_motions):
            now.weight[n, k] = active.weight[i, k]
            for a in range(dim):
                for c in range(2):
                    now.mean[n, k, a, c] = active.mean[i, k, a, c]
                for c in range(3):
                    now.cov[n, k, a, c] = active.cov[i, k, a, c]
        n += 1
    for j in range(len(particle)):
        if particle[j] >= 0:
            continue
        particle[j] = counts.first[0]
        counts.first[0] += 1
        now.number[n], now.frame[n], now.length[n] = particle[j], frame, 1
        for a in range(dim):
            now.seen[n, a] = positions[j, a]
        for k in range(n_motions):
            now.weight[n, k] = beliefs.shares[k]
            for a in range(dim):
                now.mean[n, k, a, 0] = positions[j, a]
                now.mean[n, k, a, 1] = 0.0
                now.cov[n, k, a, 0] = variances[j, a]
                now.cov[n, k, a, 1] = 0.0
                now.cov[n, k, a, 2] = beliefs.motions[k, 1]
        n += 1
    return now


@numba.njit(cache=True, nogil=True)
def advance(
    active: Active,
    beliefs: Beliefs,
    counts: Counts,
    frames: Ints,
    starts: Ints,
    positions: Floats,
    variances: Floats,
    particle: Ints,
) -> Active:
    """Link the localizations of some frames to the tracks before them and to each other.

    Parameters
    ----------
    active
        Tracks so far.
    beliefs, counts
        What is known; what is learnt, added to.
    frames, starts
        ``(n_frames,)`` and ``(n_frames + 1,)``: numbers, and where each begins below.
    positions, variances
        ``(n, dim)``: localizations, and the variances of their errors.
    particle
        ``(n,)``: filled with the track of each.
    """
    for f in range(len(frames)):
        frame, here = frames[f], slice(starts[f], starts[f + 1])
        position, variance, of = positions[here], variances[here], particle[here]
        mean, cov = _predict(active, beliefs.motions, frame)
        first, columns, gains = _candidates(active, mean, cov, beliefs, frame, position, variance)
        partner = match_rows(first, columns, gains, len(position))
        for j in range(len(of)):
            of[j] = -1
        for i in range(len(partner)):
            age, misses = min(active.length[i], AGES) - 1, frame - active.frame[i] - 1
            if misses >= counts.chances.shape[1]:
                continue
            counts.chances[age, misses] += 1
            j = partner[i]
            if j < 0:
                continue
            counts.hits[age, misses] += 1
            of[j] = active.number[i]
            _see(active, i, beliefs, mean[i], cov[i], position[j], variance[j])
            active.frame[i] = frame
            active.length[i] += 1
            for k in range(len(beliefs.shares)):
                counts.motions[k] += active.weight[i, k]
        active = _carry_on(active, beliefs, counts, frame, position, variance, of)
    return active
