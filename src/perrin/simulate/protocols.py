"""Data protocols: how simulated tracks are mixed, normalised, blurred with noise and cut.

A figure for accuracy means something only together with the protocol of its tracks; these are
the protocols by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from perrin.models import MODELS
from perrin.simulate.models import ALPHA_RANGE, simulate_displacements

__all__ = [
    "ALPHAS", "NOISE_LEVELS", "N_POINTS", "NoisePer", "TheoryTracks", "cell_weights", "theory",
]  # fmt: skip

ALPHAS = torch.arange(1, 41) * 0.05
"""Anomalous exponents of the AnDi challenge: 0.05 to 2 in steps of 0.05."""

NOISE_LEVELS = (0.1, 0.5, 1.0)
"""Standard deviations of localization noise, in units of that of the displacements."""

N_POINTS = 1000
"""Length at which the challenge generates tracks before it cuts them."""

_NOISELESS = 1e6
Task = Literal["alpha", "model", "both", "parts"]
NoisePer = Literal["axis", "track"]
Displacements = Callable[[Tensor, Tensor, int, int, torch.Generator], Tensor]


@dataclass(frozen=True)
class TheoryTracks:
    """Tracks of the AnDi challenge with their truth.

    Attributes
    ----------
    positions
        Localizations, shape ``(n_tracks, dim, n_points)``; track ``i`` is ``[:lengths[i]]``.
    lengths
        Number of points kept of each track, shape ``(n_tracks,)``.
    model
        Index into :data:`perrin.models.MODELS`, shape ``(n_tracks,)``.
    alpha
        Anomalous exponents, shape ``(n_tracks,)``.
    noise
        Standard deviation of the localization noise in units of that of the displacements,
        shape ``(n_tracks, dim)``.
    """

    positions: Tensor
    lengths: Tensor
    model: Tensor
    alpha: Tensor
    noise: Tensor


@cache
def cell_weights(task: Task) -> Tensor:
    """Probability of each (model, exponent) in the challenge's data, shape ``(5, 40)``.

    ``"model"`` (task 2): models equally likely, each uniform over its exponents. ``"alpha"``
    (task 1): exponents equally likely, with the models in the challenge's proportions.
    ``"both"`` is the even mixture of the two. ``"parts"`` (the parts of the tracks of task 3): each
    model uniform over its exponents, models in the challenge's proportions.
    """
    allowed = torch.stack([_allowed(name) for name in MODELS]).float()
    by_model = allowed / allowed.sum(1, keepdim=True) / len(MODELS)
    if task == "model":
        return by_model
    # The challenge makes as many tracks of each model, but 0.8 times as many Lévy walks.
    share = torch.tensor([0.8 if name == "LW" else 1.0 for name in MODELS])
    made = by_model * share[:, None]
    if task == "parts":
        return made / made.sum()
    by_alpha = made / made.sum(0, keepdim=True) / ALPHAS.numel()
    return by_alpha if task == "alpha" else (by_model + by_alpha) / 2


def draw_cells(n: int, task: Task, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw models and exponents with :func:`cell_weights`; both of shape ``(n,)``."""
    weights = cell_weights(task).flatten().to(generator.device)
    cell = torch.multinomial(weights, n, replacement=True, generator=generator)
    return cell // ALPHAS.numel(), ALPHAS.to(generator.device)[cell % ALPHAS.numel()]


def theory(
    n_tracks: int,
    dim: int,
    *,
    task: Task = "both",
    noise_per: NoisePer = "axis",
    shortest: int = 10,
    longest: int = 999,
    spread: bool = False,
    displacements: Displacements = simulate_displacements,
    generator: torch.Generator,
) -> TheoryTracks:
    """Make tracks as the AnDi challenge made them.

    Tracks of 1000 points; displacements normalised to unit standard deviation per axis; Gaussian
    localization noise of standard deviation 0.1, 0.5 or 1; each axis multiplied by a factor drawn
    from N(0, 1); cut to the first ``shortest`` to ``longest`` points, all lengths equally likely.

    Parameters
    ----------
    n_tracks
        Number of tracks.
    dim
        1, 2 or 3.
    task
        Which mixture of models and exponents, see :func:`cell_weights`.
    noise_per
        ``"axis"`` draws noise and factor for each axis (*theory-v1*, the challenge as it was
        scored), ``"track"`` once per track (*theory-v2*, ``andi-datasets`` 2).
    shortest, longest
        Range of lengths in points, both included; *short* tracks are 10 to 50.
    spread
        Whether exponents fill the steps of 0.05 around the challenge's values; only against such
        can an interval's coverage be measured.
    generator
        Source of randomness, on the device where the tracks are wanted.
    """
    device = generator.device
    model, alpha = draw_cells(n_tracks, task, generator)
    if spread:
        alpha = spread_exponents(model, alpha, generator)
    steps = normalised(displacements(model, alpha, N_POINTS, dim, generator))
    noise, factor = draw_noise_and_factor(n_tracks, dim, noise_per, generator)
    lengths = torch.randint(shortest, longest + 1, (n_tracks,), generator=generator, device=device)
    positions = observe(steps[..., : longest - 1], noise, generator) * factor
    return TheoryTracks(positions, lengths, model, alpha, noise)


def draw_noise_and_factor(
    n: int, dim: int, noise_per: NoisePer, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw the challenge's noise, shape ``(n, dim)``, and the factor of each axis, ``(n, ., 1)``.

    ``noise_per`` is as for :func:`theory`.
    """
    device = generator.device
    n_draws = dim if noise_per == "axis" else 1
    levels = torch.tensor(NOISE_LEVELS, device=device)
    choice = torch.randint(3, (n, n_draws), generator=generator, device=device)
    factor = torch.randn(n, n_draws, 1, generator=generator, device=device)
    return levels[choice].expand(n, dim), factor


def spread_exponents(model: Tensor, alpha: Tensor, generator: torch.Generator) -> Tensor:
    """Spread exponents over their bins; ballistic Lévy walks are a case of their own and stay."""
    step = float(ALPHAS[0])
    spread = alpha + step * (
        torch.rand(alpha.shape, generator=generator, device=alpha.device) - 0.5
    )
    low, high = torch.tensor([ALPHA_RANGE[name] for name in MODELS], device=alpha.device)[model].T
    spread = torch.minimum(torch.maximum(spread, low), high)
    ballistic = (model == MODELS.index("LW")) & (alpha > 2 - step / 2)
    return torch.where(ballistic, alpha, spread)


def normalised(steps: Tensor) -> Tensor:
    """Scale displacements to unit standard deviation per axis, in place.

    An axis of perfectly even motion has none; the challenge divides it by its rounding error,
    which leaves its noise invisible, and so does this.
    """
    peak = steps.abs().amax(2, keepdim=True)
    steps /= torch.where(peak > 0, peak, 1.0)
    deviation = steps.std(2, keepdim=True, correction=0)
    even = (deviation < 1e-5) & (peak > 0)
    steps /= torch.where(deviation > 1e-5, deviation, 1.0)
    return steps.mul_(torch.where(even, _NOISELESS, 1.0))


def observe(steps: Tensor, noise: Tensor, generator: torch.Generator) -> Tensor:
    """Positions with localization noise from displacements.

    Parameters
    ----------
    steps
        Displacements, shape ``(n_tracks, dim, n_points - 1)``.
    noise
        Standard deviation of the localization noise, shape ``(n_tracks, dim)``.
    generator
        Source of randomness.

    Returns
    -------
    Tensor
        Positions, shape ``(n_tracks, dim, n_points)``.
    """
    n, dim, n_steps = steps.shape
    positions = noise[..., None] * torch.randn(
        n, dim, n_steps + 1, generator=generator, device=steps.device
    )
    positions[..., 1:] += steps.cumsum(2)
    return positions


def _allowed(name: str) -> Tensor:
    low, high = ALPHA_RANGE[name]
    return (low - 1e-4 <= ALPHAS) & (high + 1e-4 >= ALPHAS)
