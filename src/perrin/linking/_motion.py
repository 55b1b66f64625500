"""Linking by how likely each particle's own motion leads to a spot."""

from __future__ import annotations

from typing import ClassVar, Literal

from perrin.errors import Progress
from perrin.linking._parameters import Linked, LinkerParameters, Spots
from perrin.parameters import parameter

__all__ = ["MotionLinker"]


class MotionLinker(LinkerParameters):
    """Spots to tracks by how likely each particle's own motion leads from one to the next.

    Notes
    -----
    Every track carries a bank of Kalman filters: Brownian motion of eight diffusivities, and
    motion of three speeds whose direction persists. Each localization tells which of them
    describe the particle (multiple models: Y. Bar-Shalom et al., Estimation with Applications to
    Tracking and Navigation, 2001, chapter 11), and their weighted densities say how likely the
    next one is. A link gains the logarithm of that density over the density of spots that belong
    to no earlier track, times the odds that a track of this age goes on after so many misses. In
    each frame the links with the highest sum of gains are made, all together.

    The share of each motion, the odds to go on, the density of new spots and, where no columns
    ``x_err``, ... give it, the localization error are learnt from the data: up to 50,000
    localizations from the middle of the movie are linked four times, each time with what the time
    before taught.
    """

    # Rare long steps, as of anomalous motion, do no harm: they are weighed by how rare they are.
    reach: ClassVar[float] = 2.0

    kind: Literal["motion"] = "motion"
    search_range: float | None = parameter(
        None,
        "Way that 99 % of the particles stay within from one frame to the next; up to 1.5 times as "
        "far is linked where it is likely. Empty to find it from the data.",
        unit="px",
        label="Search range",
        gt=0,
    )
    memory: int = parameter(
        3,
        "For how many frames a particle may be out of sight and still be the same one. How often "
        "they come back is learnt, so that it may be generous.",
        unit="frames",
        label="Memory",
        ge=0,
    )

    def assign(self, spots: Spots, search_range: float, progress: Progress | None) -> Linked:
        """Give each localization its track."""
        # Imported here, so that who only reads parameters does not load numba.
        from perrin.linking._learning import link_by_motion

        return Linked(link_by_motion(spots, search_range, self.memory, progress))
