"""Compiled kernels: a cubic spline through an image, and particles that move down its slopes.

Coefficients have the shape ``(n_fields, n_y + 3, n_x + 3)``: one row or column of margin before the
image and two behind it, so that four neighbours are always there. Field ``i`` belongs to particle
``i``, or the only field to all. Positions are y and x in pixels.
"""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["brownian_paths", "curvature", "energies", "newton_paths", "slope"]

Floats = npt.NDArray[np.float64]

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def _cell(place: float, n_coefficients: int) -> tuple[int, float]:
    """First of the four coefficients around a place, and how far it is past the second."""
    last = n_coefficients - 4.0
    within = min(max(place, 0.0), last)
    first = min(int(within), n_coefficients - 5)
    return first, within - first


@_compiled
def _weights(t: float) -> tuple[float, float, float, float]:
    s = 1 - t
    return (
        s * s * s / 6,
        (3 * t * t * t - 6 * t * t + 4) / 6,
        (3 * s * s * s - 6 * s * s + 4) / 6,
        t * t * t / 6,
    )


@_compiled
def _slopes(t: float) -> tuple[float, float, float, float]:
    s = 1 - t
    return -s * s / 2, (3 * t * t - 4 * t) / 2, -(3 * s * s - 4 * s) / 2, t * t / 2


@_compiled
def _bends(t: float) -> tuple[float, float, float, float]:
    return 1 - t, 3 * t - 2, 1 - 3 * t, t


@_compiled
def _sum(
    field: Floats,
    row: int,
    column: int,
    down: tuple[float, float, float, float],
    across: tuple[float, float, float, float],
) -> float:
    total = 0.0
    for i in range(4):
        line = 0.0
        for j in range(4):
            line += across[j] * field[row + i, column + j]
        total += down[i] * line
    return total


@_compiled
def slope(field: Floats, y: float, x: float) -> tuple[float, float]:
    """Gradient of the energy along y and x."""
    row, t = _cell(y, field.shape[0])
    column, u = _cell(x, field.shape[1])
    return (
        _sum(field, row, column, _slopes(t), _weights(u)),
        _sum(field, row, column, _weights(t), _slopes(u)),
    )


@_compiled
def curvature(field: Floats, y: float, x: float) -> tuple[float, float, float]:
    """Second derivatives of the energy: yy, yx and xx."""
    row, t = _cell(y, field.shape[0])
    column, u = _cell(x, field.shape[1])
    return (
        _sum(field, row, column, _bends(t), _weights(u)),
        _sum(field, row, column, _slopes(t), _slopes(u)),
        _sum(field, row, column, _weights(t), _bends(u)),
    )


@_compiled
def energies(fields: Floats, places: Floats, out: Floats) -> None:
    """Fill ``out``, shape ``(n, 3)``, with energy and gradient at ``places``, shape ``(n, 2)``."""
    for i in range(places.shape[0]):
        field = fields[i if fields.shape[0] > 1 else 0]
        y, x = places[i]
        row, t = _cell(y, field.shape[0])
        column, u = _cell(x, field.shape[1])
        out[i, 0] = _sum(field, row, column, _weights(t), _weights(u))
        out[i, 1], out[i, 2] = slope(field, y, x)


@_compiled
def _outside(field: Floats, y: float, x: float) -> bool:
    return not (0 <= y <= field.shape[0] - 4 and 0 <= x <= field.shape[1] - 4)


@_compiled
def newton_paths(
    fields: Floats, mass: Floats, dt: float, every: int, positions: Floats, velocities: Floats
) -> None:
    """Follow Newton's law by velocity Verlet, from the first point of each path on.

    ``positions`` and ``velocities``, shape ``(n, 2, n_seen)``, hold every ``every``-th step. What
    comes after a particle has left its image is NaN.
    """
    for i in range(positions.shape[0]):
        field = fields[i if fields.shape[0] > 1 else 0]
        half = 0.5 * dt / mass[i]
        y, x = positions[i, :, 0]
        vy, vx = velocities[i, :, 0]
        gy, gx = slope(field, y, x)
        positions[i, :, 1:] = np.nan
        velocities[i, :, 1:] = np.nan
        for seen in range(1, positions.shape[2]):
            for _ in range(every):
                vy -= half * gy
                vx -= half * gx
                y += dt * vy
                x += dt * vx
                if _outside(field, y, x):
                    break
                gy, gx = slope(field, y, x)
                vy -= half * gy
                vx -= half * gx
            if _outside(field, y, x):
                break
            positions[i, 0, seen], positions[i, 1, seen] = y, x
            velocities[i, 0, seen], velocities[i, 1, seen] = vy, vx


@_compiled
def brownian_paths(
    fields: Floats,
    mobility: Floats,
    diffusivity: Floats,
    dt: float,
    every: int,
    rng: np.random.Generator,
    positions: Floats,
) -> None:
    """Overdamped Langevin motion by Heun's scheme, noise added once per step.

    Arguments as for :func:`newton_paths`.
    """
    for i in range(positions.shape[0]):
        field = fields[i if fields.shape[0] > 1 else 0]
        drift, kick = mobility[i] * dt, math.sqrt(2 * diffusivity[i] * dt)
        y, x = positions[i, :, 0]
        positions[i, :, 1:] = np.nan
        for seen in range(1, positions.shape[2]):
            for _ in range(every):
                gy, gx = slope(field, y, x)
                ny, nx = kick * rng.standard_normal(), kick * rng.standard_normal()
                ly, lx = slope(field, y - drift * gy + ny, x - drift * gx + nx)
                y += ny - 0.5 * drift * (gy + ly)
                x += nx - 0.5 * drift * (gx + lx)
                if _outside(field, y, x):
                    break
            if _outside(field, y, x):
                break
            positions[i, 0, seen], positions[i, 1, seen] = y, x
