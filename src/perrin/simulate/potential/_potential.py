"""A potential energy that is known as an image, and motion in it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import spline_filter1d

from perrin.errors import InputError
from perrin.simulate.potential import _kernels

__all__ = ["Paths", "Potential", "simulate_brownian", "simulate_newton"]

Floats = npt.NDArray[np.float64]

_SMALLEST = 4


class Potential:
    """Potential energy between the pixels of an image: the cubic spline through their values.

    Parameters
    ----------
    values
        Energy at the centre of every pixel, shape ``(n_y, n_x)``; or ``(n_fields, n_y, n_x)``, one
        field for each particle. The unit is free; forces are energies per pixel.

    Raises
    ------
    InputError
        If the image is not 2D, too small, has missing values or is the same everywhere.
    """

    def __init__(self, values: npt.ArrayLike) -> None:
        image = np.asarray(values)
        if image.ndim not in (2, 3) or min(image.shape[-2:]) < _SMALLEST:
            raise InputError(
                f"The potential has the shape {image.shape}; give an image of at least "
                f"{_SMALLEST} by {_SMALLEST} pixels, with no time and no depth."
            )
        fields = np.asarray(image, dtype=np.float64).reshape(-1, *image.shape[-2:])
        if not np.isfinite(fields).all():
            raise InputError(
                "The potential has pixels without a finite value; fill them in, or crop the image."
            )
        if np.ptp(fields) == 0:
            raise InputError("The potential is the same everywhere, and so without force.")
        self.shape: tuple[int, int] = (fields.shape[1], fields.shape[2])
        """Pixels along y and x."""
        for axis in (1, 2):
            fields = spline_filter1d(fields, axis=axis, mode="mirror")
        self.coefficients: Floats = np.pad(fields, ((0, 0), (1, 2), (1, 2)), mode="reflect")
        """Coefficients of the splines, with margins; see :mod:`._kernels`."""

    def energy(self, places: npt.ArrayLike) -> Floats:
        """Energy at places in pixels, shape ``(..., 2)`` (y, x); returns shape ``(...)``.

        Of several fields each has one place: the shape is ``(n_fields, 2)``, or ``(2,)`` for all.
        """
        return self._at(places)[..., 0]

    def force(self, places: npt.ArrayLike) -> Floats:
        """Force, minus the gradient of the energy, per pixel; shape ``(..., 2)`` as the places."""
        return -self._at(places)[..., 1:]

    def contains(self, places: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether places, shape ``(..., 2)``, lie between the centres of the outermost pixels."""
        at, last = np.asarray(places), np.array(self.shape) - 1
        return np.asarray(((at >= 0) & (at <= last)).all(axis=-1))

    def _at(self, places: npt.ArrayLike) -> Floats:
        at = np.asarray(places, dtype=np.float64)
        if len(self.coefficients) > 1:
            at = np.broadcast_to(at, (len(self.coefficients), 2))
        out = np.empty((at.size // 2, 3))
        _kernels.energies(self.coefficients, np.ascontiguousarray(at.reshape(-1, 2)), out)
        return out.reshape(*at.shape[:-1], 3)


class Paths(NamedTuple):
    """Simulated motion; NaN from where a particle has left the image.

    Attributes
    ----------
    positions
        y and x in pixels, shape ``(n, 2, n_frames)``.
    velocities
        Pixels per frame, same shape.
    """

    positions: Floats
    velocities: Floats


def simulate_newton(
    potential: Potential,
    mass: npt.ArrayLike,
    start: npt.ArrayLike,
    velocity: npt.ArrayLike = (0.0, 0.0),
    *,
    n_frames: int,
    steps_per_frame: int = 1,
) -> Paths:
    """Let particles roll without friction, by velocity Verlet.

    Velocity Verlet is of second order, and as a symplectic scheme it keeps the energy without
    drift (Verlet 1967, Physical Review 159, 98; Swope et al. 1982, J. Chem. Phys. 76, 637).

    Parameters
    ----------
    potential
        One field for all particles, or one for each.
    mass
        In energy frame²/px², shape ``(n,)``.
    start, velocity
        First place in pixels and velocity in pixels per frame, each ``(2,)`` or ``(n, 2)``.
    n_frames
        Frames to return, the first included.
    steps_per_frame
        Steps of the integrator from one frame to the next.
    """
    masses = np.atleast_1d(np.asarray(mass, dtype=np.float64))
    positions, velocities = (np.empty((len(masses), 2, n_frames)) for _ in range(2))
    positions[:, :, 0], velocities[:, :, 0] = start, velocity
    _kernels.newton_paths(
        potential.coefficients,
        masses,
        1 / steps_per_frame,
        steps_per_frame,
        positions,
        velocities,
    )
    return Paths(positions, velocities)


def simulate_brownian(
    potential: Potential,
    mobility: npt.ArrayLike,
    diffusivity: npt.ArrayLike,
    start: npt.ArrayLike,
    rng: np.random.Generator,
    *,
    n_frames: int,
    steps_per_frame: int = 10,
) -> Floats:
    """Let particles drift and diffuse without inertia: overdamped Langevin motion.

    A step is ``mobility * force * dt`` plus Gaussian noise of variance ``2 * diffusivity * dt``
    per axis, by Heun's scheme (weak order 2 for noise that does not depend on the place).

    Parameters
    ----------
    mobility
        Velocity per force, in px²/(frame energy), shape ``(n,)``.
    diffusivity
        In px²/frame, shape ``(n,)``. In equilibrium at temperature T it is mobility times kT.
    potential, start, n_frames, steps_per_frame
        As for :func:`simulate_newton`.
    rng
        Source of the noise.

    Returns
    -------
    numpy.ndarray
        Positions, shape ``(n, 2, n_frames)``, NaN from where a particle has left the image.
    """
    drift, spread = np.broadcast_arrays(
        np.atleast_1d(np.asarray(mobility, dtype=np.float64)),
        np.asarray(diffusivity, dtype=np.float64),
    )
    positions = np.empty((len(drift), 2, n_frames))
    positions[:, :, 0] = start
    _kernels.brownian_paths(
        potential.coefficients,
        np.ascontiguousarray(drift),
        np.ascontiguousarray(spread),
        1 / steps_per_frame,
        steps_per_frame,
        rng,
        positions,
    )
    return positions
