"""Tracks whose model or exponent changes once, or never, simulated as they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from perrin.engine.data import (
    DIMENSIONS,
    LONGEST,
    blur,
    draw_noise,
    draw_shutter,
    exposure_of,
    pools_of,
    with_gaps,
)
from perrin.simulate.models import simulate_displacements
from perrin.simulate.protocols import (
    N_POINTS,
    NoisePer,
    draw_cells,
    draw_noise_and_factor,
    normalised,
    observe,
)
from perrin.statistics._switches import MIN_POINTS_TO_SWITCH

__all__ = ["NEVER", "SHORTEST", "ChangeBatch", "Joined", "batches", "one_switch"]

SHORTEST = MIN_POINTS_TO_SWITCH
"""Fewest localizations of a track that the network is trained on."""

NEVER = 0.2
"""Share of the tracks in training that do not change."""

_OF_THE_CHALLENGE = 0.4  # of the batches, with the length of the challenge's tracks
_CHALLENGE_POINTS = 200
_OWN = 0.35  # of these and of some others: either part has its own noise and factor on each axis
_OWN_OF_OTHERS = 0.1
_RESCALED = 0.3  # of the other batches: the second part moves more or less than the first
_BLURRED = 0.12  # of the batches
_GAPPED = 0.1


class Joined(NamedTuple):
    """Truth about tracks of two parts.

    Attributes
    ----------
    at
        First displacement of the second part, uniform over 1 to ``n_points - 1``; with the last of
        these there is no second part. Shape ``(n_tracks,)``.
    model
        Index into :data:`perrin.models.MODELS` of both parts, shape ``(n_tracks, 2)``.
    alpha
        Exponents of both parts, same shape.
    """

    at: Tensor
    model: Tensor
    alpha: Tensor


class ChangeBatch(NamedTuple):
    """Tracks of equal length and dimension with their truth.

    Attributes
    ----------
    positions
        Shape ``(n_tracks, dim, n_points)``, gaps filled.
    seen
        Shape ``(n_tracks, n_points)``, or None if no frame is missing.
    at
        First displacement after the change, ``n_points - 1`` where there is none, shape
        ``(n_tracks,)``.
    cell
        True (model, exponent bin) before and after, shape ``(n_tracks, 2)``.
    exposure
        Share of the frame interval during which the shutter was open.
    """

    positions: Tensor
    seen: Tensor | None
    at: Tensor
    cell: Tensor
    exposure: float


def batches(
    seed: int, *, share: int = 0, n_points: int = 16_000, device: torch.device | str = "cpu"
) -> Iterator[ChangeBatch]:
    """Yield endless batches that mix dimensions, lengths, noise, gaps and blur.

    Parameters
    ----------
    seed, share, n_points, device
        As for :func:`perrin.engine.data.batches`.
    """
    generator = torch.Generator(device).manual_seed(seed + 7_919 * share)
    coin = torch.Generator().manual_seed(seed)
    pools = pools_of(generator)
    while True:
        sharp_pool, fine_pool = pools[int(torch.multinomial(DIMENSIONS, 1, generator=coin))]
        length, rescaled, blurred, gapped, u, own = torch.rand(6, generator=coin).tolist()
        of_challenge = length < _OF_THE_CHALLENGE
        own = own < (_OWN if of_challenge else _OWN_OF_OTHERS)
        points = int(SHORTEST * ((LONGEST + 1) / SHORTEST) ** u)
        if of_challenge:
            points = _CHALLENGE_POINTS
        n = min(512, max(16, n_points // points))
        pool, (subframes, exposed) = sharp_pool, (1, 1)
        if blurred < _BLURRED and not own:
            pool, (subframes, exposed) = fine_pool, draw_shutter(points, coin)
        drawn = pool.draw(2 * n, points * subframes)
        cell = drawn.cell.view(n, 2)
        first, second = drawn.steps[::2], drawn.steps[1::2]
        if not of_challenge and not own and rescaled < _RESCALED:
            second = torch.randn(n, 1, 1, generator=generator, device=device).exp() * second
        at = torch.randint(1, points, (n,), generator=generator, device=device)
        never = torch.rand(n, generator=generator, device=device) < NEVER
        at = torch.where(never | (cell[:, 0] == cell[:, 1]), points - 1, at)
        if own:
            noise = torch.cat((draw_noise(n, pool.dim, coin), draw_noise(n, pool.dim, coin)))
            factor = torch.randn(2 * n, pool.dim, 1, generator=generator, device=device)
            positions = _joined_as_seen(first, second, at, noise.to(device), factor, generator)
        else:
            steps = _joined(first, second, at * subframes)
            if subframes > 1:
                steps, _ = blur(steps, subframes, exposed)
            noise = draw_noise(n, pool.dim, coin).to(device)
            positions = observe(steps, noise, generator)
        seen = None
        if gapped < _GAPPED:
            positions, seen = with_gaps(positions, generator)
        yield ChangeBatch(positions, seen, at, cell, exposure_of(subframes, exposed))


def one_switch(
    n_tracks: int,
    dim: int,
    n_points: int,
    generator: torch.Generator,
    *,
    noise_per: NoisePer = "axis",
) -> tuple[Tensor, Joined]:
    """Join two tracks of different model or exponent, as in task 3 of the first AnDi challenge.

    Parameters
    ----------
    noise_per
        ``"axis"`` draws noise and factor for each axis of either track before they are joined, as
        in the challenge as it was scored and in andi-datasets before version 2; ``"track"`` once
        for the joined track, as andi-datasets 2 does.

    Returns
    -------
    tuple
        Positions, shape ``(n_tracks, dim, n_points)``, and the truth about them.

    Notes
    -----
    As in andi-datasets: tracks of 1000 points with displacements of unit standard deviation, cut to
    the first ``n_points``; from a frame on the second goes on where the first was. So one part may
    move more than the other, even without a factor. Noise is 0.1, 0.5 or 1, the factor from N(0,
    1).
    """
    model, alpha = (each.view(n_tracks, 2) for each in draw_cells(2 * n_tracks, "parts", generator))
    while bool((same := (model[:, 0] == model[:, 1]) & (alpha[:, 0] == alpha[:, 1])).any()):
        model[same, 1], alpha[same, 1] = draw_cells(int(same.sum()), "parts", generator)
    steps = normalised(
        simulate_displacements(model.flatten(), alpha.flatten(), N_POINTS, dim, generator)
    )
    first, second = steps[..., : n_points - 1].reshape(n_tracks, 2, dim, n_points - 1).unbind(1)
    at = torch.randint(1, n_points, (n_tracks,), generator=generator)
    if noise_per == "axis":
        noise, factor = draw_noise_and_factor(2 * n_tracks, dim, noise_per, generator)
        positions = _joined_as_seen(first, second, at, noise, factor, generator)
    else:
        noise, factor = draw_noise_and_factor(n_tracks, dim, noise_per, generator)
        positions = observe(_joined(first, second, at), noise, generator) * factor
    return positions, Joined(at, model, alpha)


def _joined_as_seen(
    first: Tensor,
    second: Tensor,
    at: Tensor,
    noise: Tensor,
    factor: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Positions of tracks joined after either got its noise and factor, ``(2 * n_tracks, ...)``."""
    seen = observe(torch.cat((first, second)), noise, generator) * factor
    before, after = seen.diff(dim=2).chunk(2)
    steps = _joined(before, after, at)
    return functional.pad(steps.cumsum(2), (1, 0))


def _joined(first: Tensor, second: Tensor, at: Tensor) -> Tensor:
    """Displacements of the first tracks, and from ``at`` on of the second."""
    later = torch.arange(first.shape[2], device=at.device) >= at[:, None]
    return torch.where(later[:, None], second, first)
