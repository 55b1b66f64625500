"""What the network sees of a track: normalised displacements and a few physical summaries.

Everything is invariant to the track's place and to the scale of each axis. Channels are split by
what a mirrored axis does to them: *odd* channels change sign, *even* ones do not; the network
combines them so that its answer changes for neither a mirrored nor a swapped axis.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["LAGS", "N_EVEN", "N_ODD", "N_SUMMARY", "Features", "features", "fill_gaps"]

LAGS = (1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 128, 256)
"""Lags, in frames, of the moments in the summary."""

N_ODD = 3
N_EVEN = 4
N_SUMMARY = 4 * len(LAGS) + 1
_TINY = 1e-12


class Features(NamedTuple):
    """Input of the network for a batch of tracks of equal length.

    Attributes
    ----------
    odd
        Normalised displacement and the path in units of its range and of ``sqrt(n)``;
        shape ``(n_tracks, dim, N_ODD, n_steps)``.
    even
        Log-size of the displacement, running share of the squared displacement beyond an even
        one, whether the step was seen, time; shape ``(n_tracks, dim, N_EVEN, n_steps)``.
    joint
        Log-size of the displacement over all axes, shape ``(n_tracks, 1, n_steps)``.
    summary
        Logarithms of the second, first and fourth moments of displacements at :data:`LAGS`,
        zero where a lag is too long for the track, with a mask of which are there and the
        log-length; shape ``(n_tracks, dim, N_SUMMARY)``.
    """

    odd: Tensor
    even: Tensor
    joint: Tensor
    summary: Tensor


def features(positions: Tensor, seen: Tensor | None = None) -> Features:
    """Compute the network's input.

    Parameters
    ----------
    positions
        Localizations at consecutive frames, shape ``(n_tracks, dim, n_points)``, any unit; frames
        without a localization are filled as :func:`fill_gaps` does.
    seen
        Which frames hold a localization, shape ``(n_tracks, n_points)``; all of them if None.
    """
    n, dim, n_points = positions.shape
    n_steps = n_points - 1
    steps = positions.diff(dim=2)
    deviation = steps.square().mean(2, keepdim=True).sqrt()
    steps = steps / torch.where(deviation > _TINY, deviation, 1.0)
    path = steps.cumsum(2)
    path = path - path.mean(2, keepdim=True)
    spread = (path.amax(2, keepdim=True) - path.amin(2, keepdim=True)).clamp_min(_TINY)
    odd = torch.stack((steps, path / spread, path / n_steps**0.5), dim=2)

    squared = steps.square()
    share = squared.cumsum(2) / squared.sum(2, keepdim=True).clamp_min(_TINY)
    time = torch.linspace(0, 1, n_steps, device=positions.device)
    if seen is None:
        whole = torch.ones(n, 1, n_steps, device=positions.device)
    else:
        whole = (seen[:, 1:] & seen[:, :-1]).float()[:, None]
    even = torch.stack(
        (
            (squared + 1e-6).log() / 4,
            2 * (share - time),
            whole.expand(-1, dim, -1),
            time.expand(n, dim, -1),
        ),
        dim=2,
    )
    joint = (squared.mean(1, keepdim=True) + 1e-6).log() / 4
    return Features(odd, even, joint, _summary(path, n_steps))


def fill_gaps(positions: Tensor, seen: Tensor) -> Tensor:
    """Fill frames that hold no localization by a straight line between their neighbours.

    Parameters
    ----------
    positions
        Shape ``(n_tracks, dim, n_points)``; values at unseen frames are ignored.
    seen
        Shape ``(n_tracks, n_points)``; the first and last frame of a track are always seen.
    """
    n_points = positions.shape[2]
    frame = torch.arange(n_points, device=positions.device).expand_as(seen)
    before = torch.where(seen, frame, 0).cummax(1).values
    after = torch.where(seen, frame, n_points - 1).flip(1).cummin(1).values.flip(1)
    weight = (frame - before) / (after - before).clamp_min(1)
    index = before[:, None].expand_as(positions), after[:, None].expand_as(positions)
    start, end = positions.gather(2, index[0]), positions.gather(2, index[1])
    return start + (end - start) * weight[:, None].to(positions.dtype)


def _summary(path: Tensor, n_steps: int) -> Tensor:
    n, dim, _ = path.shape
    moments = path.new_zeros(n, dim, 4, len(LAGS))
    for i, lag in enumerate(LAGS):
        if lag > max(1, n_steps // 2):
            break
        step = path[..., lag:] - path[..., :-lag]
        size = step.abs()
        second = step.square()
        m2 = second.mean(2).clamp_min(_TINY)
        m1 = size.mean(2).clamp_min(_TINY)
        m4 = second.square().mean(2).clamp_min(_TINY**2)
        moments[:, :, 0, i] = m2.log() / 4
        moments[:, :, 1, i] = m1.log() - m2.log() / 2
        moments[:, :, 2, i] = (m4.log() - 2 * m2.log()) / 4
        moments[:, :, 3, i] = 1.0
    length = path.new_full((n, dim, 1), n_steps).log() / 4
    return torch.cat((moments.flatten(2), length), 2)
