"""Graphs of spots, in which tracks may split and merge, as tracks that do not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["components", "unbranched"]

Ints = npt.NDArray[np.int64]


def components(ends: Ints, n: int) -> Ints:
    """Return the number of the connected part that each of ``n`` spots is in.

    Parameters
    ----------
    ends
        ``(m, 2)``: the spots that each edge joins.
    n
        Number of spots.
    """
    graph = coo_array((np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def unbranched(ends: Ints, frame: npt.NDArray[np.float64], track: Ints) -> Ints:
    """Cut tracks at splits and merges, each unbranched piece becoming a track of its own.

    Parameters
    ----------
    ends
        ``(m, 2)``: the spots that each edge joins, in either order of time.
    frame
        ``(n,)``: when each spot was seen.
    track
        ``(n,)``: number of the track that each spot belongs to.

    Returns
    -------
    numpy.ndarray
        ``(n,)``: number of the track of each spot. A track that branches nowhere keeps its number.
    """
    n = len(frame)
    backwards = frame[ends[:, 0]] > frame[ends[:, 1]]
    forwards = np.where(backwards[:, None], ends[:, ::-1], ends)
    source, target = forwards.T
    is_simple = (np.bincount(source, minlength=n)[source] == 1) & (
        np.bincount(target, minlength=n)[target] == 1
    )
    piece = components(forwards[is_simple], n)
    track_of_piece = np.empty(piece.max(initial=-1) + 1, np.int64)
    track_of_piece[piece] = track
    tracks, counts = np.unique(track_of_piece, return_counts=True)
    branched = np.isin(track_of_piece, tracks[counts > 1])
    track_of_piece[branched] = tracks.max(initial=0) + 1 + np.arange(branched.sum())
    return track_of_piece[piece]
