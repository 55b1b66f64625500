"""Diffusivity and noise pooled over axes and over parts of a track."""

from __future__ import annotations

import math

import pytest
import torch

from perrin.engine.scale import Scale, pool_axes, pool_parts


def logs(*values: float) -> torch.Tensor:
    return torch.tensor(values).log()


def test_axes_are_pooled_as_the_physics_has_it() -> None:
    # D is the mean over axes, the variance of the noise too.
    log_d = torch.stack((logs(1.0, 3.0), logs(0.2, 0.4)), 1)[None]
    log_noise = torch.stack((logs(3.0, 4.0), logs(0.1, 0.1)), 1)[None]
    scale = pool_axes(log_d, log_noise)
    assert scale.diffusivity.item() == pytest.approx(2.0, rel=1e-6)
    assert scale.noise.item() == pytest.approx(math.sqrt(12.5), rel=1e-6)
    assert scale.error.item() == pytest.approx(math.hypot(1 * 0.2, 3 * 0.4) / 4, rel=1e-6)


def test_the_interval_is_that_of_the_laplace_distribution() -> None:
    generator = torch.Generator().manual_seed(0)
    uniform = torch.rand(200_000, generator=generator, dtype=torch.float64) - 0.5
    error = 0.3 * uniform.sign() * -torch.log1p(-2 * uniform.abs())
    n = len(error)
    d = error.exp()
    low, high = Scale(d, torch.full((n,), 0.3), d).interval(1.0)
    assert (low > 1).double().mean().item() == pytest.approx(0.05, abs=0.003)
    assert (high < 1).double().mean().item() == pytest.approx(0.05, abs=0.003)
    wider_low, wider_high = Scale(d, torch.full((n,), 0.3), d).interval(2.0)
    torch.testing.assert_close((wider_high / wider_low).sqrt(), high / low)


def test_many_axes_of_equal_uncertainty_are_known_better_than_one() -> None:
    log_d = torch.zeros(1, 3, 2)
    assert pool_axes(log_d, log_d).error.item() == pytest.approx(1 / math.sqrt(3))


def test_parts_are_weighted_by_their_length() -> None:
    parts = Scale(
        torch.tensor([1.0, 4.0, 7.0]), torch.tensor([0.1, 0.2, 0.3]), torch.tensor([1.0, 2.0, 5.0])
    )
    n_points, owner = torch.tensor([30, 10, 20]), torch.tensor([0, 0, 2])
    scale = pool_parts(parts, n_points, owner, 3)
    assert scale.diffusivity[0].item() == pytest.approx((30 * 1 + 10 * 4) / 40)
    assert scale.noise[0].item() == pytest.approx(math.sqrt((30 * 1 + 10 * 4) / 40))
    assert scale.error[0].item() == pytest.approx(math.hypot(30 * 0.1, 40 * 0.2) / 70)
    assert all(torch.isnan(each[1]) for each in scale)
    assert [each[2].item() for each in scale] == pytest.approx([7.0, 0.3, 5.0])
