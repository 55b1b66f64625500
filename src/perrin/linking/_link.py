"""Linking localizations into tracks."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from perrin.errors import InputError, Progress
from perrin.linking._laptrack import LapLinker
from perrin.linking._motion import MotionLinker
from perrin.linking._nearest import NearestLinker
from perrin.linking._parameters import LinkerParameters, Spots
from perrin.localization import suggest_search_range
from perrin.tracks import (
    AXES,
    Calibration,
    axes_of,
    in_even_pixels,
    index_tracks,
    validate_tracks,
)

__all__ = ["Linker", "filter_by_length", "link", "track_graph"]

Linker = Annotated[
    MotionLinker | NearestLinker | LapLinker, Field(title="Linker", discriminator="kind")
]
"""Any linker; each has its own ``kind``."""

_PARENTS = ("parent", "other_parent")


def link(
    localizations: pd.DataFrame,
    linker: Linker | None = None,
    *,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Link localizations into tracks.

    Parameters
    ----------
    localizations
        What :func:`perrin.localize` returned: ``frame``, ``x`` and where there are ``y``, ``z``
        (pixels), and any further columns, which are kept. With a calibration in
        ``attrs["calibration"]`` that states a z step, distances along z are measured in pixels of
        the plane. :class:`MotionLinker` takes localization errors from ``x_err``, ``y_err``,
        ``z_err`` where all of them are there.
    linker
        How to link; :class:`MotionLinker` with its defaults if not given.
    progress
        Called now and then; may raise :class:`perrin.Cancelled`.

    Returns
    -------
    pandas.DataFrame
        A track table as :func:`perrin.validate_tracks` returns it. Particles are numbered in the
        order of their first appearance; numbers of tracks that were too short are not reused. If
        the linker looks for splitting and merging, the columns ``parent`` and ``other_parent`` say
        which tracks each one comes from (see :func:`track_graph`).

    Raises
    ------
    InputError
        If a column is missing or not numeric, there are no localizations, no track is long
        enough, or too many particles lie within reach of each other to decide between them.
    """
    table = _checked(localizations)
    axes = axes_of(table)
    spots = _spots(table)
    linker = linker or MotionLinker()
    search_range = linker.search_range or linker.reach * _search_range(spots)
    linked = linker.assign(spots, search_range, progress)
    table["particle"] = linked.particle
    tracks = filter_by_length(table, linker.min_length)
    if tracks.empty:
        raise InputError(
            f"None of the {table['particle'].nunique()} tracks has {linker.min_length} "
            "localizations or more. Lower min_length, raise search_range, or find more spots "
            "(lower minmass)."
        )
    if linked.parents is not None:
        tracks = _with_parents(tracks, linked.parents)
    first = ["particle", "frame", *axes]
    return tracks[first + [name for name in tracks.columns if name not in first]]


def filter_by_length(tracks: pd.DataFrame, min_length: int) -> pd.DataFrame:
    """Keep the tracks that have at least ``min_length`` localizations.

    Raises
    ------
    InputError
        If the table is no track table (see :func:`perrin.validate_tracks`).
    """
    tracks = validate_tracks(tracks)
    lengths = index_tracks(tracks).lengths
    return tracks[np.repeat(lengths >= min_length, lengths)].reset_index(drop=True)


def track_graph(tracks: pd.DataFrame) -> dict[int, list[int]]:
    """Return which tracks each track comes from, as napari's Tracks layer takes it as ``graph``.

    Parameters
    ----------
    tracks
        A track table. Where tracks may split and merge it has the columns ``parent`` and
        ``other_parent``, the same in all rows of a track: the track it split from, or the two that
        merged into it; -1 for none.

    Returns
    -------
    dict
        For each track that comes from others, those of them that are in the table.

    Raises
    ------
    InputError
        If the table is no track table.
    """
    tracks = validate_tracks(tracks)
    columns = [name for name in _PARENTS if name in tracks.columns]
    first = tracks.drop_duplicates("particle").set_index("particle")[columns]
    graph = {
        int(particle): [int(p) for p in parents if p in first.index]
        for particle, parents in zip(first.index, first.to_numpy(), strict=True)
    }
    return {particle: parents for particle, parents in graph.items() if parents}


def _checked(localizations: pd.DataFrame) -> pd.DataFrame:
    """Check localizations with the rules for track tables, each row being its own particle."""
    if not isinstance(localizations, pd.DataFrame):
        raise InputError(
            f"Localizations are a pandas DataFrame, as perrin.localize returns; this is a "
            f"{type(localizations).__name__}."
        )
    if localizations.empty:
        raise InputError(
            "There are no localizations to link: no spot was found in any frame. Lower minmass, "
            "change the diameter, or tick 'dark spots' if they are darker than their surroundings."
        )
    numbered = localizations.assign(particle=np.arange(len(localizations)))
    table = validate_tracks(numbered, source="the table of localizations")
    return table.sort_values("frame", kind="stable", ignore_index=True)


def _spots(table: pd.DataFrame) -> Spots:
    """Return the arrays of a table sorted by frame, lengths in pixels of the plane."""
    axes = axes_of(table)
    table = in_even_pixels(table, table.attrs.get("calibration", Calibration()))
    names = [f"{axis}_err" for axis in axes]
    errors = None
    if set(names) <= set(table.columns) and (table[names] > 0).to_numpy().any():
        errors = table[names].to_numpy(np.float64)
    positions = table[list(axes)].to_numpy(np.float64)
    # One layout, so that kernels are compiled once.
    return Spots(np.ascontiguousarray(positions), table["frame"].to_numpy(), errors)


def _search_range(spots: Spots) -> float:
    """Find a search range from the data, or take the usual one where there are too few."""
    axes = list(AXES[-spots.positions.shape[1] :])
    try:
        return suggest_search_range(
            pd.DataFrame(spots.positions, columns=axes).assign(frame=spots.frames)
        ).search_range
    except InputError:
        return float(LinkerParameters.model_fields["search_range"].default)


def _with_parents(tracks: pd.DataFrame, parents: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Add the columns that say which tracks each track comes from, of those in the table."""
    kept = parents[np.isin(parents, tracks["particle"]).all(1)]
    links = pd.DataFrame(kept, columns=["particle", "parent"]).sort_values(["particle", "parent"])
    by_track = links.groupby("particle")["parent"].agg(["first", "last", "size"])
    by_track["last"] = by_track["last"].where(by_track["size"] > 1)
    for column, found in zip(_PARENTS, ("first", "last"), strict=True):
        number = tracks["particle"].map(by_track[found])
        tracks[column] = number.fillna(-1).astype(np.int64)
    return tracks
