"""Ergodicity and the shape of displacements: what the mean square displacement does not tell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.errors import InputError
from perrin.statistics._arrays import TrackArrays, arrays_of, pairs_of, poisson_weights
from perrin.statistics._msd import TrackMsd, time_averaged_msd

__all__ = ["ageing", "amplitude_scatter", "brownian_breaking", "ergodicity_breaking"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def ergodicity_breaking(
    tracks: pd.DataFrame,
    times: npt.ArrayLike | None = None,
    *,
    lag: int = 1,
    level: float = 0.9,
    n_bootstrap: int = 500,
    seed: int = 0,
) -> pd.DataFrame:
    r"""Compute the ergodicity-breaking parameter as a function of measurement time.

    Parameters
    ----------
    tracks
        A track table (positions in px).
    times
        Measurement times in frames at which to evaluate, counted from each track's first
        localization; up to 50 of them, logarithmically spaced, if not given. A track counts at
        the times that it lasts.
    lag
        Lag of the time-averaged MSD, in frames.
    level
        Probability within the confidence band.
    n_bootstrap
        How often tracks are drawn again for the band.
    seed
        Seed of these draws.

    Returns
    -------
    pandas.DataFrame
        One row per time: ``time`` (frames), ``eb``, ``eb_lo``, ``eb_hi``, ``n_tracks``. NaN where
        fewer than two tracks last that long.

    Raises
    ------
    InputError
        If the table is not a track table, or an argument is out of range.

    Notes
    -----
    .. math::
        \mathrm{EB}(t) = \frac{\langle\overline{\delta^2}(\Delta,t)^2\rangle -
        \langle\overline{\delta^2}(\Delta,t)\rangle^2}{\langle\overline{\delta^2}(\Delta,t)\rangle^2}

    (He, Burov, Metzler, Barkai 2008, Phys. Rev. Lett. 101, 058101), the variance of the
    time-averaged MSD over tracks with Bessel's correction. For Brownian
    motion in d dimensions without noise it is :math:`2/dt` at lag 1 and :math:`4\Delta/3dt` at lags
    :math:`1\ll\Delta\ll t`; tends to 0 for fractional Brownian motion,
    and to :math:`2\Gamma(1+\alpha)^2/\Gamma(1+2\alpha)-1` for a CTRW (0.570 at alpha 0.5). Time
    averages over all measurement times come from one running sum per track. With gaps, the pairs
    that exist are averaged.

    The band is the bootstrap over tracks, by the percentile method; each drawn set is a set of
    Poisson weights, so that all times share it.
    """
    if lag < 1 or not 0 < level < 1 or n_bootstrap < 1:
        raise InputError(
            f"lag is {lag}, level {level:g}, n_bootstrap {n_bootstrap}; they must be at least 1, "
            "between 0 and 1, and at least 1."
        )
    arrays = arrays_of(tracks)
    spans = arrays.spans
    when = _times(times, int(spans.max(initial=1)) - 1, lag)
    value = np.full((spans.size, when.size), np.nan)
    if spans.size and when.size:
        _running_averages(arrays, lag, when, value)
    known = np.isfinite(value)
    scaled = np.where(known, value, 0)
    sums = np.concatenate((known, scaled, scaled**2), axis=1)
    estimate, count = _breaking(np.ones((1, spans.size)) @ sums)
    weights = poisson_weights(n_bootstrap, spans.size, seed)
    drawn, _ = _breaking(np.concatenate([block @ sums for block in weights]))
    with np.errstate(all="ignore"):
        tail = (1 - level) / 2
        low, high = _quantiles(drawn, tail)
    few = count[0] < 2
    return pd.DataFrame(
        {
            "time": when,
            "eb": np.where(few, np.nan, estimate[0]),
            "eb_lo": np.where(few, np.nan, low),
            "eb_hi": np.where(few, np.nan, high),
            "n_tracks": count[0].astype(np.int64),
        }
    )


def brownian_breaking(times: Ints, *, lag: int, n_axes: int, correlation: float = 0.0) -> Array:
    r"""Compute the ergodicity breaking of Brownian motion, seen with noise and motion blur.

    Parameters
    ----------
    times
        Measurement times in frames, each at least ``lag``.
    lag
        Lag of the time-averaged MSD, in frames.
    n_axes
        Number of axes.
    correlation
        Correlation :math:`\rho` of successive displacements, within ±0.5: noise makes it negative,
        blur positive.

    Returns
    -------
    numpy.ndarray
        One value per time.

    Notes
    -----
    Noise and blur correlate a displacement with the next one and with no others, so that
    displacements over the lag :math:`\Delta` that begin k frames apart have the covariance
    :math:`C_k = [M(\Delta+k) + M(|\Delta-k|) - 2M(k)]/2` with :math:`M(0) = 0` and
    :math:`M(k) = k + 2\rho(k-1)`. By Isserlis' theorem, with :math:`n = t - \Delta + 1`,

    .. math:: \mathrm{EB}(t) = \frac{2}{d n^2 C_0^2} \sum_{i,j=1}^n C_{|i-j|}^2,

    which at lag 1 is :math:`(2/dt)\,[1 + 2\rho^2(1 - 1/t)]`. Without gaps.
    """
    k = np.arange(2 * lag + 1)
    structure = np.where(k > 0, k + 2 * correlation * (k - 1), 0)
    apart = k[: lag + 1]
    covariance = (structure[lag + apart] + structure[lag - apart]) / 2 - structure[apart]
    square = (covariance / covariance[0]) ** 2 * np.where(apart > 0, 2, 1)
    n = np.asarray(times)[:, None] - lag + 1
    return np.asarray(2 / n_axes * (np.maximum(n - apart, 0) / n**2) @ square)


def amplitude_scatter(tracks: pd.DataFrame | TrackMsd, lag: int = 1) -> pd.DataFrame:
    r"""Compute how the time-averaged MSD of single tracks scatters about its mean.

    Parameters
    ----------
    tracks
        A track table (positions in px), or what :func:`time_averaged_msd` made of it.
    lag
        Lag in frames.

    Returns
    -------
    pandas.DataFrame
        One row per track that has this lag: ``particle``, ``msd`` (px²), ``xi``, ``n_pairs``.

    Notes
    -----
    :math:`\xi = \overline{\delta^2}/\langle\overline{\delta^2}\rangle`. Ergodic motion has a narrow
    peak at 1; for a CTRW its distribution stays wide, with weight at 0 (Burov, Jeon, Metzler,
    Barkai 2011, Phys. Chem. Chem. Phys. 13, 1800).
    """
    single = tracks if isinstance(tracks, TrackMsd) else time_averaged_msd(tracks, lag)
    at = np.flatnonzero((single.lags == lag) & (single.n_pairs > 0))
    owner = np.searchsorted(single.bounds, at, side="right") - 1
    msd = single.msd[at]
    mean = msd.mean() if msd.size else np.nan
    return pd.DataFrame(
        {
            "particle": single.particles[owner],
            "msd": msd,
            "xi": msd / mean if mean > 0 else np.full(msd.size, np.nan),
            "n_pairs": single.n_pairs[at],
        }
    )


def ageing(
    tracks: pd.DataFrame, times: npt.ArrayLike | None = None, *, lag: int = 1
) -> pd.DataFrame:
    r"""Compute the mean time-averaged MSD as a function of measurement time.

    Parameters
    ----------
    tracks
        A track table (positions in px).
    times
        Measurement times in frames; if not given up to 50, logarithmically spaced, the last of
        which half of the tracks that have the lag reach.
    lag
        Lag of the time-averaged MSD, in frames.

    Returns
    -------
    pandas.DataFrame
        One row per time: ``time`` (frames), ``msd`` and its standard error over tracks
        ``msd_se`` (px²), ``n_tracks``.

    Notes
    -----
    Only tracks that last to the longest time are used, so that the same particles are compared. The
    mean does not depend on time for Brownian and fractional Brownian motion and falls as
    :math:`t^{\alpha-1}` for a CTRW and for scaled Brownian motion (Metzler, Jeon, Cherstvy, Barkai
    2014, Phys. Chem. Chem. Phys. 16, 24128).
    """
    if lag < 1:
        raise InputError(f"lag is {lag}; it must be at least 1.")
    arrays = arrays_of(tracks)
    lasting = arrays.spans[arrays.spans > lag] - 1
    when = _times(times, int(np.median(lasting)) if lasting.size else 0, lag)
    value = np.full((arrays.spans.size, when.size), np.nan)
    if value.size:
        _running_averages(arrays, lag, when, value)
        value = value[np.isfinite(value[:, -1])]
    count = np.isfinite(value).sum(axis=0)
    filled = np.nan_to_num(value)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = filled.sum(axis=0) / count
        spread = np.where(np.isfinite(value), (filled - mean) ** 2, 0).sum(axis=0)
        error = np.where(count > 1, np.sqrt(spread / (count - 1) / count), np.nan)
    return pd.DataFrame({"time": when, "msd": mean, "msd_se": error, "n_tracks": count})


def _times(times: npt.ArrayLike | None, longest: int, lag: int) -> Ints:
    if times is None:
        if longest < lag:
            return np.empty(0, np.int64)
        return np.unique(np.rint(np.geomspace(max(lag, 1), longest, 50)).astype(np.int64))
    when = np.atleast_1d(np.asarray(times, dtype=np.int64))
    if when.ndim != 1 or (when < lag).any():
        raise InputError(f"Measurement times are frames, each at least the lag ({lag}).")
    return np.sort(when)


def _running_averages(arrays: TrackArrays, lag: int, when: Ints, value: Array) -> None:
    """Time-averaged MSD of each track over its first ``when`` frames, NaN beyond its end."""
    lengths = arrays.layout.lengths
    first, second = pairs_of(arrays, lag)
    moved = arrays.position[second] - arrays.position[first]
    square = np.einsum("ij,ij->i", moved, moved)
    # When each pair is complete, on one time axis for all tracks.
    stride = int(arrays.spans.max(initial=0)) + int(when[-1]) + 1
    offset = np.arange(lengths.size) * stride
    since = arrays.frame - np.repeat(arrays.frame[arrays.layout.starts] - offset, lengths)
    end = since[second]
    total = np.concatenate(([0.0], np.cumsum(square)))
    begin = np.searchsorted(end, offset)
    for column, time in enumerate(when):
        upto = np.searchsorted(end, offset + time, side="right")
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = (total[upto] - total[begin]) / (upto - begin)
        value[:, column] = np.where(arrays.spans - 1 >= time, mean, np.nan)


def _breaking(sums: Array) -> tuple[Array, Array]:
    """Ergodicity breaking, and how many tracks there are; from sums over them, of each draw."""
    count, total, square = np.split(sums, 3, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, square = total / count, square / count
        return (square / mean**2 - 1) * count / (count - 1), count


def _quantiles(drawn: Array, tail: float) -> tuple[Array, Array]:
    usable = np.isfinite(drawn).any(axis=0)
    low = np.full(drawn.shape[1], np.nan)
    high = low.copy()
    if usable.any():
        low[usable], high[usable] = np.nanquantile(drawn[:, usable], [tail, 1 - tail], axis=0)
    return low, high
