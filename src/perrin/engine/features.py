"""What the network sees of a track: normalised displacements and a few physical summaries.

Everything is invariant to the track's place and to the scale of each axis. Channels are split by
what a mirrored axis does to them: *odd* channels change sign, *even* ones do not; the network
combines them so that its answer changes for neither a mirrored nor a swapped axis.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["LAGS", "N_EVEN", "N_ODD", "N_SUMMARY", "WINDOWS", "Features", "features", "fill_gaps"]

LAGS = (1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 128, 256)
"""Lags, in frames, of the moments in the summary."""

WINDOWS = ((1, 8), (1, 32), (4, 32), (16, 64))
"""Lag and length, in frames, of the windows over which the local mobility is averaged."""

N_ODD = 3
N_EVEN = 4 + len(WINDOWS)
N_SUMMARY = 4 * len(LAGS) + 2
_TINY = 1e-12


class Features(NamedTuple):
    """Input of the network for a batch of tracks.

    Attributes
    ----------
    odd
        Normalised displacement and the path in units of its range and of ``sqrt(n)``;
        shape ``(n_tracks, dim, N_ODD, n_steps)``.
    even
        Log-size of the displacement, running share of the squared displacement beyond an even
        one, whether the step was seen, time, and for each of :data:`WINDOWS` the log-mean of the
        squared displacements around a frame; shape ``(n_tracks, dim, N_EVEN, n_steps)``.
    joint
        Log-size of the displacement over all axes, shape ``(n_tracks, 1, n_steps)``.
    summary
        Logarithms of the second, first and fourth moments of displacements at :data:`LAGS`,
        zero where a lag is too long for the track, with a mask of which are there, the
        log-length and the exposure; shape ``(n_tracks, dim, N_SUMMARY)``.
    mean_square
        Mean squared displacement from frame to frame, the unit of everything above, shape
        ``(n_tracks, dim)``.
    there
        Which steps belong to the track, shape ``(n_tracks, 1, n_steps)``; None if all do.
    """

    odd: Tensor
    even: Tensor
    joint: Tensor
    summary: Tensor
    mean_square: Tensor
    there: Tensor | None


def features(
    positions: Tensor,
    seen: Tensor | None = None,
    lengths: Tensor | None = None,
    exposure: Tensor | float = 0.0,
) -> Features:
    """Compute the network's input.

    Parameters
    ----------
    positions
        Localizations at consecutive frames, shape ``(n_tracks, dim, n_points)``, any unit; frames
        without a localization are filled as :func:`fill_gaps` does.
    seen
        Which frames hold a localization, shape ``(n_tracks, n_points)``; all of them if None.
    lengths
        Points of each track, shape ``(n_tracks,)``; what follows them is ignored. All are
        ``n_points`` long if None.
    exposure
        Share of the frame interval during which the shutter is open, of each track, shape
        ``(n_tracks,)``, or of all.
    """
    n, dim, n_points = positions.shape
    n_steps = n_points - 1
    frame = torch.arange(n_steps, device=positions.device)
    steps = positions.diff(dim=2)
    if lengths is None:
        there = None
        count = positions.new_full((1, 1, 1), n_steps)
    else:
        count = (lengths - 1)[:, None, None].to(positions.dtype)
        there = frame < count
        steps = torch.where(there, steps, 0.0)
    mean_square = steps.square().sum(2, keepdim=True) / count
    steps = steps / torch.where(mean_square > _TINY**2, mean_square, 1.0).sqrt()
    path = steps.cumsum(2)
    path = path - _masked(path, there).sum(2, keepdim=True) / count
    spread = (path.amax(2, keepdim=True) - path.amin(2, keepdim=True)).clamp_min(_TINY)
    path_there = _masked(path, there)
    odd = torch.stack((steps, path_there / spread, path_there / count.sqrt()), dim=2)

    squared = steps.square()
    share = squared.cumsum(2) / squared.sum(2, keepdim=True).clamp_min(_TINY)
    time = frame / (count - 1).clamp_min(1)
    whole = steps.new_ones(n, 1, n_steps)
    if seen is not None:
        whole = (seen[:, 1:] & seen[:, :-1]).to(steps.dtype)[:, None]
    even = torch.stack(
        (
            (squared + 1e-6).log() / 4,
            2 * (share - time),
            whole.expand(-1, dim, -1),
            time.expand(n, dim, -1),
            *(_mobility(path, count, lag, window) for lag, window in WINDOWS),
        ),
        dim=2,
    )
    joint = (squared.mean(1, keepdim=True) + 1e-6).log() / 4
    shutter = torch.as_tensor(exposure, dtype=path.dtype, device=path.device)
    summary = torch.cat(
        (_summary(path, count, there), shutter.expand(n)[:, None, None].expand(n, dim, 1)), 2
    )
    return Features(odd, even, joint, summary, mean_square[..., 0], there)


def fill_gaps(positions: Tensor, seen: Tensor) -> Tensor:
    """Fill frames that hold no localization by a straight line between their neighbours.

    Before the first and after the last localization the nearest one is repeated.

    Parameters
    ----------
    positions
        Shape ``(n_tracks, dim, n_points)``; values at unseen frames are ignored.
    seen
        Shape ``(n_tracks, n_points)``; at least one frame of every track is seen.
    """
    n_points = positions.shape[2]
    frame = torch.arange(n_points, device=positions.device).expand_as(seen)
    before = torch.where(seen, frame, -1).cummax(1).values
    after = torch.where(seen, frame, n_points).flip(1).cummin(1).values.flip(1)
    before, after = (
        torch.where(before >= 0, before, after),
        torch.where(after < n_points, after, before),
    )
    weight = (frame - before) / (after - before).clamp_min(1)
    index = before[:, None].expand_as(positions), after[:, None].expand_as(positions)
    start, end = positions.gather(2, index[0]), positions.gather(2, index[1])
    return start + (end - start) * weight[:, None].to(positions.dtype)


def _masked(x: Tensor, there: Tensor | None) -> Tensor:
    return x if there is None else x * there


def _mobility(path: Tensor, count: Tensor, lag: int, window: int) -> Tensor:
    """Log-mean of the squared displacements within a window around each frame.

    In units of the whole track's, so that noise and mean mobility drop out; the windows are cut
    at the ends of the track, and a track no longer than the lag gets zeros.
    """
    n_steps = path.shape[2]
    if n_steps <= lag:
        return torch.zeros_like(path)
    n_pairs = (count - lag).clamp_min(1).long()
    pair = torch.arange(n_steps - lag, device=path.device)
    squared = (path[..., lag:] - path[..., :-lag]).square() * (pair < n_pairs)
    running = torch.nn.functional.pad(squared.cumsum(2), (1, 0))
    first = torch.arange(n_steps, device=path.device) - (lag + window) // 2
    low = torch.minimum(first.clamp_min(0), n_pairs - 1)
    high = torch.maximum(torch.minimum(first + window, n_pairs), low + 1)
    if low.shape[0] == 1:
        total = running[..., high[0, 0]] - running[..., low[0, 0]]
    else:
        shape = path.shape
        total = running.gather(2, high.expand(shape)) - running.gather(2, low.expand(shape))
    overall = running[..., -1:] / n_pairs
    local = total / (high - low) / overall.clamp_min(_TINY)
    return (local.clamp_min(0) + 1e-3).log() / 2 * (count > lag)


def _summary(path: Tensor, count: Tensor, there: Tensor | None) -> Tensor:
    n, dim, n_steps = path.shape
    moments = path.new_zeros(n, dim, 4, len(LAGS))
    for i, lag in enumerate(LAGS):
        if lag > max(1, n_steps // 2):
            break
        step = path[..., lag:] - path[..., :-lag]
        n_pairs = (count - lag).clamp_min(1)
        if there is not None:
            step = step * there[..., lag:]
        size = step.abs()
        second = step.square()
        m2 = (second.sum(2) / n_pairs[..., 0]).clamp_min(_TINY)
        m1 = (size.sum(2) / n_pairs[..., 0]).clamp_min(_TINY)
        m4 = (second.square().sum(2) / n_pairs[..., 0]).clamp_min(_TINY**2)
        long_enough = (lag <= (count // 2).clamp_min(1))[..., 0].to(path.dtype)
        moments[:, :, 0, i] = m2.log() / 4 * long_enough
        moments[:, :, 1, i] = (m1.log() - m2.log() / 2) * long_enough
        moments[:, :, 2, i] = (m4.log() - 2 * m2.log()) / 4 * long_enough
        moments[:, :, 3, i] = long_enough
    length = (count.log() / 4).expand(n, dim, 1)
    return torch.cat((moments.flatten(2), length), 2)
