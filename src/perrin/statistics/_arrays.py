"""A track table as arrays, in the form that every estimator here works on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.errors import InputError
from perrin.tracks import TrackIndex, axes_of, index_tracks, validate_tracks

__all__ = [
    "Steps",
    "TrackArrays",
    "arrays_of",
    "check_alpha",
    "check_exposure",
    "check_noise",
    "pairs_of",
    "poisson_weights",
    "steps_of",
    "sum_by_track",
]

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]

_NEARBY = 4
_WEIGHTS_AT_ONCE = 4_000_000


class TrackArrays(NamedTuple):
    """Positions ``(n, axes)`` in px and frames ``(n,)`` of all tracks, one after the other."""

    position: npt.NDArray[np.float64]
    frame: npt.NDArray[np.int64]
    layout: TrackIndex

    @property
    def n_axes(self) -> int:
        """Number of position columns."""
        return int(self.position.shape[1])

    @property
    def spans(self) -> npt.NDArray[np.int64]:
        """Frames from the first to the last localization of each track, both included."""
        return self.layout.spans(self.frame)


class Steps(NamedTuple):
    """Displacements between consecutive localizations of the same track, one after the other.

    ``delta`` is ``(m, axes)`` in px, ``frames`` how many frames each spans (1 unless there is a
    gap), ``track`` the track's position in the index, and ``pair`` marks the displacements that
    are followed by another one of the same track.
    """

    delta: npt.NDArray[np.float64]
    frames: npt.NDArray[np.int64]
    track: npt.NDArray[np.int64]
    pair: npt.NDArray[np.bool_]


def arrays_of(tracks: pd.DataFrame) -> TrackArrays:
    """Check a track table and return it as arrays.

    Raises
    ------
    InputError
        If the table is not a track table (see :func:`perrin.tracks.validate_tracks`).
    """
    table = validate_tracks(tracks)
    position = np.column_stack([table[axis].to_numpy(np.float64) for axis in axes_of(table)])
    return TrackArrays(position, table["frame"].to_numpy(np.int64), index_tracks(table))


def steps_of(arrays: TrackArrays) -> Steps:
    """Return the displacements of every track."""
    lengths = arrays.layout.lengths
    track = np.repeat(np.arange(lengths.size), lengths)
    if track.size < 2:
        return Steps(
            np.empty((0, arrays.n_axes)), np.empty(0, np.int64), track[:0], np.empty(0, np.bool_)
        )
    within = track[1:] == track[:-1]
    delta = np.diff(arrays.position, axis=0)[within]
    frames = np.diff(arrays.frame)[within]
    owner = track[1:][within]
    pair = np.zeros(owner.size, np.bool_)
    pair[:-1] = owner[1:] == owner[:-1]
    return Steps(delta, frames, owner, pair)


def pairs_of(arrays: TrackArrays, lag: int) -> tuple[Ints, Ints]:
    """Return the rows of all pairs of localizations of one track that lie ``lag`` frames apart."""
    if lag < 1:
        raise InputError(f"The lag is {lag}; it must be at least 1 frame.")
    lengths = arrays.layout.lengths
    track = np.repeat(np.arange(lengths.size), lengths)
    key = track * (int(arrays.spans.max(initial=0)) + lag) + arrays.frame
    key -= np.repeat(arrays.frame[arrays.layout.starts], lengths)
    if lag <= _NEARBY:  # the partner is one of the next rows
        first = [np.flatnonzero(key[shift:] == key[:-shift] + lag) for shift in range(1, lag + 1)]
        second = np.concatenate([rows + shift for shift, rows in enumerate(first, start=1)])
        rows = np.concatenate(first)
        order = np.argsort(rows, kind="stable") if lag > 1 else slice(None)
        return rows[order], second[order]
    partner = np.searchsorted(key, key + lag)
    partner[partner == key.size] = 0
    rows = np.flatnonzero(key[partner] == key + lag) if key.size else partner
    return rows, partner[rows]


def sum_by_track(
    values: Floats, track: npt.NDArray[np.int64], n_tracks: int
) -> npt.NDArray[np.float64]:
    """Sum one value per displacement into one value per track."""
    return np.bincount(track, weights=values, minlength=n_tracks).astype(np.float64, copy=False)


def poisson_weights(n_draws: int, n_tracks: int, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    """Draw how often each track counts in each draw of a bootstrap.

    Yields blocks of draws, ``(draws, tracks)``, since for many tracks all would not fit in memory.
    """
    rng = np.random.default_rng(seed)
    size = max(1, _WEIGHTS_AT_ONCE // max(n_tracks, 1))
    for first in range(0, n_draws, size):
        shape = min(size, n_draws - first), n_tracks
        yield rng.poisson(1.0, shape).astype(np.float64)


def check_alpha(alpha: float | None, *, ballistic: bool = False) -> None:
    """Say what is wrong with an exponent that is given; 2 is allowed where ``ballistic``."""
    if alpha is not None and not (0 < alpha < 2 or (ballistic and alpha == 2)):
        where = "above 0 and is at most 2" if ballistic else "between 0 and 2"
        raise InputError(f"alpha is {alpha:g}; it lies {where}.")


def check_noise(noise: float | None) -> None:
    """Say what is wrong with a localization error that is given."""
    if noise is not None and not (np.isfinite(noise) and noise >= 0):
        raise InputError(f"The localization noise is {noise:g} px; give a number of at least 0.")


def check_exposure(exposure: float) -> float:
    """Return ``exposure`` or say what is wrong with it."""
    if not 0 <= exposure <= 1:
        raise InputError(
            f"The exposure is {exposure:g}; it is the share of the frame interval during which the "
            "shutter is open, from 0 (a flash) to 1 (the whole frame)."
        )
    return float(exposure)
