"""What the network is told of a change at each step: classical statistics, as SciPy has them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from perrin.engine.switching.contrast import N_CONTRASTS, WINDOWS, contrasts

N_KINDS = N_CONTRASTS // len(WINDOWS)


def walks(n: int, dim: int, n_points: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, dim, n_points, generator=generator).cumsum(2)


@pytest.mark.parametrize(("window", "at"), [(12, 40), (25, 10), (None, 60)])
def test_they_are_the_textbook_statistics(window: int | None, at: int) -> None:
    positions = walks(1, 1, 101)
    found = contrasts(positions).sinh()[0, at].view(len(WINDOWS), N_KINDS)
    steps = np.diff(positions[0, 0].numpy())
    steps = steps / np.sqrt((steps**2).mean())
    reach = len(steps) if window is None else window
    before, after = steps[max(at - reach, 0) : at], steps[at : at + reach]
    n = len(before) + len(after)
    said = found[WINDOWS.index(window)]

    t = stats.ttest_ind(np.log(after**2 + 1e-6), np.log(before**2 + 1e-6)).statistic
    assert float(said[0]) == pytest.approx(t * np.sqrt(n / (n - 2)), rel=2e-3)
    log_likelihood = [
        stats.norm.logpdf(x, scale=np.sqrt((y**2).mean())).sum()
        for x, y in ((before, before), (after, after), (before, np.append(before, after)),
                     (after, np.append(before, after)))
    ]  # fmt: skip
    ratio = sum(log_likelihood[:2]) - sum(log_likelihood[2:])
    assert float(said[-1] ** 2) == pytest.approx(2 * ratio, rel=2e-3, abs=1e-3)
    assert np.sign(float(said[-1])) == np.sign((after**2).mean() - (before**2).mean())


@pytest.mark.parametrize("kind", ["size", "direction"])
def test_a_change_stands_out_where_it_is(kind: str) -> None:
    steps = torch.randn(40, 2, 400, generator=torch.Generator().manual_seed(1))
    if kind == "size":
        steps[..., 150:] *= 1.5
        which = [0, 4]
    else:  # as localization errors make it: each step takes part of the one before back
        steps[..., 150:] -= 0.7 * steps[..., 149:-1]
        steps[..., 150:] /= 1.49**0.5
        which = [1]
    said = contrasts(torch.nn.functional.pad(steps.cumsum(2), (1, 0)))
    long = said.view(40, 400, len(WINDOWS), N_KINDS)[:, :, WINDOWS.index(100)].mean(0).abs()
    for statistic in which:
        assert int(long[:, statistic].argmax()) == pytest.approx(150, abs=5)
        assert long[150, statistic] > 3 * long[300, statistic]


@settings(deadline=None)
@given(st.integers(10, 120), st.integers(1, 3), st.integers(0, 2**20))
def test_place_size_mirrors_and_what_follows_change_nothing(
    n_points: int, dim: int, seed: int
) -> None:
    positions = walks(2, dim, n_points, seed)
    alone = contrasts(positions)
    assert alone.shape == (2, n_points - 1, N_CONTRASTS)
    assert torch.isfinite(alone).all()
    moved = 10 - 3 * positions.flip(1)
    torch.testing.assert_close(contrasts(moved), alone, atol=2e-2, rtol=1e-2)
    longer = torch.nn.functional.pad(positions, (0, 30), value=1e3)
    padded = contrasts(longer, lengths=torch.full((2,), n_points))
    # The root of a likelihood ratio near zero magnifies rounding.
    torch.testing.assert_close(padded[:, : n_points - 1], alone, atol=1e-2, rtol=1e-3)


def test_steps_that_were_not_seen_do_not_count() -> None:
    positions = walks(1, 2, 60)
    seen = torch.ones(1, 60, dtype=torch.bool)
    seen[0, 20:25] = False
    jumped = positions.clone()
    jumped[..., 20:25] = 1e3
    hidden = contrasts(jumped, seen)
    assert hidden.abs().max() < 10
    assert (contrasts(jumped) - hidden).abs().max() > 1


def test_a_particle_at_rest_gives_numbers() -> None:
    assert torch.isfinite(contrasts(torch.zeros(1, 2, 30))).all()
