"""Curation: tracks accepted, rejected, split, joined and labelled by hand, and all of it undone.

A curation is a list of operations (:class:`Curation`), kept as YAML beside the recipe.
:class:`History` does them to a track table, undoes and redoes them; :func:`curate` does again what
a file says. No localization is lost but by :class:`Delete`, and not even that for good: the table
that was curated stays as it was.
"""

from perrin.curation._history import History, curate
from perrin.curation._operations import (
    Curation,
    Delete,
    Filter,
    Join,
    Judge,
    Label,
    Operation,
    Split,
    fingerprint,
)
from perrin.curation._results import CURATED_COLUMNS, only_kept, reanalyze, with_notes
from perrin.curation._tracks import Change, CuratedTracks, Note

__all__ = [
    "CURATED_COLUMNS",
    "Change",
    "CuratedTracks",
    "Curation",
    "Delete",
    "Filter",
    "History",
    "Join",
    "Judge",
    "Label",
    "Note",
    "Operation",
    "Split",
    "curate",
    "fingerprint",
    "only_kept",
    "reanalyze",
    "with_notes",
]
