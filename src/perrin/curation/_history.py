"""Curated tracks with everything that was done to them, to undo it and to do it again."""

from __future__ import annotations

import pandas as pd

from perrin.curation._operations import Curation, Filter, Operation, Split, fingerprint
from perrin.curation._tracks import Change, CuratedTracks
from perrin.errors import InputError
from perrin.filters import NO_FILTERS, TrackFilters

__all__ = ["History", "curate"]


class History:
    """What was done to tracks, what was undone, and what became of them.

    Parameters
    ----------
    tracks
        The track table before any of it.
    filters
        The filters before any of it.

    Attributes
    ----------
    now
        The tracks as they are.
    done, undone
        What led here from the original, and what was undone, the latest last.
    """

    def __init__(self, tracks: pd.DataFrame, filters: TrackFilters = NO_FILTERS) -> None:
        self.now = CuratedTracks.of(tracks, filters)
        self.done: list[Change] = []
        self.undone: list[Change] = []

    @classmethod
    def replayed(
        cls, tracks: pd.DataFrame, curation: Curation, filters: TrackFilters = NO_FILTERS
    ) -> History:
        """Do again what was done before.

        Raises
        ------
        InputError
            If these are other tracks, or the curation was changed and no longer fits them.
        """
        history = cls(tracks, filters)
        if fingerprint(history.now.original) != curation.tracks:
            raise InputError(
                "The curation was made on other tracks: it fits only those, found again by the "
                "same recipe or read from the same file. (In a folder of results, tracks_uncurated "
                "is what it was made on, and tracks what came of it.)"
            )
        for operation in curation.operations:
            history.do(operation)
        return history

    @property
    def curation(self) -> Curation:
        """What was done, to be saved; filters are left to the recipe."""
        operations = (change.operation for change in self.done)
        return Curation(
            tracks=fingerprint(self.now.original),
            operations=tuple(each for each in operations if not isinstance(each, Filter)),
        )

    def do(self, operation: Operation | Filter) -> Change:
        """Do something, and forget what was undone before.

        What changes nothing is not noted, and of a filter that is moved step by step the last
        place alone.

        Raises
        ------
        InputError
            If it cannot be done; nothing has changed then.
        """
        change = self.now.change(operation)
        if change.is_empty:
            return change
        if self.done and _is_same_filter(self.done[-1], change):
            self.undo()
            change = self.now.change(operation)
        self.now = self.now.with_change(change)
        self.done.append(change)
        self.undone.clear()
        return change

    def split(self, particle: int, frames: tuple[int, ...]) -> Change:
        """Split a track into pieces that begin at some frames, under the next free numbers."""
        first = self.now.next_number
        new = tuple(range(first, first + len(frames)))
        return self.do(Split.checked(particle=particle, frames=frames, new=new))

    def undo(self) -> Change | None:
        """Take the last change back and return it, if there is any."""
        if not self.done:
            return None
        change = self.done.pop()
        self.now = self.now.without_change(change)
        self.undone.append(change)
        return change

    def redo(self) -> Change | None:
        """Do again what was undone last and return it, if there is any."""
        if not self.undone:
            return None
        change = self.undone.pop()
        self.now = self.now.with_change(change)
        self.done.append(change)
        return change


def curate(
    tracks: pd.DataFrame, curation: Curation, filters: TrackFilters = NO_FILTERS
) -> CuratedTracks:
    """Do to tracks what was done to them by hand before, in the window or elsewhere.

    Parameters
    ----------
    tracks
        The track table that the curation was made on.
    curation
        What was done.
    filters
        Which tracks are kept besides.

    Raises
    ------
    InputError
        If these are other tracks, or the curation was changed and no longer fits them.
    """
    return History.replayed(tracks, curation, filters).now


def _is_same_filter(last: Change, change: Change) -> bool:
    touched = _filters_touched(change)
    return bool(touched) and _filters_touched(last) == touched


def _filters_touched(change: Change) -> set[str]:
    before, after = change.filters_before, change.filters_after
    ranges = {*before.ranges, *after.ranges}
    touched = {name for name in ranges if before.ranges.get(name) != after.ranges.get(name)}
    return touched | ({"model"} if before.models != after.models else set())
