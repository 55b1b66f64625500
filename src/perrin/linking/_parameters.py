"""What all linkers have in common."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from perrin.errors import Progress
from perrin.parameters import Parameters, parameter

__all__ = ["Linked", "LinkerParameters", "Spots", "without_long_gaps"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Spots(NamedTuple):
    """Localizations as linkers take them, sorted by frame."""

    positions: Floats  # (n, dim), pixels of the plane
    frames: Ints  # (n,)
    errors: Floats | None  # (n, dim), standard deviations, pixels of the plane; where given


class Linked(NamedTuple):
    """The track of each localization, and where asked for, which track comes from which."""

    particle: Ints  # (n,), numbered in the order of first appearance
    parents: Ints | None = None  # (n_links, 2): track, the one it comes from


class LinkerParameters(Parameters):
    """Base of the linkers."""

    reach: ClassVar[float] = 1.0
    """How many times the search range is that is found from the data."""

    kind: str
    search_range: float | None = parameter(
        5.0,
        "Longest way that a particle may move from one frame to the next; well below the distance "
        "between particles, and a few times their typical step. Empty to find it from the data.",
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

    def assign(self, spots: Spots, search_range: float, progress: Progress | None) -> Linked:
        """Give each localization its track.

        Parameters
        ----------
        spots
            At least one.
        search_range
            The parameter, or what was found from the data where that is empty.
        progress
            Called now and then; may raise :class:`perrin.Cancelled`.
        """
        raise NotImplementedError


def without_long_gaps(frames: Ints, memory: int) -> Ints:
    """Renumber frames from 0, gaps longer than the memory being as long as one frame more.

    Beyond the memory, empty frames change nothing, and frame numbers may be huge.
    """
    present, number = np.unique(frames, return_inverse=True)
    steps = np.diff(present, prepend=present[0]).clip(max=memory + 2)
    return np.asarray(steps.cumsum()[number])
