"""Odd tracks against the MSD that theory gives them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Literal

import pytest
import torch
from torch import Tensor

from perrin.errors import InputError
from perrin.simulate import oddities


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def msd(positions: Tensor, lag: int) -> Tensor:
    """Time-averaged MSD of each track summed over axes, double precision."""
    step = positions.double()[..., lag:] - positions.double()[..., :-lag]
    return step.square().sum(1).mean(1)


def assert_mean(values: Tensor, expected: float) -> None:
    """Within four standard errors, tracks being independent."""
    error = float(values.std()) / math.sqrt(values.numel())
    assert abs(float(values.mean()) - expected) < 4 * error


def in_a_box(size: float, lag: int) -> float:
    series = sum(k**-4 * math.exp(-((k * math.pi / size) ** 2) * lag / 2) for k in range(1, 99, 2))
    return size**2 / 6 * (1 - 96 / math.pi**4 * series)


def in_a_trap(size: float, lag: int) -> float:
    return size**2 / 6 * (1 - math.exp(-6 * lag / size**2))


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("size", [1.5, 6.0])
@pytest.mark.parametrize(("wall", "theory"), [("reflecting", in_a_box), ("harmonic", in_a_trap)])
def test_confined_motion_rises_to_its_plateau(
    wall: Literal["reflecting", "harmonic"],
    theory: Callable[[float, int], float],
    size: float,
    dim: int,
) -> None:
    tracks = oddities.confined(
        800, 150, dim, size=size, wall=wall, noise=0.3, generator=generator()
    )
    assert tracks.shape == (800, dim, 150)
    assert tracks.dtype == torch.float32
    for lag in (1, 4, 100):
        assert_mean(msd(tracks, lag), dim * (theory(size, lag) + 2 * 0.3**2))
    assert theory(size, 100) == pytest.approx(size**2 / 6, rel=0.01)


def test_a_reflecting_box_is_never_left() -> None:
    tracks = oddities.confined(50, 400, 2, size=3.0, noise=0.0, generator=generator())
    assert tracks.min() >= 0
    assert tracks.max() <= 3


def test_confinement_needs_a_size() -> None:
    with pytest.raises(InputError, match="above 0"):
        oddities.confined(1, 10, 1, size=0.0, generator=generator())


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_drift_is_ballistic(dim: int) -> None:
    tracks = oddities.drifting(2000, 101, dim, speed=0.7, noise=0.2, generator=generator())
    for lag in (1, 10, 80):
        assert_mean(msd(tracks, lag), dim * lag + (0.7 * lag) ** 2 + 2 * dim * 0.2**2)
    away = tracks[..., -1] - tracks[..., 0]
    assert_mean(away[:, 0].double(), 0.0)  # no direction is preferred


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_immobile_particles_show_their_noise_alone(dim: int) -> None:
    tracks = oddities.immobile(1000, 60, dim, noise=0.4, generator=generator())
    for lag in (1, 7, 50):
        assert_mean(msd(tracks, lag), 2 * dim * 0.4**2)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_a_swap_changes_the_mobility_and_leaps_once(dim: int) -> None:
    tracks = oddities.swapped(
        2000, 41, dim, ratio=3.0, distance=50.0, noise=0.0, generator=generator()
    )
    squared = tracks.double().diff(dim=2).square().sum(1)
    assert_mean(squared[:, :9].mean(1), dim)
    assert_mean(squared[:, 31:].mean(1), 9 * dim)
    leap = squared.argmax(1) + 1  # the frame it leads to
    assert leap.min() >= 10
    assert leap.max() <= 30
    assert set(leap.tolist()) == set(range(10, 31))
    assert_mean(squared.amax(1), dim + 50.0**2)
    before = squared.gather(1, leap[:, None] - 2)[:, 0]
    after = squared.gather(1, leap[:, None])[:, 0]
    assert_mean(before, dim)
    assert_mean(after, 9 * dim)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_a_jump_is_one_long_step_in_the_middle_half(dim: int) -> None:
    tracks = oddities.jumped(2000, 41, dim, size=40.0, noise=0.5, generator=generator())
    squared = tracks.double().diff(dim=2).square().sum(1)
    assert_mean(squared.amax(1), dim + 40.0**2 + 2 * dim * 0.5**2)
    leap = squared.argmax(1) + 1
    assert set(leap.tolist()) == set(range(10, 31))
    rest = (squared.sum(1) - squared.amax(1)) / 39
    assert_mean(rest, dim * (1 + 2 * 0.5**2))


def test_the_shortest_tracks_have_their_event_too() -> None:
    jumped = oddities.jumped(200, 3, 2, size=1e4, generator=generator())
    assert (jumped.diff(dim=2).abs().amax((1, 2)) > 1e3).all()
    swapped = oddities.swapped(200, 3, 2, ratio=1.0, distance=1e4, generator=generator())
    assert (swapped.diff(dim=2).abs().amax((1, 2)) > 1e3).all()


@pytest.mark.parametrize(
    "make",
    [
        partial(oddities.confined, size=2.0),
        partial(oddities.drifting, speed=1.0),
        oddities.immobile,
        partial(oddities.swapped, ratio=2.0),
        partial(oddities.jumped, size=5.0),
    ],
)
def test_the_same_seed_makes_the_same_tracks(make: Callable[..., Tensor]) -> None:
    first = make(5, 30, 2, generator=generator(4))
    assert torch.equal(first, make(5, 30, 2, generator=generator(4)))
    assert not torch.equal(first, make(5, 30, 2, generator=generator(5)))
