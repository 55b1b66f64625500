"""Tracks under curation: a table that never changes, and whom each of its rows belongs to now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.curation._operations import (
    Delete,
    Filter,
    Join,
    Judge,
    Label,
    Operation,
    Split,
)
from perrin.errors import InputError
from perrin.filters import NO_FILTERS, TrackFilters
from perrin.tracks import validate_tracks

__all__ = ["Change", "CuratedTracks", "Note"]

Ints = npt.NDArray[np.int64]

_NOBODY = np.iinfo(np.int64).min
_VERDICTS = {"accept": "accepted", "reject": "rejected"}


class Note(NamedTuple):
    """What was said of one track by hand: ``"accepted"`` or ``"rejected"``, and its label."""

    verdict: str = ""
    label: str = ""


@dataclass(frozen=True, eq=False)
class Change:
    """What one operation does to curated tracks; it leads back as well.

    Attributes
    ----------
    operation
        What was asked for.
    rows : array, shape (n,)
        Rows of the original table that change hands.
    before, after : array, shape (n,)
        Whom they belong to.
    notes_before, notes_after
        What is said of tracks.
    filters_before, filters_after
        Which tracks are kept.
    """

    operation: Operation | Filter
    rows: Ints
    before: Ints
    after: Ints
    notes_before: Mapping[int, Note]
    notes_after: Mapping[int, Note]
    filters_before: TrackFilters
    filters_after: TrackFilters

    @property
    def is_empty(self) -> bool:
        """Whether all stays as it was."""
        return (
            self.rows.size == 0
            and self.notes_after == self.notes_before
            and self.filters_after == self.filters_before
        )

    @property
    def particles(self) -> frozenset[int]:
        """Numbers of the tracks whose localizations change, those that come or go included."""
        owners = np.unique(np.concatenate((self.before, self.after)))
        return frozenset(owners[owners != _NOBODY].tolist())


@dataclass(frozen=True, eq=False)
class CuratedTracks:
    """A track table and what was done to it by hand.

    Make it with :meth:`of`. Nothing here changes: :meth:`change` says what an operation would do,
    :meth:`with_change` and :meth:`without_change` return other curated tracks.

    Attributes
    ----------
    original
        The checked table as it was.
    owner : array, shape (n_rows,)
        Number of the track that each of its rows belongs to now.
    notes
        What was said of tracks, by their number.
    filters
        Which tracks are kept, besides those that were rejected.
    """

    original: pd.DataFrame
    owner: Ints
    notes: Mapping[int, Note] = field(default_factory=dict)
    filters: TrackFilters = NO_FILTERS

    @classmethod
    def of(cls, tracks: pd.DataFrame, filters: TrackFilters = NO_FILTERS) -> CuratedTracks:
        """Begin the curation of a track table."""
        original = validate_tracks(tracks)
        return cls(original, original["particle"].to_numpy(np.int64).copy(), {}, filters)

    def table(self) -> pd.DataFrame:
        """Return the track table as it is now, checked and sorted."""
        here = self.owner != _NOBODY
        table: pd.DataFrame = self.original.assign(particle=self.owner)[here]
        return table.sort_values(["particle", "frame"], kind="stable").reset_index(drop=True)

    @property
    def rejected(self) -> frozenset[int]:
        """Numbers of the tracks that are rejected."""
        return frozenset(x for x, note in self.notes.items() if note.verdict == "rejected")

    @property
    def next_number(self) -> int:
        """A number that no track has or had at first, nor any greater one."""
        return int(max(self.original["particle"].max(), self.owner.max())) + 1

    def frames(self, particle: int) -> Ints:
        """Return the frames of a track; raises :class:`perrin.InputError` if there is none."""
        return np.sort(self._frames_at(self._rows(particle)))

    def change(self, operation: Operation | Filter) -> Change:
        """Say what an operation does, without doing it.

        Raises
        ------
        InputError
            If it cannot be done: a track or a frame is not there, two tracks share a frame, or a
            number is taken.
        """
        match operation:
            case Judge():
                return self._judge(operation)
            case Label():
                return self._label(operation)
            case Split():
                return self._split(operation)
            case Join():
                return self._join(operation)
            case Delete():
                return self._delete(operation)
            case Filter():
                return self._changed(operation, filters=operation.filters)

    def with_change(self, change: Change) -> CuratedTracks:
        """Return the tracks after a change."""
        return self._with(change.rows, change.after, change.notes_after, change.filters_after)

    def without_change(self, change: Change) -> CuratedTracks:
        """Return the tracks before the change that was the last."""
        return self._with(change.rows, change.before, change.notes_before, change.filters_before)

    def _with(
        self, rows: Ints, owners: Ints, notes: Mapping[int, Note], filters: TrackFilters
    ) -> CuratedTracks:
        owner = self.owner
        if rows.size:
            owner = owner.copy()
            owner[rows] = owners
        return replace(self, owner=owner, notes=notes, filters=filters)

    def _changed(
        self,
        operation: Operation | Filter,
        rows: Ints | None = None,
        after: npt.ArrayLike = (),
        notes: Mapping[int, Note] | None = None,
        filters: TrackFilters | None = None,
    ) -> Change:
        rows = np.empty(0, np.int64) if rows is None else rows
        return Change(
            operation,
            rows,
            self.owner[rows],
            np.broadcast_to(np.asarray(after, np.int64), rows.shape).copy(),
            self.notes,
            self.notes if notes is None else notes,
            self.filters,
            self.filters if filters is None else filters,
        )

    def _judge(self, operation: Judge) -> Change:
        verdict = _VERDICTS[operation.kind]
        notes = self._noted(operation.particles, lambda note: note._replace(verdict=verdict))
        return self._changed(operation, notes=notes)

    def _label(self, operation: Label) -> Change:
        notes = self._noted(operation.particles, lambda note: note._replace(label=operation.label))
        return self._changed(operation, notes=notes)

    def _split(self, operation: Split) -> Change:
        particle = operation.particle
        rows = self._rows(particle)
        frames = self._frames_at(rows)
        piece = np.searchsorted(operation.frames, frames, side="right")
        if np.unique(piece).size <= len(operation.frames):
            raise InputError(
                f"Track {particle} was seen from frame {frames.min()} to {frames.max()} and cannot "
                f"be split at {_listed('frame', operation.frames)}: each piece needs a "
                "localization."
            )
        repeated = len(set(operation.new)) < len(operation.new)
        if repeated or np.isin(operation.new, self.owner).any():
            raise InputError(
                f"Track {particle} cannot be split into tracks of the numbers "
                f"{', '.join(map(str, operation.new))}: each must be one that no track has."
            )
        notes = dict(self.notes)
        if particle in notes:
            notes |= dict.fromkeys(operation.new, notes[particle])
        moved = piece > 0
        after = np.asarray(operation.new, np.int64)[piece[moved] - 1]
        return self._changed(operation, rows[moved], after, notes)

    def _join(self, operation: Join) -> Change:
        particle, other = operation.particle, operation.other
        if particle == other:
            raise InputError(f"Track {particle} cannot be joined with itself: choose two tracks.")
        rows = self._rows(other)
        shared = np.intersect1d(self._frames_at(self._rows(particle)), self._frames_at(rows))
        if shared.size:
            raise InputError(
                f"Tracks {particle} and {other} cannot be joined: both were seen in frame "
                f"{shared[0]}{f' and {shared.size - 1} others' if shared.size > 1 else ''}. Split "
                "one of them first, or delete what is wrong."
            )
        notes = dict(self.notes)
        gone = notes.pop(other, Note())
        mine = notes.get(particle, Note())
        both = Note(mine.verdict or gone.verdict, mine.label or gone.label)
        if both != Note():
            notes[particle] = both
        return self._changed(operation, rows, particle, notes)

    def _delete(self, operation: Delete) -> Change:
        rows = self._rows(operation.particle)
        gone = rows[self._frames_at(rows) == operation.frame]
        if gone.size == 0:
            raise InputError(f"Track {operation.particle} was not seen in frame {operation.frame}.")
        if (self.owner != _NOBODY).sum() == 1:
            raise InputError("This is the last localization of all, and cannot be deleted.")
        notes = dict(self.notes)
        if rows.size == 1:
            notes.pop(operation.particle, None)
        return self._changed(operation, gone, _NOBODY, notes)

    def _rows(self, particle: int) -> Ints:
        rows = np.flatnonzero(self.owner == particle)
        if rows.size == 0:
            raise InputError(f"There is no track {particle}.")
        return rows

    def _frames_at(self, rows: Ints) -> Ints:
        return self.original["frame"].to_numpy(np.int64)[rows]

    def _noted(
        self, particles: Iterable[int], changed: Callable[[Note], Note]
    ) -> Mapping[int, Note]:
        notes = dict(self.notes)
        for particle in particles:
            self._rows(particle)
            notes[particle] = changed(notes.get(particle, Note()))
            if notes[particle] == Note():
                del notes[particle]
        return notes


def _listed(what: str, numbers: tuple[int, ...]) -> str:
    return f"{what}{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
