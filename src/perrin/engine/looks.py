"""How the network looks at a track: as it is, or, if it is long, at parts of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from perrin.engine.data import LONGEST, SHORTEST
from perrin.engine.features import fill_gaps
from perrin.tracks import TrackIndex, axes_of, index_tracks

__all__ = ["Laid", "Looks", "Tracks", "lay_out", "look_at", "ranges", "worth_a_look"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tracks:
    """The arrays of a track table.

    Attributes
    ----------
    axes
        Positions along each axis, one array per axis with one entry per localization.
    frame
        Frame of each localization.
    index
        Where each track lies in them.
    spans
        Frames from the first to the last localization of each track.
    """

    axes: tuple[Array, ...]
    frame: Ints
    index: TrackIndex
    spans: Ints

    @classmethod
    def of(cls, table: pd.DataFrame) -> Tracks:
        """Take the arrays out of a table that :func:`perrin.tracks.validate_tracks` returned."""
        index = index_tracks(table)
        frame = table["frame"].to_numpy(np.int64)
        axes = tuple(table[axis].to_numpy(np.float64) for axis in axes_of(table))
        return cls(axes, frame, index, index.spans(frame))


class Looks(NamedTuple):
    """What the network is shown of some tracks, one entry per look unless said otherwise.

    A track of at most 999 frames is looked at once. A longer one is looked at every k-th frame,
    once from each of the k first frames, to judge how it moves; and in k pieces of consecutive
    frames, to measure how much it moves from one frame to the next. A look begins and ends with a
    localization; those that hold fewer than 10, or nothing that moves, are left out.

    Attributes
    ----------
    owner
        Which of the tracks asked for.
    judges
        Whether model and exponent are taken from this look.
    measures
        Whether diffusivity and noise are.
    interval
        Frames of the track from one frame of the look to the next.
    n_points
        Frames of the look, from its first to its last localization.
    starts, stops
        Where its localizations lie in the two following.
    rows
        Rows of the table, look after look.
    frames
        When each of these was seen, in frames of the look from its first localization.
    """

    owner: Ints
    judges: Bools
    measures: Bools
    interval: Ints
    n_points: Ints
    starts: Ints
    stops: Ints
    rows: Ints
    frames: Ints


def look_at(tracks: Tracks, which: Ints) -> Looks:
    """Divide some tracks into looks."""
    starts, stops = tracks.index.starts[which], tracks.index.stops[which]
    rows = ranges(starts, stops)
    owner = np.repeat(np.arange(which.size), stops - starts)
    frame = tracks.frame[rows] - tracks.frame[starts][owner]
    n_looks = -(-tracks.spans[which] // LONGEST)
    phase, at = frame % n_looks[owner], frame // n_looks[owner]
    piecewise = n_looks > 1
    if piecewise.any():
        long = piecewise[owner]
        size = -(-tracks.spans[which] // n_looks)[owner[long]]
        # The pieces of a track come after the looks at every k-th frame.
        phase = np.concatenate((phase, n_looks[owner[long]] + frame[long] // size))
        at = np.concatenate((at, frame[long] % size))
        rows, owner = np.concatenate((rows, rows[long])), np.concatenate((owner, owner[long]))
        order = np.lexsort((phase, owner))
        rows, owner, phase, at = rows[order], owner[order], phase[order], at[order]
    return worth_a_look(tracks, n_looks, rows, owner, phase, at)


class Laid(NamedTuple):
    """Looks laid out on consecutive frames: what :meth:`~.network.Network.forward` takes.

    Attributes
    ----------
    positions
        Shape ``(n_looks, dim, n_points)``, float32, from the first localization of each; gaps are
        filled.
    seen
        Which frames hold a localization, shape ``(n_looks, n_points)``; None if all do.
    lengths
        Frames of each look, shape ``(n_looks,)``; None if all are equally long.
    exposure
        Share of the time between two frames of the look during which the shutter is open, shape
        ``(n_looks,)``.
    """

    positions: Tensor
    seen: Tensor | None
    lengths: Tensor | None
    exposure: Tensor


def lay_out(
    tracks: Tracks, looks: Looks, some: Ints, exposure: float, device: torch.device
) -> Laid:
    """Lay some looks out for the network.

    Parameters
    ----------
    tracks, looks
        All tracks, and looks at some of them.
    some
        Which of the looks.
    exposure
        Share of the frame interval during which the shutter is open.
    device
        Where they are wanted.
    """
    starts, stops, n_points = looks.starts[some], looks.stops[some], looks.n_points[some]
    where = ranges(starts, stops)
    look = np.repeat(np.arange(some.size), stops - starts)
    rows, frames = looks.rows[where], looks.frames[where]
    first = looks.rows[starts]
    grid = np.zeros((some.size, len(tracks.axes), int(n_points.max())), np.float32)
    for i, positions in enumerate(tracks.axes):
        grid[look, i, frames] = positions[rows] - positions[first][look]
    laid = torch.from_numpy(grid).to(device)
    shutter = torch.from_numpy(exposure / looks.interval[some]).float().to(device)
    lengths = None
    if n_points.min() < n_points.max():
        lengths = torch.from_numpy(n_points).to(device)
    if ((stops - starts) == n_points).all():
        return Laid(laid, None, lengths, shutter)
    marks = np.zeros((some.size, grid.shape[2]), np.bool_)
    marks[look, frames] = True
    seen = torch.from_numpy(marks).to(device)
    return Laid(fill_gaps(laid, seen), seen, lengths, shutter)


def worth_a_look(
    tracks: Tracks, n_looks: Ints, rows: Ints, owner: Ints, phase: Ints, at: Ints
) -> Looks:
    """Make looks of localizations that are sorted by track and phase; leave out the empty ones."""
    if rows.size == 0:
        none, no = np.empty(0, np.int64), np.empty(0, np.bool_)
        return Looks(none, no, no, none, none, none, none, none, none)
    edges = np.flatnonzero((np.diff(owner) != 0) | (np.diff(phase) != 0)) + 1
    starts, stops = np.append(0, edges), np.append(edges, rows.size)
    counts = stops - starts
    moves = np.zeros(rows.size, np.bool_)
    for positions in tracks.axes:
        moves |= positions[rows] != np.repeat(positions[rows[starts]], counts)
    kept = (counts >= SHORTEST) & np.logical_or.reduceat(moves, starts)
    at = at - np.repeat(at[starts], counts)
    inside = np.repeat(kept, counts)
    n_points = at[stops - 1][kept] + 1
    owner, phase, counts = owner[starts][kept], phase[starts][kept], counts[kept]
    stops = np.cumsum(counts)
    spread_out = phase < n_looks[owner]
    return Looks(
        owner=owner,
        judges=spread_out,
        measures=~spread_out | (n_looks[owner] == 1),
        interval=np.where(spread_out, n_looks[owner], 1),
        n_points=n_points,
        starts=stops - counts,
        stops=stops,
        rows=rows[inside],
        frames=at[inside],
    )


def ranges(starts: Ints, stops: Ints) -> Ints:
    """Concatenate the ranges from each start to its stop."""
    counts = stops - starts
    before = np.cumsum(counts) - counts
    ranges: Ints = np.arange(counts.sum()) + np.repeat(starts - before, counts)
    return ranges
