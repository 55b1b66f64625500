"""Common drift of all particles, estimated and removed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from perrin._trackpy import quiet
from perrin.errors import InputError
from perrin.parameters import Parameters, parameter
from perrin.tracks import axes_of, validate_tracks

__all__ = ["DriftCorrection", "correct_drift", "estimate_drift", "remove_drift"]


class DriftCorrection(Parameters):
    """Whether and how the drift of the whole field is taken off the tracks."""

    enabled: bool = parameter(
        False,
        "Whether to take off the mean motion of all particles. It needs many particles per frame: "
        "with N of them, a share of 1/N of each one's own motion is lost.",
        label="Remove drift",
    )
    smoothing: int = parameter(
        0,
        "Over how many frames the drift's speed is averaged; 0 for none.",
        unit="frames",
        label="Drift smoothing",
        ge=0,
    )


def estimate_drift(tracks: pd.DataFrame, smoothing: int = 0) -> pd.DataFrame:
    """Mean displacement of all particles since the first frame, as trackpy computes it.

    Parameters
    ----------
    tracks
        A track table with at least two particles.
    smoothing
        Width of the rolling mean over the displacements, in frames; 0 for none.

    Returns
    -------
    pandas.DataFrame
        Index ``frame`` from the first to the last, columns ``[z], y, x``: how far the field has
        moved (pixels). The first row is zero; frames without a pair of localizations repeat the
        one before.

    Raises
    ------
    InputError
        If the table is no track table, has one particle only, or no track has two
        consecutive frames.
    """
    from trackpy import compute_drift

    tracks = validate_tracks(tracks)
    axes = list(axes_of(tracks))
    if tracks["particle"].nunique() < 2:
        raise InputError(
            "Drift is what all particles have in common; with a single track it cannot be told "
            "from the particle's own motion. Switch drift correction off."
        )
    with quiet():
        drift = compute_drift(tracks, smoothing, axes)
    if drift.empty:
        raise InputError(
            "Drift cannot be estimated: no track has two consecutive frames. Switch drift "
            "correction off."
        )
    first, last = int(tracks["frame"].min()), int(tracks["frame"].max())
    frames = pd.RangeIndex(first, last + 1, name="frame")
    drift = drift[axes].reindex(drift.index.union([first])).ffill().fillna(0.0)
    filled: pd.DataFrame = drift.reindex(frames, method="ffill").astype(np.float64)
    return filled


def remove_drift(tracks: pd.DataFrame, drift: pd.DataFrame) -> pd.DataFrame:
    """Subtract a drift from the positions.

    Parameters
    ----------
    tracks
        A track table.
    drift
        As :func:`estimate_drift` returns it: index ``frame``, one column per axis (pixels).

    Raises
    ------
    InputError
        If the table is no track table, or the drift lacks an axis or a frame of it.
    """
    tracks = validate_tracks(tracks)
    axes = list(axes_of(tracks))
    missing = [axis for axis in axes if axis not in drift.columns]
    if missing:
        raise InputError(
            f"The drift lacks the column '{missing[0]}'; estimate it from these tracks."
        )
    shift = drift[axes].reindex(tracks["frame"])
    if shift.isna().to_numpy().any():
        frame = int(shift.index[shift.isna().any(axis=1)][0])
        raise InputError(f"The drift says nothing of frame {frame}; estimate it from these tracks.")
    tracks[axes] = tracks[axes].to_numpy() - shift.to_numpy()
    return tracks


def correct_drift(tracks: pd.DataFrame, correction: DriftCorrection) -> pd.DataFrame:
    """Remove the drift as the parameters say: estimated from the tracks themselves, or not at all.

    Raises
    ------
    InputError
        As :func:`estimate_drift` does.
    """
    if not correction.enabled:
        return tracks
    return remove_drift(tracks, estimate_drift(tracks, correction.smoothing))
