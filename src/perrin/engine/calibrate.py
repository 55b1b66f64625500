"""Calibration of a trained network on tracks of its own: neither for training nor for testing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from perrin.device import autocast
from perrin.engine.data import Batch, batches
from perrin.engine.features import fill_gaps
from perrin.engine.network import LENGTH_CLASSES, Network, Output, length_class
from perrin.engine.posterior import alpha_quantiles
from perrin.engine.scale import LEAST_SHARE, pool_axes
from perrin.engine.score import score
from perrin.engine.spoil import spoil
from perrin.engine.unlike import learn
from perrin.engine.verdict import batches_of
from perrin.simulate.protocols import ALPHAS, N_POINTS, theory

__all__ = ["FALSE_ALARMS", "calibrate"]

FALSE_ALARMS = 0.05
"""Share of the tracks of each class of lengths and dimension that lie beyond its limit."""

_SEED = 271_828_183
_DIMS = (1, 2, 3)
_COVERAGE = 0.9
# Many small batches, since all tracks of a batch share length, gaps and blur.
_POINTS_PER_BATCH = 600
_POINTS_PER_LESSON = 3000
_LESSONS = 30  # tracks that the detector learns from, in units of those of each class


def calibrate(
    network: Network, *, seed: int = 0, device: torch.device, n_tracks: int = 2000
) -> dict[str, Any]:
    """Set the network's temperatures, the spread of D, and what it takes for unlike its training.

    Parameters
    ----------
    network
        A trained network; its calibration is replaced.
    seed
        Seed of the training, so that the tracks used here differ from its.
    device
        Where to compute.
    n_tracks
        Tracks per class of lengths and dimension.

    Returns
    -------
    dict
        Accuracy on 2,000 further held-out tracks per dimension, for the card.

    Notes
    -----
    For each class and dimension one temperature makes the posterior likely (Guo et al., ICML 2017),
    on theory-v1 and theory-v2 tracks with exponents of any value: of those that are as good as the
    best within the standard error of the difference, the one at which the interval of alpha from
    5 % to 95 % comes nearest to holding 90 % of the true exponents. The detector of unlike
    tracks (:mod:`~.unlike`) learns from the same mixture as the network, and its limits are what
    ``FALSE_ALARMS`` of further such tracks exceed. On these, too, the uncertainty of D is widened
    until ``D`` lies within the interval from 5 % to 95 % for 90 % of the tracks of a dimension.
    """
    network.to(device).eval()
    generator = torch.Generator(device).manual_seed(_SEED + seed)
    for i in range(len(LENGTH_CLASSES)):
        for dim in _DIMS:
            answers = _theory_answers(network, i, dim, n_tracks, generator)
            network.temperature[i, dim - 1] = _temperature(answers)
    known, spoilt = _lessons(network, _SEED + 1 + seed, _LESSONS * n_tracks, device)
    learn(network.detector, known, spoilt, seed=seed)
    _set_limits(network, _SEED + 2 + seed, n_tracks, device)
    return _figures(network, device, torch.Generator(device).manual_seed(_SEED - 1 - seed))


class _Answers(NamedTuple):
    """Of tracks with known truth: logits, shape ``(n_tracks, 5, 40)``, true cell and exponent.

    On the CPU, as quantiles are computed in double precision.
    """

    logits: Tensor
    cell: Tensor
    alpha: Tensor


def _theory_answers(
    network: Network, i: int, dim: int, n_tracks: int, generator: torch.Generator
) -> _Answers:
    """Answer for theory tracks of one class of lengths, half of them v1, half of them v2."""
    parts = []
    for noise_per in ("axis", "track"):
        tracks = theory(
            n_tracks // 2,
            dim,
            noise_per=noise_per,
            shortest=LENGTH_CLASSES[i],
            longest=(*LENGTH_CLASSES, N_POINTS)[i + 1] - 1,
            spread=True,
            generator=generator,
        )
        bins = (tracks.alpha / ALPHAS[0]).round().long() - 1
        cell = tracks.model * ALPHAS.numel() + bins.clamp(0, ALPHAS.numel() - 1)
        for some in batches_of(network, tracks.lengths.cpu().numpy(), generator.device):
            rows = torch.from_numpy(some).to(generator.device)
            lengths = tracks.lengths[rows]
            positions = tracks.positions[rows, :, : int(lengths.max())]
            logits = _ask(network, positions, None, lengths).logits
            parts.append(_Answers(logits.cpu(), cell[rows].cpu(), tracks.alpha[rows].cpu()))
    return _Answers(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _temperature(answers: _Answers) -> float:
    """Choose the temperature, see the notes of :func:`calibrate`."""
    logits = answers.logits.flatten(1)
    candidates = torch.exp(torch.linspace(-0.7, 0.7, 57)).tolist()
    losses = torch.stack(
        [functional.cross_entropy(logits / t, answers.cell, reduction="none") for t in candidates]
    )
    worse = losses - losses[losses.mean(1).argmin()]
    good = worse.mean(1) <= worse.std(1) / len(logits) ** 0.5
    amiss = {
        t: abs(_coverage(logits / t, answers) - _COVERAGE)
        for t, is_good in zip(candidates, good.tolist(), strict=True)
        if is_good
    }
    chosen: float = min(amiss, key=amiss.__getitem__)
    return chosen


def _coverage(logits: Tensor, answers: _Answers) -> float:
    """Share of the true exponents within the interval from 5 % to 95 %."""
    posterior = logits.softmax(1).view_as(answers.logits)
    low, high = alpha_quantiles(posterior, (0.5 - _COVERAGE / 2, 0.5 + _COVERAGE / 2)).T
    return float(((low <= answers.alpha) & (answers.alpha <= high)).double().mean())


def _lessons(
    network: Network, seed: int, n_tracks: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Show the detector simulated tracks, in order of dimension and length, and spoilt ones."""
    generator = torch.Generator(device).manual_seed(seed)
    known, spoilt, kinds = [], [], []
    for batch in batches(seed, n_points=_POINTS_PER_LESSON, device=device):
        n, dim, n_points = batch.positions.shape
        positions = spoil(batch.positions, generator)
        if batch.seen is not None:
            positions = fill_gaps(positions, batch.seen)
        known.append(_ask_about(network, batch).embedding)
        spoilt.append(_ask(network, positions, batch.seen, None, batch.exposure).embedding)
        kinds.append(torch.full((n,), N_POINTS * dim + n_points, device=device))
        n_tracks -= n
        if n_tracks <= 0:
            break
    return torch.cat(known)[torch.cat(kinds).argsort()], torch.cat(spoilt)


class _Cell(NamedTuple):
    """What is collected of the tracks of one class of lengths and dimension."""

    distance: list[Tensor]
    surprise: list[Tensor]


def _set_limits(network: Network, seed: int, n_tracks: int, device: torch.device) -> None:
    """Set the limits of the distance, and the spread of the diffusivity."""
    cells = {(i, dim): _Cell([], []) for i in range(len(LENGTH_CLASSES)) for dim in _DIMS}
    for batch in _evenly(batches(seed, n_points=_POINTS_PER_BATCH, device=device), n_tracks):
        _, dim, n_points = batch.positions.shape
        output = _ask_about(network, batch)
        cell = cells[length_class(n_points), dim]
        cell.distance.append(network.distance(output.embedding))
        cell.surprise.append(_surprise(output, batch))
    for (i, dim), cell in cells.items():
        network.farthest[i, dim - 1] = torch.cat(cell.distance).quantile(1 - FALSE_ALARMS)
    for dim in _DIMS:
        surprise = torch.cat([each for i, d in cells if d == dim for each in cells[i, d].surprise])
        network.spread[dim - 1] = surprise.quantile(_COVERAGE)


def _evenly(stream: Iterator[Batch], n_tracks: int) -> Iterator[Batch]:
    """Let batches pass until there are enough tracks of each class of lengths and dimension."""
    missing = {(i, dim): n_tracks for i in range(len(LENGTH_CLASSES)) for dim in _DIMS}
    while missing:
        batch = next(stream)
        n, dim, n_points = batch.positions.shape
        cell = length_class(n_points), dim
        if cell in missing:
            yield batch
            missing[cell] -= n
            if missing[cell] <= 0:
                del missing[cell]


def _surprise(output: Output, batch: Batch) -> Tensor:
    """How far off D is, in half-widths of its interval, where noise is the same along all axes."""
    said = pool_axes(output.log_diffusivity.cpu(), output.log_noise.cpu())
    _, upper = said.interval(1.0)
    mean_square = batch.positions.diff(dim=2).square().mean(2)
    true = batch.diffusivity.maximum(LEAST_SHARE**2 * mean_square).mean(1).cpu()
    surprise = (true / said.diffusivity).log().abs() / (upper / said.diffusivity).log()
    return surprise[(batch.noise == batch.noise[:, :1]).all(1).cpu()]


def _ask_about(network: Network, batch: Batch) -> Output:
    return _ask(network, batch.positions, batch.seen, None, batch.exposure)


def _ask(
    network: Network,
    positions: Tensor,
    seen: Tensor | None = None,
    lengths: Tensor | None = None,
    exposure: float = 0.0,
) -> Output:
    with torch.no_grad(), autocast(positions.device):
        output: Output = network(positions, seen, lengths, exposure)
    return output


def _figures(network: Network, device: torch.device, generator: torch.Generator) -> dict[str, Any]:
    figures: dict[str, Any] = {"protocol": "theory-v1, 10 to 999 points, 2000 tracks per dimension"}
    for dim in _DIMS:
        result = score(network, theory(2000, dim, generator=generator), device)
        spread = score(network, theory(2000, dim, spread=True, generator=generator), device)
        result = result._replace(coverage=spread.coverage)
        figures[f"{dim}D"] = {name: round(value, 4) for name, value in result._asdict().items()}
    return figures
