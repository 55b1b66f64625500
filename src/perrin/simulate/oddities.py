"""Tracks unlike any of the five diffusion models: what microscopes show and training does not.

All are built on Brownian motion whose root-mean-square displacement from frame to frame is 1 along
each axis (diffusivity 1/2), which is the unit of every length here. Localization noise is added
last. Every function returns positions of shape ``(n_tracks, dim, n_points)``, float32.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from perrin.errors import InputError

__all__ = ["confined", "drifting", "immobile", "jumped", "swapped"]


def confined(
    n_tracks: int,
    n_points: int,
    dim: int,
    *,
    size: float,
    wall: Literal["reflecting", "harmonic"] = "reflecting",
    noise: float = 0.1,
    generator: torch.Generator,
) -> Tensor:
    r"""Brownian motion in a box with reflecting walls, or in a harmonic trap.

    Parameters
    ----------
    n_tracks, n_points, dim
        Shape of the result.
    size
        Edge of the box in steps of the free motion; the trap is as wide as makes the variance of
        the positions that of the box, ``size**2 / 12`` along each axis.
    wall
        ``"reflecting"`` or ``"harmonic"``.
    noise
        Standard deviation of the localization noise along each axis, in steps.
    generator
        Source of randomness, on the device where the tracks are wanted.

    Raises
    ------
    InputError
        If ``size`` is not above 0.

    Notes
    -----
    Exact at the frames: a reflected path is a free one folded at the walls, and a trapped one is
    autoregressive (Ornstein and Uhlenbeck). Particles start in equilibrium. With L the size, the
    MSD along an axis rises to :math:`L^2/6 + 2\sigma^2`; before, it is (Kusumi, Sako, Yamamoto
    1993, Biophys. J. 65, 2021)

    .. math:: \frac{L^2}{6}\Bigl(1 - \frac{96}{\pi^4}\sum_{k\,\mathrm{odd}} k^{-4}
              e^{-k^2\pi^2 t/2L^2}\Bigr) + 2\sigma^2

    in the box and :math:`(1 - e^{-6t/L^2})\,L^2/6 + 2\sigma^2` in the trap.
    """
    if not size > 0:
        raise InputError(f"A particle cannot be confined to a size of {size:g}; give one above 0.")
    shape = (n_tracks, dim, n_points)
    if wall == "reflecting":
        start = size * torch.rand(n_tracks, dim, 1, generator=generator, device=generator.device)
        path = _brownian(n_tracks, n_points, dim, generator) + start
        positions = (path.remainder(2 * size) - size).abs()
    else:
        width = size / math.sqrt(12)
        kept = math.exp(-0.5 / width**2)
        positions = width * _normal(shape, generator)
        positions[..., 1:] *= math.sqrt(1 - kept**2)
        for frame in range(1, n_points):
            positions[..., frame] += kept * positions[..., frame - 1]
    return positions + noise * _normal(shape, generator)


def drifting(
    n_tracks: int,
    n_points: int,
    dim: int,
    *,
    speed: float,
    noise: float = 0.1,
    generator: torch.Generator,
) -> Tensor:
    r"""Brownian motion carried along at a constant velocity in a random direction.

    Parameters
    ----------
    n_tracks, n_points, dim
        Shape of the result.
    speed
        Distance carried per frame, in steps of the diffusion.
    noise
        Standard deviation of the localization noise along each axis, in steps.
    generator
        Source of randomness, on the device where the tracks are wanted.

    Notes
    -----
    With v the speed, the MSD summed over d axes is :math:`d\,t + v^2t^2 + 2d\sigma^2`: ballistic
    beyond :math:`d/v^2` frames.
    """
    velocity = speed * _direction(n_tracks, dim, generator)
    time = torch.arange(n_points, device=generator.device)
    path = _brownian(n_tracks, n_points, dim, generator) + velocity * time
    return path + noise * _normal(path.shape, generator)


def immobile(
    n_tracks: int, n_points: int, dim: int, *, noise: float = 1.0, generator: torch.Generator
) -> Tensor:
    """Particles that do not move, seen with localization noise alone.

    The MSD summed over axes is ``2 * dim * noise**2`` at every lag. A continuous-time random walk
    that happens not to jump, or whose steps drown in noise, looks the same.

    Parameters
    ----------
    n_tracks, n_points, dim
        Shape of the result.
    noise
        Standard deviation of the localization noise along each axis.
    generator
        Source of randomness, on the device where the tracks are wanted.
    """
    return noise * _normal((n_tracks, dim, n_points), generator)


def swapped(
    n_tracks: int,
    n_points: int,
    dim: int,
    *,
    ratio: float,
    distance: float = 2.0,
    noise: float = 0.1,
    generator: torch.Generator,
) -> Tensor:
    """Go over from one Brownian particle to another where they meet.

    Parameters
    ----------
    n_tracks, n_points, dim
        Shape of the result.
    ratio
        Step of the second particle in units of the first one's; with 1 the two move alike.
    distance
        How far the second is from the first when the linker confuses them, in steps of the first.
    noise
        Standard deviation of the localization noise along each axis, in steps of the first.
    generator
        Source of randomness, on the device where the tracks are wanted.

    Notes
    -----
    The frame from which on the track is the second particle's is uniform over the middle half of
    the track.
    """
    after = _after_event(n_tracks, n_points, generator)
    # The step into the frame is the first particle's last; the second starts from where that led.
    second = after & after.roll(1, 2)
    second[..., 0] = False
    steps = _normal((n_tracks, dim, n_points), generator) * torch.where(second, ratio, 1.0)
    steps[..., 0] = 0
    path = steps.cumsum(2) + distance * _direction(n_tracks, dim, generator) * after
    return path + noise * _normal(path.shape, generator)


def jumped(
    n_tracks: int,
    n_points: int,
    dim: int,
    *,
    size: float,
    noise: float = 0.1,
    generator: torch.Generator,
) -> Tensor:
    """Brownian motion that is displaced once, as by a knock against the stage.

    Parameters
    ----------
    n_tracks, n_points, dim
        Shape of the result.
    size
        Length of the jump, in a random direction, in steps.
    noise
        Standard deviation of the localization noise along each axis, in steps.
    generator
        Source of randomness, on the device where the tracks are wanted.

    Notes
    -----
    The first frame after the jump is uniform over the middle half of the track. The mean squared
    displacement into that frame, summed over axes, is ``dim + size**2 + 2 * dim * noise**2``.
    """
    after = _after_event(n_tracks, n_points, generator)
    path = _brownian(n_tracks, n_points, dim, generator)
    path += size * _direction(n_tracks, dim, generator) * after
    return path + noise * _normal(path.shape, generator)


def _brownian(n_tracks: int, n_points: int, dim: int, generator: torch.Generator) -> Tensor:
    steps = _normal((n_tracks, dim, n_points), generator)
    steps[..., 0] = 0
    return steps.cumsum(2)


def _after_event(n_tracks: int, n_points: int, generator: torch.Generator) -> Tensor:
    """Which frames come after an event in the middle half, shape ``(n_tracks, 1, n_points)``."""
    low = max(1, n_points // 4)
    high = max(n_points - n_points // 4, low + 1)
    size = (n_tracks, 1, 1)
    event = torch.randint(low, high, size, generator=generator, device=generator.device)
    return torch.arange(n_points, device=generator.device) >= event


def _direction(n_tracks: int, dim: int, generator: torch.Generator) -> Tensor:
    """Draw unit vectors in random directions, shape ``(n_tracks, dim, 1)``."""
    return torch.nn.functional.normalize(_normal((n_tracks, dim, 1), generator), dim=1)


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device)
