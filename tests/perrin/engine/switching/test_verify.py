"""Switches that show in displacements stay, others do not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perrin.engine.switching.verify import add_seen, drop_unseen, step_contrast
from perrin.simulate.models import fbm

NOISES = (0.0, 1.0)


def marked(n: int, *at: int) -> tuple[np.ndarray, np.ndarray]:
    low = np.full(n, -1)
    low[list(at)] = at
    return low, low.copy()


def brownian(size: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.cumsum(size[:, None] * rng.normal(size=(len(size), 2)), 0)


@pytest.mark.parametrize("alpha", [0.4, 1.0, 1.6])
@pytest.mark.parametrize("noise", NOISES)
def test_the_contrast_is_in_standard_errors(alpha: float, noise: float) -> None:
    """In the middle of tracks of one motion it exceeds 2.75 in at most some per cent: at four lags,
    which are not independent, 4 * 0.6 % is the most for Gaussian contrasts."""
    n_tracks, n = 300, 200
    generator = torch.Generator().manual_seed(3)
    steps = fbm(torch.full((n_tracks,), alpha), n, 2, generator)
    path = steps.double().cumsum(2)
    path += noise * float(steps.std()) * torch.randn(path.shape, generator=generator)
    frame = np.arange(path.shape[2])
    positions = np.ascontiguousarray(path.permute(0, 2, 1).numpy())
    found = np.array([step_contrast(each, frame, 0, 90, len(frame)) for each in positions])
    assert (found > 2.75).mean() < 0.04
    assert 0.5 < np.median(found) < 1.7


def test_a_change_of_diffusivity_or_exponent_shows() -> None:
    size = np.where(np.arange(200) < 100, 1.0, 2.0)
    frame = np.arange(200)
    assert step_contrast(brownian(size, 1), frame, 0, 100, 200) > 6
    generator = torch.Generator().manual_seed(4)
    slow, fast = (
        fbm(torch.tensor([alpha]), 101, 2, generator)[0].double().numpy().T for alpha in (0.4, 1.6)
    )
    # Steps of one size, which shows at no lag of one frame.
    joined = np.concatenate((slow / slow.std(), fast / fast.std())).cumsum(0)
    assert step_contrast(joined, np.arange(len(joined)), 0, 100, len(joined)) > 4


def test_what_does_not_show_is_taken_back_and_what_shows_stays() -> None:
    size = np.where(np.arange(300) < 150, 1.0, 4.0)
    position, frame = brownian(size, 2), np.arange(300)
    low, high = marked(300, 60, 150, 220)
    drop_unseen(position, frame, np.array([0, 300]), low, high)
    assert np.flatnonzero(low >= 0).tolist() == [150]
    assert np.flatnonzero(high >= 0).tolist() == [150]


def test_the_network_is_believed_about_segments_too_short_for_a_test() -> None:
    low, high = marked(100, 50, 54)
    drop_unseen(brownian(np.ones(100), 3), np.arange(100), np.array([0, 100]), low, high)
    assert np.flatnonzero(low >= 0).tolist() == [50, 54]


def test_a_rest_without_noise_is_seen() -> None:
    size = np.where(np.arange(60) < 30, 0.0, 1.0)
    assert step_contrast(brownian(size, 4), np.arange(60), 0, 30, 60) == np.inf
    assert step_contrast(np.zeros((60, 2)), np.arange(60), 0, 30, 60) == 0


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_only_switches_are_taken_back_with_gaps_or_without(data: st.DataObject) -> None:
    n = data.draw(st.integers(12, 60))
    gaps = data.draw(st.lists(st.integers(1, 3), min_size=n, max_size=n))
    at = data.draw(st.sets(st.integers(3, n - 4), max_size=5))
    low, high = marked(n, *sorted(at))
    drop_unseen(brownian(np.ones(n), n), np.cumsum(gaps), np.array([0, n]), low, high)
    assert set(np.flatnonzero(low >= 0).tolist()) <= at
    np.testing.assert_array_equal(low >= 0, high >= 0)


def test_a_plain_switch_that_is_possible_is_reported_and_others_are_not() -> None:
    size = np.where(np.arange(600) < 300, 1.0, 3.0)
    position, frame, bounds = brownian(size, 8), np.arange(600), np.array([0, 600])
    p = np.full(600, 1e-5)
    p[292:309] = 0.015  # a quarter of a switch, where one is
    p[100:117] = 0.015  # and where none is
    low, high = marked(600)
    add_seen(p, position, frame, bounds, 0.5, low, high)
    drop_unseen(position, frame, bounds, low, high)
    found = np.flatnonzero(low >= 0)
    assert found.size == 1
    assert abs(found[0] - 300) <= 3
    assert low[found[0]] <= found[0] <= high[found[0]]
    # What holds less than a fifth of what is asked for is not looked at.
    low, high = marked(600)
    add_seen(0.3 * p, position, frame, bounds, 0.5, low, high)
    assert (low < 0).all()


def test_nothing_is_added_beside_what_is_there_nor_in_short_tracks() -> None:
    size = np.where(np.arange(100) < 50, 1.0, 9.0)
    position, frame = brownian(size, 9), np.arange(100)
    p = np.zeros(100)
    p[45:56] = 0.09
    low, high = marked(100, 52)
    before = low.copy()
    add_seen(p, position, frame, np.array([0, 100]), 0.5, low, high)
    np.testing.assert_array_equal(low, before)
    low, high = marked(100)
    add_seen(p, position, frame, np.array([0, 49, 70, 100]), 0.5, low, high)
    assert (low < 0).all()
