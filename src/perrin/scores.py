"""How close tracks are to the true ones: the scores of the ISBI 2012 particle tracking challenge.

References
----------
N. Chenouard et al., Nat. Methods 11, 281 (2014), and its Supplementary Note 3.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from perrin._assignment import best_pairs
from perrin.errors import InputError
from perrin.tracks import Calibration, axes_of, in_even_pixels, index_tracks, validate_tracks

__all__ = ["GATE", "Close", "TrackingScores", "close_localizations", "score_tracks"]

GATE = 5.0
"""Pixels; the challenge's."""


class TrackingScores(NamedTuple):
    """Agreement of tracks with the truth; 1 is perfect, 0 the lowest.

    Attributes
    ----------
    alpha
        How close the tracks are to the true ones, whatever else there is beside them.
    beta
        The same, lowered by tracks that belong to no true one; never above ``alpha``.
    jaccard
        Share of right localizations among all true and all found ones (Jaccard index, JSC).
    jaccard_tracks
        The same of whole tracks (JSC of tracks).
    rmse
        Root mean square distance of right localizations to the true positions, pixels; NaN
        without any.
    """

    alpha: float
    beta: float
    jaccard: float
    jaccard_tracks: float
    rmse: float


def score_tracks(
    truth: pd.DataFrame, tracks: pd.DataFrame, *, gate: float = GATE
) -> TrackingScores:
    """Compare tracks with the true ones as the ISBI 2012 particle tracking challenge did.

    Parameters
    ----------
    truth
        The true tracks, a track table. A calibration with a z step in ``attrs["calibration"]``
        makes distances along z count in pixels of the plane.
    tracks
        The tracks to score, with the same axes; may be empty.
    gate
        Distance from which on two positions have nothing to do with each other, pixels.

    Raises
    ------
    InputError
        If a table is no track table, the truth is empty, or the axes differ.

    Notes
    -----
    The distance of two tracks is the sum over frames of the distance of their positions, at most
    the gate ε, and ε where only one of them is. Each true track is paired with one of the tracks,
    or with none, at its number of localizations times ε, so that the sum of distances d is least.
    With d₀ that sum if nothing had been found, and s the distance of unpaired tracks from nothing,
    α = 1 - d / d₀ and β = (d₀ - d) / (d₀ + s). Localizations of paired tracks less than ε apart
    are right, all others are missed or false.
    """
    true = validate_tracks(truth, source="the table of true tracks")
    found = validate_tracks(tracks)
    axes = axes_of(true)
    if true.empty:
        raise InputError("The table of true tracks is empty; there is nothing to compare with.")
    if len(found) and axes_of(found) != axes:
        raise InputError(
            f"The true tracks have the axes {', '.join(axes)}, the others "
            f"{', '.join(axes_of(found))}; give both the same."
        )
    calibration = truth.attrs.get("calibration", Calibration())
    # Only frames that there are count, so that huge frame numbers do no harm.
    frames = np.union1d(true["frame"], found["frame"])
    one, other = (_numbered(table, frames, calibration) for table in (true, found))
    close = close_localizations((one.frame, one.position), (other.frame, other.position), gate)
    if not len(close.distance):
        return TrackingScores(0.0, 0.0, 0.0, 0.0, np.nan)
    # Of two tracks in n common frames: n gates less than if both were alone, and what lacks to
    # the gate in each; less the length of the found one, which costs nothing while unpaired.
    tracks_of_close = np.stack((one.track[close.one], other.track[close.other]))
    pairs, which = np.unique(tracks_of_close, axis=1, return_inverse=True)
    common = (one.presence(len(frames))[pairs[0]] * other.presence(len(frames))[pairs[1]]).sum(1)
    lengths = np.bincount(other.track)
    gain = np.bincount(which, gate - close.distance) + gate * (common - lengths[pairs[1]])
    chosen = best_pairs(pairs[0], pairs[1], gain)

    gained = float(gain[chosen].sum())
    nothing = gate * len(true)
    spurious = gate * float(len(found) - lengths[pairs[1, chosen]].sum())
    right = close.distance[np.isin(which, chosen)]
    n_tracks = one.n_tracks + other.n_tracks - len(chosen)
    return TrackingScores(
        alpha=gained / nothing,
        beta=gained / (nothing + spurious),
        jaccard=len(right) / (len(true) + len(found) - len(right)),
        jaccard_tracks=len(chosen) / n_tracks,
        rmse=float(np.sqrt(np.mean(right**2))) if len(right) else np.nan,
    )


class Close(NamedTuple):
    """Pairs of localizations of the same frame that are less than the gate apart.

    Attributes
    ----------
    one, other
        ``(n,)``: which localization of each set.
    distance
        ``(n,)``: their distance.
    """

    one: npt.NDArray[np.int64]
    other: npt.NDArray[np.int64]
    distance: npt.NDArray[np.float64]


def close_localizations(
    one: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]],
    other: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]],
    gate: float,
) -> Close:
    """Find all pairs of localizations of the same frame that are close.

    Parameters
    ----------
    one, other
        Frames ``(n,)`` and positions ``(n, axes)`` of each set.
    gate
        Distance from which on two positions have nothing to do with each other.
    """
    # Frames as an axis of their own, twice the gate apart: one search for all frames.
    trees = [
        cKDTree(np.column_stack((2 * gate * frame, position))) for frame, position in (one, other)
    ]
    near = trees[0].sparse_distance_matrix(trees[1], gate, output_type="ndarray")
    near = near[near["v"] < gate]
    return Close(near["i"].astype(np.int64), near["j"].astype(np.int64), near["v"])


class _Numbered(NamedTuple):
    """Localizations ``(n,)`` with tracks and frames numbered from 0 without gaps."""

    track: npt.NDArray[np.int64]
    frame: npt.NDArray[np.int64]
    position: npt.NDArray[np.float64]  # (n, axes), pixels of the plane

    @property
    def n_tracks(self) -> int:
        return int(self.track[-1]) + 1

    def presence(self, n_frames: int) -> csr_array:
        """1 where a track (row) is in a frame (column)."""
        ones = np.ones(len(self.track), np.int64)
        return csr_array((ones, (self.track, self.frame)), shape=(self.n_tracks, n_frames))


def _numbered(
    table: pd.DataFrame, frames: npt.NDArray[np.int64], calibration: Calibration
) -> _Numbered:
    lengths = index_tracks(table).lengths
    return _Numbered(
        np.repeat(np.arange(len(lengths)), lengths),
        np.searchsorted(frames, table["frame"]),
        in_even_pixels(table, calibration)[list(axes_of(table))].to_numpy(np.float64),
    )
