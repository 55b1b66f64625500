"""Common drift of all particles, estimated with its error, and removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import field_validator

from perrin.errors import InputError, Progress
from perrin.io import Movie
from perrin.linking._correlation import drift_of_images
from perrin.parameters import Parameters, parameter
from perrin.tracks import axes_of, index_tracks, validate_tracks

__all__ = [
    "DriftCorrection", "correct_drift", "drift_of_fiducials", "estimate_drift", "remove_drift",
]  # fmt: skip

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class DriftCorrection(Parameters):
    """Whether and how the drift of the whole field is taken off the tracks."""

    enabled: bool = parameter(
        False,
        "Whether to take off the motion that the whole field has in common.",
        label="Remove drift",
    )
    method: Literal["mean", "fiducials", "correlation"] = parameter(
        "mean",
        "What the drift is taken from. mean: mean step of all particles; it needs many, since with "
        "N of them a share of 1/N of each one's own motion is lost. fiducials: particles that are "
        "at rest, by their numbers. correlation: the images themselves, where most of what they "
        "show is at rest.",
        label="Drift from",
    )
    smoothing: int = parameter(
        0,
        "Over how many frames the drift's speed is averaged (mean); 0 for none.",
        unit="frames",
        label="Drift smoothing",
        ge=0,
    )
    fiducials: tuple[int, ...] = parameter(
        (),
        "Numbers of the particles that are at rest (fiducials).",
        label="Fiducials",
        advanced=True,
    )
    window: int | None = parameter(
        None,
        "How many frames are averaged before images are compared (correlation); empty for a 30th "
        "of the movie.",
        unit="frames",
        label="Drift window",
        ge=1,
        advanced=True,
    )

    @field_validator("fiducials", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        return (value,) if isinstance(value, int) else value


def estimate_drift(tracks: pd.DataFrame, smoothing: int = 0) -> pd.DataFrame:
    """Sum up the mean displacements of all particles since the first frame.

    Parameters
    ----------
    tracks
        A track table with at least two particles.
    smoothing
        Width of the rolling mean over the mean displacements, in frames; 0 for none.

    Returns
    -------
    pandas.DataFrame
        Index ``frame`` from the first to the last, columns ``[z], y, x``: how far the field has
        moved since the first frame (pixels), and ``[z_err], y_err, x_err``, the standard error of
        that. Frames without a pair of localizations repeat the one before.

    Raises
    ------
    InputError
        If the table is no track table, has one particle only, or no track has two
        consecutive frames.

    Notes
    -----
    The estimate is trackpy's. Its error takes particles to be independent and each one's steps to
    be correlated in whatever way: the squares of each particle's share in the sum, up to a frame,
    are added up (a variance robust to clusters; C. Hansen, J. Econom. 141, 597, 2007). So
    localization errors, which cancel from step to step, count once, and diffusion grows with time.
    Smoothing is left out of account. Where one particle alone tells the step of a frame, the
    variance of all steps stands for its own.
    """
    tracks = validate_tracks(tracks)
    axes = list(axes_of(tracks))
    if tracks["particle"].nunique() < 2:
        raise InputError(
            "Drift is what all particles have in common; with a single track it cannot be told "
            "from the particle's own motion. Switch drift correction off."
        )
    particle, frame = tracks["particle"].to_numpy(), tracks["frame"].to_numpy()
    later = np.flatnonzero((np.diff(particle) == 0) & (np.diff(frame) == 1)) + 1
    if not later.size:
        raise InputError(
            "Drift cannot be estimated: no track has two consecutive frames. Switch drift "
            "correction off."
        )
    position = tracks[axes].to_numpy(np.float64)
    steps = pd.DataFrame(position[later] - position[later - 1], columns=axes)
    steps["frame"] = frame[later]
    by_frame = steps.groupby("frame")[axes]
    mean = by_frame.mean()
    if smoothing > 0:
        mean = mean.rolling(smoothing, min_periods=0).mean()
    number = by_frame.transform("count").to_numpy()[:, :1]
    deviation = steps[axes].to_numpy() - by_frame.transform("mean").to_numpy()
    share = deviation / np.sqrt(np.maximum(number - 1, 1) * number)
    so_far = pd.DataFrame(share, columns=axes).groupby(particle[later]).cumsum().to_numpy()
    added = so_far**2 - (so_far - share) ** 2
    freedom = float((1 - 1 / number).sum())
    added += (number == 1) * (deviation**2).sum(0) / max(freedom, 1.0)
    variance = pd.DataFrame(added, columns=axes).groupby(steps["frame"]).sum()
    errors = (variance.cumsum().clip(lower=0) ** 0.5).add_suffix("_err")
    table = pd.concat((mean.cumsum(), errors), axis=1)
    first, last = int(frame.min()), int(frame.max())
    table = table.reindex(table.index.union([first])).ffill().fillna(0.0)
    frames = pd.RangeIndex(first, last + 1, name="frame")
    filled: pd.DataFrame = table.reindex(frames, method="ffill").astype(np.float64)
    return filled


def drift_of_fiducials(tracks: pd.DataFrame, particles: Sequence[int]) -> pd.DataFrame:
    """Take the drift from particles that are at rest in the sample.

    Parameters
    ----------
    tracks
        A track table.
    particles
        Numbers of the particles at rest. They need not be seen in all frames.

    Returns
    -------
    pandas.DataFrame
        As :func:`estimate_drift` returns it. Frames without a fiducial are interpolated. With a
        single fiducial, errors are NaN.

    Raises
    ------
    InputError
        If the table is no track table, no particle is given, one is not in the table, or some
        are never seen together with the others.

    Notes
    -----
    Each position is the fiducial's own plus the drift of the frame, by least squares. The errors
    come from the residuals, which for fiducials at rest are localization errors.
    """
    tracks = validate_tracks(tracks)
    axes = list(axes_of(tracks))
    if not len(particles):
        raise InputError(
            "Drift is to be taken from fiducials, but none is given. Name the particles that are "
            "at rest by their numbers (fiducials), or take the drift from all particles (mean)."
        )
    missing = sorted(set(particles) - set(tracks["particle"]))
    if missing:
        raise InputError(
            f"There is no particle {missing[0]} to take the drift from; particles are numbered "
            f"from {tracks['particle'].min()} to {tracks['particle'].max()}."
        )
    chosen = tracks[tracks["particle"].isin(particles)].reset_index(drop=True)
    lengths = index_tracks(chosen).lengths
    which = np.repeat(np.arange(len(lengths)), lengths)
    frames, at = np.unique(chosen["frame"].to_numpy(), return_inverse=True)
    position = chosen[axes].to_numpy(np.float64)
    present = np.zeros((len(lengths), len(frames)))
    present[which, at] = 1
    number = present.sum(0)
    # Drifts eliminated, the fiducials' own positions remain, one of them free.
    normal = np.diag(present.sum(1)) - (present / number) @ present.T
    if np.linalg.matrix_rank(normal) < len(lengths) - 1:
        raise InputError(
            "Some fiducials are never seen in the same frames as the others, so that their drifts "
            "cannot be joined. Choose fiducials that overlap in time."
        )
    sums = np.stack([np.bincount(at, column) for column in position.T], 1)
    own_sums = np.stack([np.bincount(which, column) for column in position.T], 1)
    own = np.linalg.pinv(normal) @ (own_sums - (present / number) @ sums)
    drift = (sums - present.T @ own) / number[:, None]
    left = position - own[which] - drift[at]
    freedom = len(position) - len(lengths) - len(frames) + 1
    error = np.sqrt((left**2).sum(0) / freedom) if freedom > 0 else np.full(len(axes), np.nan)
    errors = error * np.sqrt(1 / number + 1 / number[0])[:, None]
    errors[0] *= 0  # the first frame is where drift is counted from; what is not known stays so
    values = np.concatenate((drift - drift[0], errors), axis=1)
    table = pd.DataFrame(values, frames, [*axes, *(f"{axis}_err" for axis in axes)])
    first, last = int(tracks["frame"].min()), int(tracks["frame"].max())
    table = table.reindex(pd.RangeIndex(first, last + 1, name="frame"))
    filled: pd.DataFrame = table.interpolate(limit_direction="both")
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


def correct_drift(
    tracks: pd.DataFrame,
    correction: DriftCorrection,
    movie: Movie | None = None,
    *,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Remove the drift as the parameters say, or not at all.

    Parameters
    ----------
    tracks
        A track table.
    correction
        Whether and how.
    movie
        The movie of the tracks; needed where the drift is taken from the images.
    progress
        Called as images are read; may raise :class:`perrin.Cancelled`.

    Raises
    ------
    InputError
        As the function that estimates the drift does, or if the movie is needed and missing.
    """
    if not correction.enabled:
        return tracks
    if correction.method == "fiducials":
        drift = drift_of_fiducials(tracks, correction.fiducials)
    elif correction.method == "mean":
        drift = estimate_drift(tracks, correction.smoothing)
    elif movie is None:
        raise InputError(
            "The drift is to be taken from the images, but there is no movie beside the tracks. "
            "Take it from all particles (mean) or from fiducials."
        )
    else:
        drift = drift_of_images(movie, correction.window, progress=progress)
    return remove_drift(tracks, drift)
