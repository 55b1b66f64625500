"""Track tables in, tables of answers out: what every baseline needs, without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.models import PROBABILITY_COLUMNS
from perrin.simulate.tables import table_of
from perrin.tracks import axes_of, index_tracks

if TYPE_CHECKING:
    from perrin.simulate.protocols import TheoryTracks

__all__ = ["ANSWERS", "answer_table", "equal_spans", "theory_table"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ANSWERS = (
    *PROBABILITY_COLUMNS,
    "alpha", "alpha_lo", "alpha_hi", "p_ergodic",
    "diffusivity", "diffusivity_lo", "diffusivity_hi",
    "noise",
)  # fmt: skip
"""What an engine may say of a track; lengths in px, times in frames."""

_POINTS_PER_BATCH = 64_000


def answer_table(particles: Ints, n_points: Ints, said: Mapping[str, Array]) -> pd.DataFrame:
    """Make the table of answers; whatever is not said is empty.

    Parameters
    ----------
    particles, n_points
        Number and length of each track.
    said
        Columns of :data:`ANSWERS`, one value per track.

    Returns
    -------
    pandas.DataFrame
        ``particle``, ``n_points``, the columns :data:`ANSWERS`, ``unlike_training`` (False).
    """
    columns = {name: said.get(name, np.full(particles.size, np.nan)) for name in ANSWERS}
    table = pd.DataFrame({"particle": particles, "n_points": n_points} | columns)
    table["unlike_training"] = False
    return table


def equal_spans(
    table: pd.DataFrame, shortest: int
) -> Iterator[tuple[Ints, npt.NDArray[np.float32]]]:
    """Lay tracks that span equally many frames out together, gaps filled by straight lines.

    Parameters
    ----------
    table
        A checked track table.
    shortest
        Fewest localizations of a track.

    Yields
    ------
    tuple of numpy.ndarray
        Which tracks, shape ``(n,)``, and their positions from zero, ``(n, dim, n_frames)``.
    """
    index = index_tracks(table)
    frame = table["frame"].to_numpy(np.int64)
    position = table[list(axes_of(table))].to_numpy(np.float64)
    span = index.spans(frame)
    judged = np.flatnonzero(index.lengths >= shortest)
    in_order = judged[np.argsort(span[judged], kind="stable")]
    edges = np.flatnonzero(np.diff(span[in_order])) + 1
    for group in np.split(in_order, edges) if in_order.size else []:
        n_frames = int(span[group[0]])
        size = max(1, _POINTS_PER_BATCH // n_frames)
        for first in range(0, group.size, size):
            owners = group[first : first + size]
            counts = index.lengths[owners]
            which = np.repeat(np.arange(owners.size), counts)
            starts = np.repeat(index.starts[owners], counts)
            rows = starts + np.arange(which.size) - np.repeat(np.cumsum(counts) - counts, counts)
            # Tracks one after the other on one axis of time, so that one call fills all gaps.
            time = frame[rows] - frame[starts] + which * n_frames
            away = position[rows] - position[starts]
            wanted = np.arange(owners.size * n_frames)
            filled = [np.interp(wanted, time, axis).reshape(-1, n_frames) for axis in away.T]
            yield owners, np.stack(filled, 1).astype(np.float32)


def theory_table(tracks: TheoryTracks) -> pd.DataFrame:
    """Write the AnDi challenge's tracks as a track table; track ``i`` is particle ``i``.

    The challenge stretches each axis by a factor of its own. An estimator that pools axes would
    see little but the most stretched one, so each axis is given in units of its root-mean-square
    displacement, as the participants did.
    """
    lengths = tracks.lengths.cpu().numpy()
    positions = tracks.positions.cpu().numpy().astype(np.float64)
    inside = np.arange(positions.shape[2]) < lengths[:, None]
    square = np.square(np.diff(positions, axis=2))
    mean = (square * inside[:, None, 1:]).sum(2) / (lengths - 1)[:, None]
    positions /= np.sqrt(np.where(mean > 0, mean, 1.0))[..., None]
    return table_of(positions, lengths)
