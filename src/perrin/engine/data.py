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

__all__ = [
    "DIMENSIONS",
    "LONGEST",
    "MOST_MISSING",
    "SHORTEST",
    "Batch",
    "Drawn",
    "Pool",
    "batches",
    "blur",
    "draw_noise",
    "draw_shutter",
    "exposure_of",
    "hold",
    "pools_of",
    "with_gaps",
]

SHORTEST = 10
"""Fewest localizations of a track that the network is trained on."""

LONGEST = N_POINTS - 1

_TINY = 1e-12
_POOL = 2048
_MOST_LOOKS = 4
_WHOLE_LOOK = 0.1
_MOST_HELD = 0.5
_SHARES = torch.tensor((0.15, 0.1, 0.2))  # of the batches: gapped, held, blurred
_SUBFRAMES = (3, 4, 6, 10)
_FINE_POINTS = min(_SUBFRAMES) * LONGEST
DIMENSIONS = torch.tensor((0.4, 0.35, 0.25))
"""Shares of 1D, 2D and 3D among batches: the fewer axes, the less one batch teaches."""

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
    exposure
        Share of the frame interval during which the shutter was open.
    """

    positions: Tensor
    seen: Tensor | None
    cell: Tensor
    diffusivity: Tensor
    noise: Tensor
    mobility: Tensor
    exposure: float


class Drawn(NamedTuple):
    """Noiseless tracks: displacements, cell, exponent, and the unit they are normalised by."""

    steps: Tensor
    cell: Tensor
    alpha: Tensor
    unit: Tensor


class Pool:
    """Noiseless tracks of one dimension, looked at under new noise and cuts.

    A new track teaches more than another look at an old one. Cuts of a tenth of the simulated
    points and more are therefore of a new track each; shorter ones, from which the network learns
    faster than whole tracks are simulated, come up to four times from one track.
    """

    def __init__(self, dim: int, generator: torch.Generator, n_tracks: int, n_points: int) -> None:
        self.dim, self.generator = dim, generator
        self.n_tracks, self.n_points = n_tracks, n_points
        self.left, self.next_row = 0.0, 0

    def draw(self, n: int, n_points: int) -> Drawn:
        """Return the first points of the next tracks; simulate new ones when these are used up."""
        look = min(1, max(1 / _MOST_LOOKS, n_points / (_WHOLE_LOOK * self.n_points)))
        if self.left < n * look:
            self._refill()
        self.left -= n * look
        rows = torch.arange(self.next_row, self.next_row + n, device=self.generator.device)
        rows %= self.n_tracks
        self.next_row = int(rows[-1]) + 1
        steps, cell, alpha, unit = self.tracks
        return Drawn(steps[rows, :, : n_points - 1], cell[rows], alpha[rows], unit[rows])

    def _refill(self) -> None:
        g = self.generator
        model, alpha = draw_cells(self.n_tracks, "both", g)
        bin_ = (alpha / ALPHAS[0]).round().long() - 1
        alpha = spread_exponents(model, alpha, g)
        steps = simulate_displacements(model, alpha, self.n_points, self.dim, g)
        unit = steps.std(2, correction=0)
        self.tracks = Drawn(normalised(steps), model * ALPHAS.numel() + bin_, alpha, unit)
        self.left = self.n_tracks


def batches(
    seed: int, *, share: int = 0, n_points: int = 32_000, device: torch.device | str = "cpu"
) -> Iterator[Batch]:
    """Yield endless batches that mix dimensions, lengths, noise, and what cameras do to tracks.

    Half of the lengths are uniform over 10 to 999 points, as in the AnDi challenge, half are
    log-uniform, since short tracks are common at the microscope and cheap to learn from. Noise is
    drawn per axis or per track, mostly at the challenge's levels, otherwise log-uniform from 0.02
    to 2. Exponents fill the bins of the answer evenly. Some batches have missing frames; some have
    frames that show in part what the one before showed, as in videos that were compressed or
    transmitted with losses; some are blurred by a shutter that is open for part of the frame or all
    of it, and the network is told for how much.

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
    pools = pools_of(generator)
    while True:
        sharp_pool, fine_pool = pools[int(torch.multinomial(DIMENSIONS, 1, generator=coin))]
        length = _length(coin)
        n = min(1024, max(16, n_points // length))
        gapped, held, blurred = torch.rand(3, generator=coin).lt(_SHARES).tolist()
        pool, subframes, exposed = sharp_pool, 1, 1
        if blurred:
            pool = fine_pool
            subframes, exposed = draw_shutter(length, coin)
        drawn = pool.draw(n, length * subframes)
        steps = frames = drawn.steps
        unit = drawn.unit
        if subframes > 1:
            steps, blurred_unit = blur(drawn.steps, subframes, exposed)
            frames = _every(drawn.steps, subframes) / blurred_unit[..., None]
            unit = unit * blurred_unit
        diffusivity = _diffusivity(frames, drawn, unit, subframes)
        noise = draw_noise(n, pool.dim, coin).to(device)
        positions = observe(steps, noise, generator)
        if held:
            positions = hold(positions, generator)
        seen = None
        if gapped:
            positions, seen = with_gaps(positions, generator)
        mobility = (frames.square() / (2 * diffusivity[..., None]).clamp_min(_TINY)).mean(1)
        exposure = exposure_of(subframes, exposed)
        yield Batch(positions, seen, drawn.cell, diffusivity, noise, mobility, exposure)


def with_gaps(positions: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Lose up to :data:`MOST_MISSING` of the frames of each track, but for the first and the last.

    Returns
    -------
    tuple of Tensor
        Positions with gaps filled, and which frames are seen, shape ``(n_tracks, n_points)``.
    """
    n, _, n_points = positions.shape
    device = positions.device
    missing = MOST_MISSING * torch.rand(n, 1, generator=generator, device=device)
    seen = torch.rand(n, n_points, generator=generator, device=device) >= missing
    seen[:, 0] = seen[:, -1] = True
    return fill_gaps(positions, seen), seen


def pools_of(generator: torch.Generator) -> list[tuple[Pool, Pool]]:
    """Return pools of tracks in 1, 2 and 3 dimensions, sharp ones and ones finely cut for blur."""
    return [
        (Pool(dim, generator, _POOL, N_POINTS), Pool(dim, generator, _POOL // 4, _FINE_POINTS))
        for dim in (1, 2, 3)
    ]


def _every(steps: Tensor, subframes: int) -> Tensor:
    """Displacements over whole frames of ``subframes`` steps, without blur."""
    path = torch.nn.functional.pad(steps, (1, 0)).cumsum(2)
    return path[..., ::subframes].diff(dim=2)


def _diffusivity(frames: Tensor, drawn: Drawn, unit: Tensor, subframes: int) -> Tensor:
    """Half the expected squared displacement from frame to frame, see :class:`Batch`."""
    n_steps = frames.shape[2]
    model = drawn.cell // ALPHAS.numel()
    fbm, sbm = model == MODELS.index("FBM"), model == MODELS.index("SBM")
    of_fbm = float(subframes) ** drawn.alpha
    of_sbm = ((n_steps * subframes + 1) ** drawn.alpha - 1) / n_steps
    expected = torch.where(fbm, of_fbm, of_sbm)[:, None] / unit.square()
    return torch.where((fbm | sbm)[:, None], expected, frames.square().mean(2)) / 2


def blur(steps: Tensor, subframes: int, exposed: int) -> tuple[Tensor, Tensor]:
    """Average positions over part of each frame; all models are self-similar.

    Parameters
    ----------
    steps
        Displacements, shape ``(n_tracks, dim, n_frames * subframes - 1)``.
    subframes
        Steps into which a frame is divided.
    exposed
        Positions that one frame averages, 1 to ``subframes``.

    Returns
    -------
    tuple of Tensor
        Normalised displacements between frames, shape ``(n_tracks, dim, n_frames - 1)``, and the
        unit they are normalised by, shape ``(n_tracks, dim)``.
    """
    path = torch.nn.functional.pad(steps, (1, 0)).cumsum(2)
    frames = path.view(*path.shape[:2], -1, subframes)[..., :exposed].mean(3)
    blurred = frames.diff(dim=2)
    unit = blurred.std(2, correction=0)
    moves = unit > 1e-4 * blurred.abs().amax(2)
    return normalised(blurred), torch.where(moves, unit, 1.0)


def exposure_of(subframes: int, exposed: int) -> float:
    """Share of the frame whose blur equals that of ``exposed`` of its ``subframes`` positions.

    A mean over a share e of the frame takes ``e / 3`` off Brownian motion's squared displacement
    of a frame (Berglund 2010), a mean over k of m positions ``(k² - 1) / (3 k m)``.
    """
    return (exposed**2 - 1) / (exposed * subframes)


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


def draw_shutter(length: int, coin: torch.Generator) -> tuple[int, int]:
    """Draw into how many steps a frame is divided, and how many of them it averages.

    Half of the shutters are open as long as they can be.
    """
    possible = [m for m in _SUBFRAMES if m * length <= _FINE_POINTS]
    subframes = possible[int(torch.randint(len(possible), (), generator=coin))]
    if torch.rand((), generator=coin) < 0.5:
        return subframes, subframes
    return subframes, 1 + int(torch.randint(subframes, (), generator=coin))


def _length(coin: torch.Generator) -> int:
    u, branch = torch.rand(2, generator=coin).tolist()
    if branch < 0.5:
        return SHORTEST + int(u * (LONGEST - SHORTEST + 1))
    return int(math.exp(math.log(SHORTEST) + u * math.log((LONGEST + 1) / SHORTEST)))


def draw_noise(n: int, dim: int, coin: torch.Generator) -> Tensor:
    """Draw localization noise as :func:`batches` says, in units of displacements, ``(n, dim)``."""
    levels = torch.tensor(NOISE_LEVELS)[torch.randint(3, (n, dim), generator=coin)]
    anywhere = 0.02 * 100 ** torch.rand(n, dim, generator=coin)
    noise = torch.where(torch.rand(n, 1, generator=coin) < 0.3, anywhere, levels)
    same = torch.rand(n, 1, generator=coin) < 0.5
    return torch.where(same, noise[:, :1], noise)
