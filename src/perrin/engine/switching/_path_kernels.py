"""Compiled kernels of the hidden semi-Markov model of :mod:`~.paths`."""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

from perrin.engine.switching.evidence import ESCAPES
from perrin.statistics import _motion

__all__ = ["explained", "predictors", "smooth"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LEAST = -700.0  # logarithm below which a density is none
_NEGLIGIBLE = 1e-6

_shape = numba.njit(cache=True, nogil=True)(_motion.blurred_power)


@numba.njit(cache=True, nogil=True)
def predictors(
    log_d: Array, alpha: Array, noise: float, exposure: float, phi: Array, variance: Array
) -> None:
    """Best linear prediction of a displacement from the ones before it (Durbin and Levinson).

    ``phi[j, a]`` receives the weights of the ``a`` displacements before, the last one first, for
    node ``j``; ``variance[j, a]`` what is left. ``noise`` is a variance.
    """
    order = phi.shape[2]
    gamma = np.empty(order + 1)
    for j in range(log_d.size):
        structure = 2 * math.exp(log_d[j]) * _shape(np.arange(order + 2.0), alpha[j], exposure)
        structure += 2 * noise
        structure[0] = 0.0
        gamma[0] = structure[1]
        for k in range(1, order + 1):
            gamma[k] = (structure[k + 1] + structure[k - 1] - 2 * structure[k]) / 2
        variance[j, 0] = gamma[0]
        for i in range(1, order + 1):
            reflection = gamma[i]
            for k in range(i - 1):
                reflection -= phi[j, i - 1, k] * gamma[i - 1 - k]
            reflection /= variance[j, i - 1]
            for k in range(i - 1):
                phi[j, i, k] = phi[j, i - 1, k] - reflection * phi[j, i - 1, i - 2 - k]
            phi[j, i, i - 1] = reflection
            variance[j, i] = variance[j, i - 1] * (1 - reflection * reflection)


@numba.njit(cache=True, nogil=True)
def _densities(
    steps: Array,
    lags: Ints,
    log_d: Array,
    alpha: Array,
    noise: float,
    exposure: float,
    escape: Array,
    phi: Array,
    variance: Array,
    known: Ints,
    seen: Array,
) -> float:
    """Density of each displacement of a track, up to a factor whose logarithm is returned.

    ``seen[t, j, a]`` is that of displacement ``t`` in node ``j`` if ``a`` displacements before it
    are of the same state; ``known[t]`` receives how many of them can be used. None are over a gap.
    Where ``escape[j]`` is not zero, now and then a displacement is larger by that variance.
    """
    n, axes = steps.shape
    n_nodes, n_ages = variance.shape
    total = 0.0
    since = 0
    for t in range(n):
        if lags[t] > 1:
            since = 0
        known[t] = min(since, n_ages - 1)
        since = since + 1 if lags[t] == 1 else 0
        most = -np.inf
        for j in range(n_nodes):
            for a in range(known[t] + 1):
                left = variance[j, a]
                if lags[t] > 1:
                    lag = np.array([float(lags[t])])
                    spread = _shape(lag, alpha[j], exposure)[0]
                    left = 2 * math.exp(log_d[j]) * spread + 2 * noise
                value = -0.5 * axes * math.log(2 * math.pi * left)
                for d in range(axes):
                    error = steps[t, d]
                    for k in range(a):
                        error -= phi[j, a, k] * steps[t - 1 - k, d]
                    value -= 0.5 * error * error / left
                if escape[j] > 0:
                    left += escape[j]
                    far = math.log(ESCAPES) - 0.5 * axes * math.log(2 * math.pi * left)
                    far -= 0.5 * np.square(steps[t]).sum() / left
                    value = np.logaddexp(value + math.log(1 - ESCAPES), far)
                seen[t, j, a] = value
                most = max(most, value)
        for j in range(n_nodes):
            for a in range(known[t] + 1):
                seen[t, j, a] = math.exp(max(seen[t, j, a] - most, _LEAST))
            for a in range(known[t] + 1, n_ages):
                seen[t, j, a] = seen[t, j, known[t]]
        total += most
    return total


@numba.njit(cache=True, nogil=True)
def _forward(
    seen: Array,
    lags: Ints,
    state: Ints,
    weight: Array,
    start: Array,
    transition: Array,
    shortest: int,
    ahead: Array,
) -> float:
    """Probability of node and age given everything up to each displacement; log-likelihood."""
    n, n_nodes, n_ages = seen.shape
    n_states = start.size
    leaving = np.empty(n_states)
    total = 0.0
    for t in range(n):
        if t == 0:
            for j in range(n_nodes):
                ahead[0, j, 0] = start[state[j]] * weight[j]
        else:
            leaving[:] = 0.0
            for j in range(n_nodes):
                stays = transition[state[j], state[j]] ** lags[t]
                for a in range(n_ages):
                    free = a + 1 >= shortest
                    held = ahead[t - 1, j, a]
                    ahead[t, j, min(a + 1, n_ages - 1)] += held * (stays if free else 1.0)
                    if free:
                        leaving[state[j]] += held * (1 - stays)
            for j in range(n_nodes):
                q = state[j]
                for s in range(n_states):
                    if s != q and transition[s, s] < 1:
                        to = transition[s, q] / (1 - transition[s, s])
                        ahead[t, j, 0] += leaving[s] * to * weight[j]
        ahead[t] *= seen[t]
        scale = ahead[t].sum()
        ahead[t] /= scale
        total += math.log(scale)
    return total


@numba.njit(cache=True, nogil=True)
def _behind(
    seen: Array,
    lag: int,
    state: Ints,
    weight: Array,
    transition: Array,
    shortest: int,
    later: Array,
    entering: Array,
    here: Array,
) -> None:
    """Probability of all that follows, from that of all after the next displacement.

    ``entering[s, q]`` receives it for a change from state ``s`` to ``q``, its chance included.
    """
    n_nodes, n_ages = later.shape
    n_states = transition.shape[0]
    entering[:] = 0.0
    for j in range(n_nodes):
        into = weight[j] * seen[j, 0] * later[j, 0]
        q = state[j]
        for s in range(n_states):
            if s != q and transition[s, s] < 1:
                leaves = 1 - transition[s, s] ** lag
                entering[s, q] += leaves * transition[s, q] / (1 - transition[s, s]) * into
    for j in range(n_nodes):
        stays = transition[state[j], state[j]] ** lag
        leaves = entering[state[j]].sum()
        for a in range(n_ages):
            free = a + 1 >= shortest
            to = min(a + 1, n_ages - 1)
            here[j, a] = (stays if free else 1.0) * seen[j, to] * later[j, to]
            if free:
                here[j, a] += leaves


@numba.njit(cache=True, nogil=True)
def smooth(
    steps: Array,
    lags: Ints,
    bounds: Ints,
    log_d: Array,
    alpha: Array,
    noise: float,
    exposure: float,
    escape: Array,
    state: Ints,
    weight: Array,
    start: Array,
    transition: Array,
    shortest: int,
    phi: Array,
    variance: Array,
    p_switch: Array,
    began: Array,
    jumps: Array,
    moments: Array,
    count: Array,
) -> float:
    """Forward and backward through all tracks; returns the logarithm of their likelihood.

    Each node ``j`` has its ``weight`` in its ``state``, which is held for at least ``shortest``
    displacements. ``lags`` are the frames that each displacement spans.

    ``p_switch`` (m,) receives the probability that a state begins with each displacement. Added up
    over tracks: in ``began`` (K,) and ``jumps`` (K, K) the expected first states and changes, stays
    included; in ``moments`` (J, A, A, A) and ``count`` (J, A) the products of each displacement
    with those before it, by node and by how many of them were of use. Nothing is added to
    ``moments`` of size 0.
    """
    n_nodes, n_ages = variance.shape
    n_states = start.size
    axes = steps.shape[1]
    entering = np.empty((n_states, n_states))
    total = 0.0
    for track in range(bounds.size - 1):
        rows = slice(bounds[track], bounds[track + 1])
        own, gaps = steps[rows], lags[rows]
        n = own.shape[0]
        if n < 1:
            continue
        seen, known = np.empty((n, n_nodes, n_ages)), np.empty(n, np.int64)
        ahead = np.zeros((n, n_nodes, n_ages))
        total += _densities(
            own, gaps, log_d, alpha, noise, exposure, escape, phi, variance, known, seen
        )
        total += _forward(seen, gaps, state, weight, start, transition, shortest, ahead)
        later, here = np.ones((n_nodes, n_ages)), np.ones((n_nodes, n_ages))
        for t in range(n - 1, -1, -1):
            mass = (ahead[t] * later).sum()
            for j in range(n_nodes):
                for a in range(n_ages):
                    share = ahead[t, j, a] * later[j, a] / mass
                    if a == 0 and t == 0:
                        began[state[j]] += share
                    elif a == 0:
                        p_switch[bounds[track] + t] += share
                    if moments.size and share > _NEGLIGIBLE and gaps[t] == 1:
                        used = min(a, known[t])
                        count[j, used] += share * axes
                        for d in range(axes):
                            for k in range(used + 1):
                                part = share * own[t - k, d]
                                for q in range(k + 1):
                                    moments[j, used, k, q] += part * own[t - q, d]
            if t == 0:
                break
            _behind(seen[t], gaps[t], state, weight, transition, shortest, later, entering, here)
            mass = (ahead[t - 1] * here).sum()
            for j in range(n_nodes):
                stays = transition[state[j], state[j]] ** gaps[t]
                for a in range(shortest - 1, n_ages):
                    held = ahead[t - 1, j, a] / mass
                    to = min(a + 1, n_ages - 1)
                    jumps[state[j], state[j]] += held * stays * seen[t, j, to] * later[j, to]
                    jumps[state[j]] += held * entering[state[j]]
            later[:] = here / here.max()
    return total


@numba.njit(cache=True, nogil=True)
def explained(
    log_d: Array, alpha: Array, noise: float, exposure: float, moments: Array, count: Array
) -> float:
    """Return the expected log-likelihood of what :func:`smooth` gave to nodes."""
    n_nodes, n_ages = count.shape
    phi = np.zeros((n_nodes, n_ages, n_ages - 1))
    variance = np.empty((n_nodes, n_ages))
    predictors(log_d, alpha, noise, exposure, phi, variance)
    total = 0.0
    for j in range(n_nodes):
        for a in range(n_ages):
            if count[j, a] == 0:
                continue
            quadratic = 0.0
            for k in range(a + 1):
                left = 1.0 if k == 0 else -phi[j, a, k - 1]
                for q in range(k + 1):
                    right = 1.0 if q == 0 else -phi[j, a, q - 1]
                    twice = 1.0 if k == q else 2.0
                    quadratic += twice * left * right * moments[j, a, k, q]
            total -= 0.5 * (count[j, a] * math.log(variance[j, a]) + quadratic / variance[j, a])
    return total
