"""Scores of the second AnDi challenge for single tracks.

The same numbers as ``error_SingleTraj_dataset`` of andi-datasets 2.1.13 gives
(``benchmarks/andi2_official.py`` compares them on the same predictions).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

__all__ = [
    "ChallengeScore",
    "Pieces",
    "pieces_of_labels",
    "score_experiments",
    "score_pieces",
]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_NEAR = 10
_LEAST_DIFFUSIVITY = 1e-12


class Pieces(NamedTuple):
    """Segments of one track, in the challenge's terms.

    Attributes
    ----------
    ends
        Frame after the last of each segment, counted from the first frame of the track.
    alpha, diffusivity
        0 where immobile.
    state
        0 immobile, 1 confined, 2 free, 3 directed.
    """

    ends: Ints
    alpha: Array
    diffusivity: Array
    state: Ints


class ChallengeScore(NamedTuple):
    """Scores over a set of tracks.

    Attributes
    ----------
    jsc
        Jaccard index of change points; a track without any that is given none counts as one found.
    rmse
        Root mean square error of those found within 10 frames, frames.
    alpha_mae
        Mean absolute error of the exponents of paired segments.
    diffusivity_msle
        Mean squared error of ``log(1 + D)`` of paired segments.
    state_f1
        Share of paired segments with the right state.
    """

    jsc: float
    rmse: float
    alpha_mae: float
    diffusivity_msle: float
    state_f1: float


def pieces_of_labels(alpha: Array, diffusivity: Array, state: Ints) -> Pieces:
    """Cut one track where any of its labels changes, each of shape ``(n_frames,)``."""
    labels = np.stack((alpha, diffusivity, state), 1)
    ends = np.append(np.flatnonzero((labels[1:] != labels[:-1]).any(1)) + 1, len(labels))
    last = ends - 1
    return Pieces(ends, alpha[last], diffusivity[last], state[last])


def score_pieces(truth: Sequence[Pieces], found: Sequence[Pieces]) -> ChallengeScore:
    """Score what was found of some tracks against the truth, in the same order."""
    hits = misses = 0
    squared: list[float] = []
    pairs = []
    for true, said in zip(truth, found, strict=True):
        points, guesses = true.ends[:-1], said.ends[:-1]
        distance = np.abs(points[:, None] - guesses)
        rows, columns = linear_sum_assignment(distance)
        near = distance[rows, columns] < _NEAR
        squared += np.square(distance[rows, columns][near].astype(float)).tolist()
        hits += int(near.sum()) + int(points.size == guesses.size == 0)
        # A pair that is too far apart is a false alarm and a switch missed.
        misses += 2 * int((~near).sum()) + abs(points.size - guesses.size)
        one, other = _paired(true.ends, said.ends)
        pairs.append(
            np.stack(
                [
                    np.stack((getattr(true, name)[one], getattr(said, name)[other]), 1)
                    for name in ("alpha", "diffusivity", "state")
                ]
            )
        )
    (alpha, diffusivity, state) = np.concatenate(pairs, axis=1)
    logs = np.log1p(diffusivity.clip(_LEAST_DIFFUSIVITY))
    return ChallengeScore(
        hits / (hits + misses),
        float(np.sqrt(np.mean(squared))) if squared else 0.0,
        float(np.abs(np.diff(alpha)).mean()),
        float(np.square(np.diff(logs)).mean()),
        float((state[:, 0] == state[:, 1]).mean()),
    )


def _paired(ends: Ints, guessed: Ints) -> tuple[Ints, Ints]:
    """Pair segments so that the sum of their Jaccard indices is largest."""
    # The challenge counts the frame of a change point to the segment before it.
    low, high = _limits(ends)
    guessed_low, guessed_high = _limits(guessed)
    common = np.minimum(high[:, None], guessed_high) - np.maximum(low[:, None], guessed_low)
    common = common.clip(0)
    union = (high - low)[:, None] + (guessed_high - guessed_low) - common
    jaccard = common / union
    if guessed.size == 1 < ends.size:
        # Of a track cut nowhere by mistake, the challenge pairs the segment whose number is the
        # place of the best one among those paired with the whole track or with nothing.
        rows, columns = linear_sum_assignment(1 - np.pad(jaccard, ((0, 0), (0, 1))))
        return np.flatnonzero(columns == 0), np.zeros(1, np.int64)
    rows, columns = linear_sum_assignment(1 - jaccard)
    return rows, columns


def _limits(ends: Ints) -> tuple[Ints, Ints]:
    high = np.append(ends[:-1] + 1, ends[-1])
    return np.append(0, high[:-1]), high


def score_experiments(
    truth: Sequence[Sequence[Pieces]], found: Sequence[Sequence[Pieces]]
) -> ChallengeScore:
    """Score each experiment, and average the scores, weighted by the number of tracks.

    So does the challenge (``run_single_task`` of andi-datasets).
    """
    scores = [score_pieces(*pair) for pair in zip(truth, found, strict=True)]
    return ChallengeScore(*np.average(scores, axis=0, weights=[len(each) for each in truth]))
