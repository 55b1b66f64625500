"""Linking localizations into tracks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field, model_validator

from perrin._trackpy import quiet
from perrin.errors import InputError, Progress
from perrin.parameters import Parameters, parameter
from perrin.tracks import Calibration, axes_of, index_tracks, validate_tracks

__all__ = ["Linker", "NearestLinker", "filter_by_length", "link"]


class NearestLinker(Parameters):
    """Each spot to its nearest successor, all spots together (Crocker & Grier 1996).

    References
    ----------
    J. C. Crocker, D. G. Grier, J. Colloid Interface Sci. 179, 298 (1996); D. Allan et al., trackpy.
    """

    kind: Literal["nearest"] = "nearest"
    search_range: float = parameter(
        5.0,
        "Longest way that a particle may move from one frame to the next; well below the distance "
        "between particles, and a few times their typical step.",
        unit="px",
        label="Search range",
        gt=0,
    )
    memory: int = parameter(
        0,
        "For how many frames a particle may be out of sight and still be the same one.",
        unit="frames",
        label="Memory",
        ge=0,
    )
    min_length: int = parameter(
        2,
        "Tracks with fewer localizations than this are left out.",
        unit="frames",
        label="Shortest track",
        ge=1,
    )
    adaptive_stop: float | None = parameter(
        None,
        "Where particles are crowded, try ever smaller search ranges, down to this; empty to try "
        "only one.",
        unit="px",
        label="Smallest search range",
        gt=0,
        advanced=True,
    )

    @model_validator(mode="after")
    def _stop_below_range(self) -> NearestLinker:
        if self.adaptive_stop is not None and self.adaptive_stop >= self.search_range:
            raise ValueError("adaptive_stop must be smaller than search_range")
        return self


Linker = Annotated[NearestLinker, Field(title="Linker")]
"""Any linker; each has its own ``kind`` (from the second on, a union discriminated by it)."""


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
        the plane.
    linker
        How to link; :class:`NearestLinker` with its defaults if not given.
    progress
        Called after every frame; may raise :class:`perrin.Cancelled`.

    Returns
    -------
    pandas.DataFrame
        A track table as :func:`perrin.validate_tracks` returns it. Particles are numbered in the
        order of their first appearance; numbers of tracks that were too short are not reused.

    Raises
    ------
    InputError
        If a column is missing or not numeric, there are no localizations, no track is long
        enough, or too many particles lie within reach of each other to decide between them.
    """
    linker = linker or NearestLinker()
    table = _checked(localizations)
    axes = axes_of(table)
    calibration = table.attrs.get("calibration", Calibration())
    scale = [calibration.length_scale(axis) / calibration.length_scale() for axis in axes]
    positions = table[list(axes)].to_numpy(np.float64) * scale
    table["particle"] = _nearest(positions, table["frame"].to_numpy(), linker, progress)
    tracks = filter_by_length(table, linker.min_length)
    if tracks.empty:
        raise InputError(
            f"None of the {table['particle'].nunique()} tracks has {linker.min_length} "
            "localizations or more. Lower min_length, raise search_range, or find more spots "
            "(lower minmass)."
        )
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


def _nearest(
    positions: npt.NDArray[np.float64],
    frames: npt.NDArray[np.int64],
    linker: NearestLinker,
    progress: Progress | None,
) -> npt.NDArray[np.int64]:
    """Return the particle of each localization; ``frames`` must be sorted."""
    from trackpy import SubnetOversizeException, link_iter

    # Frames between two that hold spots are handed over empty, so that memory counts true frames;
    # beyond the memory, more empty frames change nothing, which matters if frame numbers are huge.
    present, starts = np.unique(frames, return_index=True)
    stops = np.append(starts[1:], len(frames))
    empty = np.empty((0, positions.shape[1]))

    def coordinates() -> Iterator[tuple[int, npt.NDArray[np.float64]]]:
        previous = int(present[0]) - 1
        for number, start, stop in zip(present.tolist(), starts, stops, strict=True):
            for missing in range(previous + 1, min(number, previous + linker.memory + 2)):
                yield missing, empty
            yield number, positions[start:stop]
            previous = number

    particle = np.empty(len(frames), np.int64)
    done, n_present = 0, 0
    with quiet():
        linked = link_iter(
            coordinates(),
            search_range=linker.search_range,
            memory=linker.memory,
            adaptive_stop=linker.adaptive_stop,
        )
        frame = int(present[0])
        try:
            for number, ids in linked:
                frame = number
                particle[done : done + len(ids)] = ids
                done += len(ids)
                if progress is not None and len(ids):
                    n_present += 1
                    progress("Linking", n_present, len(present))
        except SubnetOversizeException as error:
            instead = "" if linker.adaptive_stop else ", or give adaptive_stop a value"
            raise InputError(
                f"After frame {frame}, too many particles lie within {linker.search_range:g} px of "
                f"each other to decide which is which. Lower the search range{instead}, or find "
                "fewer spots (raise minmass)."
            ) from error
    return particle
