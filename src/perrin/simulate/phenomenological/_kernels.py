"""Compiled kernels of the phenomenological models: particles that meet things on their way.

A particle's steps are fractional Gaussian noise, begun anew at every switch. Where the next switch
comes is not known beforehand, so that noise is drawn one step at a time from its exact conditional
distribution, by the recursion of Durbin and Levinson (Hosking 1984, Water Resources Research 20,
1898). A piece of n steps costs of the order of n² operations. For 200 frames that is about as much
as drawing the whole track at once, and for short pieces a small part of it.

Arrays of paths have the shape ``(n_particles, 2, n_frames)``. All kernels fill ``positions`` and
``population`` in place. ``rng`` is a :class:`numpy.random.Generator`.
"""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["confined", "dimerizing", "switching", "trapped"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int8]

_MOST_BOUNCES = 1000
_REORDERED = {"reassoc", "contract", "nsz"}  # sums in any order, so that they are vectorised

_compiled = numba.njit(cache=True, nogil=True)


@_compiled
def switching(
    alpha: Floats,
    diffusivity: Floats,
    cumulated: Floats,
    start: Floats,
    box: float,
    rng: np.random.Generator,
    positions: Floats,
    population: Labels,
) -> None:
    """Markov chain between states; ``cumulated`` holds the running sums of its matrix's rows.

    The state of a frame is that of the step that leaves it.
    """
    n, n_states = alpha.shape
    n_frames = positions.shape[2]
    covariance = np.empty((n_states, n_frames))
    weights, past = np.empty(n_frames), np.empty((2, n_frames))
    for i in range(n):
        for state in range(n_states):
            _fill_covariance(alpha[i, state], covariance[state])
        state = min(int(rng.random() * n_states), n_states - 1)
        y, x = start[i]
        age, variance = 0, 1.0
        for frame in range(n_frames):
            positions[i, 0, frame], positions[i, 1, frame] = y, x
            population[i, frame] = state
            variance = _next_step(covariance[state], age, variance, weights, past, rng)
            age += 1
            scale = math.sqrt(2 * diffusivity[i, state])
            y = _folded(y + scale * past[0, n_frames - age], box)
            x = _folded(x + scale * past[1, n_frames - age], box)
            draw, new = rng.random(), 0
            while new < n_states - 1 and draw >= cumulated[state, new]:
                new += 1
            if new != state:
                state, age = new, 0


@_compiled
def trapped(
    alpha: Floats,
    diffusivity: Floats,
    traps: Floats,
    radius: float,
    binding: float,
    unbinding: float,
    start: Floats,
    box: float,
    rng: np.random.Generator,
    positions: Floats,
    population: Labels,
) -> None:
    """Particles that stop near a trap; population 0 is bound, 1 free.

    The state of a frame is that of the step that leads to it. A particle that has just come free
    makes at least one step before it can be bound again.
    """
    n = alpha.shape[0]
    n_frames = positions.shape[2]
    covariance = np.empty(n_frames)
    weights, past = np.empty(n_frames), np.empty((2, n_frames))
    side, first, order = _sorted_into_cells(traps, box, radius)
    for i in range(n):
        _fill_covariance(alpha[i, 1], covariance)
        scale = math.sqrt(2 * diffusivity[i, 1])
        y, x = start[i]
        bound = False
        age, variance = 0, 1.0
        positions[i, 0, 0], positions[i, 1, 0] = y, x
        population[i, 0] = 1
        for frame in range(1, n_frames):
            if bound:
                if rng.random() < unbinding:
                    bound, age = False, 0
            elif _within(y, x, traps, radius, box, side, first, order) >= 0:
                bound = rng.random() < binding
            if not bound:
                variance = _next_step(covariance, age, variance, weights, past, rng)
                age += 1
                y = _folded(y + scale * past[0, n_frames - age], box)
                x = _folded(x + scale * past[1, n_frames - age], box)
            positions[i, 0, frame], positions[i, 1, frame] = y, x
            population[i, frame] = 0 if bound else 1


@_compiled
def confined(
    alpha: Floats,
    diffusivity: Floats,
    centres: Floats,
    radius: float,
    transmittance: float,
    start: Floats,
    box: float,
    rng: np.random.Generator,
    positions: Floats,
    population: Labels,
) -> None:
    """Compartments that are entered freely and left with a chance; population 1 is inside.

    The state of a frame is that of the step that leaves it.
    """
    n = alpha.shape[0]
    n_frames = positions.shape[2]
    covariance = np.empty((2, n_frames))
    weights, past = np.empty(n_frames), np.empty((2, n_frames))
    side, first, order = _sorted_into_cells(centres, box, radius)
    for i in range(n):
        _fill_covariance(alpha[i, 0], covariance[0])
        _fill_covariance(alpha[i, 1], covariance[1])
        y, x = start[i]
        compartment = _within(y, x, centres, radius, box, side, first, order)
        age, variance = 0, 1.0
        for frame in range(n_frames):
            state = 1 if compartment >= 0 else 0
            positions[i, 0, frame], positions[i, 1, frame] = y, x
            population[i, frame] = state
            variance = _next_step(covariance[state], age, variance, weights, past, rng)
            age += 1
            scale = math.sqrt(2 * diffusivity[i, state])
            new_y = y + scale * past[0, n_frames - age]
            new_x = x + scale * past[1, n_frames - age]
            if state == 1:
                centre_y, centre_x = centres[compartment]
                if math.hypot(new_y - centre_y, new_x - centre_x) > radius:
                    if rng.random() < transmittance:
                        compartment = _within(
                            new_y, new_x, centres, radius, box, side, first, order
                        )
                    else:
                        new_y, new_x = _bounced(
                            y - centre_y, x - centre_x, new_y - centre_y, new_x - centre_x, radius
                        )
                        new_y += centre_y
                        new_x += centre_x
            else:
                compartment = _within(new_y, new_x, centres, radius, box, side, first, order)
            if (compartment >= 0) != (state == 1):
                age = 0
            y, x = _folded(new_y, box), _folded(new_x, box)


@_compiled
def dimerizing(
    alpha: Floats,
    diffusivity: Floats,
    radius: float,
    binding: float,
    unbinding: float,
    start: Floats,
    box: float,
    rng: np.random.Generator,
    positions: Floats,
    population: Labels,
    leader: Ints,
) -> None:
    """Particles that pair where they touch; population 0 is alone, 1 paired.

    Both of a pair make the steps of the one that comes first, whose number goes into ``leader``.
    The state of a frame is that of the step that leads to it. Partners that have just parted
    make at least one step before they can pair again.
    """
    n = alpha.shape[0]
    n_frames = positions.shape[2]
    covariance = np.empty((n, 2, n_frames))
    for i in range(n):
        _fill_covariance(alpha[i, 0], covariance[i, 0])
        _fill_covariance(alpha[i, 1], covariance[i, 1])
    weights, past = np.empty((n, n_frames)), np.empty((n, 2, n_frames))
    age, variance = np.zeros(n, np.int64), np.ones(n)
    partner, parted = np.full(n, -1), np.zeros(n, np.bool_)
    near = np.empty(n, np.int64)
    reach = 2 * radius
    place = start.copy()
    for i in range(n):
        positions[i, 0, 0], positions[i, 1, 0] = place[i]
        population[i, 0] = 0
        leader[i, 0] = i
    for frame in range(1, n_frames):
        parted[:] = False
        for i in range(n):
            if partner[i] > i and rng.random() < unbinding:
                other = partner[i]
                partner[i] = partner[other] = -1
                parted[i] = parted[other] = True
                age[i] = age[other] = 0
        side, first, order = _sorted_into_cells(place, box, reach)
        for i in range(n):
            if partner[i] >= 0 or parted[i]:
                continue
            found = _all_within(place, i, reach, box, side, first, order, near)
            for k in range(found):
                other = near[k]
                if partner[other] < 0 and not parted[other] and rng.random() < binding:
                    partner[i], partner[other] = other, i
                    age[i] = age[other] = 0
                    break
        for i in range(n):
            paired = partner[i] >= 0
            first_of_pair = min(i, partner[i]) if paired else i
            state = 1 if paired else 0
            if first_of_pair == i:
                variance[i] = _next_step(
                    covariance[i, state], age[i], variance[i], weights[i], past[i], rng
                )
                age[i] += 1
            scale = math.sqrt(2 * diffusivity[first_of_pair, state])
            newest = n_frames - age[first_of_pair]
            place[i, 0] = _folded(place[i, 0] + scale * past[first_of_pair, 0, newest], box)
            place[i, 1] = _folded(place[i, 1] + scale * past[first_of_pair, 1, newest], box)
            positions[i, 0, frame], positions[i, 1, frame] = place[i]
            population[i, frame] = state
            leader[i, frame] = first_of_pair


@_compiled
def _fill_covariance(alpha: float, covariance: Floats) -> None:
    """Covariance of fractional Gaussian noise of variance 1 at distances 0, 1, 2 ..."""
    before, here = 1.0, 0.0
    for lag in range(covariance.size):
        after = (lag + 1.0) ** alpha
        covariance[lag] = (before - 2 * here + after) / 2
        before, here = here, after


@numba.njit(cache=True, nogil=True, fastmath=_REORDERED)
def _next_step(
    covariance: Floats,
    age: int,
    variance: float,
    weights: Floats,
    past: Floats,
    rng: np.random.Generator,
) -> float:
    """Draw the step that follows ``age`` steps of a piece, along both axes.

    ``past`` holds the steps, newest first, in its last ``age`` places; the new one is put before
    them. ``weights`` are those of the best linear forecast, and the variance of what it leaves
    open is given and returned.
    """
    n = covariance.size
    mean_y = mean_x = 0.0
    if age == 0:
        variance = 1.0
    else:
        reflection = covariance[age]
        for j in range(age - 1):
            reflection -= weights[j] * covariance[age - 1 - j]
        reflection /= variance
        for j in range(age // 2):
            low, high = weights[j], weights[age - 2 - j]
            weights[j] = low - reflection * high
            weights[age - 2 - j] = high - reflection * low
        weights[age - 1] = reflection
        variance *= 1 - reflection * reflection
        for j in range(age):
            mean_y += weights[j] * past[0, n - age + j]
            mean_x += weights[j] * past[1, n - age + j]
    scale = math.sqrt(variance)
    past[0, n - age - 1] = mean_y + scale * rng.standard_normal()
    past[1, n - age - 1] = mean_x + scale * rng.standard_normal()
    return variance


@_compiled
def _folded(coordinate: float, box: float) -> float:
    """Reflect at 0 and at ``box``, as often as it takes."""
    if 0 <= coordinate <= box:
        return coordinate
    coordinate = abs(coordinate) % (2 * box)
    return min(coordinate, 2 * box - coordinate)


@_compiled
def _bounced(
    from_y: float, from_x: float, to_y: float, to_x: float, radius: float
) -> tuple[float, float]:
    """End of a path that starts inside a circle around 0 and is reflected at it like light."""
    for _ in range(_MOST_BOUNCES):
        step_y, step_x = to_y - from_y, to_x - from_x
        square = step_y * step_y + step_x * step_x
        along = from_y * step_y + from_x * step_x
        inside = max(radius * radius - from_y * from_y - from_x * from_x, 0.0)
        share = (math.sqrt(along * along + square * inside) - along) / square if square > 0 else 1.0
        if not share < 1:
            break  # it ends on the wall, but for rounding
        from_y += share * step_y
        from_x += share * step_x
        rest_y, rest_x = (1 - share) * step_y, (1 - share) * step_x
        outward = 2 * (rest_y * from_y + rest_x * from_x) / (radius * radius)
        to_y = from_y + rest_y - outward * from_y
        to_x = from_x + rest_x - outward * from_x
        if math.hypot(to_y, to_x) <= radius:
            return to_y, to_x
    # Along the wall the chords become endlessly short; so near to it the end is on it.
    shrink = (1 - 1e-9) * radius / math.hypot(to_y, to_x)
    return to_y * shrink, to_x * shrink


@_compiled
def _sorted_into_cells(points: Floats, box: float, reach: float) -> tuple[int, Ints, Ints]:
    """Sort points into square cells, at least ``reach`` wide and about as many as the points.

    Returns the number of cells along an edge, where each cell begins in the order of points, and
    that order.
    """
    n = points.shape[0]
    side = max(1, min(int(box / reach), int(math.sqrt(n)) + 1))
    first = np.zeros(side * side + 1, np.int64)
    cell = np.empty(n, np.int64)
    for i in range(n):
        cell[i] = _cell(points[i, 0], box, side) * side + _cell(points[i, 1], box, side)
        first[cell[i] + 1] += 1
    for c in range(side * side):
        first[c + 1] += first[c]
    order = np.empty(n, np.int64)
    taken = first[:-1].copy()
    for i in range(n):
        order[taken[cell[i]]] = i
        taken[cell[i]] += 1
    return side, first, order


@_compiled
def _cell(coordinate: float, box: float, side: int) -> int:
    return min(max(int(coordinate / box * side), 0), side - 1)


@_compiled
def _within(
    y: float,
    x: float,
    points: Floats,
    reach: float,
    box: float,
    side: int,
    first: Ints,
    order: Ints,
) -> int:
    """Index of a point nearer than ``reach``, or -1."""
    row, column = _cell(y, box, side), _cell(x, box, side)
    for r in range(max(row - 1, 0), min(row + 2, side)):
        for k in range(
            first[r * side + max(column - 1, 0)], first[r * side + min(column + 2, side)]
        ):
            j = int(order[k])
            if (points[j, 0] - y) ** 2 + (points[j, 1] - x) ** 2 < reach * reach:
                return j
    return -1


@_compiled
def _all_within(
    points: Floats,
    i: int,
    reach: float,
    box: float,
    side: int,
    first: Ints,
    order: Ints,
    near: Ints,
) -> int:
    """Put the points nearer to point i than ``reach`` into ``near``, by number; return how many."""
    y, x = points[i]
    row, column = _cell(y, box, side), _cell(x, box, side)
    found = 0
    for r in range(max(row - 1, 0), min(row + 2, side)):
        for k in range(
            first[r * side + max(column - 1, 0)], first[r * side + min(column + 2, side)]
        ):
            j = order[k]
            if j != i and (points[j, 0] - y) ** 2 + (points[j, 1] - x) ** 2 < reach * reach:
                near[found] = j
                found += 1
    near[:found].sort()
    return found
