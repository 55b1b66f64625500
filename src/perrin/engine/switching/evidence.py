"""What is known of the motion in each segment, in the form in which a population of them is fitted.

Either what the network said, or what the positions themselves say once the localization error is
known: the exact likelihood of fractional Brownian motion, and that of a particle at rest.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.engine.switching.segments import Segments
from perrin.simulate.phenomenological import IMMOBILE
from perrin.statistics._arrays import arrays_of
from perrin.statistics._fbm_kernels import fit_tracks, likelihood_grid

__all__ = [
    "ESCAPES",
    "Evidence",
    "Stretches",
    "mean_square_step",
    "of_network",
    "of_positions",
    "stretches_of",
]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_PRIOR_MEAN = 1.0
_PRIOR_VARIANCE = np.array([4.0, 0.25])  # of log D within a track and of alpha, in the training

_ALPHAS = (0.02, 1.98)
_ROUNDING = np.diag(np.square([0.02, 0.01]))
_NEARLY = 12.0  # in the logarithm of the likelihood
_TRIMMED_FROM = 6  # localizations
_MEMORY = 32  # displacements further apart are taken to be unrelated

ESCAPES = 0.05
"""Probability per frame that a particle at rest escapes for less than the shortest segment."""


class Evidence(NamedTuple):
    """What is known of ``n`` segments.

    Attributes
    ----------
    value, covariance
        Mean and covariance of a Gaussian in (log D, alpha) that stands for the likelihood of a
        moving particle, ``(n, 2)`` and ``(n, 2, 2)``.
    moving, still
        Logarithm of the integral of that likelihood, and of the likelihood of a particle at rest,
        ``(n,)``; minus infinity where one is ruled out.
    motion
        Probabilities of the kinds of motion, ``(n, 4)``.
    """

    value: Array
    covariance: Array
    moving: Array
    still: Array
    motion: Array


class Stretches(NamedTuple):
    """The localizations of each segment by which its motion is judged.

    Attributes
    ----------
    position, frame
        All localizations, ``(m, axes)`` in px and ``(m,)``.
    starts, stops
        Those of each segment.
    log_diffusivity
        A first guess.
    """

    position: Array
    frame: Ints
    starts: Ints
    stops: Ints
    log_diffusivity: Array

    @property
    def n_points(self) -> Ints:
        """Localizations of each."""
        return self.stops - self.starts

    def some(self, rows: Ints) -> Stretches:
        """Return those of some segments."""
        return self._replace(
            starts=self.starts[rows],
            stops=self.stops[rows],
            log_diffusivity=self.log_diffusivity[rows],
        )


def of_network(segments: Segments) -> Evidence:
    """Take the network's word, less what it expected of any segment before it saw this one."""
    rests = segments.state == IMMOBILE
    value = np.stack((segments.log_diffusivity, segments.alpha), 1)
    scale = np.stack((segments.log_diffusivity_scale, segments.alpha_scale), 1)
    variance = 2 * np.square(scale)  # of a Laplacian
    # Of alpha alone: what is expected of D depends on the track.
    expected = np.array([0.0, _PRIOR_MEAN])
    gain = np.maximum(1 / variance - np.array([0.0, 1.0]) / _PRIOR_VARIANCE, 0.05 / variance)
    pull = np.array([0.0, 1.0]) * np.minimum(1 / _PRIOR_VARIANCE, 0.95 / variance)
    return Evidence(
        (value / variance - pull * expected) / gain,
        np.eye(2) / gain[:, None],
        np.where(rests, -np.inf, 0.0),
        np.where(rests, 0.0, -np.inf),
        segments.p_state,
    )


def stretches_of(segments: Segments, tracks: pd.DataFrame) -> Stretches:
    """Return what of each segment is surely of one motion.

    A switch is rarely found to the frame, so that segments of six localizations or more do without
    those beside a switch.
    """
    arrays = arrays_of(tracks)
    begins = segments.low >= 0
    ends = np.append(begins[1:], False)
    long = segments.n_points >= _TRIMMED_FROM
    return Stretches(
        arrays.position,
        arrays.frame,
        segments.starts + (begins & long),
        segments.starts + segments.n_points - (ends & long),
        segments.log_diffusivity,
    )


def of_positions(
    stretches: Stretches, motion: Array, noise: float, exposure: float, n_grid: int = 12
) -> Evidence:
    """Take the exact likelihood of the positions, with a known localization error.

    Parameters
    ----------
    stretches
        Where to look.
    motion
        Probabilities of the kinds of motion, ``(n, 4)``.
    noise
        Localization error per axis, px.
    exposure
        Share of the frame interval during which the shutter is open.
    n_grid
        Points of the grid of (log D, alpha) along each axis, laid around the most likely values.

    Notes
    -----
    A particle at rest is seen with the localization error alone, but now and then it escapes for
    less than the shortest segment and rests again elsewhere: in each frame with a probability of
    5 %, by as much as particles of the movie move in a frame.
    """
    n = stretches.starts.size
    alphas, log_d = _grids(stretches, noise, exposure, n_grid)
    surface = np.empty((n, n_grid, n_grid))
    likelihood_grid(
        stretches.position, stretches.frame, stretches.starts, stretches.stops,
        noise**2, exposure, _MEMORY, alphas, log_d, surface,
    )  # fmt: skip
    peak = surface.max((1, 2), initial=-np.inf)
    weight = np.exp(surface - peak[:, None, None])
    total = weight.sum((1, 2))
    cell = np.prod([grid[:, 1] - grid[:, 0] for grid in (alphas, log_d)], axis=0)
    points = np.stack(np.broadcast_arrays(log_d[:, None, :], alphas[:, :, None]), -1)
    weight /= total[:, None, None]
    value = np.einsum("nij,nijd->nd", weight, points)
    offset = points - value[:, None, None]
    covariance = np.einsum("nij,nijd,nije->nde", weight, offset, offset) + _ROUNDING
    still = np.empty(n)
    _likelihood_at_rest(
        stretches.position, stretches.starts, stretches.stops,
        noise**2, mean_square_step(stretches), still,
    )  # fmt: skip
    return Evidence(value, covariance, peak + np.log(total * cell), still, motion)


def _grids(stretches: Stretches, noise: float, exposure: float, n_grid: int) -> tuple[Array, Array]:
    """Lay a grid of alpha and one of log D around the most likely values of each stretch."""
    fitted = np.empty((stretches.starts.size, 4))
    fit_tracks(
        stretches.position, stretches.frame, stretches.starts, stretches.stops,
        -1.0, noise**2, exposure, _MEMORY, fitted,
    )  # fmt: skip
    known = np.isfinite(fitted[:, 3])
    root = np.sqrt(stretches.n_points.clip(2))
    alpha, reach = np.where(known, fitted[:, 1], 1.0), (5 / root).clip(0.1, 2)
    low, high = (alpha - reach).clip(_ALPHAS[0]), (alpha + reach).clip(max=_ALPHAS[1])
    centres = (np.arange(n_grid) + 0.5) / n_grid
    alphas = low[:, None] + (high - low)[:, None] * centres
    floor = 2 * math.log(noise) - 6
    log_d = stretches.log_diffusivity.copy()
    log_d[known] = np.log(fitted[known, 0].clip(np.exp(floor)))
    reach = (7 / root).clip(0.5, 4)
    # Where no motion at all is nearly as likely, everything in between is.
    none = np.empty((fitted.shape[0], 1, 1))
    likelihood_grid(
        stretches.position, stretches.frame, stretches.starts, stretches.stops,
        noise**2, exposure, _MEMORY, np.ones_like(none[:, 0]), np.full_like(none[:, 0], floor),
        none,
    )  # fmt: skip
    n_values = stretches.position.shape[1] * (stretches.n_points - 1)
    best = fitted[:, 3] + 0.5 * n_values * math.log(2 * math.pi)
    low = np.where(none[:, 0, 0] > best - _NEARLY, floor, log_d - reach).clip(floor)
    low = np.where(known, low, floor)
    high = np.maximum(log_d + reach, low + 1)
    return alphas, low[:, None] + (high - low)[:, None] * centres


def mean_square_step(stretches: Stretches) -> float:
    """Mean square displacement in a frame and along an axis."""
    inside = np.zeros(len(stretches.frame), np.int64)
    np.add.at(inside, stretches.starts[stretches.n_points > 0], 1)
    np.add.at(inside, stretches.stops[stretches.n_points > 0] - 1, -1)
    steps = np.diff(stretches.position, axis=0)[np.cumsum(inside)[:-1] > 0]
    return float(np.square(steps).mean()) if steps.size else 1.0


@numba.njit(cache=True, nogil=True)
def _likelihood_at_rest(
    position: Array, starts: Ints, stops: Ints, noise: float, jump: float, result: Array
) -> None:
    """Log-likelihood of displacements at rest, summed over all ways to part them by escapes.

    ``noise`` and ``jump`` are variances, of the localization error and of escapes. A rest of m
    localizations at an unknown place has the likelihood of m deviations from their mean.
    """
    axes = position.shape[1]
    unit = math.log(2 * math.pi * noise)
    leaves = math.log(ESCAPES) - 0.5 * axes * math.log(2 * math.pi * jump)
    for t in range(starts.size):
        n = stops[t] - starts[t]
        until = np.full(n + 1, -np.inf)
        until[0] = 0.0
        total = np.empty(axes)
        for j in range(1, n + 1):
            total[:] = 0.0
            square = 0.0
            for i in range(j - 1, -1, -1):
                m = j - i
                spread = 0.0
                for a in range(axes):
                    x = position[starts[t] + i, a] - position[starts[t], a]
                    total[a] += x
                    square += x * x
                    spread -= total[a] * total[a] / m
                spread += square
                here = -0.5 * (spread / noise + axes * ((m - 1) * unit + math.log(m)))
                here += until[i] + (m - 1) * math.log(1 - ESCAPES) + (leaves if i else 0.0)
                high = max(until[j], here)
                until[j] = high + math.log(math.exp(until[j] - high) + math.exp(here - high))
        # As in the likelihood of motion, less the constants of the displacements.
        result[t] = until[n] + 0.5 * axes * max(n - 1, 0) * math.log(2 * math.pi)
