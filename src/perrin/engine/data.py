"""Tracks for training, simulated as they are needed and never stored."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from perrin.engine.features import fill_gaps
from perrin.simulate.models import simulate_displacements
from perrin.simulate.protocols import (
    ALPHAS,
    N_POINTS,
    NOISE_LEVELS,
    draw_cells,
    normalised,
    observe,
    spread_exponents,
)

__all__ = ["LONGEST", "MOST_MISSING", "SHORTEST", "Batch", "batches"]

SHORTEST = 10
"""Fewest localizations of a track that the network is trained on."""

LONGEST = N_POINTS - 1

_POOL = 2048
_VIEWS = 4
_GAPPED = 0.15
MOST_MISSING = 0.3
"""Largest share of missing frames that the network is trained on."""


class Batch(NamedTuple):
    """Tracks of equal length and dimension with their truth.

    Attributes
    ----------
    positions
        Shape ``(n_tracks, dim, n_points)``, gaps filled.
    seen
        Shape ``(n_tracks, n_points)``, or None if no frame is missing.
    cell
        Index of the true (model, exponent bin) in a flattened ``(5, 40)``, shape ``(n_tracks,)``.
    """

    positions: Tensor
    seen: Tensor | None
    cell: Tensor


class _Pool:
    """Noiseless tracks of one dimension, looked at several times under new noise and cuts."""

    def __init__(self, dim: int, generator: torch.Generator) -> None:
        self.dim, self.generator, self.left = dim, generator, 0

    def draw(self, n: int, n_points: int) -> tuple[Tensor, Tensor]:
        if self.left < n:
            self._refill()
        self.left -= n
        rows = torch.randint(_POOL, (n,), generator=self.generator, device=self.generator.device)
        return self.steps[rows, :, : n_points - 1], self.cell[rows]

    def _refill(self) -> None:
        g = self.generator
        model, alpha = draw_cells(_POOL, "both", g)
        bin_ = (alpha / ALPHAS[0]).round().long() - 1
        steps = simulate_displacements(
            model, spread_exponents(model, alpha, g), N_POINTS, self.dim, g
        )
        self.steps = normalised(steps)
        self.cell = model * ALPHAS.numel() + bin_
        self.left = _POOL * _VIEWS


def batches(
    seed: int, *, n_points: int = 32_000, device: torch.device | str = "cpu"
) -> Iterator[Batch]:
    """Yield endless batches that mix dimensions, lengths, noise and gaps.

    Half of the lengths are uniform over 10 to 999 points, as in the AnDi challenge, half are
    log-uniform, since short tracks are common at the microscope and cheap to learn from. Noise is
    drawn per axis or per track, mostly at the challenge's levels, otherwise log-uniform from 0.02
    to 2. Exponents fill the bins of the answer evenly.

    Parameters
    ----------
    seed
        Every seed is another endless series.
    n_points
        Localizations per batch; the number of tracks follows from their length.
    device
        Where to simulate.
    """
    generator = torch.Generator(device).manual_seed(seed)
    coin = torch.Generator().manual_seed(seed)
    pools = [_Pool(dim, generator) for dim in (1, 2, 3)]
    while True:
        pool = pools[int(torch.randint(3, (), generator=coin))]
        length = _length(coin)
        n = min(1024, max(16, n_points // length))
        steps, cell = pool.draw(n, length)
        positions = observe(steps, _noise(n, pool.dim, coin).to(device), generator)
        seen = None
        if float(torch.rand((), generator=coin)) < _GAPPED:
            missing = MOST_MISSING * torch.rand(n, 1, generator=generator, device=device)
            seen = torch.rand(n, length, generator=generator, device=device) >= missing
            seen[:, 0] = seen[:, -1] = True
            positions = fill_gaps(positions, seen)
        yield Batch(positions, seen, cell)


def _length(coin: torch.Generator) -> int:
    u, branch = torch.rand(2, generator=coin).tolist()
    if branch < 0.5:
        return SHORTEST + int(u * (LONGEST - SHORTEST + 1))
    return int(math.exp(math.log(SHORTEST) + u * math.log((LONGEST + 1) / SHORTEST)))


def _noise(n: int, dim: int, coin: torch.Generator) -> Tensor:
    levels = torch.tensor(NOISE_LEVELS)[torch.randint(3, (n, dim), generator=coin)]
    anywhere = 0.02 * 100 ** torch.rand(n, dim, generator=coin)
    noise = torch.where(torch.rand(n, 1, generator=coin) < 0.3, anywhere, levels)
    same = torch.rand(n, 1, generator=coin) < 0.5
    return torch.where(same, noise[:, :1], noise)
