"""Learning how particles move, and linking with it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from perrin.errors import Progress
from perrin.linking._motion_kernels import AGES, Beliefs, Counts, advance, nobody
from perrin.linking._parameters import Floats, Ints, Spots

__all__ = ["link_by_motion"]

_BEYOND = 1.5  # search ranges that are looked at: 1 % of the displacements are longer than one
_ROUNDS = 4
_TO_LEARN_FROM = 50_000  # localizations
_PARTS = 100  # after which progress is told
_LEAST_ERROR = 0.02  # px
_FEWEST = 20  # stretches of five frames that a localization error is taken from


def link_by_motion(
    spots: Spots, search_range: float, memory: int, progress: Progress | None
) -> Ints:
    """Return the track of each localization, as :class:`perrin.MotionLinker` describes."""
    movie = _Movie.of(spots)
    beliefs = _first_beliefs(movie, _BEYOND * search_range, memory)
    some = movie.middle(_TO_LEARN_FROM)
    for number in range(_ROUNDS):
        particle, counts = _pass(some, beliefs, None)
        beliefs = _learnt(beliefs, counts, some)
        if spots.errors is None:
            error = _localization_error(some, particle)
            movie, some = movie.with_error(error), some.with_error(error)
        if progress is not None:
            progress("Learning how particles move", number + 1, _ROUNDS)
    return _pass(movie, beliefs, progress)[0]


class _Movie(NamedTuple):
    """Localizations frame by frame."""

    frames: Ints  # (n_frames,), those with localizations
    starts: Ints  # (n_frames + 1,)
    positions: Floats  # (n, dim)
    variances: Floats  # (n, dim)
    area: float  # of the field, px^dim

    @classmethod
    def of(cls, spots: Spots) -> _Movie:
        frames, starts = np.unique(spots.frames, return_index=True)
        if spots.errors is None:
            errors = np.full(spots.positions.shape, _LEAST_ERROR)
        else:  # what is not known is taken to be as elsewhere
            known = np.where(spots.errors > 0, spots.errors, np.nan)
            errors = np.where(np.isnan(known), np.nanmedian(known), known)
        area = np.maximum(np.ptp(spots.positions, axis=0), 1.0).prod()
        starts = np.append(starts, len(spots.frames))
        variances = np.ascontiguousarray(np.maximum(errors, _LEAST_ERROR) ** 2)
        return cls(frames, starts, spots.positions, variances, float(area))

    def part(self, first: int, stop: int) -> _Movie:
        here = slice(self.starts[first], self.starts[stop])
        return self._replace(
            frames=self.frames[first:stop],
            starts=self.starts[first : stop + 1] - self.starts[first],
            positions=self.positions[here],
            variances=self.variances[here],
        )

    def middle(self, n: int) -> _Movie:
        """Return frames in the middle that hold about so many localizations."""
        middle = len(self.positions) / 2
        first, stop = np.searchsorted(self.starts, [middle - n / 2, middle + n / 2])
        return self.part(int(first), min(max(int(stop), int(first) + 2), len(self.frames)))

    def with_error(self, error: float) -> _Movie:
        return self._replace(variances=np.full_like(self.variances, error**2))


def _first_beliefs(movie: _Movie, longest: float, memory: int) -> Beliefs:
    """Return what is assumed before the data speak: motions spread evenly, one spot in ten new."""
    steps = longest / 3 * 1.6 ** -np.arange(8.0)
    speeds = longest / 2.0 ** np.arange(1, 4)
    still = np.zeros((len(steps), 2))
    moving = np.column_stack(((0.15 * speeds) ** 2, speeds**2, (0.02 * speeds) ** 2))
    motions = np.concatenate((np.column_stack((steps**2, still)), moving))
    goes_on = np.full((AGES, memory + 1), 0.3)
    goes_on[:, 0] = 0.9
    density = len(movie.positions) / len(movie.frames) / movie.area
    shares = np.full(len(motions), 1 / len(motions))
    return Beliefs(motions, shares, goes_on, 0.1 * density, longest)


def _pass(movie: _Movie, beliefs: Beliefs, progress: Progress | None) -> tuple[Ints, Counts]:
    """Link all frames once; return the tracks, and what happened."""
    shape, n_motions = beliefs.goes_on.shape, len(beliefs.shares)
    counts = Counts(np.zeros(shape), np.zeros(shape), np.zeros(n_motions), np.zeros(1, np.int64))
    particle = np.empty(len(movie.positions), np.int64)
    active = nobody(n_motions, movie.positions.shape[1])
    n_frames = len(movie.frames)
    edges = np.unique(np.linspace(0, n_frames, _PARTS + 1).astype(int))
    for first, stop in pairwise(edges.tolist()):
        part = movie.part(first, stop)
        here = particle[movie.starts[first] : movie.starts[stop]]
        active = advance(
            active, beliefs, counts, part.frames, part.starts, part.positions, part.variances, here
        )
        if progress is not None:
            progress("Linking", int(stop), n_frames)
    return particle, counts


def _learnt(beliefs: Beliefs, counts: Counts, movie: _Movie) -> Beliefs:
    shares = counts.motions + 1e-3 * counts.motions.sum() + 1e-9
    # In the first frame all are new.
    n_new = counts.first[0] - movie.starts[1]
    return beliefs._replace(
        shares=shares / shares.sum(),
        goes_on=(counts.hits + 0.5) / (counts.chances + 1),
        newcomers=float(n_new + 0.5) / len(movie.frames) / movie.area,
    )


def _localization_error(movie: _Movie, particle: Ints) -> float:
    """Estimate the error from the tracks, those that move least weighing most.

    Independent errors of variance σ² give the second differences of a track's positions the
    covariance σ² at a lag of two frames, where independent steps and constant velocities give none.
    """
    frame = np.repeat(movie.frames, np.diff(movie.starts))
    order = np.lexsort((frame, particle))
    track, frame = particle[order], frame[order]
    whole = np.flatnonzero((track[4:] == track[:-4]) & (frame[4:] - frame[:-4] == 4))
    if len(whole) < _FEWEST:
        return _LEAST_ERROR
    bends = np.diff(movie.positions[order], n=2, axis=0)
    first, second = bends[whole], bends[whole + 2]
    _, number, n = np.unique(track[whole], return_inverse=True, return_counts=True)
    covariance = np.bincount(number, (first * second).mean(1)) / n
    variance = np.bincount(number, (first**2 + second**2).mean(1) / 2) / n
    # A covariance errs by the variance over the root of the number it is taken from.
    weight = n / (variance + _LEAST_ERROR**2) ** 2
    square = float((weight * covariance).sum() / weight.sum())
    return math.sqrt(max(square, _LEAST_ERROR**2))
