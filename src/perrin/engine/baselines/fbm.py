"""Maximum likelihood for fractional Brownian motion with noise."""

from __future__ import annotations

import pandas as pd

from perrin.engine.baselines.msd import fitted
from perrin.errors import Progress
from perrin.statistics import fit_fbm

__all__ = ["likelihood"]


def likelihood(
    tracks: pd.DataFrame, *, exposure: float = 1.0, progress: Progress | None = None
) -> pd.DataFrame:
    """Fit fractional Brownian motion with noise and motion blur to every track.

    On FBM with enough points no estimator does much better, so that the distance from it is what
    an engine loses there. Every track is taken for FBM; other models get an exponent all the same.

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
        See :func:`perrin.engine.engines.predict`. Says alpha, the short-time diffusivity (K at
        a lag of one frame) and the noise, the former two with intervals from the Cramér–Rao bound.

    Raises
    ------
    InputError
        If the table is not a track table or the exposure is out of range.

    Notes
    -----
    :func:`perrin.statistics.fit_fbm`, exact for any length and any gaps; its time grows with the
    square of a track's length.
    """
    return fitted(fit_fbm(tracks, exposure=exposure, progress=progress))
