"""Maximum likelihood for Brownian and fractional Brownian motion with noise, and its limits."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.errors import InputError, Progress
from perrin.statistics._arrays import arrays_of, check_alpha, check_exposure, check_noise
from perrin.statistics._motion import blurred_power

__all__ = ["cramer_rao", "fit_fbm"]

Array = npt.NDArray[np.float64]
Unknown = Literal["coefficient", "alpha", "noise"]

_BLOCK = 200  # tracks between two reports of progress
_EXACT = 48  # displacements up to which the information is computed as it is
_STEP = 1e-4  # of alpha, for derivatives


def fit_fbm(
    tracks: pd.DataFrame,
    *,
    alpha: float | None = None,
    noise: float | None = None,
    exposure: float = 1.0,
    progress: Progress | None = None,
) -> pd.DataFrame:
    r"""Fit alpha, the diffusion coefficient and the noise of every track by maximum likelihood.

    Parameters
    ----------
    tracks
        A track table (positions in px).
    alpha
        The anomalous exponent if it is known; with 1 this is Berglund's estimator of the
        diffusivity of Brownian motion. Fitted if not given.
    noise
        Localization error per axis in px if it is known; fitted if not given.
    exposure
        Share of the frame interval during which the shutter is open, 0 to 1.
    progress
        Called as ``progress("Fitting tracks", done, total)`` with numbers of tracks.

    Returns
    -------
    pandas.DataFrame
        One row per particle: ``particle``, ``n_points``, ``alpha``, ``alpha_se``, ``coefficient``
        and ``coefficient_se`` (K, px²/frame^alpha), ``noise`` and ``noise_se`` (px),
        ``log_likelihood``. NaN where a track has fewer than three points, or no more displacements,
        each axis counted, than there are unknowns (along one axis, three unknowns need five
        points), or does not move at all; standard errors are NaN for what was given.

    Raises
    ------
    InputError
        If the table is not a track table or an argument is out of range.

    Notes
    -----
    Displacements are Gaussian with the covariance that follows from the MSD along an axis,
    :math:`M(t) = 2K\,g_\alpha(t) + 2\sigma^2` for :math:`t>0` (g: :math:`t^\alpha` with motion
    blur),

    .. math:: \langle\Delta_{ab}\Delta_{cd}\rangle = \tfrac12[M(d-a)+M(c-b)-M(c-a)-M(d-b)]

    for displacements between frames a, b and c, d, so gaps are exact. The likelihood is exact: by
    Durbin and Levinson's recursion in O(T²) without gaps, by Cholesky decomposition in O(T³) with
    gaps, and for alpha = 1 in O(T) (Berglund 2010, Phys. Rev. E 82, 011917, without his
    approximation for long tracks). The overall scale is eliminated; alpha (0.02 to 1.98) and the
    share of the noise are found by a grid and a simplex.

    Standard errors are the Cramér-Rao bounds at the fitted parameters (:func:`cramer_rao`), for
    long tracks continued from 48 displacements. They are asymptotic: with few points, or noise near
    0, the distribution of the estimates is not Gaussian.
    """
    from perrin.statistics._fbm_kernels import fit_tracks

    check_exposure(exposure)
    check_alpha(alpha)
    check_noise(noise)
    arrays = arrays_of(tracks)
    n_tracks = arrays.layout.particles.size
    longest = int(arrays.layout.lengths.max(initial=1))
    values = np.empty((n_tracks, 4))
    for first in range(0, n_tracks, _BLOCK):
        block = slice(first, first + _BLOCK)
        fit_tracks(
            arrays.position, arrays.frame, arrays.layout.starts[block], arrays.layout.stops[block],
            -1.0 if alpha is None else float(alpha),
            -1.0 if noise is None else float(noise) ** 2,
            float(exposure), longest, values[block],
        )  # fmt: skip
        if progress is not None:
            progress("Fitting tracks", min(first + _BLOCK, n_tracks), n_tracks)
    unknown = [0] + [1] * (alpha is None) + [2] * (noise is None)
    errors = _standard_errors(values, arrays.layout.lengths - 1, unknown, exposure, arrays.n_axes)
    sigma = np.sqrt(values[:, 2])
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma_se = np.where(sigma > 0, errors[:, 2] / (2 * sigma), np.nan)
    return pd.DataFrame(
        {
            "particle": arrays.layout.particles,
            "n_points": arrays.layout.lengths,
            "alpha": values[:, 1],
            "alpha_se": errors[:, 1],
            "coefficient": values[:, 0],
            "coefficient_se": values[:, 0] * errors[:, 0],
            "noise": sigma,
            "noise_se": sigma_se,
            "log_likelihood": values[:, 3],
        }
    )


def cramer_rao(
    n_points: int,
    *,
    coefficient: float,
    alpha: float = 1.0,
    noise: float = 0.0,
    exposure: float = 1.0,
    n_axes: int = 2,
    unknown: Collection[Unknown] = ("coefficient", "alpha", "noise"),
) -> dict[str, float]:
    r"""Compute the smallest standard error that any unbiased estimator can have.

    Parameters
    ----------
    n_points
        Localizations of the track, without gaps.
    coefficient
        K in px²/frame^alpha (D in px²/frame if alpha is 1).
    alpha
        Anomalous exponent.
    noise
        Localization error per axis in px.
    exposure
        Share of the frame interval during which the shutter is open.
    n_axes
        Number of axes.
    unknown
        What is estimated from the track; the rest is taken as known. For Brownian motion
        ``("coefficient", "noise")``.

    Returns
    -------
    dict
        For each name in ``unknown`` the bound on its standard error, in its unit; that of ``noise``
        is infinite at noise 0, where the bound is on its square.

    Raises
    ------
    InputError
        If there are fewer than three points or the parameters are out of range.

    Notes
    -----
    The square root of the diagonal of the inverse of the Fisher information :math:`I_{ab} = \tfrac
    d2\,\mathrm{tr}(\Sigma^{-1}\partial_a\Sigma\,\Sigma^{-1}\partial_b\Sigma)`, exact for any length
    (for long Brownian tracks: Michalet and Berglund 2012, Phys. Rev. E 85, 061916).
    """
    if n_points < 3 or not coefficient > 0 or not 0 < alpha < 2 or noise < 0:
        raise InputError(
            "The Cramér-Rao bound needs at least 3 points, a positive coefficient, alpha between "
            "0 and 2, and a noise of at least 0."
        )
    names = ("coefficient", "alpha", "noise")
    chosen = [names.index(name) for name in unknown]
    blur = check_exposure(exposure)
    information = _information(n_points - 1, coefficient, alpha, noise**2, blur, n_axes)
    spread = np.sqrt(np.diag(np.linalg.inv(information[np.ix_(chosen, chosen)])))
    factor = {"coefficient": coefficient, "alpha": 1.0, "noise": 0.5 / noise if noise else np.inf}
    return {names[which]: float(spread[k] * factor[names[which]]) for k, which in enumerate(chosen)}


def _standard_errors(
    values: Array,
    n_steps: npt.NDArray[np.int64],
    unknown: list[int],
    exposure: float,
    n_axes: int,
) -> Array:
    """Cramér-Rao bounds at the fitted values, for log K, alpha and the noise variance.

    Information is computed for ``_EXACT`` displacements at most and continued with the slope of its
    second half, as it grows linearly in the end. Where it is singular the error is unknown.
    """
    errors = np.full((n_steps.size, 3), np.nan)
    for i in np.flatnonzero(np.isfinite(values[:, 0]) & (values[:, 0] > 0)):
        arguments = (values[i, 0], values[i, 1], values[i, 2], exposure, n_axes)
        n = int(n_steps[i])
        information = _information(min(n, _EXACT), *arguments)
        if n > _EXACT:
            half = _EXACT // 2
            slope = (information - _information(half, *arguments)) / (_EXACT - half)
            information = information + slope * (n - _EXACT)
        reduced = information[np.ix_(unknown, unknown)]
        with contextlib.suppress(np.linalg.LinAlgError):
            variance = np.diag(np.linalg.inv(reduced))
            errors[i, unknown] = np.sqrt(np.where(variance > 0, variance, np.nan))
    return errors


def _information(
    n: int, coefficient: float, alpha: float, noise: float, exposure: float, n_axes: int
) -> Array:
    """Fisher information of ``n`` displacements on log K, alpha and the noise variance."""
    lag = np.arange(n + 1.0)
    shape = blurred_power(lag, alpha, exposure)
    high, low = (blurred_power(lag, alpha + step, exposure) for step in (_STEP, -_STEP))
    by_alpha = coefficient * (high - low) / _STEP
    parts = np.stack([2 * coefficient * shape, by_alpha, np.full(n + 1, 2.0)])
    parts[:, 0] = 0
    parts = np.concatenate([parts, parts[:1] + noise * parts[2:3]])
    back = np.concatenate([parts[:, 1:2], parts[:, : n - 1]], axis=1)
    covariance = (parts[:, 1:] + back - 2 * parts[:, :n]) / 2
    index = np.abs(np.arange(n)[:, None] - np.arange(n))
    matrices = covariance[:, index]
    solved = np.linalg.solve(matrices[3], matrices[:3])
    return np.asarray(n_axes / 2 * np.einsum("aij,bji->ab", solved, solved, optimize=True))
