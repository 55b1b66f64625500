"""Compiled kernels of the exact likelihood of fractional Brownian motion with noise."""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

from perrin.statistics import _motion

__all__ = ["fisher_information", "fit_tracks"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_EXACT = 48
"""Displacements up to which the information is computed as it is; beyond it grows linearly."""

_LOWEST_ALPHA, _HIGHEST_ALPHA = 0.02, 1.98
_HIGHEST_SHARE = 1 - 1e-9
_STEP = 1e-4

_shape = numba.njit(cache=True, nogil=True)(_motion.blurred_power)


@numba.njit(cache=True, nogil=True)
def _toeplitz(steps: Array, structure: Array) -> tuple[float, float]:
    """Log determinant and sum of squares of innovations, without gaps (Durbin and Levinson)."""
    n, axes = steps.shape
    gamma = np.empty(n)
    gamma[0] = structure[1]
    for k in range(1, n):
        gamma[k] = (structure[k + 1] + structure[k - 1] - 2 * structure[k]) / 2
    phi = np.zeros(n)
    old = np.zeros(n)
    variance = gamma[0]
    logdet = math.log(variance)
    quadratic = 0.0
    for a in range(axes):
        quadratic += steps[0, a] ** 2 / variance
    for i in range(1, n):
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
    return logdet, quadratic


@numba.njit(cache=True, nogil=True)
def _dense(steps: Array, frames: Ints, structure: Array) -> tuple[float, float]:
    """Compute the same with gaps, by Cholesky decomposition."""
    n, axes = steps.shape
    root = np.empty((n, n))
    solved = np.empty((n, axes))
    logdet = 0.0
    quadratic = 0.0
    for i in range(n):
        for j in range(i + 1):
            value = (
                structure[abs(frames[i + 1] - frames[j])]
                + structure[abs(frames[i] - frames[j + 1])]
                - structure[frames[i] - frames[j]]
                - structure[frames[i + 1] - frames[j + 1]]
            ) / 2
            for k in range(j):
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
            for k in range(i):
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
) -> tuple[float, float]:
    """Negative log likelihood (per axis, less constants), and the overall variance that goes with it.

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
        structure = 2 * coefficient * _shape(np.arange(span + 1.0), alpha, exposure) + 2 * noise
        structure[0] = 0.0
        if span == n:
            logdet, quadratic = _toeplitz(steps, structure)
        else:
            logdet, quadratic = _dense(steps, frames, structure)
    if known_noise >= 0:
        return (logdet + quadratic / axes) / 2, 1.0
    scale = quadratic / (n * axes)
    if not scale > 0:
        return np.inf, 0.0
    return (n * math.log(scale) + logdet + n) / 2, scale


@numba.njit(cache=True, nogil=True)
def _minimise(
    steps: Array, frames: Ints, known_alpha: float, known_noise: float, exposure: float
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
    alphas = np.array([0.2, 0.5, 0.8, 1.1, 1.4, 1.7]) if known_alpha < 0 else np.array([known_alpha])
    best = np.inf
    simplex = np.zeros((3, 2))
    for alpha in alphas:
        for second in seconds:
            value = _cost(alpha, second, known_noise, steps, frames, exposure)[0]
            if value < best:
                best = value
                simplex[0, 0], simplex[0, 1] = alpha, second
    wide = 0.5 if known_noise >= 0 else (0.05 if simplex[0, 1] > 0.9 else 0.12)
    corners = 2 if known_alpha >= 0 else 3
    simplex[1] = simplex[0]
    simplex[2] = simplex[0]
    simplex[1, 1] += wide if simplex[0, 1] + wide < high else -wide
    simplex[2, 0] += 0.15 if simplex[0, 0] < 1 else -0.15
    values = np.full(3, np.inf)
    for k in range(corners):
        values[k] = _cost(simplex[k, 0], simplex[k, 1], known_noise, steps, frames, exposure)[0]
    for _ in range(120):
        order = np.argsort(values[:corners])
        worst = order[-1]
        size = 0.0
        for k in range(corners):
            size = max(size, np.abs(simplex[k] - simplex[order[0]]).max())
        if size < 1e-4 or values[worst] - values[order[0]] < 1e-7:
            break
        middle = np.zeros(2)
        for k in order[:-1]:
            middle += simplex[k] / (corners - 1)
        done = False
        reflected = 0.0
        # Reflect; if that is the best, try further; if it is no better than the worst, nearer.
        for factor in (1.0, 2.0, -0.5):
            if factor == 2.0 and not reflected < values[order[0]]:
                continue
            if factor == -0.5 and done:
                continue
            point = middle + factor * (middle - simplex[worst])
            point[0] = (
                min(max(point[0], _LOWEST_ALPHA), _HIGHEST_ALPHA) if known_alpha < 0 else known_alpha
            )
            point[1] = min(max(point[1], low), high)
            value = _cost(point[0], point[1], known_noise, steps, frames, exposure)[0]
            if factor == 1.0:
                reflected = value
            if value < values[worst] and (factor != 2.0 or value < reflected):
                simplex[worst] = point
                values[worst] = value
                done = factor == 2.0 or value < values[order[-2]] or factor == -0.5
        if not done:
            for k in order[1:]:
                simplex[k] = (simplex[k] + simplex[order[0]]) / 2
                values[k] = _cost(
                    simplex[k, 0], simplex[k, 1], known_noise, steps, frames, exposure
                )[0]
    k = np.argmin(values[:corners])
    return simplex[k, 0], simplex[k, 1]


@numba.njit(cache=True, nogil=True)
def _information(
    n: int, coefficient: float, alpha: float, noise: float, exposure: float, axes: int
) -> Array:
    lag = np.arange(n + 1.0)
    shape = _shape(lag, alpha, exposure)
    high, low = _shape(lag, alpha + _STEP, exposure), _shape(lag, alpha - _STEP, exposure)
    parts = np.zeros((4, n + 1))
    parts[0] = 2 * coefficient * shape
    parts[1] = coefficient * (high - low) / _STEP
    parts[2] = 2.0
    parts[3] = parts[0] + 2 * noise
    parts[:, 0] = 0.0
    matrices = np.empty((4, n, n))
    for q in range(4):
        for i in range(n):
            for j in range(n):
                k = abs(i - j)
                matrices[q, i, j] = (
                    parts[q, k + 1] + parts[q, abs(k - 1)] - 2 * parts[q, k]
                ) / 2
    solved = np.empty((3, n, n))
    for q in range(3):
        solved[q] = np.linalg.solve(matrices[3], matrices[q])
    result = np.empty((3, 3))
    for a in range(3):
        for b in range(3):
            result[a, b] = axes * (solved[a] * solved[b].T).sum() / 2
    return result


@numba.njit(cache=True, nogil=True)
def fisher_information(
    n: int,
    coefficient: float,
    alpha: float,
    noise: float,
    exposure: float,
    axes: int,
    exact: int,
) -> Array:
    """Fisher information of ``n`` displacements on (log K, alpha, noise variance).

    Half the trace of products of S^-1 dS; computed for ``exact`` displacements at most and
    continued with the slope of its second half, as information grows linearly in the end.
    """
    if n <= exact:
        return _information(n, coefficient, alpha, noise, exposure, axes)
    half = exact // 2
    far = _information(exact, coefficient, alpha, noise, exposure, axes)
    near = _information(half, coefficient, alpha, noise, exposure, axes)
    return far + (far - near) * ((n - exact) / (exact - half))


@numba.njit(cache=True, nogil=True)
def fit_tracks(
    position: Array,
    frame: Ints,
    starts: Ints,
    stops: Ints,
    known_alpha: float,
    known_noise: float,
    exposure: float,
    values: Array,
    errors: Array,
) -> None:
    """Fit every track; ``values`` and ``errors`` (tracks, 3) receive K, alpha and noise variance.

    ``known_alpha`` and ``known_noise`` (a variance) are negative where they are to be fitted. A
    fourth column of ``values`` receives the log likelihood.
    """
    axes = position.shape[1]
    unknown = np.array([True, known_alpha < 0, known_noise < 0])
    for t in range(starts.size):
        rows = slice(starts[t], stops[t])
        frames = frame[rows]
        n = frames.size - 1
        values[t] = np.nan
        errors[t] = np.nan
        if n * axes < unknown.sum() + 1 or n < 2:
            continue
        steps = position[starts[t] + 1 : stops[t]] - position[starts[t] : stops[t] - 1]
        if not np.abs(steps).max() > 0:
            continue
        alpha, second = _minimise(steps, frames, known_alpha, known_noise, exposure)
        cost, scale = _cost(alpha, second, known_noise, steps, frames, exposure)
        if known_noise >= 0:
            coefficient, noise = math.exp(second), known_noise
        else:
            coefficient, noise = scale * (1 - second), scale * second
        values[t, 0], values[t, 1], values[t, 2] = coefficient, alpha, noise
        values[t, 3] = -axes * (cost + n * math.log(2 * math.pi) / 2)
        information = fisher_information(
            n, coefficient, alpha, noise, exposure, axes, _EXACT
        )
        which = np.flatnonzero(unknown)
        reduced = np.empty((which.size, which.size))
        for a in range(which.size):
            for b in range(which.size):
                reduced[a, b] = information[which[a], which[b]]
        spread = np.linalg.pinv(reduced)
        for a in range(which.size):
            errors[t, which[a]] = math.sqrt(max(spread[a, a], 0.0))
