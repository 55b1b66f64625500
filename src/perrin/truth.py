"""Tracks and their analysis beside the truth: what was found, missed, mixed up, and how wrong."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin._assignment import best_pairs
from perrin.errors import InputError
from perrin.io import read_table, read_tracks
from perrin.scores import GATE, close_localizations
from perrin.tracks import Calibration, axes_of, in_even_pixels, index_tracks, validate_tracks

if TYPE_CHECKING:
    from perrin.analysis import Analysis

__all__ = [
    "SWITCH_REACH",
    "TRUE_COLUMNS",
    "Truth",
    "TruthComparison",
    "compare_with_truth",
    "read_truth",
]

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

SWITCH_REACH = 10
"""Frames from which on a switch is another one; that of the second AnDi challenge."""

TRUE_COLUMNS = ("model", "alpha", "diffusivity", "n_switches")
"""What may be known of true tracks: the columns of the same names in an analysis."""

# Columns of a table of true tracks that belong to the step from a frame to the next.
_LABELS = ("state", "model", "alpha", "diffusivity")
_TRACKS_END, _TRUTH_END = "_tracks", "_truth"


class Truth(NamedTuple):
    """What is true.

    Attributes
    ----------
    tracks
        The true tracks, a track table in pixels and frames.
    per_track
        One row per true track: ``particle`` and those of :data:`TRUE_COLUMNS` that are known;
        ``diffusivity`` in the unit of the analyses that it is compared with.
    switches
        One row per true switch: ``particle``, and ``frame``, the first of the new state. ``None``
        if nothing is known of states.
    """

    tracks: pd.DataFrame
    per_track: pd.DataFrame
    switches: pd.DataFrame | None

    @classmethod
    def of(cls, tracks: pd.DataFrame, per_track: pd.DataFrame | None = None) -> Truth:
        """Collect what a table of true tracks says, and a table of their properties.

        Parameters
        ----------
        tracks
            A track table. Its columns ``state``, ``model``, ``alpha`` and ``diffusivity`` may say
            how the particle moves from this frame to the next; where one of them changes, it
            switches. What never changes is true of the whole track.
        per_track
            One row per particle, columns as in :attr:`per_track`.
        """
        table = validate_tracks(tracks, source="the table of true tracks")
        if table.empty:
            raise InputError("The table of true tracks is empty; there is nothing to compare with.")
        table.attrs.update(tracks.attrs)
        index = index_tracks(table)
        known = pd.DataFrame({"particle": index.particles})
        labels = [name for name in _LABELS if name in table]
        changes = np.zeros(len(table), np.bool_)
        for name in labels:
            values = pd.factorize(table[name])[0]
            here = np.diff(values, prepend=values[:1]) != 0
            here[index.starts] = False
            # The step after the last frame was not seen.
            here[index.stops - 1] = False
            changes |= here
            steady = ~np.logical_or.reduceat(here, index.starts)
            if name in TRUE_COLUMNS and steady.all():
                known[name] = table[name].to_numpy()[index.starts]
        switches = table.loc[changes, ["particle", "frame"]].reset_index(drop=True)
        if per_track is not None:
            if per_track["particle"].duplicated().any():
                raise InputError(
                    "The table of what is true of each particle has several rows for one particle. "
                    "Keep one row per particle."
                )
            given = [name for name in TRUE_COLUMNS if name in per_track]
            known = known.drop(columns=given, errors="ignore").merge(
                per_track[["particle", *given]], on="particle", how="left"
            )
        return cls(table, known, switches if labels else None)


def read_truth(path: str | os.PathLike[str]) -> Truth:
    """Read true tracks from a file.

    Parameters
    ----------
    path
        A track table as :func:`perrin.read_tracks` reads it, see :meth:`Truth.of` for its columns.
        Beside a file ``NAME_tracks.csv`` a file ``NAME_truth.csv`` may hold what is true of each
        particle; either of the two may be named.

    Raises
    ------
    InputError
        If a file cannot be read, or is no track table.
    """
    path = Path(path)
    if path.stem.endswith(_TRUTH_END):
        path = path.with_stem(path.stem.removesuffix(_TRUTH_END) + _TRACKS_END)
    beside = path.with_stem(path.stem.removesuffix(_TRACKS_END) + _TRUTH_END)
    per_track = None
    if path.stem.endswith(_TRACKS_END) and beside.is_file():
        per_track = read_table(beside).reset_index(drop=True)
        if "particle" not in per_track:
            raise InputError(
                f"{beside.name} lacks the column 'particle', which says of which true track each "
                "row is. Add it, or move the file away."
            )
    return Truth.of(read_tracks(path), per_track)


@dataclass(frozen=True)
class TruthComparison:
    """Tracks beside the truth.

    Attributes
    ----------
    truth
        What is true.
    tracks
        The tracks that were compared with it.
    calibration
        Pixel size and frame interval.
    match
        ``(n_localizations,)``: row of the true localization that each one found is, -1 if it is
        false.
    distance
        ``(n_localizations,)``: how far it is from there, pixels of the plane; NaN if it is false.
    per_track
        One row per track: ``particle``, ``true_particle`` (that of most of its localizations, none
        if more of them are false), ``right`` (share of localizations that are of this particle),
        and what is true of it, named as in :data:`TRUE_COLUMNS` with ``true_`` before.
    links
        One row per link (a localization and the next of its track): ``particle``, ``frame`` of its
        end, ``right``, whether both ends are of one true track, and ``whole``, whether they also
        follow each other there.
    n_true_links, n_links_seen
        Links of the true tracks, and those of them between two localizations that were found.
    switches
        One row per switch, true or found: ``particle``, ``true_particle``, ``frame``,
        ``true_frame``; what is empty was missed, or is false. ``None`` where nothing is known of
        switches.
    """

    truth: Truth
    tracks: pd.DataFrame
    calibration: Calibration
    match: Ints
    distance: npt.NDArray[np.float64]
    per_track: pd.DataFrame
    links: pd.DataFrame
    n_true_links: int
    n_links_seen: int
    switches: pd.DataFrame | None

    def beside(self, per_track: pd.DataFrame) -> pd.DataFrame:
        """Put what is true of each track beside what was found of it.

        Parameters
        ----------
        per_track
            Table of an analysis.

        Returns
        -------
        pandas.DataFrame
            With the columns of :attr:`per_track`, ``distance``, the root mean square distance of
            its localizations to the true ones (in the unit of ``noise``), and ``alpha_error``,
            where the true exponent is known.
        """
        mean = pd.Series(np.square(self.distance)).groupby(self.tracks["particle"]).mean()
        known = self.per_track.assign(
            distance=np.sqrt(self.per_track["particle"].map(mean)) * self.calibration.noise_scale
        )
        table = per_track.merge(known, on="particle", how="left")
        if {"alpha", "true_alpha"} <= set(table):
            table["alpha_error"] = table["alpha"] - table["true_alpha"]
        return table

    @property
    def missed(self) -> Flags:
        """Which true localizations were not found, shape ``(n_true_localizations,)``."""
        missed = np.ones(len(self.truth.tracks), np.bool_)
        missed[self.match[self.match >= 0]] = False
        return missed

    @property
    def false(self) -> Flags:
        """Which localizations are none in truth, shape ``(n_localizations,)``."""
        return np.asarray(self.match < 0)

    @property
    def missed_particles(self) -> Ints:
        """True tracks that no track belongs to."""
        every = self.truth.per_track["particle"].to_numpy(np.int64)
        found = self.per_track["true_particle"].dropna().to_numpy(np.int64)
        return np.setdiff1d(every, found)


def compare_with_truth(
    truth: Truth,
    tracks: pd.DataFrame,
    analysis: Analysis | None = None,
    *,
    calibration: Calibration | None = None,
    gate: float = GATE,
) -> TruthComparison:
    """Compare tracks, and their analysis, with the truth.

    Parameters
    ----------
    truth
        What is true.
    tracks
        A track table with the same axes.
    analysis
        What :func:`perrin.analyze` found of these tracks.
    calibration
        That of the analysis, or of either table, if not given.
    gate
        Distance from which on a localization is another one, pixels.

    Raises
    ------
    InputError
        If the axes differ, or ``tracks`` is no track table.

    Notes
    -----
    In each frame, true and found localizations less than the gate apart are paired so that the sum
    of what lacks to the gate is largest, each one in at most one pair. Switches are paired in the
    same way along time, within :data:`SWITCH_REACH` frames.
    """
    true, found = truth.tracks, validate_tracks(tracks)
    if axes_of(true) != axes_of(found):
        raise InputError(
            f"The true tracks have the axes {', '.join(axes_of(true))}, the others "
            f"{', '.join(axes_of(found))}; give both the same."
        )
    if calibration is None and analysis is not None:
        calibration = analysis.calibration
    for table in (tracks, true):
        calibration = calibration or table.attrs.get("calibration")
    calibration = calibration or Calibration()
    match, distance = _matched(true, found, calibration, gate)
    particle = true["particle"].to_numpy(np.int64)
    whose = np.where(match >= 0, particle[match], -1)
    per_track = _owners(truth, found, whose)
    links = _links(found, match, true)
    joined = particle[1:] == particle[:-1]
    seen = np.isin(np.arange(len(true)), match)
    switches = None
    if analysis is not None and truth.switches is not None:
        switches = _paired_switches(truth.switches, analysis.switches, per_track)
    return TruthComparison(
        truth, found, calibration, match, distance, per_track, links, int(joined.sum()),
        int((joined & seen[1:] & seen[:-1]).sum()), switches,
    )  # fmt: skip


def _matched(
    true: pd.DataFrame, found: pd.DataFrame, calibration: Calibration, gate: float
) -> tuple[Ints, npt.NDArray[np.float64]]:
    """Return the true row of each localization found, -1 for none, and the distance to it."""
    axes = list(axes_of(true))
    sets = [
        (table["frame"].to_numpy(np.int64), in_even_pixels(table, calibration)[axes].to_numpy())
        for table in (true, found)
    ]
    close = close_localizations(sets[0], sets[1], gate)
    chosen = best_pairs(close.one, close.other, gate - close.distance)
    match, distance = np.full(len(found), -1), np.full(len(found), np.nan)
    match[close.other[chosen]] = close.one[chosen]
    distance[close.other[chosen]] = close.distance[chosen]
    return match, distance


def _owners(truth: Truth, found: pd.DataFrame, whose: Ints) -> pd.DataFrame:
    """Say of each track which true one it is."""
    index = index_tracks(found)
    track = np.repeat(np.arange(index.particles.size), index.lengths)
    votes = pd.DataFrame({"track": track, "whose": whose}).value_counts(sort=False).reset_index()
    # Of equal numbers of votes, those for a particle go before those for none.
    votes = votes.sort_values(["track", "count", "whose"]).drop_duplicates("track", keep="last")
    owner = votes["whose"].to_numpy(np.int64)
    owners = pd.DataFrame(
        {
            "particle": index.particles,
            "true_particle": pd.array(owner, dtype="Int64"),
            "right": np.where(owner >= 0, votes["count"] / index.lengths, 0.0),
        }
    )
    owners.loc[owner < 0, "true_particle"] = pd.NA
    known = truth.per_track.add_prefix("true_").astype({"true_particle": "Int64"})
    return owners.merge(known, on="true_particle", how="left")


def _links(found: pd.DataFrame, match: Ints, true: pd.DataFrame) -> pd.DataFrame:
    particle = found["particle"].to_numpy(np.int64)
    last = np.flatnonzero(particle[1:] == particle[:-1])
    whose = true["particle"].to_numpy(np.int64)
    before, after = match[last], match[last + 1]
    right = (before >= 0) & (after >= 0) & (whose[before] == whose[after])
    return pd.DataFrame(
        {
            "particle": particle[last],
            "frame": found["frame"].to_numpy(np.int64)[last + 1],
            "right": right,
            "whole": right & (after == before + 1),
        }
    )


def _paired_switches(
    true: pd.DataFrame, found: pd.DataFrame, per_track: pd.DataFrame
) -> pd.DataFrame:
    owner = per_track.set_index("particle")["true_particle"]
    said = found[["particle", "frame"]].assign(true_particle=found["particle"].map(owner))
    said, true = said.reset_index(drop=True), true.reset_index(drop=True)
    places = (
        pd.DataFrame({"true_particle": true["particle"], "true_frame": true["frame"]})
        .assign(one=true.index)
        .merge(said.assign(other=said.index), on="true_particle")
    )
    apart = (places["frame"] - places["true_frame"]).abs()
    places = places[apart < SWITCH_REACH]
    gain = (SWITCH_REACH - apart[apart < SWITCH_REACH]).to_numpy(np.float64)
    one, other = (places[name].to_numpy(np.int64) for name in ("one", "other"))
    chosen = best_pairs(one, other, gain)
    hits = places.iloc[chosen]
    missed = true.drop(hits["one"]).rename(
        columns={"particle": "true_particle", "frame": "true_frame"}
    )
    columns = ["particle", "true_particle", "frame", "true_frame"]
    parts = [hits, missed, said.drop(hits["other"])]
    table = pd.concat(parts, ignore_index=True).reindex(columns=columns)
    return table.astype("Int64")
