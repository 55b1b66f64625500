"""Which tracks are unlike those the network was trained on.

A network answers for any track, also for one of a kind that it has never seen: confined, carried
along by a flow, passed from one particle to another. What it learnt for its answer need not tell
such a track from the others, so that a detector looks at more: at *clues*, statistics of the track
that each have a known value for each kind of motion, whether the network needs them or not.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from perrin.engine.features import Features, features

__all__ = ["N_CLUES", "Detector", "clues", "learn"]

_LAGS = (1, 2, 3, 4, 6, 8, 12, 16)
_PERSISTENT = (1, 2, 4, 8)
_PARTS = (16, 8, 4, 2)
_WINDOWS = (2, 4, 8)
_AGES = (1, 4)
_SIZES = 3
_TINY = 1e-9
_SMALL = 1e-2

_WIDTH = 256
_N_LAYERS = 3
_FARTHEST = 6.0  # standard deviations, beyond which numbers are cut
_LEAST_SPREAD = 1e-2
_DROPOUT = 0.1
_RATE = 2e-3
_DECAY = 0.01
_BATCH = 256
_KIN = 200  # how many rows away a chimera's other track may be


def clues(x: Features) -> Tensor:
    """Statistics that tell kinds of motion apart.

    Parameters
    ----------
    x
        What the network sees of the tracks.

    Returns
    -------
    Tensor
        Shape ``(n_tracks, N_CLUES)``. First the mean, largest and smallest over axes of those of
        each axis, then those of all axes together.
    """
    track = _Track(x)
    each = torch.cat((x.summary, torch.stack(_of_axis(track), 2)), 2)
    dimension = torch.full_like(each[:, 0, 0], each.shape[1])
    together = torch.stack((*_of_all(track), dimension), 1)
    return torch.cat((each.mean(1), each.amax(1), each.amin(1), together), 1)


class _Track:
    """Steps and path in units of the root-mean-square step; zero beyond a track's end."""

    def __init__(self, x: Features) -> None:
        self.step = x.odd[:, :, 0].float()
        n, _, self.n_steps = self.step.shape
        if x.there is None:
            self.count = self.step.new_full((n, 1, 1), self.n_steps)
        else:
            self.count = x.there.sum(2, keepdim=True).to(self.step.dtype)
        self.frame = torch.arange(self.n_steps, device=self.step.device).expand(n, 1, -1)
        self.there = (self.frame < self.count).to(self.step.dtype)
        self.step = self.step * self.there
        self.path = self.step.cumsum(2) * self.there
        self.n = self.count[..., 0]

    def mean(self, values: Tensor) -> Tensor:
        """Mean over the frames of each track, shape ``(n_tracks, n_axes)``."""
        return (values * self.there).sum(2) / self.n

    def products(self, values: Tensor, lag: int) -> Tensor:
        """Mean product of values ``lag`` frames apart, those beyond the ends being zero."""
        return (values[..., lag:] * values[..., :-lag]).sum(2) / self.n

    def moved(self, lag: Tensor) -> Tensor:
        """Mean squared displacement at a lag of each track's own, ``(n_tracks, 1, 1)``."""
        end = (self.frame + lag).clamp_max(self.n_steps - 1)
        away = self.path.gather(2, end.expand_as(self.path)) - self.path
        pairs = (self.frame + lag < self.count).to(away.dtype)
        return (away.square() * pairs).sum(2) / pairs.sum(2).clamp_min(1)


def _of_axis(track: _Track) -> list[Tensor]:
    """Clues of each axis, each of shape ``(n_tracks, n_axes)``."""
    root = track.n.sqrt()
    found = []
    for lag in _LAGS:
        covariance = track.products(track.step, lag)
        found += [covariance, (covariance * root).asinh()]
    drift = track.mean(track.step)
    found += [drift.square(), (drift.abs() * root).asinh()]
    even = (track.step - drift[..., None]) * track.there
    variance = track.mean(even.square()).clamp_min(_TINY)
    found.append(variance.log() / 4)
    for lag in _PERSISTENT:
        correlation = track.products(even, lag) / variance
        found += [correlation, (correlation * root).asinh()]
    found += [
        track.moved((track.count / part).long().clamp_min(1)).clamp_min(_TINY).log() / 4
        for part in _PARTS
    ]
    centred = (track.path - track.mean(track.path)[..., None]) * track.there
    extent = track.mean(centred.square()).clamp_min(_TINY)
    found += [extent.log() / 4, (1 / (2 * extent)).log1p()]
    # Of Kwiatkowski et al. (1992): small if the positions scatter about one place.
    wandering = track.mean(centred.cumsum(2).square()) / extent / track.n
    found.append(wandering.clamp_min(_TINY).log() / 4)
    widest = centred.amax(2) - centred.amin(2)
    found.append((widest / root).clamp_min(_TINY).log())
    half = (track.count / 2).long()
    for lag in _AGES:
        found.append(_ageing(track, half, lag))
    return found


def _ageing(track: _Track, half: Tensor, lag: int) -> Tensor:
    """Size of the log-ratio of the squared displacements in both halves of a track."""
    if track.n_steps <= lag:
        return torch.zeros_like(track.path[..., 0])
    squared = (track.path[..., lag:] - track.path[..., :-lag]).square()
    first = track.frame[..., lag:] < half
    second = (track.frame[..., :-lag] >= half) & (track.frame[..., lag:] < track.count)
    means = [
        (squared * part).sum(2) / part.sum(2).clamp_min(1) + _SMALL**2 for part in (first, second)
    ]
    return (means[0] / means[1]).log().abs() / 4


def _of_all(track: _Track) -> list[Tensor]:
    """Clues of all axes together, each of shape ``(n_tracks,)``."""
    squared = track.step.square().mean(1, keepdim=True)
    size = squared.sqrt()
    log_size = (squared + _SMALL**2).log() / 2 * track.there
    typical = track.mean(log_size).exp()[:, 0]
    largest, where = size[:, 0].topk(_SIZES, 1)
    largest = largest.clamp_min(_SMALL)
    found = [typical.log(), *((largest / typical[:, None]).log().unbind(1)), largest[:, 0].log()]
    around = functional.pad(size[:, 0], (1, 1))
    beside = torch.maximum(around.gather(1, where[:, :1]), around.gather(1, where[:, :1] + 2))
    found.append(beside[:, 0] / largest[:, 0])
    for lag in _WINDOWS:
        found += _largest(track, lag)
    share = squared.cumsum(2) / squared.sum(2, keepdim=True).clamp_min(_TINY)
    time = (track.frame + 1) / track.count
    ahead = (share - time) * track.there
    found += [ahead.amax(2)[:, 0], -ahead.amin(2)[:, 0], _change(track, share, time)]
    root = track.n[:, 0].sqrt()
    even = (log_size - track.mean(log_size)[..., None]) * track.there
    variance = track.mean(even.square()).clamp_min(_TINY)
    found.append(variance[:, 0].log() / 2)
    for lag in _LAGS:
        correlation = (track.products(even, lag) / variance)[:, 0]
        found += [correlation, (correlation * root).asinh()]
    return found


def _largest(track: _Track, lag: int) -> list[Tensor]:
    """How far the largest displacements over a few frames stand out, and how many there are.

    A particle that is displaced once stays away, so that as many of them are large as the lag has
    frames; a position that is wrong once makes two.
    """
    n, shortest = track.n[:, 0], 3 * lag + 1
    if track.n_steps < shortest:
        return [torch.zeros_like(n)] * 3
    squared = (track.path[..., lag:] - track.path[..., :-lag]).square().mean(1)
    size = (squared + _SMALL**2).sqrt() * track.there[:, 0, lag:]
    typical = size.sum(1) / (n - lag).clamp_min(1)
    first, at_lag, last = (size.topk(2 * lag + 1, 1).values[:, i] for i in (0, lag - 1, 2 * lag))
    floor = typical.clamp_min(_SMALL)
    return [((each + _SMALL) / floor).log() * (n >= shortest) for each in (first, at_lag, last)]


def _change(track: _Track, share: Tensor, time: Tensor) -> Tensor:
    """Gain in likelihood from one change of the steps' variance, at the best time for it.

    Per step, for Gaussian steps; changes in the first or last five per cent do not count.
    """
    inside = (time > 0.05) & (time < 0.95)
    before = (share / time).clamp_min(1e-4).log() * time
    after = ((1 - share) / (1 - time).clamp_min(_TINY)).clamp_min(1e-4).log() * (1 - time)
    gain = (-before - after).masked_fill(~inside, 0.0).amax(2)[:, 0]
    return (gain * track.n[:, 0]).clamp_min(0).log1p()


N_CLUES = clues(features(torch.zeros(1, 1, 16))).shape[1]
"""How many clues a track gives."""


class Detector(nn.Module):
    """Tells tracks like those of the training from others.

    Its weights are buffers: :func:`learn` sets them when the network that it looks at is trained.
    Before, every track gets zero.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, n_embedding: int) -> None:
        super().__init__()
        n = n_embedding + N_CLUES
        self.register_buffer("centre", torch.zeros(n))
        self.register_buffer("spread", torch.ones(n))
        for i, (n_in, n_out) in enumerate(pairwise((n, _WIDTH, _WIDTH, 1))):
            self.register_buffer(f"weight_{i}", torch.zeros(n_out, n_in))
            self.register_buffer(f"bias_{i}", torch.zeros(n_out))

    def forward(self, seen: Tensor) -> Tensor:
        """Say how unlike the training tracks are, a logarithm of odds of shape ``(n_tracks,)``.

        Parameters
        ----------
        seen
            What the network makes of the tracks, and their clues, shape
            ``(n_tracks, n_embedding + N_CLUES)``.
        """
        x = ((seen - self.centre) / self.spread).clamp(-_FARTHEST, _FARTHEST)
        for i in range(_N_LAYERS):
            weight, bias = getattr(self, f"weight_{i}"), getattr(self, f"bias_{i}")
            x = functional.linear(x, weight, bias)
            if i < _N_LAYERS - 1:
                x = functional.dropout(functional.gelu(x), _DROPOUT, self.training)
        return x[:, 0]


def learn(
    detector: Detector, known: Tensor, spoilt: Tensor, *, seed: int, n_epochs: int = 12
) -> None:
    """Teach a detector to tell spoilt tracks and chimeras from known ones.

    A chimera has some of its numbers from one known track and the others from another of similar
    length. To tell it from a track is to know which numbers belong together, whatever may be wrong
    with a track; without them the detector finds little but what it was shown.

    Parameters
    ----------
    detector
        Its weights are replaced.
    known, spoilt
        What the detector sees of tracks like those of the training and of spoilt ones. The rows
        of ``known`` are in order of dimension and length.
    seed
        Seed of the first weights and of the order of the tracks.
    n_epochs
        How often to go through the known tracks.
    """
    detector.centre.copy_(known.mean(0))
    detector.spread.copy_(known.std(0).clamp_min(_LEAST_SPREAD))
    with torch.random.fork_rng(devices=[known.device] if known.is_cuda else []):
        torch.manual_seed(seed)
        weights = _first_weights(detector)
        optimiser = torch.optim.AdamW(weights.values(), lr=_RATE, weight_decay=_DECAY)
        n_batches = max(1, len(known) // _BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, _RATE, total_steps=n_epochs * n_batches
        )
        detector.train()
        for _ in range(n_epochs):
            order = torch.randperm(len(known), device=known.device)
            for rows in torch.split(order, _BATCH)[:n_batches]:
                others = torch.randint(len(spoilt), rows.shape, device=known.device)
                odd = torch.cat((_chimeras(known, rows), spoilt[others]))
                scores = functional_call(detector, weights, torch.cat((known[rows], odd)))
                ordinary, unlike = scores[: len(rows)], scores[len(rows) :]
                loss = functional.softplus(ordinary).mean() + functional.softplus(-unlike).mean()
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
        detector.eval()
    for name, weight in weights.items():
        detector.get_buffer(name).copy_(weight.detach())


def _first_weights(detector: Detector) -> dict[str, Tensor]:
    weights = {}
    for i in range(_N_LAYERS):
        for name in (f"weight_{i}", f"bias_{i}"):
            weights[name] = torch.zeros_like(detector.get_buffer(name)).requires_grad_()
        nn.init.kaiming_uniform_(weights[f"weight_{i}"], a=math.sqrt(5))
    return weights


def _chimeras(known: Tensor, rows: Tensor) -> Tensor:
    away = torch.randint(-_KIN, _KIN + 1, rows.shape, device=rows.device)
    kin = known[(rows + away).clamp(0, len(known) - 1)]
    share = torch.rand(len(rows), 1, device=rows.device)
    kept = torch.rand(kin.shape, device=rows.device) < share
    return torch.where(kept, known[rows], kin)
