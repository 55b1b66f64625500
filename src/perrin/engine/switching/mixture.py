"""States that particles share, as a mixture of Gaussians seen with errors."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from perrin.engine.switching.evidence import Evidence
from perrin.models import STATES

__all__ = ["Fit", "Mixture", "best_fit", "decided", "expected", "ordered", "with_rests"]

Array = npt.NDArray[np.float64]

_ROUNDS = 200
_CONVERGED = 1e-4
_LEAST_VARIANCE = np.array([0.02, 0.01]) ** 2  # between particles, of log D and alpha
_LOWEST_SHARE = 0.01  # of a kind of motion in a state
_OF_A_STATE = 2 + 3 + len(STATES) - 2  # parameters: mean, covariance, kinds of motion
_HIDDEN = 0.08  # D in a frame over the noise variance below which a state is at rest


class Mixture(NamedTuple):
    """Segments at rest, and ``K`` states of moving ones.

    Attributes
    ----------
    rest
        Share of segments at rest.
    weight
        Shares of the states among the others, ``(K,)``.
    mean, covariance
        Distribution of (log D, alpha) over particles, ``(K, 2)`` and ``(K, 2, 2)``.
    motion
        Probabilities of the kinds of motion, ``(K, 4)``.
    """

    rest: float
    weight: Array
    mean: Array
    covariance: Array
    motion: Array


class Fit(NamedTuple):
    """A mixture as it was fitted.

    Attributes
    ----------
    share
        Probability of each segment to be at rest, and in each state, ``(n, 1 + K)``.
    criterion
        Bayesian information criterion.
    """

    mixture: Mixture
    share: Array
    criterion: float


def decided(evidence: Evidence, numbers: Iterable[int], noise: float | None) -> Fit:
    """Fit the states of moving particles, and rest beside them if there is any."""
    if noise is None:
        return best_fit(evidence, numbers, [bool(np.isneginf(evidence.moving).any())])
    moving = best_fit(evidence, numbers, [False])
    rests = _hidden(moving.mixture, noise).any()
    return best_fit(evidence, numbers, [True]) if rests else moving


def ordered(fit: Fit, noise: float | None) -> tuple[Mixture, Array]:
    """Sort states, slowest first; one that moves less than the noise shows is at rest."""
    mixture, share, _ = fit
    order = np.argsort(mixture.mean[:, 0])
    if noise is not None:
        hidden = _hidden(mixture, noise)[order]
        # A population of which nothing moves is a slow one.
        order = order[~hidden] if not hidden.all() else order
    kept = share[:, 1:][:, order]
    at_rest = (1 - kept.sum(1)).clip(0)
    at_rest[at_rest < 1e-12] = 0
    states = Mixture(mixture.rest, *(each[order] for each in mixture[1:]))
    return states, np.column_stack((at_rest, kept))


def best_fit(evidence: Evidence, numbers: Iterable[int], rests: Iterable[bool]) -> Fit:
    """Fit any number of states, with and without rest, and take what the criterion prefers."""
    fits = [_fit(evidence, k, rest) for k, rest in product(numbers, rests)]
    return min(fits, key=lambda fit: fit.criterion)


def with_rests(fit: Fit, noise: float) -> float:
    """Return the criterion if states that move less than the noise shows are at rest.

    Rest has no parameters. Without this, noise and rest are hardly told from less noise and motion
    with an exponent near zero.
    """
    n_hidden = int(_hidden(fit.mixture, noise).sum())
    return fit.criterion - n_hidden * _OF_A_STATE * float(np.log(len(fit.share)))


def expected(evidence: Evidence, mixture: Mixture) -> tuple[Array, Array]:
    """Mean and covariance of the true values of each segment if it is in each state."""
    gain = mixture.covariance @ _inverted(evidence, mixture)[0]
    offset = evidence.value[:, None] - mixture.mean
    mean = mixture.mean + np.einsum("nkde,nke->nkd", gain, offset)
    return mean, mixture.covariance - gain @ mixture.covariance


def _hidden(mixture: Mixture, noise: float) -> npt.NDArray[np.bool_]:
    """Say which states move less than the noise shows."""
    return np.exp(mixture.mean[:, 0]) < _HIDDEN * noise**2


def _fit(evidence: Evidence, n_states: int, rests: bool) -> Fit:
    moving = np.flatnonzero(np.isfinite(evidence.moving))
    n = len(evidence.value)
    parts = np.array_split(moving[np.argsort(evidence.value[moving, 0])], n_states)
    everywhere = evidence.motion[moving].mean(0)
    mixture = Mixture(
        0.1 if rests else 0.0,
        np.full(n_states, 1 / n_states),
        np.array([np.median(evidence.value[part], axis=0) for part in parts]),
        np.array([np.diag(evidence.value[part].var(0) + _LEAST_VARIANCE) for part in parts]),
        np.tile(everywhere, (n_states, 1)),
    )
    before = -np.inf
    for _ in range(_ROUNDS):
        log_likelihood, share = _responsibilities(evidence, mixture)
        if log_likelihood - before < _CONVERGED * n:
            break
        before = log_likelihood
        mixture = _maximised(evidence, mixture, share)
    n_parameters = n_states * _OF_A_STATE + n_states - 1 + rests
    return Fit(mixture, share, n_parameters * np.log(n) - 2 * log_likelihood)


def _responsibilities(evidence: Evidence, mixture: Mixture) -> tuple[float, Array]:
    inverse, determinant = _inverted(evidence, mixture)
    offset = evidence.value[:, None] - mixture.mean
    distance = np.einsum("nkd,nkde,nke->nk", offset, inverse, offset)
    log_p = -0.5 * (distance + np.log(determinant)) - np.log(2 * np.pi)
    log_p += np.log(mixture.weight * (1 - mixture.rest))
    log_p += np.log(evidence.motion @ mixture.motion.T + 1e-12) + evidence.moving[:, None]
    with np.errstate(divide="ignore"):
        at_rest = np.log(mixture.rest) + evidence.still
    log_p = np.column_stack((at_rest, log_p))
    peak = log_p.max(1, keepdims=True)
    summed = peak + np.log(np.exp(log_p - peak).sum(1, keepdims=True))
    return float(summed.sum()), np.exp(log_p - summed)


def _inverted(evidence: Evidence, mixture: Mixture) -> tuple[Array, Array]:
    """Inverse and determinant of what each segment's values would scatter by in each state."""
    total = mixture.covariance + evidence.covariance[:, None]
    # By hand: for many small matrices linear algebra packages take ten times as long.
    (a, b), (_, d) = np.moveaxis(total, (2, 3), (0, 1))
    determinant = a * d - b * b
    adjugate = np.array([[d, -b], [-b, a]])
    return np.moveaxis(adjugate / determinant, (0, 1), (2, 3)), determinant


def _maximised(evidence: Evidence, mixture: Mixture, share: Array) -> Mixture:
    rest = float(share[:, 0].mean())
    share = share[:, 1:]
    mean, covariance = expected(evidence, mixture)
    count = share.sum(0) + 1e-9
    centre = np.einsum("nk,nkd->kd", share, mean) / count[:, None]
    offset = mean - centre
    spread = covariance + offset[..., :, None] * offset[..., None, :]
    widths = np.einsum("nk,nkde->kde", share, spread) / count[:, None, None]
    widths += np.diag(_LEAST_VARIANCE)
    # Which motion a segment shows is itself uncertain.
    joint = evidence.motion[:, None] * mixture.motion
    joint /= joint.sum(2, keepdims=True) + 1e-12
    motion = np.einsum("nk,nkm->km", share, joint) / count[:, None] + _LOWEST_SHARE
    motion /= motion.sum(1, keepdims=True)
    return Mixture(rest, count / count.sum(), centre, widths, motion)
