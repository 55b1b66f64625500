"""Linking to the nearest spot, by trackpy."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

import numpy as np
from pydantic import model_validator

from perrin._trackpy import quiet
from perrin.errors import InputError, Progress
from perrin.linking._parameters import Floats, Linked, LinkerParameters, Spots, without_long_gaps
from perrin.parameters import parameter

__all__ = ["NearestLinker"]


class NearestLinker(LinkerParameters):
    """Each spot to its nearest successor, all spots together (Crocker & Grier 1996).

    References
    ----------
    J. C. Crocker, D. G. Grier, J. Colloid Interface Sci. 179, 298 (1996); D. Allan et al., trackpy.
    """

    kind: Literal["nearest"] = "nearest"
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
        if self.adaptive_stop is not None and self.adaptive_stop >= (self.search_range or np.inf):
            raise ValueError("adaptive_stop must be smaller than search_range")
        return self

    def assign(self, spots: Spots, search_range: float, progress: Progress | None) -> Linked:
        """Give each localization its track."""
        from trackpy import SubnetOversizeException, link_iter

        numbers = without_long_gaps(spots.frames, self.memory)
        starts = np.searchsorted(numbers, np.arange(int(numbers[-1]) + 2))

        def coordinates() -> Iterator[tuple[int, Floats]]:
            # Frames without spots are handed over too, so that memory counts true frames.
            for number, (start, stop) in enumerate(pairwise(starts)):
                yield number, spots.positions[start:stop]

        particle = np.empty(len(numbers), np.int64)
        done = 0
        with quiet():
            linked = link_iter(
                coordinates(),
                search_range=search_range,
                memory=self.memory,
                adaptive_stop=self.adaptive_stop,
            )
            try:
                for number, ids in linked:
                    particle[done : done + len(ids)] = ids
                    done += len(ids)
                    if progress is not None:
                        progress("Linking", number + 1, len(starts) - 1)
            except SubnetOversizeException as error:
                instead = "" if self.adaptive_stop else ", or give adaptive_stop a value"
                raise InputError(
                    f"After frame {spots.frames[max(done - 1, 0)]}, too many particles lie within "
                    f"{search_range:g} px of each other to decide which is which. Lower the "
                    f"search range{instead}, or find fewer spots (raise minmass)."
                ) from error
        return Linked(particle)
