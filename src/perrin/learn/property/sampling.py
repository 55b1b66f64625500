"""Posterior of a few parameters from their log density alone, by adaptive importance sampling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

__all__ = ["Sample", "sample_posterior"]

Floats = npt.NDArray[np.float64]
LogDensity = Callable[[Floats], Floats]

_FREEDOM = 5.0  # of the Student distributions that are drawn from: tails wider than a Gaussian's
_ROUNDS = (200, 200, 400)
_DROP = (0.3, 1.5)
_DOUBLINGS = 20
_RIDGE = 1e-9
_PRECISION = {"xatol": 1e-3, "fatol": 1e-3, "maxfev": 400}


class Sample(NamedTuple):
    """Weighted draws from a posterior: parameters, shape ``(n, k)``, and weights that sum to 1."""

    values: Floats
    weights: Floats

    def quantiles(self, of: Floats, at: Sequence[float]) -> Floats:
        """Quantiles of a number that was computed from each draw, shape ``(n,)``."""
        order = np.argsort(of)
        weight = self.weights[order]
        return np.asarray(np.interp(at, np.cumsum(weight) - 0.5 * weight, of[order]))


def sample_posterior(
    log_density: LogDensity, starts: Floats, scale: Floats, rng: np.random.Generator
) -> Sample:
    """Draw from a posterior with one mode that matters.

    The mode is found from the best of ``starts`` (Nelder & Mead), the curvature there gives the
    first Student distribution to draw from, and the weighted draws give the next (Cappé et al.
    2008, Statistics and Computing 18, 447).

    Parameters
    ----------
    log_density
        Takes parameters, shape ``(n, k)``, to log densities, shape ``(n,)``; ``-inf`` where
        impossible.
    starts
        Where to look for the mode, shape ``(n, k)``.
    scale
        Steps that are worth trying, shape ``(k,)``.
    rng
        Source of the draws.
    """
    begin = starts[np.argmax(log_density(starts))]
    options: Any = {"initial_simplex": np.vstack([begin, begin + np.diag(scale)])} | _PRECISION

    def height(at: Floats) -> float:
        return -float(log_density(at[None])[0])

    found = minimize(height, begin, method="Nelder-Mead", options=options)
    mode = np.asarray(found.x)
    spread = _spread(log_density, mode, -float(found.fun), scale)
    values, logs = [], []
    for n in _ROUNDS:
        root = np.linalg.cholesky(spread)
        normal = rng.standard_normal((n, len(mode)))
        stretch = np.sqrt(_FREEDOM / rng.chisquare(_FREEDOM, n))[:, None]
        drawn = mode + (normal * stretch) @ root.T
        distance = ((normal * stretch) ** 2).sum(axis=1)
        proposal = -0.5 * (_FREEDOM + len(mode)) * np.log1p(distance / _FREEDOM)
        proposal -= np.log(np.diag(root)).sum()
        values.append(drawn)
        logs.append(log_density(drawn) - proposal)
        sample = _weighted(values[-1], logs[-1])
        mode = sample.weights @ sample.values
        off = sample.values - mode
        spread = (off * sample.weights[:, None]).T @ off + np.diag((_RIDGE**0.5 * scale) ** 2)
    return _weighted(np.concatenate(values[1:]), np.concatenate(logs[1:]))


def _weighted(values: Floats, logs: Floats) -> Sample:
    weights = np.exp(logs - logs.max())
    return Sample(values, weights / weights.sum())


def _spread(log_density: LogDensity, mode: Floats, top: float, scale: Floats) -> Floats:
    """Inverse of the curvature at the mode; the widths along the axes where it has none."""
    k = len(mode)
    steps = scale.copy()
    for _ in range(_DOUBLINGS):
        fall = top - np.minimum(*(log_density(mode + sign * np.diag(steps)) for sign in (1, -1)))
        too_far, too_near = ~(fall < _DROP[1]), fall < _DROP[0]
        if not (too_far | too_near).any():
            break
        steps = np.where(too_far, steps / 2, np.where(too_near, steps * 1.5, steps))
    signs = [(i, j) for i in (1, -1) for j in (1, -1)]
    curvature = np.empty((k, k))
    for i in range(k):
        for j in range(k):
            ei, ej = np.eye(k)[i] * steps / 2, np.eye(k)[j] * steps / 2
            corners = log_density(np.stack([mode + a * ei + b * ej for a, b in signs]))
            curvature[i, j] = -(corners[0] - corners[1] - corners[2] + corners[3])
    if np.isfinite(curvature).all() and (np.linalg.eigvalsh(curvature) > 0.05).all():
        return np.asarray(np.linalg.inv(curvature) * np.outer(steps, steps))
    return np.diag(steps**2)
