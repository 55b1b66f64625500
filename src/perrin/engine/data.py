"""Tracks for training, simulated as they are needed and never stored."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from perrin.engine.features import fill_gaps
from perrin.models import MODELS
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

__all__ = ["LONGEST", "MOST_MISSING", "SHORTEST", "Batch", "batches", "blur", "hold"]

SHORTEST = 10
"""Fewest localizations of a track that the network is trained on."""

LONGEST = N_POINTS - 1

_TINY = 1e-12
_POOL = 2048
_VIEWS = 4
_MOST_HELD = 0.5
_SHARES = torch.tensor((0.15, 0.1, 0.1))  # of the batches: gapped, held, blurred
_SUBFRAMES = (2, 3, 4, 6)
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
    diffusivity
        Half the expected squared displacement from frame to frame along each axis, without noise
        and blur, shape ``(n_tracks, dim)``. For FBM and SBM, whose diffusivity is given by their
        parameters, the expectation is over all such tracks; for the others, where it is drawn
        anew in every track, it is the mean over this track.
    noise
        Standard deviation of the localization noise along each axis, shape ``(n_tracks, dim)``.
    mobility
        True squared displacement from frame to frame, mean over axes in units of their
        ``2 * diffusivity``, shape ``(n_tracks, n_points - 1)``.
    """

    positions: Tensor
    seen: Tensor | None
    cell: Tensor
    diffusivity: Tensor
    noise: Tensor
    mobility: Tensor


class _Drawn(NamedTuple):
    """Noiseless tracks: displacements, cell, exponent, and the unit they are normalised by."""

    steps: Tensor
    cell: Tensor
    alpha: Tensor
    unit: Tensor


class _Pool:
    """Noiseless tracks of one dimension, looked at several times under new noise and cuts."""

    def __init__(self, dim: int, generator: torch.Generator) -> None:
        self.dim, self.generator, self.left = dim, generator, 0

    def draw(self, n: int, n_points: int) -> _Drawn:
        if self.left < n:
            self._refill()
        self.left -= n
        rows = torch.randint(_POOL, (n,), generator=self.generator, device=self.generator.device)
        steps, cell, alpha, unit = self.tracks
        return _Drawn(steps[rows, :, : n_points - 1], cell[rows], alpha[rows], unit[rows])

    def _refill(self) -> None:
        g = self.generator
        model, alpha = draw_cells(_POOL, "both", g)
        bin_ = (alpha / ALPHAS[0]).round().long() - 1
        alpha = spread_exponents(model, alpha, g)
        steps = simulate_displacements(model, alpha, N_POINTS, self.dim, g)
        unit = steps.std(2, correction=0)
        self.tracks = _Drawn(normalised(steps), model * ALPHAS.numel() + bin_, alpha, unit)
        self.left = _POOL * _VIEWS


def batches(
    seed: int, *, share: int = 0, n_points: int = 32_000, device: torch.device | str = "cpu"
) -> Iterator[Batch]:
    """Yield endless batches that mix dimensions, lengths, noise, and what cameras do to tracks.

    Half of the lengths are uniform over 10 to 999 points, as in the AnDi challenge, half are
    log-uniform, since short tracks are common at the microscope and cheap to learn from. Noise is
    drawn per axis or per track, mostly at the challenge's levels, otherwise log-uniform from 0.02
    to 2. Exponents fill the bins of the answer evenly. Some batches have missing frames; some have
    frames that show in part what the one before showed, as in videos that were compressed or
    transmitted with losses; some are blurred by a shutter that is open all the time.

    Parameters
    ----------
    seed
        Every seed is another endless series.
    share
        Which of several processes asks. Their tracks differ; dimensions and lengths do not, so
        that none has to wait for another.
    n_points
        Localizations per batch; the number of tracks follows from their length.
    device
        Where to simulate.
    """
    generator = torch.Generator(device).manual_seed(seed + 7_919 * share)
    coin = torch.Generator().manual_seed(seed)
    pools = [_Pool(dim, generator) for dim in (1, 2, 3)]
    while True:
        pool = pools[int(torch.randint(3, (), generator=coin))]
        length = _length(coin)
        n = min(1024, max(16, n_points // length))
        gapped, held, blurred = torch.rand(3, generator=coin).lt(_SHARES).tolist()
        subframes = _subframes(length, coin) if blurred else 1
        drawn = pool.draw(n, length * subframes)
        steps = frames = drawn.steps
        unit = drawn.unit
        if subframes > 1:
            steps, blurred_unit = blur(drawn.steps, subframes)
            frames = _every(drawn.steps, subframes) / blurred_unit[..., None]
            unit = unit * blurred_unit
        diffusivity = _diffusivity(frames, drawn, unit, subframes)
        noise = _noise(n, pool.dim, coin).to(device)
        positions = observe(steps, noise, generator)
        if held:
            positions = hold(positions, generator)
        seen = None
        if gapped:
            missing = MOST_MISSING * torch.rand(n, 1, generator=generator, device=device)
            seen = torch.rand(n, length, generator=generator, device=device) >= missing
            seen[:, 0] = seen[:, -1] = True
            positions = fill_gaps(positions, seen)
        mobility = (frames.square() / (2 * diffusivity[..., None]).clamp_min(_TINY)).mean(1)
        yield Batch(positions, seen, drawn.cell, diffusivity, noise, mobility)


def _every(steps: Tensor, subframes: int) -> Tensor:
    """Displacements over whole frames of ``subframes`` steps, without blur."""
    path = torch.nn.functional.pad(steps, (1, 0)).cumsum(2)
    return path[..., ::subframes].diff(dim=2)


def _diffusivity(frames: Tensor, drawn: _Drawn, unit: Tensor, subframes: int) -> Tensor:
    """Half the expected squared displacement from frame to frame, see :class:`Batch`."""
    n_steps = frames.shape[2]
    model = drawn.cell // ALPHAS.numel()
    fbm, sbm = model == MODELS.index("FBM"), model == MODELS.index("SBM")
    of_fbm = float(subframes) ** drawn.alpha
    of_sbm = ((n_steps * subframes + 1) ** drawn.alpha - 1) / n_steps
    expected = torch.where(fbm, of_fbm, of_sbm)[:, None] / unit.square()
    return torch.where((fbm | sbm)[:, None], expected, frames.square().mean(2)) / 2


def blur(steps: Tensor, subframes: int) -> tuple[Tensor, Tensor]:
    """Average positions over frames of ``subframes`` steps; all models are self-similar.

    Parameters
    ----------
    steps
        Displacements, shape ``(n_tracks, dim, n_frames * subframes - 1)``.
    subframes
        Positions that one frame averages.

    Returns
    -------
    tuple of Tensor
        Normalised displacements between frames, shape ``(n_tracks, dim, n_frames - 1)``, and the
        unit they are normalised by, shape ``(n_tracks, dim)``.
    """
    path = torch.nn.functional.pad(steps, (1, 0)).cumsum(2)
    frames = path.view(*path.shape[:2], -1, subframes).mean(3)
    blurred = frames.diff(dim=2)
    unit = blurred.std(2, correction=0)
    moves = unit > 1e-4 * blurred.abs().amax(2)
    return normalised(blurred), torch.where(moves, unit, 1.0)


def hold(positions: Tensor, generator: torch.Generator) -> Tensor:
    """Let some frames show mostly what the frame before showed.

    Up to half of the frames of a track are held, and keep at least half of the older position.
    """
    n, _, n_points = positions.shape
    device = positions.device
    share, weight = torch.rand(2, n, 1, generator=generator, device=device) * _MOST_HELD
    held = torch.rand(n, n_points, generator=generator, device=device) < share
    frame = torch.arange(n_points, device=device).expand(n, -1)
    shown = torch.where(held, 0, frame).cummax(1).values
    older = positions.gather(2, shown[:, None].expand_as(positions))
    mixed: Tensor = older + weight[:, None] * (positions - older)
    return mixed


def _subframes(length: int, coin: torch.Generator) -> int:
    """Draw into how many steps a frame is divided; one if the simulated tracks are too short."""
    possible = [m for m in _SUBFRAMES if m * length <= N_POINTS]
    choice = int(torch.randint(max(1, len(possible)), (), generator=coin))
    return possible[choice] if possible else 1


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
