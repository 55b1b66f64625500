"""The classical answer: alpha, diffusivity and noise from the time-averaged MSD."""

from __future__ import annotations

import numpy as np
import pandas as pd

from perrin.engine.baselines._tables import answer_table
from perrin.errors import Progress
from perrin.statistics import fit_msd, time_averaged_msd
from perrin.statistics._diffusivity import SE_TO_BOUND
from perrin.tracks import axes_of, index_tracks, validate_tracks

__all__ = ["plain", "with_noise"]

_FEWEST = 4
_SHARE = 0.1


def with_noise(
    tracks: pd.DataFrame, *, exposure: float = 1.0, progress: Progress | None = None
) -> pd.DataFrame:
    """Fit a power law, localization noise and motion blur to every track's MSD.

    Parameters
    ----------
    tracks
        A track table.
    exposure
        Share of the frame interval during which the shutter is open.
    progress
        Called with numbers of tracks.

    Returns
    -------
    pandas.DataFrame
        See :func:`perrin.engine.engines.predict`. Says alpha, diffusivity and noise, the
        former two with intervals from their standard errors.

    Raises
    ------
    InputError
        If the table is not a track table or the exposure is out of range.

    Notes
    -----
    :func:`perrin.statistics.fit_msd` as it is: generalised least squares, its own choice of lags.
    The diffusivity is the short-time one, K at a lag of one frame.
    """
    fit = fit_msd(tracks, exposure=exposure, progress=progress)
    return fitted(fit)


def fitted(fit: pd.DataFrame) -> pd.DataFrame:
    """Turn a table of fitted alpha, coefficient and noise into one of answers."""
    values = {name: fit[name].to_numpy(np.float64) for name in fit.columns[2:]}
    alpha, k = values["alpha"], values["coefficient"]
    reach = SE_TO_BOUND * values["alpha_se"]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        factor = np.exp(SE_TO_BOUND * values["coefficient_se"] / k)
        said = {
            "alpha": alpha,
            "alpha_lo": np.clip(alpha - reach, 0, 2),
            "alpha_hi": np.clip(alpha + reach, 0, 2),
            "diffusivity": k,
            "diffusivity_lo": k / factor,
            "diffusivity_hi": k * factor,
            "noise": values["noise"],
        }
    return answer_table(fit["particle"].to_numpy(), fit["n_points"].to_numpy(), said)


def plain(tracks: pd.DataFrame, *, progress: Progress | None = None) -> pd.DataFrame:
    r"""Fit a straight line to the logarithm of every track's MSD over that of the lag.

    Parameters
    ----------
    tracks
        A track table.
    progress
        Called with numbers of tracks.

    Returns
    -------
    pandas.DataFrame
        See :func:`perrin.engine.engines.predict`. Says alpha, the slope, and the diffusivity, half
        the fitted MSD along an axis at one frame; no intervals, no noise.

    Raises
    ------
    InputError
        If the table is not a track table.

    Notes
    -----
    Ordinary least squares over the lags :math:`1 \dots \max(4, T/10) - 1` of a track of T frames,
    as ``andi_datasets.analysis.msd_analysis.get_exponent`` does by default [1]_. Lags at which the
    MSD is zero are left out; fewer than two others give no answer. Alpha is not kept within its
    range.

    References
    ----------
    .. [1] ``andi-datasets`` 2, github.com/AnDiChallenge/andi_datasets.
    """
    table = validate_tracks(tracks)
    index = index_tracks(table)
    span = index.spans(table["frame"].to_numpy(np.int64))
    n_lags = np.maximum(_FEWEST, (_SHARE * span).astype(np.int64)) - 1
    single = time_averaged_msd(table, max(int(n_lags.max(initial=1)), 1), progress=progress)
    track = np.repeat(np.arange(index.particles.size), np.diff(single.bounds))
    used = (single.lags <= n_lags[track]) & (single.msd > 0)
    track, msd = track[used], np.log(single.msd[used])
    lag = np.log(single.lags[used])
    n_tracks = index.particles.size
    count = np.bincount(track, minlength=n_tracks)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_lag = np.bincount(track, lag, n_tracks) / count
        mean_msd = np.bincount(track, msd, n_tracks) / count
        away = lag - mean_lag[track]
        alpha = np.bincount(track, away * msd, n_tracks) / np.bincount(track, away**2, n_tracks)
    alpha[count < 2] = np.nan
    diffusivity = np.exp(mean_msd - alpha * mean_lag) / (2 * len(axes_of(table)))
    said = {"alpha": alpha, "diffusivity": diffusivity}
    return answer_table(index.particles, index.lengths, said)
