"""Compiled kernels of the exact likelihood of fractional Brownian motion with noise."""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

from perrin.statistics import _motion

__all__ = ["fit_tracks", "likelihood_grid"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LOW_ALPHA, _HIGH_ALPHA = 0.02, 1.98
_HIGHEST_SHARE = 1 - 1e-9
_BLOCKS = 3
"""Blocks are so much longer than the memory that what is lost between them is little."""

_shape = numba.njit(cache=True, nogil=True)(_motion.blurred_power)


@numba.njit(cache=True, nogil=True)
def _toeplitz(steps: Array, structure: Array, memory: int) -> tuple[float, float]:
    """Log determinant and sum of squares of innovations, without gaps (Durbin and Levinson).

    Each displacement is predicted from the ``memory`` before it at most.
    """
    n, axes = steps.shape
    known = min(n, memory + 1)
    gamma = np.empty(known)
    gamma[0] = structure[1]
    for k in range(1, known):
        gamma[k] = (structure[k + 1] + structure[k - 1] - 2 * structure[k]) / 2
    phi = np.zeros(known)
    old = np.zeros(known)
    variance = gamma[0]
    logdet = math.log(variance)
    quadratic = 0.0
    for a in range(axes):
        quadratic += steps[0, a] ** 2 / variance
    for i in range(1, known):
        reflection = gamma[i]
        for k in range(i - 1):
            reflection -= old[k] * gamma[i - 1 - k]
        reflection /= variance
        for k in range(i - 1):
            phi[k] = old[k] - reflection * old[i - 2 - k]
        phi[i - 1] = reflection
        variance *= 1 - reflection * reflection
        if not variance > 0:
            return np.inf, np.inf
        for k in range(i):
            old[k] = phi[k]
        logdet += math.log(variance)
        for a in range(axes):
            error = steps[i, a]
            for k in range(i):
                error -= phi[k] * steps[i - 1 - k, a]
            quadratic += error * error / variance
    logdet += (n - known) * math.log(variance)
    for i in range(known, n):
        for a in range(axes):
            error = steps[i, a]
            for k in range(memory):
                error -= phi[k] * steps[i - 1 - k, a]
            quadratic += error * error / variance
    return logdet, quadratic


@numba.njit(cache=True, nogil=True)
def _dense(steps: Array, frames: Ints, structure: Array, memory: int) -> tuple[float, float]:
    """Compute the same with gaps, by Cholesky decomposition of blocks taken to be unrelated."""
    n, axes = steps.shape
    block = n if n <= memory else _BLOCKS * memory
    root = np.empty((n, n))
    solved = np.empty((n, axes))
    logdet = 0.0
    quadratic = 0.0
    for i in range(n):
        first = i - i % block
        for j in range(first, i + 1):
            value = (
                structure[abs(frames[i + 1] - frames[j])]
                + structure[abs(frames[i] - frames[j + 1])]
                - structure[frames[i] - frames[j]]
                - structure[frames[i + 1] - frames[j + 1]]
            ) / 2
            for k in range(first, j):
                value -= root[i, k] * root[j, k]
            if i == j:
                if not value > 0:
                    return np.inf, np.inf
                root[i, i] = math.sqrt(value)
                logdet += math.log(value)
            else:
                root[i, j] = value / root[j, j]
        for a in range(axes):
            value = steps[i, a]
            for k in range(first, i):
                value -= root[i, k] * solved[k, a]
            solved[i, a] = value / root[i, i]
            quadratic += solved[i, a] ** 2
    return logdet, quadratic


@numba.njit(cache=True, nogil=True)
def _brownian(
    steps: Array, frames: Ints, coefficient: float, noise: float, exposure: float
) -> tuple[float, float]:
    """Compute the same for alpha = 1, where the covariance is tridiagonal, gaps or not."""
    n, axes = steps.shape
    shift = noise - coefficient * exposure / 3
    logdet = 0.0
    quadratic = 0.0
    variance = 1.0
    error = np.zeros(axes)
    for i in range(n):
        link = -shift / variance if i else 0.0
        new = 2 * coefficient * (frames[i + 1] - frames[i]) + 2 * shift + (link * shift if i else 0)
        if not new > 0:
            return np.inf, np.inf
        variance = new
        logdet += math.log(variance)
        for a in range(axes):
            error[a] = steps[i, a] - link * error[a]
            quadratic += error[a] ** 2 / variance
    return logdet, quadratic


@numba.njit(cache=True, nogil=True)
def _cost(
    alpha: float,
    second: float,
    known_noise: float,
    steps: Array,
    frames: Ints,
    exposure: float,
    memory: int,
) -> tuple[float, float]:
    """Negative log likelihood (per axis, less constants), and the scale that goes with it.

    With the noise unknown, ``second`` is its share u: the structure function is
    ``2 S ((1 - u) g + u)`` with the scale S at its most likely value. With a known noise variance,
    ``second`` is the logarithm of K.
    """
    n, axes = steps.shape
    span = frames[-1] - frames[0]
    if known_noise >= 0:
        coefficient, noise = math.exp(second), known_noise
    else:
        coefficient, noise = 1 - second, second
    if alpha == 1.0:
        logdet, quadratic = _brownian(steps, frames, coefficient, noise, exposure)
    else:
        whole = span == n
        longest = min(n, memory + 1) if whole else span
        structure = 2 * coefficient * _shape(np.arange(longest + 1.0), alpha, exposure) + 2 * noise
        structure[0] = 0.0
        if whole:
            logdet, quadratic = _toeplitz(steps, structure, memory)
        else:
            logdet, quadratic = _dense(steps, frames, structure, memory)
    if known_noise >= 0:
        return (logdet + quadratic / axes) / 2, 1.0
    scale = quadratic / (n * axes)
    if not scale > 0:
        return np.inf, 0.0
    return (n * math.log(scale) + logdet + n) / 2, scale


@numba.njit(cache=True, nogil=True)
def _minimise(
    steps: Array,
    frames: Ints,
    known_alpha: float,
    known_noise: float,
    exposure: float,
    memory: int,
) -> tuple[float, float]:
    """Find the most likely (alpha, second), from a coarse grid and then by a simplex."""
    variance = 0.0
    for i in range(steps.shape[0]):
        for a in range(steps.shape[1]):
            variance += steps[i, a] ** 2 / (steps.size * (frames[i + 1] - frames[i]))
    if known_noise >= 0:
        start = math.log(max(variance / 2, 1e-300))
        low, high = start - 14.0, start + 4.0
        seconds = start + np.array([-6.0, -3.0, -1.5, -0.5, 0.0])
    else:
        low, high = 0.0, _HIGHEST_SHARE
        seconds = np.array([0.0, 0.1, 0.3, 0.6, 0.85, 0.97])
    alphas = (
        np.array([0.2, 0.5, 0.8, 1.1, 1.4, 1.7]) if known_alpha < 0 else np.array([known_alpha])
    )
    best = np.inf
    simplex = np.zeros((3, 2))
    middle, away = np.zeros(2), np.zeros(2)
    for alpha in alphas:
        for second in seconds:
            value = _cost(alpha, second, known_noise, steps, frames, exposure, memory)[0]
            if value < best:
                best = value
                simplex[0, 0], simplex[0, 1] = alpha, second
    wide = 0.5 if known_noise >= 0 else (0.05 if simplex[0, 1] > 0.9 else 0.12)
    corners = 2 if known_alpha >= 0 else 3
    for k in range(1, 3):
        for q in range(2):
            simplex[k, q] = simplex[0, q]
    simplex[1, 1] += wide if simplex[0, 1] + wide < high else -wide
    simplex[2, 0] += 0.15 if simplex[0, 0] < 1 else -0.15
    values = np.full(3, np.inf)
    for k in range(corners):
        values[k] = _cost(
            simplex[k, 0], simplex[k, 1], known_noise, steps, frames, exposure, memory
        )[0]
    for _ in range(120):
        top, worst = 0, 0
        for k in range(1, corners):
            top = k if values[k] < values[top] else top
            worst = k if values[k] >= values[worst] else worst
        second_worst = top if corners == 2 else 3 - top - worst
        size = 0.0
        for k in range(corners):
            for q in range(2):
                size = max(size, abs(simplex[k, q] - simplex[top, q]))
        if size < 1e-4 or values[worst] - values[top] < 1e-7:
            break
        for q in range(2):
            middle[q] = 0.0
            for k in range(corners):
                if k != worst:
                    middle[q] += simplex[k, q] / (corners - 1)
            away[q] = middle[q] - simplex[worst, q]
        done = False
        reflected = np.inf
        # Reflect; if that is the best, try further; if it is no better than the second worst,
        # try between; if nothing helps, shrink towards the best.
        for attempt in range(3):
            factor = (1.0, 2.0, -0.5)[attempt]
            if (attempt == 1 and not reflected < values[top]) or (attempt == 2 and done):
                continue
            alpha = middle[0] + factor * away[0]
            alpha = known_alpha if known_alpha >= 0 else min(max(alpha, _LOW_ALPHA), _HIGH_ALPHA)
            second = min(max(middle[1] + factor * away[1], low), high)
            value = _cost(alpha, second, known_noise, steps, frames, exposure, memory)[0]
            if attempt == 0:
                reflected = value
            if (attempt == 1 and value < reflected) or (attempt != 1 and value < values[worst]):
                simplex[worst, 0], simplex[worst, 1] = alpha, second
                values[worst] = value
                done = done or attempt == 2 or value < values[second_worst]
        if not done:
            for k in range(corners):
                if k != top:
                    for q in range(2):
                        simplex[k, q] = (simplex[k, q] + simplex[top, q]) / 2
                    values[k] = _cost(
                        simplex[k, 0], simplex[k, 1], known_noise, steps, frames, exposure, memory
                    )[0]
    top = 0
    for k in range(1, corners):
        top = k if values[k] < values[top] else top
    return simplex[top, 0], simplex[top, 1]


@numba.njit(cache=True, nogil=True)
def fit_tracks(
    position: Array,
    frame: Ints,
    starts: Ints,
    stops: Ints,
    known_alpha: float,
    known_noise: float,
    exposure: float,
    memory: int,
    values: Array,
) -> None:
    """Fit every track; ``values`` (tracks, 4) receives K, alpha, noise variance, log likelihood.

    ``known_alpha`` and ``known_noise`` (a variance) are negative where they are to be fitted.
    The likelihood is exact for tracks of at most ``memory`` displacements; in longer ones those
    further apart are taken to be unrelated, so that time does not grow with the square of the
    length.
    """
    axes = position.shape[1]
    unknown = 1 + (known_alpha < 0) + (known_noise < 0)
    for t in range(starts.size):
        rows = slice(starts[t], stops[t])
        frames = frame[rows]
        n = frames.size - 1
        values[t] = np.nan
        if n * axes < unknown + 1 or n < 2:
            continue
        steps = position[starts[t] + 1 : stops[t]] - position[starts[t] : stops[t] - 1]
        moved = False
        for i in range(n):
            for a in range(axes):
                moved |= steps[i, a] != 0
        if not moved:
            continue
        alpha, second = _minimise(steps, frames, known_alpha, known_noise, exposure, memory)
        cost, scale = _cost(alpha, second, known_noise, steps, frames, exposure, memory)
        if known_noise >= 0:
            coefficient, noise = math.exp(second), known_noise
        else:
            coefficient, noise = scale * (1 - second), scale * second
        values[t, 0], values[t, 1], values[t, 2] = coefficient, alpha, noise
        values[t, 3] = -axes * (cost + n * math.log(2 * math.pi) / 2)


@numba.njit(cache=True, nogil=True)
def likelihood_grid(
    position: Array,
    frame: Ints,
    starts: Ints,
    stops: Ints,
    noise: float,
    exposure: float,
    memory: int,
    alphas: Array,
    log_coefficients: Array,
    result: Array,
) -> None:
    """Log-likelihood, less constants, at every alpha and logarithm of K of each track's grid.

    ``noise`` is a variance, ``memory`` as for :func:`fit_tracks`; the grids are ``(tracks, n)`` and
    ``(tracks, m)``, ``result`` is ``(tracks, n, m)``, zero where there is no displacement.
    """
    for t in range(starts.size):
        result[t] = 0.0
        if stops[t] - starts[t] < 2:
            continue
        frames = frame[starts[t] : stops[t]]
        steps = position[starts[t] + 1 : stops[t]] - position[starts[t] : stops[t] - 1]
        for i in range(alphas.shape[1]):
            for j in range(log_coefficients.shape[1]):
                cost, _ = _cost(
                    alphas[t, i], log_coefficients[t, j], noise, steps, frames, exposure, memory
                )
                result[t, i, j] = -position.shape[1] * cost
