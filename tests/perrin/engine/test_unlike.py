"""Clues and the detector of tracks unlike the training."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perrin.engine.features import features
from perrin.engine.unlike import N_CLUES, Detector, _change, _largest, _Track, clues, learn


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def track(positions: torch.Tensor) -> _Track:
    return _Track(features(positions))


@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.integers(10, 300), min_size=1, max_size=4),
    dim=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_clues_are_those_of_the_track_alone(lengths: list[int], dim: int, seed: int) -> None:
    walks = normal(len(lengths), dim, max(lengths), seed=seed).cumsum(2)
    together = clues(features(walks, lengths=torch.tensor(lengths)))
    assert together.shape == (len(lengths), N_CLUES)
    assert torch.isfinite(together).all()
    for i, n in enumerate(lengths):
        alone = clues(features(walks[i : i + 1, :, :n]))[0]
        torch.testing.assert_close(together[i], alone, rtol=1e-4, atol=1e-4)


def test_clues_change_neither_with_the_unit_nor_with_the_axes() -> None:
    walk = normal(5, 3, 80).cumsum(2)
    expected = clues(features(walk))
    other = walk[:, [2, 0, 1]] * torch.tensor([40.0, -40.0, 40.0])[:, None] + 7
    torch.testing.assert_close(clues(features(other)), expected, rtol=1e-3, atol=1e-3)


def test_a_particle_that_rests_gives_finite_clues() -> None:
    assert torch.isfinite(clues(features(torch.zeros(2, 2, 30)))).all()


def test_steps_of_noise_are_anticorrelated_and_those_of_diffusion_are_not() -> None:
    # White noise on positions: neighbouring displacements correlate by -1/2 (Berglund 2010).
    noise, walk = track(normal(400, 1, 500)), track(normal(400, 1, 500).cumsum(2))
    assert noise.products(noise.step, 1).mean().item() == pytest.approx(-0.5, abs=0.01)
    assert walk.products(walk.step, 1).mean().item() == pytest.approx(0, abs=0.01)


def test_squared_displacements_at_a_lag_of_each_tracks_own() -> None:
    walk = track(normal(300, 1, 400).cumsum(2))
    lag = torch.tensor([10, 40]).repeat(150)[:, None, None]
    moved = walk.moved(lag)[:, 0]
    assert moved[::2].mean().item() == pytest.approx(10, rel=0.1)
    assert moved[1::2].mean().item() == pytest.approx(40, rel=0.2)


def test_one_displacement_stays_and_a_misplaced_frame_is_returned_from() -> None:
    walk = normal(50, 2, 200).cumsum(2)
    displaced, misplaced = walk.clone(), walk.clone()
    displaced[..., 100:] += 200
    misplaced[..., 100] += 200
    lag = 4
    for positions, stays in ((displaced, True), (misplaced, False)):
        first, at_lag, last = _largest(track(positions), lag)
        assert (first > math.log(10)).all()
        assert (at_lag > math.log(10)).eq(stays).all()
        assert (last < math.log(10)).all()


def test_a_change_of_mobility_is_worth_its_gain_in_likelihood() -> None:
    # Half of the steps of variance 1, half of variance 9: log 5 - log(9) / 2 per step.
    steps = normal(200, 1, 2000)
    steps[..., 1000:] *= 3
    walk = track(steps.cumsum(2))
    squared = walk.step.square()
    share = squared.cumsum(2) / squared.sum(2, keepdim=True)
    gain = _change(walk, share, (walk.frame + 1) / walk.count).expm1() / walk.n_steps
    assert gain.mean().item() == pytest.approx(math.log(5) - math.log(9) / 2, rel=0.05)


def test_an_untaught_detector_calls_nothing_odd() -> None:
    detector = Detector(8)
    assert torch.equal(detector(normal(4, 8 + N_CLUES)), torch.zeros(4))
    assert not list(detector.parameters())


def test_a_detector_finds_what_it_was_shown_and_what_does_not_fit_together() -> None:
    # Three causes behind all numbers, so that each follows from the others.
    n, n_numbers = 2000, 4 + N_CLUES
    mixing = normal(3, n_numbers, seed=1)
    known = normal(n, 3) @ mixing + 0.1 * normal(n, n_numbers, seed=2)
    shift = 5 * normal(n_numbers, seed=3)
    detector = Detector(4)
    before = torch.get_rng_state()
    learn(detector, known, known + shift, seed=3, n_epochs=4)
    assert torch.equal(torch.get_rng_state(), before)
    assert not detector.training

    fresh = normal(500, 3, seed=4) @ mixing
    limit = detector(fresh).quantile(0.95)
    unseen = fresh * torch.where(torch.arange(n_numbers) % 2 == 0, 1, -1)
    assert (detector(fresh + shift) > limit).float().mean() > 0.9
    assert (detector(unseen) > limit).float().mean() > 0.5

    again = Detector(4)
    learn(again, known, known + shift, seed=3, n_epochs=4)
    assert torch.equal(again(fresh), detector(fresh))
