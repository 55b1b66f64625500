"""The task of Schirmer, Laundal and Ingebrigtsen (2020): a hidden mass in a trap, seen coarsely.

Perlin noise on 256 x 256 pixels, its largest absolute value 1, with steep walls around it, is the
potential. A particle of a mass drawn uniformly from 0.1 to 1 is let go in the middle. Of 150 steps
every tenth is seen, the first included. The observer is given the potential averaged over blocks
of 8 x 8 pixels, and each seen position as an image of 32 x 32 in which the four pixels around it
share a weight of 1 bilinearly ("four-warm").
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import spline_filter1d

from perrin.errors import Progress
from perrin.simulate.potential import Potential, perlin_noise, simulate_newton

__all__ = [
    "COARSE",
    "EVERY",
    "MASSES",
    "N_SEEN",
    "START",
    "Seen",
    "from_four_warm",
    "refine",
    "release",
    "simulate_seen",
    "to_four_warm",
]

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]

SIZE, COARSE = 256, 32
MASSES = (0.1, 1.0)
N_SEEN, EVERY = 15, 10
START = (SIZE // 2, SIZE // 2)
"""Pixel in which the particle is let go."""

_BLOCK = SIZE // COARSE
_FLATNESS, _HEIGHT = 25.0, 1.1
_PER_WARM_PIXEL = (SIZE - 1) / (COARSE - 1)
_CORRECTIONS = 5
_AT_ONCE = 64


class Seen(NamedTuple):
    """What is seen of some particles, and the truth.

    Attributes
    ----------
    field
        Potential averaged over blocks, shape ``(n, 32, 32)``.
    positions
        y and x in pixels, shape ``(n, 2, 15)``: what four-warm images say, and no more.
    mass
        Shape ``(n,)``.
    """

    field: Floats32
    positions: Floats
    mass: Floats

    def part(self, which: slice | npt.NDArray[np.int64]) -> Seen:
        """Return some of the particles."""
        return Seen(self.field[which], self.positions[which], self.mass[which])


def simulate_seen(n: int, seed: int, *, progress: Progress | None = None) -> Seen:
    """Simulate ``n`` particles, each in a potential of its own.

    Their integrator, ``v += F / m`` and then ``x += v`` from rest, is velocity Verlet with a first
    velocity of half a kick. A particle that leaves the image is replaced together with its
    potential, as theirs are.
    """
    rng = np.random.default_rng(seed)
    fields, paths, masses = [], [], []
    done = 0
    while done < n:
        if progress is not None:
            progress("simulating", done, n)
        wanted = min(n - done, _AT_ONCE)
        potential = _trap(perlin_noise(wanted, SIZE, rng))
        mass = rng.uniform(*MASSES, wanted)
        path = release(Potential(potential), mass)
        stays = np.isfinite(path).all(axis=(1, 2))
        blocks = potential[stays].reshape(-1, COARSE, _BLOCK, COARSE, _BLOCK)
        fields.append(blocks.mean(axis=(2, 4)).astype(np.float32))
        paths.append(path[stays])
        masses.append(mass[stays])
        done += int(stays.sum())
    return Seen(np.concatenate(fields), np.concatenate(paths), np.concatenate(masses))


def release(potential: Potential, mass: Floats) -> Floats:
    """Let particles go from the middle; returns the seen positions, shape ``(n, 2, 15)``."""
    kick = 0.5 * potential.force(START) / mass[:, None]
    last = (N_SEEN - 1) * EVERY + 1
    return simulate_newton(potential, mass, START, kick, n_frames=last).positions[:, :, ::EVERY]


def refine(field: npt.NDArray[np.floating]) -> Floats:
    """Reconstruct the potential on 256 x 256 pixels from its averages over blocks.

    The shape of the walls is known, what is inside is smooth: the cubic spline with the given
    averages (its coefficients are those of the quartic B-spline through them), corrected a few
    times for the walls' share.

    Parameters
    ----------
    field
        Shape ``(n, 32, 32)``.

    Returns
    -------
    numpy.ndarray
        Shape ``(n, 256, 256)``.
    """
    wall = _wall()
    share = _averaged(1 - wall)
    inside = (field - _HEIGHT * _averaged(wall)) / share
    finer = _finer()
    for _ in range(_CORRECTIONS):
        potential = _walled(finer @ inside @ finer.T, wall)
        inside = inside + (field - _averaged(potential)) / share
    return _walled(finer @ inside @ finer.T, wall)


def to_four_warm(positions: Floats) -> Floats32:
    """Encode positions, shape ``(n, 2, n_seen)``, as images, shape ``(n, n_seen, 32, 32)``."""
    at = np.swapaxes(positions, 1, 2)[..., None] / _PER_WARM_PIXEL
    weight = np.maximum(1 - np.abs(at - np.arange(COARSE)), 0.0)
    product = np.einsum("nty,ntx->ntyx", weight[:, :, 0], weight[:, :, 1])
    return np.asarray(product, dtype=np.float32)


def from_four_warm(images: Floats32) -> Floats:
    """Decode what :func:`to_four_warm` encoded: the centre of mass of each image."""
    place = np.arange(COARSE) * _PER_WARM_PIXEL
    y, x = images.sum(axis=3) @ place, images.sum(axis=2) @ place
    return np.stack((y, x), axis=1)


def _wall() -> Floats:
    edge = np.abs(np.linspace(-_FLATNESS, _FLATNESS, SIZE))
    rise = np.exp(edge - _FLATNESS)
    return np.maximum(rise[:, None], rise)


def _walled(inside: Floats, wall: Floats) -> Floats:
    return (1 - wall) * inside + _HEIGHT * wall


def _trap(noise: Floats) -> Floats:
    return _walled(noise / np.abs(noise).max(axis=(1, 2), keepdims=True), _wall())


def _averaged(potential: Floats) -> Floats:
    shape = (*potential.shape[:-2], COARSE, _BLOCK, COARSE, _BLOCK)
    return np.asarray(potential.reshape(shape).mean(axis=(-3, -1)))


def _finer() -> Floats:
    """Matrix from averages of blocks to values at pixels, along one axis."""
    identity = np.eye(COARSE)
    coefficients = spline_filter1d(identity, order=4, axis=0, mode="mirror")
    padded = np.pad(coefficients, ((3, 3), (0, 0)), mode="reflect")
    place = (np.arange(SIZE) - (_BLOCK - 1) / 2) / _BLOCK + 3
    return _cubic(place[:, None] - np.arange(COARSE + 6)) @ padded


def _cubic(x: Floats) -> Floats:
    """Cubic B-spline."""
    a = np.abs(x)
    near, far = 2 / 3 - a**2 + a**3 / 2, np.maximum(2 - a, 0.0) ** 3 / 6
    return np.where(a < 1, near, far)
