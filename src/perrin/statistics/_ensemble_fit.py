"""Anomalous exponent and diffusion coefficient of an ensemble, from MSDs averaged over tracks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.errors import InputError
from perrin.statistics._arrays import (
    TrackArrays,
    arrays_of,
    check_alpha,
    check_exposure,
    check_noise,
    steps_of,
)
from perrin.statistics._diffusivity import covariance_fit
from perrin.statistics._motion import blurred_power
from perrin.statistics._msd import TrackMsd, time_averaged_msd
from perrin.statistics._msd_fit import choose_lags

__all__ = [
    "Curves", "EnsembleFit", "PowerLaw", "check_fit", "common_lags", "fit_ensemble_msd",
    "of_tracks",
]  # fmt: skip

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_ALPHAS = np.linspace(0.01, 1.99, 199)
_STEP = 1e-4  # of alpha, for derivatives


class EnsembleFit(NamedTuple):
    """The power law that :func:`fit_ensemble_msd` found, standard errors over tracks.

    ``alpha``; ``coefficient`` (K, px²/frame^alpha); ``noise`` (localization error per axis, px);
    ``n_lags``, how many were fitted, from 1 frame on; ``n_tracks``.
    """

    alpha: float
    alpha_se: float
    coefficient: float
    coefficient_se: float
    noise: float
    n_lags: int
    n_tracks: int


class Curves(NamedTuple):
    """Square displacements of groups (tracks, or movies): sums ``(groups, lags)`` from lag 1 on.

    ``total`` is the sum over pairs of localizations (px²), ``pairs`` their number.
    """

    total: Array
    pairs: Array

    def grouped(self, group: Ints, n_groups: int) -> Curves:
        """Sum over groups of groups: ``group`` says where each belongs."""
        sums = np.zeros((2, n_groups, self.total.shape[1]))
        np.add.at(sums[0], group, self.total)
        np.add.at(sums[1], group, self.pairs)
        return Curves(*sums)

    def of_lags_known(self, n_unknown: int) -> Curves:
        """Keep the lags before the first that fewer than two groups know, or that no group moves.

        Raises
        ------
        InputError
            If fewer lags are left than there are unknowns.
        """
        known = ((self.pairs > 0).sum(axis=0) > 1) & (self.total.sum(axis=0) > 0)
        n_lags = known.size if known.all() else int(known.argmin())
        if n_lags < n_unknown:
            raise InputError(
                f"Two tracks that move are needed at {n_unknown} lags, and are there at {n_lags}. "
                "Use longer tracks or more of them, or fix alpha or the noise."
            )
        return self.first(n_lags)

    def first(self, n_lags: int) -> Curves:
        """Keep the shortest lags."""
        return Curves(self.total[:, :n_lags], self.pairs[:, :n_lags])

    def mean(self, weights: Array) -> Array:
        """MSD (px²) at each lag if each group counts ``weights`` times: ``(..., lags)``.

        NaN where no group that counts has the lag.
        """
        with np.errstate(invalid="ignore"):
            return np.asarray((weights @ self.total) / (weights @ self.pairs))

    def covariance(self) -> Array:
        """Covariance between the lags of the mean, from the spread between groups (px⁴).

        The error of a ratio of sums over independent groups, as in
        :func:`perrin.statistics.time_ensemble_msd`.
        """
        n_groups = len(self.total)
        away = self.total - self.pairs * self.mean(np.ones(n_groups))
        away /= self.pairs.sum(axis=0)
        used = (self.pairs > 0).sum(axis=0)
        bessel = np.sqrt(used / (used - 1))
        return np.asarray((away * bessel).T @ (away * bessel))


class PowerLaw:
    """Weighted least squares of ``n_axes (2 K g(t) + 2 noise²)`` to curves at the lags 1, 2, ...

    For a given alpha the model is linear in K and the square noise, neither of which is negative;
    alpha is searched on a grid and refined by a parabola, so that many curves are fitted at once.
    """

    def __init__(
        self, weights: Array, n_axes: int, alpha: float | None, noise: float | None, exposure: float
    ) -> None:
        self.lags = np.arange(1, weights.size + 1.0)
        self.weights = weights / weights.sum()
        self.n_axes = n_axes
        self.exposure = exposure
        self.noise = noise
        self.alphas = _ALPHAS if alpha is None else np.array([alpha])

    def fit(self, msd: Array) -> tuple[Array, Array, Array]:
        """Return alpha, K and the square noise of each curve: ``msd`` is ``(curves, lags)``.

        They are NaN for a curve that lacks a lag.
        """
        shapes = np.stack([self._shape(alpha) for alpha in self.alphas])
        cost = self._linear(msd[:, None], shapes)[2]
        best = cost.argmin(axis=1)
        alpha = np.where(np.isfinite(msd).all(axis=1), self.alphas[best], np.nan)
        inner = np.clip(best, 1, max(self.alphas.size - 2, 1))
        if self.alphas.size > 1:
            rows = np.arange(len(msd))
            before, at, after = (cost[rows, inner + shift] for shift in (-1, 0, 1))
            bend = before - 2 * at + after
            # Of a minimum at the edge of the grid, or of no minimum at all, nothing is refined.
            refine = (inner == best) & (bend > 0)
            shift = np.divide(before - after, 2 * bend, out=np.zeros_like(bend), where=refine)
            alpha = alpha + shift * (self.alphas[1] - self.alphas[0])
        own = np.stack([self._shape(value) for value in alpha])
        coefficient, square, _ = self._linear(msd, own)
        return alpha, coefficient, square

    def jacobian(self, alpha: float, coefficient: float) -> Array:
        """Return the derivatives of the model by K, alpha and the square noise, ``(lags, 3)``."""
        slope = (self._shape(alpha + _STEP) - self._shape(alpha - _STEP)) / (2 * _STEP)
        constant = np.full(self.lags.size, 2.0 * self.n_axes)
        return np.stack([self._shape(alpha), coefficient * slope, constant], axis=1)

    def _shape(self, alpha: float) -> Array:
        return 2 * self.n_axes * blurred_power(self.lags, alpha, self.exposure)

    def _linear(self, msd: Array, shape: Array) -> tuple[Array, Array, Array]:
        """K, square noise and cost for given shapes."""
        w, constant = self.weights, 2 * self.n_axes
        gg, g1 = (shape**2 * w).sum(-1), (shape * w).sum(-1) * constant
        gm, m1 = (shape * msd * w).sum(-1), (msd * w).sum(-1) * constant
        if self.noise is None:
            determinant = gg * constant**2 - g1**2
            square = np.divide(
                gg * m1 - g1 * gm, determinant, out=np.zeros(gm.shape), where=determinant > 0
            )
            square = np.maximum(square, 0)
        else:
            square = np.full(gm.shape, self.noise**2)
        coefficient = np.maximum((gm - square * g1) / gg, 0)
        left = msd - coefficient[..., None] * shape - square[..., None] * constant
        return coefficient, square, (left**2 * w).sum(-1)


def fit_ensemble_msd(
    tracks: pd.DataFrame,
    average: Literal["time-ensemble", "ensemble"] = "time-ensemble",
    *,
    alpha: float | None = None,
    noise: float | None = None,
    n_lags: int | None = None,
    exposure: float = 1.0,
) -> EnsembleFit:
    r"""Fit alpha, the diffusion coefficient and the noise to an MSD averaged over tracks.

    Parameters
    ----------
    tracks
        A track table (positions in px) of two tracks or more.
    average
        ``"time-ensemble"``: over all pairs of localizations of all tracks
        (:func:`perrin.statistics.time_ensemble_msd`); ``"ensemble"``: from each track's first
        localization (:func:`perrin.statistics.ensemble_msd`). Where the motion is not ergodic
        (CTRW, ATTM), their exponents differ.
    alpha
        The anomalous exponent if it is known (1 for Brownian motion); fitted if not given.
    noise
        Localization error per axis in px if it is known; 0 fits without noise correction; fitted if
        not given.
    n_lags
        Number of lags to fit; chosen by the rule below if not given.
    exposure
        Share of the frame interval during which the shutter is open, 0 to 1.

    Raises
    ------
    InputError
        If the table is not a track table, an argument is out of range, fewer than two tracks reach
        as many lags as there are unknowns, or nothing moves.

    Notes
    -----
    The model is that of :func:`perrin.statistics.fit_msd`. Each lag is weighted with the inverse of
    its variance between tracks. Lags are strongly correlated; with C the covariance of the curve
    between tracks, J the derivatives of the model and W the weights, the standard errors are those
    of

    .. math:: A C A^T, \qquad A = (J^T W J)^{-1} J^T W,

    which holds for any kind of motion (White 1980, Econometrica 48, 817), as long as there are many
    tracks (say 20) and they are independent; tracks of one movie often are not, and then
    :func:`perrin.statistics.compare_conditions` resamples movies. Where the best noise is 0, the
    other errors are those with the noise known. Checked over 60 repeats of 100 FBM tracks of 60
    points with noise (alpha 0.5, 1, 1.5): the error of alpha is 0.85 to 1.1 of the spread, that of
    K 0.9 to 1.25.

    *Number of lags*: of the time-ensemble average the rule of ``fit_msd``, at the mean length of
    track that a localization belongs to and the reduced noise of all tracks together; of the
    ensemble average the lags that half of the tracks reach. In both, no fewer than unknowns and one
    more, and none that fewer than two tracks reach.
    """
    unknown = check_fit(alpha, noise, exposure)
    if average not in ("time-ensemble", "ensemble"):
        raise InputError(f"The average is {average!r}; choose 'time-ensemble' or 'ensemble'.")
    arrays = arrays_of(tracks)
    if average == "ensemble":
        curves = from_starts(arrays, unknown, n_lags)
    else:
        wanted = common_lags([arrays], unknown, exposure, n_lags)
        curves = of_tracks(time_averaged_msd(tracks, max(wanted, 1)), wanted)
    curves = curves.of_lags_known(unknown)
    covariance = curves.covariance()
    mean = curves.mean(np.ones(len(curves.total)))
    law = PowerLaw(1 / np.diagonal(covariance), arrays.n_axes, alpha, noise, exposure)
    values = [float(value[0]) for value in law.fit(mean[None])]
    errors = _errors(law, covariance, values, alpha is None)
    return EnsembleFit(
        alpha=values[0],
        alpha_se=errors[1],
        coefficient=values[1],
        coefficient_se=errors[0],
        noise=float(np.sqrt(values[2])),
        n_lags=mean.size,
        n_tracks=int((curves.pairs[:, 0] > 0).sum()),
    )


def check_fit(alpha: float | None, noise: float | None, exposure: float) -> int:
    """Check what is given and return the number of unknowns."""
    check_exposure(exposure)
    check_alpha(alpha)
    check_noise(noise)
    return 1 + (alpha is None) + (noise is None)


def common_lags(
    populations: Sequence[TrackArrays], n_unknown: int, exposure: float, n_lags: int | None = None
) -> int:
    """Choose how many lags to fit to the time-ensemble averages of populations alike."""
    steps = [steps_of(arrays) for arrays in populations]
    fits = [
        covariance_fit(step, arrays.layout.particles.size, exposure / 6, None)
        for step, arrays in zip(steps, populations, strict=True)
    ]
    n_steps = np.concatenate([fit.n_steps for fit in fits])
    long = n_steps > 1
    weights = n_steps * long / max(n_steps @ long, 1)
    diffusivity, shift = (
        float(weights @ np.nan_to_num(np.concatenate([getattr(fit, name) for fit in fits])))
        for name in ("diffusivity", "shift")
    )
    lengths = np.concatenate([arrays.layout.lengths for arrays in populations])
    spans = np.concatenate([arrays.spans for arrays in populations])
    return int(
        choose_lags(
            np.array([diffusivity]),
            np.array([shift]),
            np.array([int(lengths @ lengths / max(lengths.sum(), 1))]),
            np.array([int(spans.max(initial=1))]),
            n_unknown > 1,
            n_unknown,
            n_lags,
        )[0]
    )


def of_tracks(single: TrackMsd, n_lags: int) -> Curves:
    """Time averages of each track."""
    sums = np.zeros((2, single.particles.size, n_lags))
    inside = (single.n_pairs > 0) & (single.lags <= n_lags)
    owner = np.repeat(np.arange(single.particles.size), np.diff(single.bounds))[inside]
    lag = single.lags[inside] - 1
    sums[0, owner, lag] = single.msd[inside] * single.n_pairs[inside]
    sums[1, owner, lag] = single.n_pairs[inside]
    return Curves(*sums)


def from_starts(arrays: TrackArrays, n_unknown: int, n_lags: int | None) -> Curves:
    """Square displacements of each track since its first localization."""
    lengths, starts = arrays.layout.lengths, arrays.layout.starts
    if n_lags is None:
        half = int(np.median(arrays.spans - 1)) if lengths.size else 0
        n_lags = max(half, n_unknown + 1)
    elif n_lags < n_unknown:
        raise InputError(
            f"{n_lags} lags cannot determine {n_unknown} unknowns; use at least {n_unknown}."
        )
    moved = arrays.position - np.repeat(arrays.position[starts], lengths, axis=0)
    lag = arrays.frame - np.repeat(arrays.frame[starts], lengths)
    owner = np.repeat(np.arange(lengths.size), lengths)
    inside = (lag > 0) & (lag <= n_lags)
    sums = np.zeros((2, lengths.size, n_lags))
    sums[0, owner[inside], lag[inside] - 1] = np.einsum("ij,ij->i", moved, moved)[inside]
    sums[1, owner[inside], lag[inside] - 1] = 1
    return Curves(*sums)


def _errors(law: PowerLaw, covariance: Array, values: list[float], anomalous: bool) -> Array:
    """Return the standard errors of K, alpha and the square noise; NaN for what is not fitted."""
    fitted = [0] + [1] * anomalous + [2] * (law.noise is None and values[2] > 0)
    jacobian = law.jacobian(values[0], values[1])[:, fitted]
    weighted = jacobian.T * law.weights
    errors = np.full(3, np.nan)
    if np.linalg.matrix_rank(weighted @ jacobian) == len(fitted):
        solved = np.linalg.solve(weighted @ jacobian, weighted)
        errors[fitted] = np.sqrt(np.diagonal(solved @ covariance @ solved.T))
    return errors
