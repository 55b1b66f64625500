"""What physics makes of seen positions: impulses of the force beside changes of the motion."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

from perrin.learn.property.trap import EVERY, N_SEEN, Seen, refine
from perrin.simulate.potential import Potential

__all__ = ["N_FEATURES", "impulses", "mass_by_regression", "tokens"]

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]

N_FEATURES = 8
_AT_ONCE = 32
_LEAST = 1e-6
_SIDE, _SPEED = 128.0, 5.0  # px and px per step, to bring features to the order of one


def impulses(seen: Seen) -> tuple[Floats, Floats, Floats, Floats]:
    r"""Compare changes of the motion with what the force would do to a mass of one.

    For the leapfrog of the simulation, :math:`x_{k+1} - 2x_k + x_{k-1}` is exactly
    :math:`\frac{1}{m}\sum_j (10 - |j|) F_{10k+j}`, and :math:`x_1 - x_0` the half of such a sum.
    The unseen positions in between are those of a cubic spline in time that starts from rest; the
    force is that of the reconstructed potential.

    Returns
    -------
    change, impulse
        Both sides of the equation times m, shape ``(n, 14, 2)``.
    gained
        Potential energy lost since the start, shape ``(n, 14)``.
    velocity
        Of the spline, in pixels per step, shape ``(n, 14, 2)``.
    """
    n_steps = (N_SEEN - 1) * EVERY
    change, impulse = (np.empty((len(seen.mass), N_SEEN - 1, 2)) for _ in range(2))
    gained, velocity = np.empty(change.shape[:2]), np.empty_like(change)
    first = EVERY - np.arange(EVERY)
    triangle = EVERY - np.abs(np.arange(1 - EVERY, EVERY))
    windows = EVERY * np.arange(1, N_SEEN - 1)[:, None] + np.arange(1 - EVERY, EVERY)
    for start in range(0, len(seen.mass), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        at = np.moveaxis(seen.positions[part], 2, 1)
        at_rest: tuple[Literal[1], Floats] = (1, np.zeros_like(at[:, 0]))
        spline = CubicSpline(np.arange(N_SEEN) * EVERY, at, axis=1, bc_type=(at_rest, "not-a-knot"))
        path = spline(np.arange(n_steps + 1))
        fields = refine(seen.field[part])
        for i, field in enumerate(fields):
            potential = Potential(field)
            force = potential.force(path[i])
            impulse[start + i, 0] = first @ force[:EVERY]
            impulse[start + i, 1:] = np.einsum("j,kjd->kd", triangle, force[windows])
            energy = potential.energy(at[i])
            gained[start + i] = energy[0] - energy[:-1]
        change[part, 0] = at[:, 1] - at[:, 0]
        change[part, 1:] = at[:, 2:] - 2 * at[:, 1:-1] + at[:, :-2]
        velocity[part] = spline(np.arange(N_SEEN - 1) * EVERY, 1)
    return change, impulse, gained, velocity


def mass_by_regression(change: Floats, impulse: Floats) -> Floats:
    """Mass from the least-squares line of impulses over changes, all frames weighing alike."""
    return np.asarray((impulse * change).sum(axis=(1, 2)) / (change**2).sum(axis=(1, 2)))


def tokens(seen: Seen) -> Floats32:
    """Eight numbers for each pair of neighbouring frames, shape ``(n, 14, 8)``.

    Logarithms of change, impulse and of the mass that each implies alone, the cosine between the
    two, the mass that the energies imply, speed, distance to the walls, energy gained.
    """
    change, impulse, gained, velocity = impulses(seen)
    moved, pushed = (np.maximum(np.linalg.norm(a, axis=2), _LEAST) for a in (change, impulse))
    speed = np.linalg.norm(velocity, axis=2)
    kinetic = np.maximum(speed**2 / 2, _LEAST)
    at = np.moveaxis(seen.positions, 2, 1)[:, :-1]
    to_wall = np.minimum(at, 2 * _SIDE - 1 - at).min(axis=2)
    columns = (
        np.log(pushed / moved),
        (change * impulse).sum(axis=2) / (moved * pushed),
        np.log(moved),
        np.log(pushed),
        np.clip(np.log(np.maximum(gained, _LEAST) / kinetic), -6, 6),
        speed / _SPEED,
        to_wall / _SIDE,
        gained,
    )
    return np.stack(columns, axis=2).astype(np.float32)
