"""The mass without learning: the path that fits, and the likelihood of each mass."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from perrin.errors import Progress
from perrin.learn.property import _filter
from perrin.learn.property.trap import EVERY, MASSES, N_SEEN, Seen, refine, release
from perrin.simulate.potential import Potential

__all__ = ["LEVEL", "Density", "choose_intensity", "likely_masses", "search_path"]

Floats = npt.NDArray[np.float64]

LEVEL = 0.9
"""Share of the probability that intervals hold."""

_N_SEARCHED, _N_LIKELY, _N_TO_CHOOSE = 361, 360, 240
_FAR = 300.0  # px, of a path that has left the image
_ERROR = 0.05  # px: positions are exact, but a covariance needs a size
_KICK = 0.5  # of the first acceleration: see perrin.learn.property.trap.simulate_seen
_INTENSITIES = np.logspace(-6.4, -5.2, 5)


class Density(NamedTuple):
    """Probability of each mass of a grid.

    Attributes
    ----------
    grid
        Edges of the bins, shape ``(n_bins + 1,)``.
    probability
        Shape ``(n, n_bins)``; rows sum to 1.
    """

    grid: Floats
    probability: Floats

    @property
    def mean(self) -> Floats:
        """Mean mass, shape ``(n,)``: what makes the squared error least."""
        return np.asarray(self.probability @ ((self.grid[1:] + self.grid[:-1]) / 2))

    def rank(self, mass: Floats) -> Floats:
        """Share of the probability that lies below a mass, shape ``(n,)``."""
        pairs = zip(mass, self._below, strict=True)
        return np.array([np.interp(m, self.grid, row) for m, row in pairs])

    def quantiles(self, levels: tuple[float, ...]) -> Floats:
        """Masses below which given shares of the probability lie, shape ``(n, n_levels)``."""
        return np.array([np.interp(levels, row, self.grid) for row in self._below])

    @property
    def _below(self) -> Floats:
        return np.pad(np.cumsum(self.probability, axis=1), ((0, 0), (1, 0)))

    def coverage(self, mass: Floats) -> float:
        """Share of masses within the central interval of :data:`LEVEL`."""
        return float((np.abs(self.rank(mass) - 0.5) <= LEVEL / 2).mean())


def search_path(seen: Seen, *, progress: Progress | None = None) -> Floats:
    """Find the mass whose simulated path is nearest to the seen one.

    All masses of a grid are simulated at once in the reconstructed potential. The mean of
    log(1 + distance²) over the seen positions is made least: late in a path a small error of the
    potential has grown into a large one of the position, which a sum of squares would obey.
    """
    grid = np.linspace(*MASSES, _N_SEARCHED)
    found = np.empty(len(seen.mass))
    for i, positions in enumerate(seen.positions):
        if progress is not None:
            progress("searching", i, len(found))
        paths = release(Potential(refine(seen.field[i : i + 1])), grid)
        square = np.nan_to_num(((paths - positions) ** 2).sum(axis=1), nan=_FAR**2)
        found[i] = grid[np.argmin(np.log1p(square).mean(axis=1))]
    return found


def likely_masses(seen: Seen, intensity: float, *, progress: Progress | None = None) -> Density:
    """Weigh every mass by the likelihood of the path, for a uniform prior.

    Parameters
    ----------
    seen
        What is seen; the true masses are not looked at.
    intensity
        How far the reconstructed force is wrong: intensity of white noise on it, for
        :func:`perrin.learn.property._filter.inertial`.
    progress
        Called with the particles done and to do.
    """
    return _weigh(seen, np.array([intensity]), _N_LIKELY, progress)[0]


def choose_intensity(seen: Seen, *, progress: Progress | None = None) -> float:
    """Choose the intensity with which intervals of 90 % hold 90 % of the true masses.

    The larger it is, the wider they are; between the intensities tried, its logarithm is
    interpolated.
    """
    densities = _weigh(seen, _INTENSITIES, _N_TO_CHOOSE, progress)
    held = [density.coverage(seen.mass) for density in densities]
    return float(np.exp(np.interp(LEVEL, np.maximum.accumulate(held), np.log(_INTENSITIES))))


def _weigh(
    seen: Seen, intensities: Floats, n_bins: int, progress: Progress | None
) -> list[Density]:
    """Densities of the masses for each intensity."""
    edges = np.linspace(*MASSES, n_bins + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    intensity, mass = (grid.ravel() for grid in np.meshgrid(intensities, middles, indexing="ij"))
    parameters = np.stack([1 / mass, intensity / mass**2, np.full_like(mass, _ERROR)], axis=1)
    frames = np.arange(N_SEEN) * EVERY
    shape = (len(seen.mass), len(intensities), n_bins)
    logs = np.empty(shape)
    for i, positions in enumerate(seen.positions):
        if progress is not None:
            progress("weighing", i, len(logs))
        field = Potential(refine(seen.field[i : i + 1])).coefficients[0]
        path = np.ascontiguousarray(positions.T)
        _filter.inertial(field, frames, path, 1, True, _KICK, 0.0, parameters, logs[i].ravel())
    weights = np.exp(logs - logs.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    return [Density(edges, weights[:, k]) for k in range(len(intensities))]
