"""Perlin noise on a regular grid, many fields at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["perlin_noise"]

Floats = npt.NDArray[np.float64]

# The twelve edges of a cube, four of them twice, as Perlin (2002) draws them, seen from above.
_GRADIENTS = np.array(
    [(1, 1), (-1, 1), (1, -1), (-1, -1)]
    + 3 * [(1, 0), (-1, 0)]
    + 3 * [(0, 1), (0, -1)],
    dtype=np.float64,
)  # fmt: skip


def perlin_noise(
    n_fields: int,
    size: int,
    rng: np.random.Generator,
    *,
    octaves: int = 4,
    persistence: float = 0.5,
    cells: int = 1,
) -> Floats:
    """Draw square fields of fractal Perlin noise.

    Each octave is gradient noise (Perlin 2002, Improving noise, ACM Transactions on Graphics 21,
    681): random gradients on the nodes of a lattice, blended by 6t⁵ - 15t⁴ + 10t³. The next octave
    has a lattice twice as fine and an amplitude ``persistence`` times as large.

    Parameters
    ----------
    n_fields, size
        How many fields, of how many points along an edge.
    rng
        Where the gradients and the place of the lattice come from.
    octaves, persistence
        See above.
    cells
        Cells of the coarsest lattice along an edge of the field.

    Returns
    -------
    numpy.ndarray
        Shape ``(n_fields, size, size)``; every value is between ``-2`` and ``2``.

    Notes
    -----
    On a grid, the weight of a lattice node is the product of one number for the row and one for the
    column. An octave is therefore two products of matrices, with nothing looked up point by point.
    """
    origin = rng.random((n_fields, 2, 1))
    at = origin + np.arange(size) * (cells / size)
    field = np.zeros((n_fields, size, size))
    for octave in range(octaves):
        places = at * 2**octave
        first = np.floor(places[:, :, :1])
        n_nodes = cells * 2**octave + 2
        distance = (places - first)[..., None] - np.arange(n_nodes)
        weight = _fade(np.maximum(1 - np.abs(distance), 0.0))
        drawn = _GRADIENTS[rng.integers(len(_GRADIENTS), size=(n_fields, n_nodes, n_nodes))]
        (rows, columns), (down, across) = _axes(weight), _axes(weight * distance)
        uphill = down @ drawn[..., 0] @ columns.swapaxes(1, 2)
        uphill += rows @ drawn[..., 1] @ across.swapaxes(1, 2)
        field += persistence**octave * uphill
    return field


def _axes(both: Floats) -> tuple[Floats, Floats]:
    return both[:, 0], both[:, 1]


def _fade(t: Floats) -> Floats:
    return t * t * t * (t * (t * 6 - 15) + 10)
