"""Anomalous exponent and diffusion coefficient of single tracks from their MSD."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.errors import InputError, Progress
from perrin.statistics._arrays import (
    arrays_of,
    check_alpha,
    check_exposure,
    check_noise,
    steps_of,
)
from perrin.statistics._diffusivity import covariance_fit
from perrin.statistics._motion import michalet_lags, structure_function
from perrin.statistics._msd import time_averaged_msd

__all__ = ["choose_lags", "fit_msd", "msd_covariance"]

Array = npt.NDArray[np.float64]

_BLOCK = 1000  # tracks between two reports of progress
_LAGS_FOR_ALPHA = 10


def msd_covariance(
    n_points: int,
    n_lags: int,
    *,
    coefficient: float,
    alpha: float = 1.0,
    noise: float = 0.0,
    exposure: float = 1.0,
    n_axes: int = 2,
) -> Array:
    """Compute the exact covariance between the lags of one track's time-averaged MSD.

    Parameters
    ----------
    n_points
        Localizations of the track, without gaps.
    n_lags
        Number of lags, at most ``n_points - 1``.
    coefficient
        K in px²/frame^alpha: the MSD along one axis is ``2 K t**alpha`` before noise and blur.
    alpha
        Anomalous exponent.
    noise
        Localization error per axis in px.
    exposure
        Share of the frame interval during which the shutter is open.
    n_axes
        Number of axes that the MSD is summed over.

    Returns
    -------
    numpy.ndarray
        ``(n_lags, n_lags)``, px⁴; the square root of its diagonal are the error bars of the MSD.

    Raises
    ------
    InputError
        If there are more lags than displacements.

    Notes
    -----
    For Gaussian motion with stationary displacements the fourth moments follow from the second
    (Isserlis), so the sum over all pairs of overlapping displacements is exact, for any length,
    alpha, noise and blur. For Brownian motion without noise the variance is that of Qian, Sheetz,
    Elson (1991), Biophys. J. 60, 910; with noise the covariance is that of Michalet (2010), Phys.
    Rev. E 82, 041914.
    """
    from perrin.statistics._msd_kernels import lag_covariance

    if not 1 <= n_lags < n_points:
        raise InputError(
            f"{n_lags} lags were asked for in a track of {n_points} points; it has {n_points - 1}."
        )
    structure = structure_function(n_points, alpha, coefficient, noise, check_exposure(exposure))
    return np.asarray(lag_covariance(structure, n_points, n_lags, n_axes, np.zeros((0, 0, 0))))


def fit_msd(
    tracks: pd.DataFrame,
    *,
    alpha: float | None = None,
    noise: float | None = None,
    n_lags: int | None = None,
    method: Literal["gls", "weighted"] = "gls",
    exposure: float = 1.0,
    progress: Progress | None = None,
) -> pd.DataFrame:
    r"""Fit alpha, the diffusion coefficient and the noise to every track's MSD.

    Parameters
    ----------
    tracks
        A track table (positions in px).
    alpha
        The anomalous exponent if it is known (1 for Brownian motion); fitted if not given.
    noise
        Localization error per axis in px if it is known; 0 fits without noise correction; fitted if
        not given.
    n_lags
        Number of lags to fit; chosen for each track by the rule below if not given.
    method
        ``"gls"``: generalised least squares with the exact covariance between lags;
        ``"weighted"``: each lag weighted with its own variance only. Standard errors account
        for the correlations in both.
    exposure
        Share of the frame interval during which the shutter is open, 0 to 1.
    progress
        Called as ``progress("Fitting MSDs", done, total)`` with numbers of tracks.

    Returns
    -------
    pandas.DataFrame
        One row per particle: ``particle``, ``n_points``, ``n_lags``, ``alpha``, ``alpha_se``,
        ``coefficient`` and ``coefficient_se`` (K, px²/frame^alpha), ``noise`` (px). Standard errors
        are NaN for what was not fitted; everything is NaN where a track has fewer lags than there
        are unknowns.

    Raises
    ------
    InputError
        If the table is not a track table or an argument is out of range.

    Notes
    -----
    The model, summed over d axes, is :math:`d\,(2K\,g_\alpha(t) + 2\sigma^2)`, g being
    :math:`t^\alpha` with motion blur (:func:`perrin.statistics.blurred_power`). The fit is
    iterated, with the covariance of :func:`msd_covariance` at the current parameters; with gaps it
    is scaled by the numbers of pairs.

    *Number of lags*: with alpha given, Michalet's optimum for the slope
    (:func:`perrin.statistics.michalet_lags`) at the reduced noise that the covariance-based
    estimator finds in the track. With alpha fitted, that or 10, whichever is more, but at most a
    third of the track's displacements (or as many as there are unknowns and one more, if that is
    more).

    MSD fits are offered because they are what people know. For Brownian motion
    :func:`perrin.statistics.estimate_diffusivity`, and for alpha :func:`perrin.statistics.fit_fbm`,
    are at least as precise: see ``benchmarks/estimators.py``.
    """
    from perrin.statistics._msd_kernels import fit_curves

    blur = check_exposure(exposure) / 6
    check_alpha(alpha, ballistic=True)
    check_noise(noise)
    if method not in ("gls", "weighted"):
        raise InputError(f"The method is {method!r}; choose 'gls' or 'weighted'.")
    unknown = np.array([0] + [1] * (alpha is None) + [2] * (noise is None), dtype=np.int64)
    arrays = arrays_of(tracks)
    n_tracks = arrays.layout.particles.size
    start = covariance_fit(steps_of(arrays), n_tracks, blur, None)
    lags = choose_lags(start.diffusivity, start.shift, arrays.layout.lengths, arrays.spans,
                        alpha is None, unknown.size, n_lags)  # fmt: skip
    single = time_averaged_msd(tracks, max(int(lags.max(initial=1)), 1))
    lags = _before_empty(single.n_pairs, single.bounds, np.minimum(lags, np.diff(single.bounds)))
    lags = np.where(_moves(single.msd, single.bounds, lags), lags, 0)
    theta = _first_guess(single.msd, single.bounds, lags, arrays.n_axes, start.shift, blur)
    theta[:, 1] = np.where(lags > 0, theta[:, 1] if alpha is None else alpha, np.nan)
    if noise is not None:
        theta[:, 2] = noise**2
    errors = np.full((n_tracks, 3), np.nan)
    for first in range(0, n_tracks, _BLOCK):
        block = slice(first, first + _BLOCK)
        fit_curves(
            single.msd,
            single.bounds[:-1][block],
            lags[block],
            arrays.frame,
            arrays.layout.starts[block],
            arrays.layout.stops[block],
            theta[block],
            unknown,
            method == "gls",
            exposure,
            arrays.n_axes,
            errors[block],
        )
        if progress is not None:
            progress("Fitting MSDs", min(first + _BLOCK, n_tracks), n_tracks)
    coefficient = np.exp(theta[:, 0])
    return pd.DataFrame(
        {
            "particle": arrays.layout.particles,
            "n_points": arrays.layout.lengths,
            "n_lags": lags,
            "alpha": theta[:, 1],
            "alpha_se": errors[:, 1],
            "coefficient": coefficient,
            "coefficient_se": coefficient * errors[:, 0],
            "noise": np.sqrt(theta[:, 2]),
        }
    )


def choose_lags(
    diffusivity: Array,
    shift: Array,
    lengths: npt.NDArray[np.int64],
    spans: npt.NDArray[np.int64],
    anomalous: bool,
    n_unknown: int,
    n_lags: int | None,
) -> npt.NDArray[np.int64]:
    """Choose how many lags to fit; the rule is in :func:`fit_msd`."""
    if n_lags is not None:
        if n_lags < n_unknown:
            raise InputError(
                f"{n_lags} lags cannot determine {n_unknown} unknowns; use at least {n_unknown}."
            )
        return np.minimum(n_lags, spans - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        reduced = np.where(diffusivity > 0, shift / diffusivity, np.inf)
    lags = michalet_lags(lengths, reduced)
    if anomalous:
        lags = np.minimum(np.maximum(lags, _LAGS_FOR_ALPHA), (lengths - 1) // 3)
        lags = np.maximum(lags, n_unknown + 1)
    return np.minimum(np.maximum(lags, n_unknown), spans - 1)


def _before_empty(
    pairs: npt.NDArray[np.int64], bounds: npt.NDArray[np.int64], lags: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Stop before the first lag for which gaps leave no pair."""
    empty = np.flatnonzero(pairs == 0)
    owner = np.searchsorted(bounds, empty, side="right") - 1
    result = lags.copy()
    np.minimum.at(result, owner, empty - bounds[owner])
    return result


def _moves(
    msd: Array, bounds: npt.NDArray[np.int64], lags: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    moving = np.zeros(lags.size, np.bool_)
    has = lags > 0
    moving[has] = msd[bounds[:-1][has]] > 0
    return moving


def _first_guess(
    msd: Array,
    bounds: npt.NDArray[np.int64],
    lags: npt.NDArray[np.int64],
    n_axes: int,
    shift: Array,
    blur: float,
) -> Array:
    """Start from the covariance-based noise and the slope between the first and last lag."""
    theta = np.full((lags.size, 3), np.nan)
    has = lags > 0
    one = msd[bounds[:-1][has]] / n_axes / 2
    far = msd[bounds[:-1][has] + lags[has] - 1] / n_axes / 2
    noise = np.clip(np.nan_to_num(shift[has]), 0, 0.8 * one)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.log(np.maximum(far - noise, 0.1 * one) / (one - noise)) / np.log(lags[has])
    theta[has, 0] = np.log(np.maximum(one - noise, 1e-300) / (1 - 2 * blur))
    theta[has, 1] = np.clip(np.where(np.isfinite(slope), slope, 1), 0.1, 1.9)
    theta[has, 2] = noise
    return theta
