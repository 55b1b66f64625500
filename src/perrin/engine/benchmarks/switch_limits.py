"""The best that can be done for van Velzen's questions by whoever is told all parameters.

Displacements along one axis are Gaussian, with a standard deviation of 1 or of ``ratio``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = [
    "count_given_parameters",
    "count_reportable",
    "decide_given_parameters",
    "frame_given_parameters",
]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def _log_ratio(steps: Array, ratio: float) -> Array:
    """Log-likelihood of the larger standard deviation less that of 1, for each displacement."""
    return np.asarray(np.square(steps) * (1 - ratio**-2) / 2 - np.log(ratio))


def decide_given_parameters(steps: Array, ratio: float) -> npt.NDArray[np.bool_]:
    """Decide by the likelihood ratio whether there is a switch in the middle.

    Parameters
    ----------
    steps
        Displacements, shape ``(n_tracks, n_steps)``.
    ratio
        Of the two standard deviations; either may come first.
    """
    half = steps.shape[1] // 2
    gain = _log_ratio(steps, ratio)
    first, second = gain[:, :half].sum(1), gain[:, half:].sum(1)
    return np.asarray(np.logaddexp(first, second) > np.logaddexp(0, first + second))


def frame_given_parameters(steps: Array, ratio: float) -> Array:
    """Median of the posterior over the step at which the only switch comes, all equally likely."""
    gain = _log_ratio(steps, ratio)
    before = gain.cumsum(1)[:, :-1]
    after = gain.sum(1, keepdims=True) - before
    log_p = np.logaddexp(before, after)
    p = np.exp(log_p - log_p.max(1, keepdims=True)).cumsum(1)
    return np.asarray(1 + (p < p[:, -1:] / 2).sum(1), np.float64)


def count_given_parameters(steps: Array, ratio: float, rate: float) -> Ints:
    """Count the switches of the most probable path of a hidden Markov model with two states.

    Parameters
    ----------
    steps, ratio
        As for :func:`decide_given_parameters`.
    rate
        Probability to switch per step.
    """
    gain = _log_ratio(steps, ratio)
    n, n_steps = gain.shape
    stay, leave = np.log1p(-rate), np.log(rate)
    best = np.stack((np.zeros(n), gain[:, 0]), 1)
    count = np.zeros((n, 2), np.int64)
    for t in range(1, n_steps):
        switched = best[:, ::-1] + leave > best + stay
        best, count = (
            np.where(switched, best[:, ::-1] + leave, best + stay),
            np.where(switched, count[:, ::-1] + 1, count),
        )
        best[:, 1] += gain[:, t]
    return np.asarray(count[np.arange(n), best.argmax(1)])


def count_reportable(jumps: npt.NDArray[np.bool_], shortest: int) -> Ints:
    """Count the true switches that are left if short excursions are not reported.

    An excursion to the other state and back of fewer than ``shortest`` steps hides two switches.

    Parameters
    ----------
    jumps
        Whether the state changes before each step, shape ``(n_tracks, n_steps)``.
    shortest
        Fewest steps of an excursion that is reported.
    """
    counts = np.zeros(len(jumps), np.int64)
    for k, track in enumerate(jumps):
        kept: list[int] = []
        for at in np.flatnonzero(track).tolist():
            if kept and at - kept[-1] < shortest:
                kept.pop()
            else:
                kept.append(at)
        counts[k] = len(kept)
    return counts
