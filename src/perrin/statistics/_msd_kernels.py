"""Compiled kernels of MSDs: tracks on a grid of frames, covariances between lags, and the fit."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from perrin.statistics import _motion

__all__ = ["fit_curves", "lag_covariance", "spread"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_ROUNDS = 30
_STEP = 1e-4

_shape = numba.njit(cache=True, nogil=True)(_motion.blurred_power)


@numba.njit(cache=True, nogil=True)
def spread(
    position: Array, frame: Ints, starts: Ints, stops: Ints, path: Array, mask: Array
) -> None:
    """Write each track about the middle of its range into a row of ``path``, and mark its frames.

    Track i holds ``position[starts[i]:stops[i]]``; ``path`` is (axes, tracks, frames), ``mask``
    (tracks, frames), and both are zero.
    """
    for i in range(starts.size):
        start, stop = starts[i], stops[i]
        for row in range(start, stop):
            mask[i, frame[row] - frame[start]] = 1.0
        for axis in range(position.shape[1]):
            low = high = position[start, axis]
            for row in range(start + 1, stop):
                low = min(low, position[row, axis])
                high = max(high, position[row, axis])
            for row in range(start, stop):
                path[axis, i, frame[row] - frame[start]] = position[row, axis] - (low + high) / 2


@numba.njit(cache=True, nogil=True)
def lag_covariance(
    structure: Array, n_points: int, n_lags: int, n_axes: int, overlap: Array
) -> Array:
    """Covariance between the time-averaged MSDs at lags 1 to ``n_lags`` of one track.

    ``structure`` is the MSD along one axis at lags 0 to ``n_points - 1``. Displacements i and j
    over n and m frames have the covariance c = (M(k+m) + M(k-n) - M(k) - M(k+m-n)) / 2, k = j - i,
    so that, being Gaussian, their squares have 2 c², and the means 2 sum(c²) / (N_n N_m). With gaps
    ``overlap`` says which pairs exist (see :func:`_overlap`); it is empty without.
    """
    result = np.zeros((n_lags, n_lags))
    for n in range(1, n_lags + 1):
        for m in range(n, n_lags + 1):
            first, second = n_points - n, n_points - m
            total = 0.0
            counted = 0.0
            for k in range(1 - first, second):
                pairs = min(first - 1, second - 1 - k) - max(0, -k) + 1.0
                if overlap.size:
                    pairs = overlap[n - 1, m - 1, k + n_points]
                    if pairs == 0:
                        continue
                counted += pairs  # over all k this makes N_n N_m
                c = (
                    structure[abs(k + m)]
                    + structure[abs(k - n)]
                    - structure[abs(k)]
                    - structure[abs(k + m - n)]
                ) / 2
                total += pairs * c * c
            value = 2 * n_axes * total / max(counted, 1.0)
            result[n - 1, m - 1] = value
            result[m - 1, n - 1] = value
    return result


@numba.njit(cache=True, nogil=True)
def _model(lag: Array, theta: Array, exposure: float, n_axes: int) -> Array:
    curve: Array = n_axes * (2 * np.exp(theta[0]) * _shape(lag, theta[1], exposure) + 2 * theta[2])
    return curve


@numba.njit(cache=True, nogil=True)
def _overlap(seen: Array, n_lags: int) -> Array:
    """Count, for lags n, m and distance k, the i with all of i, i+n, i+k, i+k+m seen."""
    span = seen.size
    result = np.zeros((n_lags, n_lags, 2 * span))
    for n in range(1, n_lags + 1):
        for m in range(n, n_lags + 1):
            for i in range(span - n):
                if seen[i] and seen[i + n]:
                    for j in range(span - m):
                        if seen[j] and seen[j + m]:
                            result[n - 1, m - 1, j - i + span] += 1
    return result


@numba.njit(cache=True, nogil=True)
def _covariance(
    theta: Array, p: int, overlap: Array, span: int, exposure: float, n_axes: int
) -> Array:
    lag = np.arange(0.0, span)
    structure = 2 * np.exp(theta[0]) * _shape(lag, theta[1], exposure) + 2 * theta[2]
    structure[0] = 0.0
    covariance = lag_covariance(structure, span, p, n_axes, overlap)
    for n in range(p):
        covariance[n, n] *= 1 + 1e-9
    return covariance


@numba.njit(cache=True, nogil=True)
def _jacobian(lag: Array, theta: Array, free: Ints, exposure: float, n_axes: int) -> Array:
    result = np.empty((lag.size, free.size))
    coefficient = np.exp(theta[0])
    for column in range(free.size):
        if free[column] == 0:
            result[:, column] = n_axes * 2 * coefficient * _shape(lag, theta[1], exposure)
        elif free[column] == 1:
            high = _shape(lag, theta[1] + _STEP, exposure)
            low = _shape(lag, theta[1] - _STEP, exposure)
            result[:, column] = n_axes * coefficient * (high - low) / _STEP
        else:
            result[:, column] = 2 * n_axes
    return result


@numba.njit(cache=True, nogil=True)
def _linearise(
    lag: Array,
    theta: Array,
    overlap: Array,
    span: int,
    unknown: Ints,
    full: bool,
    exposure: float,
    n_axes: int,
) -> tuple[Array, Array, Array]:
    """Jacobian J, J' W with the weights W, and the covariance of the MSD at ``theta``."""
    covariance = _covariance(theta, lag.size, overlap, span, exposure, n_axes)
    jacobian = _jacobian(lag, theta, unknown, exposure, n_axes)
    weighted = np.empty((unknown.size, lag.size))
    if full:
        weighted[:] = np.linalg.solve(covariance, jacobian).T
    else:
        for n in range(lag.size):
            weighted[:, n] = jacobian[n] / covariance[n, n]
    return jacobian, weighted, covariance


@numba.njit(cache=True, nogil=True)
def _fit_one(
    msd: Array,
    overlap: Array,
    span: int,
    theta: Array,
    unknown: Ints,
    full: bool,
    exposure: float,
    n_axes: int,
) -> Array:
    """Gauss-Newton with the covariance renewed in each round; returns the standard errors."""
    p = msd.size
    lag = np.arange(1.0, p + 1)
    for _ in range(_ROUNDS):
        jacobian, weighted, _ = _linearise(
            lag, theta, overlap, span, unknown, full, exposure, n_axes
        )
        residual = msd - _model(lag, theta, exposure, n_axes)
        normal = weighted @ jacobian
        gradient = weighted @ residual
        for k in range(unknown.size):
            normal[k, k] *= 1 + 1e-10
        change = np.linalg.solve(normal, gradient)
        if unknown[-1] == 2 and theta[2] <= 0 and change[-1] < 0:
            # A negative noise variance would fit better: keep it at zero, solve for the others.
            k = unknown.size - 1
            change[:k] = np.linalg.solve(
                np.ascontiguousarray(normal[:k, :k]), np.ascontiguousarray(gradient[:k])
            )
            change[k] = 0.0
        largest = 0.0
        for k in range(unknown.size):
            which = unknown[k]
            old = theta[which]
            if which == 0:
                theta[0] += min(max(change[k], -2.0), 2.0)
            elif which == 1:
                theta[1] = min(max(old + min(max(change[k], -0.3), 0.3), 0.01), 2.0)
            else:
                theta[2] = max(old + change[k], 0.0)
            scale = abs(msd[0]) if which == 2 else 1.0
            largest = max(largest, abs(theta[which] - old) / scale)
        if largest < 1e-6:
            break
    jacobian, weighted, covariance = _linearise(
        lag, theta, overlap, span, unknown, full, exposure, n_axes
    )
    # Also with the noise at its bound its uncertainty counts: it might be above.
    bread = np.linalg.inv(weighted @ jacobian)
    meat = weighted @ covariance @ np.ascontiguousarray(weighted.T)
    sandwich = bread @ meat @ bread
    errors = np.full(3, np.nan)
    for k in range(unknown.size):
        errors[unknown[k]] = np.sqrt(max(sandwich[k, k], 0.0))
    return errors


@numba.njit(cache=True, nogil=True)
def fit_curves(
    msd: Array,
    bounds: Ints,
    n_lags: Ints,
    frame: Ints,
    starts: Ints,
    stops: Ints,
    theta: Array,
    unknown: Ints,
    full: bool,
    exposure: float,
    n_axes: int,
    errors: Array,
) -> None:
    """Fit every track's MSD; ``theta`` (tracks, 3) is the start and becomes the result.

    Track i holds ``msd[bounds[i]:]``, of which ``n_lags[i]`` are fitted, and was seen in
    ``frame[starts[i]:stops[i]]``.
    Parameters are the logarithm of K, alpha and the noise variance; ``unknown`` lists those to
    be fitted, and ``errors`` (tracks, 3) receives their standard errors.
    """
    for i in range(n_lags.size):
        if n_lags[i] < unknown.size:
            theta[i] = np.nan
            errors[i] = np.nan
            continue
        rows = slice(bounds[i], bounds[i] + n_lags[i])
        frames = frame[starts[i] : stops[i]] - frame[starts[i]]
        span = frames[-1] + 1
        overlap = np.zeros((0, 0, 0))
        if frames.size < span:
            seen = np.zeros(span)
            for f in frames:
                seen[f] = 1.0
            overlap = _overlap(seen, n_lags[i])
        errors[i] = _fit_one(msd[rows], overlap, span, theta[i], unknown, full, exposure, n_axes)
