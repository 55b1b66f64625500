"""A gradual change of the diffusivity is no switch, and a switch is no gradual change."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perrin.engine.switching.gradual import drop_gradual
from perrin.simulate.models import sbm

N = 200
FRAME = np.arange(N)
BOUNDS = np.array([0, N])


def marked(*at: int) -> tuple[np.ndarray, np.ndarray]:
    low = np.full(N, -1)
    low[list(at)] = at
    return low, low.copy()


def share_kept(steps: np.ndarray, *at: int) -> float:
    """Of tracks with these displacements (n, axes, steps), how many keep switches there."""
    kept = 0
    for each in steps:
        low, high = marked(*at)
        path = np.ascontiguousarray(np.pad(each, ((0, 0), (1, 0))).cumsum(1).T)
        drop_gradual(path, FRAME, BOUNDS, low, high)
        assert np.array_equal(low, high)
        kept += bool((low >= 0).any())
    return kept / len(steps)


@pytest.mark.parametrize("alpha", [0.3, 0.5, 1.7])
def test_scaled_brownian_motion_keeps_no_switch(alpha: float) -> None:
    steps = sbm(torch.full((100,), alpha), N, 2, torch.Generator().manual_seed(1)).double()
    # Wherever it is cut; where the curve is flat there is hardly anything to tell.
    assert share_kept(steps.numpy(), 100) < 0.1
    assert share_kept(steps.numpy(), 40, 110) < 0.1


@pytest.mark.parametrize("at", [(100,), (60,), (50, 120), (40, 80, 150)])
def test_switches_are_kept(at: tuple[int, ...]) -> None:
    size = np.ones(N - 1)
    for i, place in enumerate(at):
        size[place:] = (3.0, 1.0)[i % 2]
    steps = size * np.random.default_rng(2).standard_normal((100, 2, N - 1))
    assert share_kept(steps, *at) > 0.97


def test_motion_that_does_not_change_in_size_is_not_judged() -> None:
    """A change of exponent alone need not show in the size of displacements."""
    steps = np.random.default_rng(3).standard_normal((100, 2, N - 1))
    assert share_kept(steps, 100) > 0.9


@given(st.integers(20, 60), st.integers(1, 3), st.floats(0, 0.6), st.integers(0, 1000))
@settings(deadline=None, max_examples=40)
def test_gaps_rests_and_any_unit_do_no_harm(n: int, axes: int, gaps: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = np.cumsum(1 + (rng.random(n) < gaps))
    steps = rng.standard_normal((n, axes)) * (rng.random((n, 1)) < 0.5)
    position = steps.cumsum(0)
    answers = []
    for unit in (1.0, 1e-3, 1e4):
        low = np.full(n, -1)
        low[n // 2] = n // 2
        high = low.copy()
        drop_gradual(unit * position, frame, np.array([0, n]), low, high)
        answers.append(bool((low >= 0).any()))
    assert len(set(answers)) == 1
