"""Analyses of tracks that are curated: what changed is analysed anew, what was said is noted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pandas as pd

from perrin.analysis import Analysis, analyze
from perrin.curation._tracks import CuratedTracks, Note
from perrin.errors import Progress
from perrin.filters import with_first_frame
from perrin.summary import kept_rows

__all__ = ["CURATED_COLUMNS", "only_kept", "reanalyze", "with_notes"]

CURATED_COLUMNS = ("verdict", "label", "kept")
"""What curation and filters add to ``per_track``."""


def reanalyze(
    analysis: Analysis,
    tracks: pd.DataFrame,
    particles: Collection[int],
    *,
    device: str = "auto",
    progress: Progress | None = None,
) -> Analysis:
    """Analyse some tracks anew, with the calibration and the parameters of the others.

    Parameters
    ----------
    analysis
        The analysis of the tracks as they were.
    tracks
        The track table as it is now.
    particles
        Numbers of the tracks that changed, came or went.
    device, progress
        As for :func:`perrin.analyze`.

    Returns
    -------
    Analysis
        Rows of other tracks are those of ``analysis``, unless tracks share states: then all are
        analysed anew, since states are found in all of them together.
    """
    if analysis.parameters.shared_states and particles and len(tracks):
        return analyze(
            tracks,
            analysis.calibration,
            device=device,
            parameters=analysis.parameters,
            progress=progress,
        )
    changed = tracks[tracks["particle"].isin(particles)]
    fresh = (
        None
        if changed.empty
        else analyze(
            changed,
            analysis.calibration,
            device=device,
            parameters=analysis.parameters,
            progress=progress,
        )
    )

    def merged(name: str, *keys: str) -> pd.DataFrame:
        before: pd.DataFrame = getattr(analysis, name)
        parts = [before[~before["particle"].isin(particles)]]
        if fresh is not None and len(getattr(fresh, name)):
            parts = [part for part in parts if len(part)] + [getattr(fresh, name)]
        both = pd.concat(parts, ignore_index=True).reindex(columns=before.columns)
        return both.sort_values(list(keys), kind="stable", ignore_index=True)

    return replace(
        analysis,
        per_track=merged("per_track", "particle"),
        per_frame=merged("per_frame", "particle", "frame"),
        switches=merged("switches", "particle", "frame"),
    )


def with_notes(analysis: Analysis, curated: CuratedTracks) -> Analysis:
    """Say of every track what was said of it by hand, and whether it is kept.

    Returns
    -------
    Analysis
        ``per_track`` has the columns ``verdict`` (``accepted``, ``rejected`` or empty), ``label``
        (empty without one) and ``kept``: not rejected, and within every filter.

    Raises
    ------
    InputError
        If there is a filter of something that is not known of tracks.
    """
    per_track = analysis.per_track.drop(columns=list(CURATED_COLUMNS), errors="ignore")
    notes = [curated.notes.get(number, Note()) for number in per_track["particle"].tolist()]
    verdicts = pd.Series([note.verdict or None for note in notes], per_track.index, dtype="str")
    labels = pd.Series([note.label or None for note in notes], per_track.index, dtype="str")
    kept = curated.filters.kept(with_first_frame(per_track, curated.table()))
    kept &= (verdicts != "rejected").to_numpy(np.bool_)
    return replace(analysis, per_track=per_track.assign(verdict=verdicts, label=labels, kept=kept))


def only_kept(
    analysis: Analysis, tracks: pd.DataFrame | None = None
) -> tuple[Analysis, pd.DataFrame | None]:
    """Leave out the tracks that were rejected or that a filter does not keep.

    Parameters
    ----------
    analysis
        With or without what :func:`with_notes` adds; without, every track is kept.
    tracks
        The track table, if that is wanted too.
    """
    particles = kept_rows(analysis.per_track)["particle"]
    if len(particles) == len(analysis.per_track):
        return analysis, tracks

    def part(table: pd.DataFrame) -> pd.DataFrame:
        return table[table["particle"].isin(particles)].reset_index(drop=True)

    kept = replace(
        analysis,
        per_track=part(analysis.per_track),
        per_frame=part(analysis.per_frame),
        switches=part(analysis.switches),
    )
    return kept, None if tracks is None else part(tracks)
