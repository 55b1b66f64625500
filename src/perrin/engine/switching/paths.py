"""The way of every track through states that all tracks of a movie share.

A hidden semi-Markov model whose states are fractional Brownian motions seen with localization
noise. Once states are known from many tracks, it tells where one changes to another better than a
track can by itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize

from perrin.engine.switching._path_kernels import explained, predictors, smooth
from perrin.statistics._arrays import arrays_of, steps_of

__all__ = [
    "HiddenStates",
    "Walks",
    "adapted",
    "log_likelihood_of",
    "needed",
    "p_switch_of",
    "walks_of",
]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_ORDER = 8  # displacements from which the next one is predicted
_LOW = np.array([-14.0, 0.02])
_HIGH = np.array([14.0, 1.98])
_LEAST_SPREAD = np.array([0.02, 0.01])
_MOST_SPREAD = np.array([2.0, 0.6])
_ONE_NODE = np.array([0.1, 0.05])  # spread up to which the middle stands for a state
_THREE_NODES = np.array([0.5, np.inf])
_AT_REST = -30.0  # log D
_ROUNDS = 12
_CONVERGED = 1e-4
_MOST_STEPS = 12_000  # from which the states are found


class Walks(NamedTuple):
    """Displacements of all tracks.

    Attributes
    ----------
    steps, lags
        ``(m, axes)`` in px, and the frames that each spans.
    bounds
        Track ``k`` has ``steps[bounds[k] : bounds[k + 1]]``.
    row
        Localization at which each is told: from which it starts, or to which it leads over a gap.
    """

    steps: Array
    lags: Ints
    bounds: Ints
    row: Ints

    def some(self, most: int) -> Walks:
        """Return about ``most`` displacements, of tracks from all over the table."""
        n_tracks = self.bounds.size - 1
        chosen = np.arange(0, n_tracks, max(1, -(-len(self.steps) // most)))
        rows = np.concatenate([np.arange(*self.bounds[k : k + 2]) for k in chosen])
        bounds = np.append(0, np.diff(self.bounds)[chosen].cumsum())
        return Walks(self.steps[rows], self.lags[rows], bounds, self.row[rows])


class HiddenStates(NamedTuple):
    """States, and how they follow each other.

    Attributes
    ----------
    rests
        Whether particles are at rest in a state, ``(K,)``.
    mean, spread
        Mean and standard deviation between particles of log D and alpha, ``(K, 2)``; not used where
        they are at rest.
    start
        Probability to begin in each, ``(K,)``.
    transition
        Probability per frame to go from the state of the row to that of the column, ``(K, K)``.
    noise, exposure
        Localization error (px), and the share of the frame interval with the shutter open.
    shortest
        Fewest displacements in one state.
    """

    rests: npt.NDArray[np.bool_]
    mean: Array
    spread: Array
    start: Array
    transition: Array
    noise: float
    exposure: float
    shortest: int

    def without(self, k: int) -> HiddenStates:
        """Return the other states."""
        others = np.delete(np.arange(self.start.size), k)
        start, transition = self.start[others], self.transition[np.ix_(others, others)]
        return self._replace(
            rests=self.rests[others],
            mean=self.mean[others],
            spread=self.spread[others],
            start=start / start.sum(),
            transition=transition / transition.sum(1, keepdims=True),
        )


class _Nodes(NamedTuple):
    """Particles that stand for all those of each state."""

    state: Ints
    weight: Array
    log_d: Array
    alpha: Array


class _Smoothed(NamedTuple):
    log_likelihood: float
    p_switch: Array
    began: Array
    jumps: Array
    moments: Array
    numbers: Array


def walks_of(tracks: pd.DataFrame) -> Walks:
    """Return the displacements of a track table."""
    arrays = arrays_of(tracks)
    found = steps_of(arrays)
    lengths = arrays.layout.lengths
    rows = np.delete(np.arange(lengths.sum()), arrays.layout.stops - 1)
    bounds = np.append(0, (lengths - 1).cumsum())
    return Walks(found.delta, found.frames, bounds, rows + (found.frames > 1))


def p_switch_of(walks: Walks, states: HiddenStates) -> Array:
    """Probability that a state begins with each displacement, ``(m,)``."""
    return _smoothed(walks, states, _nodes(states), learn=False).p_switch


def log_likelihood_of(walks: Walks, states: HiddenStates) -> float:
    """Logarithm of the density of the displacements of all tracks."""
    return _smoothed(walks, states, _nodes(states), learn=False).log_likelihood


def adapted(walks: Walks, states: HiddenStates) -> HiddenStates:
    """Let states explain the displacements as well as they can.

    Expectation maximisation over all parameters but the noise, from the states given; of many
    tracks some, evenly chosen, stand for all.
    """
    some = walks.some(_MOST_STEPS)
    before = -np.inf
    for _ in range(_ROUNDS):
        nodes = _nodes(states)
        found = _smoothed(some, states, nodes, learn=True)
        if found.log_likelihood - before < _CONVERGED * len(some.steps):
            break
        before = found.log_likelihood
        states = _maximised(states, nodes, found)
    return states


def needed(
    walks: Walks, states: HiddenStates, occupancy: Array, rare: float
) -> tuple[HiddenStates, Array]:
    """Adapt states, and leave out rare ones that the others explain as well.

    A segment that two states share looks like one of a third state in between. Such a state is
    recognised by the displacements: without it they are as likely, but for what the Bayesian
    information criterion charges for its parameters.

    Parameters
    ----------
    walks, states
        As for :func:`adapted`.
    occupancy
        Share of the time in each state, ``(K,)``.
    rare
        Occupancy up to which a state of moving particles is put to the test.

    Returns
    -------
    tuple
        The states, at least two of them if there were as many, and their occupancies.
    """
    some = walks.some(_MOST_STEPS)
    states = adapted(walks, states)
    while states.start.size > 2:
        tested = np.where(states.rests, np.inf, occupancy)
        k = int(tested.argmin())
        if tested[k] > rare:
            break
        others = adapted(walks, states.without(k))
        lost = log_likelihood_of(some, states) - log_likelihood_of(some, others)
        # Mean and spread of two quantities, and the ways to the state and from it.
        n_parameters = 4 + 2 * (states.start.size - 1)
        if lost > 0.5 * n_parameters * np.log(len(some.steps)):
            break
        states, occupancy = others, np.delete(occupancy, k)
    return states, occupancy


def _nodes(states: HiddenStates) -> _Nodes:
    """Choose points and weights as Gauss and Hermite do, the more the wider a state is."""
    parts = []
    for k, rests in enumerate(states.rests):
        if rests:
            parts.append(([_AT_REST], [1.0], [1.0]))
            continue
        mean, spread = states.mean[k], states.spread[k]
        numbers = np.where(spread > _ONE_NODE, np.where(spread > _THREE_NODES, 5, 3), 1)
        (x, of_x), (y, of_y) = (np.polynomial.hermite_e.hermegauss(int(n)) for n in numbers)
        log_d, alpha = (
            np.add(m, s * each).clip(low, high).ravel()
            for m, s, each, low, high in zip(
                mean, spread, np.meshgrid(x, y, indexing="ij"), _LOW, _HIGH, strict=True
            )
        )
        weight = np.outer(of_x, of_y).ravel()
        parts.append((log_d, alpha, weight / weight.sum()))
    log_d, alpha, weight = (np.concatenate(each) for each in zip(*parts, strict=True))
    state = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
    return _Nodes(state, weight, log_d, alpha)


def _smoothed(walks: Walks, states: HiddenStates, nodes: _Nodes, *, learn: bool) -> _Smoothed:
    n, k = nodes.state.size, states.start.size
    noise = states.noise**2
    phi, variance = np.zeros((n, _ORDER + 1, _ORDER)), np.empty((n, _ORDER + 1))
    predictors(nodes.log_d, nodes.alpha, noise, states.exposure, phi, variance)
    # One escape would spoil all predictions after it: at rest, each displacement is for itself.
    rests = states.rests[nodes.state]
    phi[rests], variance[rests] = 0, 2 * noise
    escape = np.where(rests, np.square(walks.steps).mean(), 0.0)
    p_switch, began, jumps = np.zeros(len(walks.steps)), np.zeros(k), np.zeros((k, k))
    moments = np.zeros((n, *[_ORDER + 1] * 3) if learn else (0, 0, 0, 0))
    count = np.zeros((n, _ORDER + 1))
    log_likelihood = smooth(
        walks.steps, walks.lags, walks.bounds, nodes.log_d, nodes.alpha, noise, states.exposure,
        escape, nodes.state, nodes.weight, states.start, states.transition, states.shortest, phi,
        variance, p_switch, began, jumps, moments, count,
    )  # fmt: skip
    return _Smoothed(log_likelihood, p_switch, began, jumps, moments, count)


def _maximised(states: HiddenStates, nodes: _Nodes, found: _Smoothed) -> HiddenStates:
    mean, spread = states.mean.copy(), states.spread.copy()
    for k in np.flatnonzero(~states.rests).tolist():
        of = nodes.state == k
        mean[k], spread[k] = _moved(states, k, nodes, of, found.moments[of], found.numbers[of])
    start, jumps = found.began + 0.1, found.jumps + 0.01
    return states._replace(
        mean=mean,
        spread=spread,
        start=start / start.sum(),
        transition=jumps / jumps.sum(1, keepdims=True),
    )


def _moved(
    states: HiddenStates,
    k: int,
    nodes: _Nodes,
    of: npt.NDArray[np.bool_],
    moments: Array,
    count: Array,
) -> tuple[Array, Array]:
    """Move and stretch the nodes of a state so that they explain most."""
    mean, spread = states.mean[k], states.spread[k]
    offset = (np.stack((nodes.log_d[of], nodes.alpha[of]), 1) - mean) / spread

    def unpacked(values: Array) -> tuple[Array, Array]:
        return values[:2].clip(_LOW, _HIGH), np.exp(values[2:]).clip(_LEAST_SPREAD, _MOST_SPREAD)

    def cost(values: Array) -> float:
        centre, width = unpacked(values)
        log_d, alpha = np.ascontiguousarray((centre + offset * width).clip(_LOW, _HIGH).T)
        return -float(explained(log_d, alpha, states.noise**2, states.exposure, moments, count))

    first = np.concatenate((mean, np.log(spread)))
    simplex = first + np.vstack((np.zeros(4), 0.2 * np.eye(4)))
    found = minimize(
        cost,
        first,
        method="Nelder-Mead",
        options={"maxfev": 150, "xatol": 0.01, "fatol": 0.1, "initial_simplex": simplex},
    )
    return unpacked(found.x)
