"""Spoilt tracks: what the detector of tracks unlike the training learns to tell from good ones.

Showing a detector outliers of many kinds makes it find others, too (Hendrycks, Mazeika and
Dietterich, ICLR 2019). Each way of spoiling works on any simulated track, whatever its model, and
has a strength that is drawn anew for every track, from hardly visible to gross. Lengths are in
units of a track's root-mean-square step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["WAYS", "Way", "spoil"]

Way = Callable[[Tensor, Tensor, torch.Generator], Tensor]
"""Spoils tracks, shape ``(n_tracks, dim, n_points)``, given as many others and randomness."""

_TINY = 1e-9


def spoil(positions: Tensor, generator: torch.Generator, ways: Sequence[Way] = ()) -> Tensor:
    """Spoil each track in one of several ways, drawn at random.

    Parameters
    ----------
    positions
        Shape ``(n_tracks, dim, n_points)``, at least two tracks of at least four points.
    generator
        Source of randomness, on the tracks' device.
    ways
        Some of :data:`WAYS`; all of them if not given.

    Returns
    -------
    Tensor
        Of the same shape.
    """
    ways = ways or tuple(WAYS.values())
    choice = torch.randint(
        len(ways), (len(positions),), generator=generator, device=positions.device
    )
    others = positions.roll(1, 0)
    spoilt = torch.empty_like(positions)
    for i, way in enumerate(ways):
        rows = torch.nonzero(choice == i).flatten()
        if len(rows):
            spoilt[rows] = way(positions[rows], others[rows], generator)
    return spoilt


def _spliced(tracks: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """Go over from one track to another, nearby."""
    unit = _step(tracks)
    later = _after_event(tracks, generator)
    other = others.diff(dim=2) / _step(others) * unit * _size(tracks, 0.2, 5, generator)
    steps = torch.where(later[..., 1:], other, tracks.diff(dim=2))
    return _path(steps) + unit * _offset(tracks, 0.3, 10, generator) * later


def _displaced(tracks: Tensor, _: Tensor, generator: torch.Generator) -> Tensor:
    """Displace the particle once."""
    offset = _step(tracks) * _offset(tracks, 2, 50, generator)
    return tracks + offset * _after_event(tracks, generator)


def _carried(tracks: Tensor, _: Tensor, generator: torch.Generator) -> Tensor:
    """Add a constant velocity."""
    time = torch.arange(tracks.shape[2], device=tracks.device)
    return tracks + _step(tracks) * _offset(tracks, 0.1, 3, generator) * time


def _boxed(tracks: Tensor, _: Tensor, generator: torch.Generator) -> Tensor:
    """Fold the path at the walls of a box, then add noise."""
    extent = tracks.amax(2, keepdim=True) - tracks.amin(2, keepdim=True)
    size = (extent * _size(tracks, 0.1, 0.8, generator)).clamp_min(_TINY)
    corner = size * torch.rand(
        tracks[..., :1].shape, generator=generator, device=tracks.device
    ) - tracks.mean(2, keepdim=True)
    folded = ((tracks + corner).remainder(2 * size) - size).abs()
    return _noisier(folded, _step(tracks), generator)


def _tethered(tracks: Tensor, _: Tensor, generator: torch.Generator) -> Tensor:
    """Pull the particle back to one place, then add noise."""
    n_points = tracks.shape[2]
    time = _size(tracks, 2, max(4, n_points / 4), generator)
    kept = 1 - 1 / time
    unit = _step(tracks)
    start = unit * _normal(tracks[..., :1], generator) / (1 - kept.square()).sqrt()
    pulled = torch.cat((start, tracks.diff(dim=2)), 2)
    lag = 1
    while lag < n_points:
        # Doubling the lag solves x[t] = kept * x[t - 1] + step[t] in few passes.
        pulled = pulled + kept**lag * functional.pad(pulled, (lag, 0))[..., :n_points]
        lag *= 2
    return _noisier(pulled, unit, generator)


def _shuffled(tracks: Tensor, _: Tensor, generator: torch.Generator) -> Tensor:
    """Put blocks of steps in another order."""
    steps = tracks.diff(dim=2)
    n, dim, n_steps = steps.shape
    length = int(torch.randint(1, max(2, n_steps // 4), (), generator=generator,
                               device=generator.device))  # fmt: skip
    n_blocks = n_steps // length
    whole, rest = steps[..., : n_blocks * length], steps[..., n_blocks * length :]
    order = torch.rand(n, n_blocks, generator=generator, device=tracks.device).argsort(1)
    blocks = whole.reshape(n, dim, n_blocks, length)
    mixed = blocks.gather(2, order[:, None, :, None].expand_as(blocks)).flatten(2)
    return _path(torch.cat((mixed, rest), 2))


def _turned(tracks: Tensor, _: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror stretches of the motion, along each axis by itself."""
    steps = tracks.diff(dim=2)
    rate = _size(tracks, 1.5 / tracks.shape[2], 0.5, generator)
    turns = torch.rand(steps.shape, generator=generator, device=tracks.device) < rate
    return _path(steps * (1 - 2 * turns.cumsum(2).remainder(2)))


def _added(tracks: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """Let the particle move on something that moves itself."""
    ratio = _size(tracks, 0.2, 5, generator)
    return tracks / _step(tracks) + others / _step(others) * ratio


def _shaken(tracks: Tensor, _: Tensor, generator: torch.Generator) -> Tensor:
    """Add a vibration."""
    n_points = tracks.shape[2]
    time = torch.arange(n_points, device=tracks.device)
    turns = time / _size(tracks, 2.5, max(6, n_points), generator)
    start = torch.rand(len(tracks), 1, 1, generator=generator, device=tracks.device)
    wave = torch.sin(2 * torch.pi * (turns + start))
    return tracks + _step(tracks) * _offset(tracks, 0.3, 10, generator) * wave


def _misplaced(tracks: Tensor, _: Tensor, generator: torch.Generator) -> Tensor:
    """Localize some frames far off."""
    rate = _size(tracks, 1 / tracks.shape[2], 0.1, generator)
    hit = torch.rand(tracks[:, :1].shape, generator=generator, device=tracks.device) < rate
    error = _step(tracks) * _size(tracks, 2, 20, generator) * _normal(tracks, generator)
    return tracks + hit * error


def _blinded(tracks: Tensor, _: Tensor, generator: torch.Generator) -> Tensor:
    """Localize worse from some frame on."""
    error = _step(tracks) * _size(tracks, 0.3, 5, generator) * _normal(tracks, generator)
    return tracks + _after_event(tracks, generator) * error


WAYS: dict[str, Way] = {
    "spliced": _spliced,
    "displaced": _displaced,
    "carried": _carried,
    "boxed": _boxed,
    "tethered": _tethered,
    "shuffled": _shuffled,
    "turned": _turned,
    "added": _added,
    "shaken": _shaken,
    "misplaced": _misplaced,
    "blinded": _blinded,
}
"""All ways of spoiling tracks."""


def _step(tracks: Tensor) -> Tensor:
    """Root-mean-square step of each track, shape ``(n_tracks, 1, 1)``."""
    return tracks.diff(dim=2).square().mean((1, 2), keepdim=True).sqrt().clamp_min(_TINY)


def _path(steps: Tensor) -> Tensor:
    return functional.pad(steps, (1, 0)).cumsum(2)


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, device=like.device)


def _size(tracks: Tensor, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Log-uniform numbers, one per track, shape ``(n_tracks, 1, 1)``."""
    share = torch.rand(len(tracks), 1, 1, generator=generator, device=tracks.device)
    return low * (high / low) ** share


def _offset(tracks: Tensor, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Vectors in random directions and of log-uniform size, shape ``(n_tracks, dim, 1)``.

    The size is that along an axis, root mean square over axes, as is the step's.
    """
    direction = functional.normalize(_normal(tracks[..., :1], generator), dim=1)
    return direction * math.sqrt(tracks.shape[1]) * _size(tracks, low, high, generator)


def _after_event(tracks: Tensor, generator: torch.Generator) -> Tensor:
    """Which frames come after an event at any time, shape ``(n_tracks, 1, n_points)``."""
    n, _, n_points = tracks.shape
    size = (n, 1, 1)
    event = torch.randint(1, n_points, size, generator=generator, device=tracks.device)
    return torch.arange(n_points, device=tracks.device) >= event


def _noisier(tracks: Tensor, unit: Tensor, generator: torch.Generator) -> Tensor:
    return tracks + unit * _size(tracks, 0.02, 0.7, generator) * _normal(tracks, generator)
