"""Distributions and correlations of displacements, first passages, confinement."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.errors import InputError
from perrin.statistics._arrays import (
    TrackArrays,
    arrays_of,
    pairs_of,
    poisson_weights,
    sum_by_track,
)
from perrin.statistics._msd import time_averaged_msd

__all__ = [
    "confinement_radius",
    "first_passage",
    "moment_scaling_spectrum",
    "non_gaussian_parameter",
    "van_hove",
    "velocity_autocorrelation",
]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def van_hove(tracks: pd.DataFrame, lag: int = 1, bins: int | npt.ArrayLike = 50) -> pd.DataFrame:
    r"""Compute the distribution of displacements along an axis over a given lag.

    Parameters
    ----------
    tracks
        A track table (positions in px).
    lag
        Lag in frames.
    bins
        Number of bins, or their edges in px.

    Returns
    -------
    pandas.DataFrame
        One row per bin: ``displacement`` (its centre, px), ``density`` (1/px), ``density_se``,
        ``gaussian`` (1/px; the normal distribution of the same variance), ``count``.

    Notes
    -----
    The self part of van Hove's function, :math:`G_s(x, t)`, axes pooled. ``density_se`` is the
    Poisson error of the count, too small where displacements overlap (lags above 1).
    """
    moved = _displacements(arrays_of(tracks), lag)[0].ravel()
    if moved.size == 0:
        raise InputError(f"No two localizations of a track lie {lag} frames apart.")
    count, edges = np.histogram(moved, bins=bins)
    width = np.diff(edges)
    centre = (edges[1:] + edges[:-1]) / 2
    variance = np.mean(moved**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        gaussian = np.exp(-(centre**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    scale = 1 / (moved.size * width)
    return pd.DataFrame(
        {
            "displacement": centre,
            "density": count * scale,
            "density_se": np.sqrt(count) * scale,
            "gaussian": gaussian,
            "count": count,
        }
    )


def non_gaussian_parameter(
    tracks: pd.DataFrame, max_lag: int = 10, *, n_bootstrap: int = 200, seed: int = 0
) -> pd.DataFrame:
    r"""Compute how far displacements are from Gaussian, for each lag.

    Parameters
    ----------
    tracks
        A track table (positions in px).
    max_lag
        Longest lag in frames.
    n_bootstrap
        How often tracks are drawn again for the standard error.
    seed
        Seed of these draws.

    Returns
    -------
    pandas.DataFrame
        One row per lag: ``lag`` (frames), ``parameter``, ``parameter_se`` (bootstrap over
        tracks), ``n_pairs``.

    Notes
    -----
    :math:`\alpha_2(t) = \frac{d}{d+2}\frac{\langle r^4\rangle}{\langle r^2\rangle^2} - 1` in d
    dimensions: 0 for Gaussian displacements (Rahman 1964, Phys. Rev. 136, A405).
    """
    arrays = arrays_of(tracks)
    n_tracks = arrays.layout.particles.size
    sums = np.zeros((n_tracks, max_lag, 3))  # of the pairs, their squares and fourth powers
    for lag in range(1, max_lag + 1):
        moved, track = _displacements(arrays, lag)
        square = np.einsum("ij,ij->i", moved, moved)
        for power in range(3):
            sums[:, lag - 1, power] = sum_by_track(square**power, track, n_tracks)
    factor = arrays.n_axes / (arrays.n_axes + 2)

    def parameter(sums: Array) -> Array:
        n, second, fourth = np.moveaxis(sums, -1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(factor * fourth * n / second**2 - 1)

    value = parameter(sums.sum(axis=0))
    drawn = np.empty((n_bootstrap, max_lag))
    done = 0
    for block in poisson_weights(n_bootstrap, n_tracks, seed):
        drawn[done : done + len(block)] = parameter(np.tensordot(block, sums, axes=1))
        done += len(block)
    rows = []
    for lag, each in enumerate(drawn.T, start=1):
        known = each[np.isfinite(each)]
        error = known.std(ddof=1) if known.size > 1 and n_tracks > 1 else np.nan
        rows.append((lag, value[lag - 1], error, int(sums[:, lag - 1, 0].sum())))
    return pd.DataFrame(rows, columns=["lag", "parameter", "parameter_se", "n_pairs"])


def velocity_autocorrelation(
    tracks: pd.DataFrame, max_lag: int = 20, *, step: int = 1
) -> pd.DataFrame:
    r"""Compute the correlation between displacements a given number of frames apart.

    Parameters
    ----------
    tracks
        A track table (positions in px).
    max_lag
        Longest distance in frames between the beginnings of two displacements.
    step
        Frames that a displacement spans.

    Returns
    -------
    pandas.DataFrame
        One row per lag from 0: ``lag`` (frames), ``correlation`` and its standard error
        ``correlation_se`` (spread between tracks), ``n_pairs``.

    Notes
    -----
    :math:`C(t) = \langle\Delta(t_0)\cdot\Delta(t_0+t)\rangle / \langle\Delta^2\rangle`; for
    fractional Brownian motion and ``step`` 1 it is :math:`(|t+1|^\alpha + |t-1|^\alpha -
    2|t|^\alpha)/2`, and for Brownian motion with noise :math:`-\sigma^2/(2D+2\sigma^2)` at lag 1
    (Burov et al. 2011, Phys. Chem. Chem. Phys. 13, 1800; Weber, Spakowitz, Theriot 2010, Phys. Rev.
    Lett. 104, 238102).
    """
    arrays = arrays_of(tracks)
    n_tracks = arrays.layout.particles.size
    moved, track = _displacements(arrays, step)
    key = arrays.frame[pairs_of(arrays, step)[0]]
    key = key - key.min(initial=0)
    key += track * (int(key.max(initial=0)) + max_lag + 1)
    rows = []
    norm = np.nan
    for lag in range(max_lag + 1):
        partner = np.searchsorted(key, key + lag)
        partner[partner == key.size] = 0
        first = np.flatnonzero(key[partner] == key + lag) if key.size else partner
        product = np.einsum("ij,ij->i", moved[first], moved[partner[first]])
        count = np.bincount(track[first], minlength=n_tracks).astype(np.float64)
        total = np.bincount(track[first], weights=product, minlength=n_tracks)
        n = count.sum()
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = total.sum() / n
            used = int((count > 0).sum())
            spread = ((total - mean * count) ** 2).sum()
            error = np.sqrt(spread * used / (used - 1)) / n if used > 1 else np.nan
            norm = mean if lag == 0 else norm
            rows.append((lag, mean / norm, error / norm, int(n)))
    return pd.DataFrame(rows, columns=["lag", "correlation", "correlation_se", "n_pairs"])


def moment_scaling_spectrum(
    tracks: pd.DataFrame, orders: npt.ArrayLike = (0.5, 1, 1.5, 2, 3, 4), max_lag: int = 10
) -> pd.DataFrame:
    r"""Compute how the moments of displacements scale with the lag.

    Parameters
    ----------
    tracks
        A track table (positions in px).
    orders
        Orders q of the moments.
    max_lag
        Longest lag in frames.

    Returns
    -------
    pandas.DataFrame
        One row per order: ``order``, ``exponent`` (gamma), ``exponent_se`` (of the straight line;
        lags are correlated, so it is a lower bound).

    Notes
    -----
    :math:`\langle|r(t)|^q\rangle \sim t^{\gamma_q}`, gamma by least squares of logarithms, pooled
    over tracks. A straight line :math:`\gamma_q = q\alpha/2` is self-similar motion; a bend, as in
    Lévy walks, is not (Ferrari, Manfroi, Young 2001, Physica D 154, 111; Ewers et al. 2005, PNAS
    102, 15110).
    """
    arrays = arrays_of(tracks)
    q = np.atleast_1d(np.asarray(orders, dtype=np.float64))
    lags, moments = [], []
    for lag in range(1, max_lag + 1):
        moved, _ = _displacements(arrays, lag)
        if moved.size:
            size = np.sqrt(np.einsum("ij,ij->i", moved, moved))
            lags.append(lag)
            moments.append([np.mean(size**order) for order in q])
    if len(lags) < 3 or not np.all(np.asarray(moments) > 0):
        raise InputError("Moments need displacements at three lags at least, and motion.")
    x = np.log(lags) - np.mean(np.log(lags))
    y = np.log(moments)
    gamma = x @ y / (x @ x)
    residual = y - y.mean(axis=0) - x[:, None] * gamma
    error = np.sqrt((residual**2).sum(axis=0) / (len(lags) - 2) / (x @ x))
    return pd.DataFrame({"order": q, "exponent": gamma, "exponent_se": error})


def first_passage(tracks: pd.DataFrame, radius: float) -> pd.DataFrame:
    r"""Find when each track first gets further than a radius from where it began.

    Parameters
    ----------
    tracks
        A track table (positions in px).
    radius
        Distance in px.

    Returns
    -------
    pandas.DataFrame
        One row per particle: ``particle``, ``time`` (frames from its first localization; NaN if it
        never did), ``observed`` (frames that it was followed, at which a track that never did is
        censored).

    Notes
    -----
    In 2D and without noise the mean is :math:`r^2/4D` (:math:`r^2/2dD` in d dimensions); positions
    known only once per frame make it longer.
    """
    if not radius > 0:
        raise InputError(f"The radius is {radius:g} px; it must be positive.")
    arrays = arrays_of(tracks)
    lengths = arrays.layout.lengths
    moved = arrays.position - np.repeat(arrays.position[arrays.layout.starts], lengths, axis=0)
    since = arrays.frame - np.repeat(arrays.frame[arrays.layout.starts], lengths)
    outside = np.einsum("ij,ij->i", moved, moved) > radius**2
    when = np.where(outside, since.astype(np.float64), np.inf)
    time = np.minimum.reduceat(when, arrays.layout.starts) if lengths.size else np.empty(0)
    return pd.DataFrame(
        {
            "particle": arrays.layout.particles,
            "time": np.where(np.isfinite(time), time, np.nan),
            "observed": arrays.spans - 1,
        }
    )


def confinement_radius(tracks: pd.DataFrame, noise: float = 0.0) -> pd.DataFrame:
    r"""Estimate the radius of the region that each track stays in.

    Parameters
    ----------
    tracks
        A track table (positions in px).
    noise
        Localization error per axis in px, removed from the spread of positions.

    Returns
    -------
    pandas.DataFrame
        One row per particle: ``particle``, ``n_points``, ``radius_of_gyration`` (px),
        ``radius`` (px; of the disk, ball or interval that would have this spread),
        ``saturation``: the time-averaged MSD at a tenth of the track's duration over twice the
        square radius of gyration; near 1 for a confined track, 0.3 on average for Brownian motion,
        for which ``radius`` is only the size of what was seen.

    Notes
    -----
    Positions spread evenly in a d-dimensional ball of radius R have :math:`R_g^2 =
    \frac{d}{d+2}R^2` about their mean; noise adds :math:`d\sigma^2`. The plateau of the MSD is
    :math:`2R_g^2` (Saxton and Jacobson 1997, Annu. Rev. Biophys. Biomol. Struct. 26, 373).
    """
    arrays = arrays_of(tracks)
    lengths = arrays.layout.lengths
    starts = arrays.layout.starts
    if lengths.size == 0:
        columns = ["particle", "n_points", "radius_of_gyration", "radius", "saturation"]
        return pd.DataFrame({name: np.empty(0) for name in columns})
    mean = np.add.reduceat(arrays.position, starts, axis=0) / lengths[:, None]
    away = arrays.position - np.repeat(mean, lengths, axis=0)
    square = np.add.reduceat(np.einsum("ij,ij->i", away, away), starts)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.where(lengths > 1, square / (lengths - 1), np.nan)
        spread = np.maximum(spread - arrays.n_axes * noise**2, 0)
    single = time_averaged_msd(tracks)
    lag = np.maximum((arrays.spans - 1) // 10, 1)
    has = np.diff(single.bounds) > 0
    plateau = np.full(lengths.size, np.nan)
    plateau[has] = single.msd[single.bounds[:-1][has] + lag[has] - 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        saturation = (plateau - 2 * arrays.n_axes * noise**2) / (2 * spread)
    return pd.DataFrame(
        {
            "particle": arrays.layout.particles,
            "n_points": lengths,
            "radius_of_gyration": np.sqrt(spread),
            "radius": np.sqrt(spread * (arrays.n_axes + 2) / arrays.n_axes),
            "saturation": np.where(np.isfinite(saturation), saturation, np.nan),
        }
    )


def _displacements(arrays: TrackArrays, lag: int) -> tuple[Array, Ints]:
    first, second = pairs_of(arrays, lag)
    lengths = arrays.layout.lengths
    track = np.repeat(np.arange(lengths.size), lengths)
    return arrays.position[second] - arrays.position[first], track[first]
