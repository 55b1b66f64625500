"""The five models against their theory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from perrin.errors import InputError
from perrin.models import MODELS
from perrin.simulate import models, simulate_tracks


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(20_261_121)


def ensemble_exponent(steps: torch.Tensor, first: int, last: int) -> float:
    """Slope of the ensemble-averaged MSD in log-log between two times."""
    msd = steps.double().cumsum(2).square().sum(1).mean(0)
    times = np.unique(np.geomspace(first, last, 12).astype(int))
    return float(np.polyfit(np.log(times), np.log(msd[times - 1].numpy()), 1)[0])


@pytest.mark.parametrize("alpha", [0.2, 0.7, 1.0, 1.4, 1.9])
def test_fbm_increments_have_the_covariance_of_mandelbrot_and_van_ness(
    alpha: float, generator: torch.Generator
) -> None:
    steps = models.fbm(torch.full((4000,), alpha), 65, 2, generator).double()
    lag = np.arange(64)
    theory = (np.abs(lag + 1.0) ** alpha - 2 * lag**alpha + np.abs(lag - 1.0) ** alpha) / 2
    theory[0] = 1
    for k in (0, 1, 2, 5, 20, 60):
        products = (steps[..., : 64 - k] * steps[..., k:]).mean(2).flatten()
        error = products.std().item() / products.numel() ** 0.5
        assert products.mean().item() == pytest.approx(theory[k], abs=4.5 * error)


def test_fbm_axes_are_independent(generator: torch.Generator) -> None:
    steps = models.fbm(torch.full((4000,), 1.5), 33, 3, generator)
    x, y = steps[:, 0].sum(1), steps[:, 2].sum(1)
    assert abs(torch.corrcoef(torch.stack((x, y)))[0, 1].item()) < 4.5 / 4000**0.5


class _NoDoubles(TorchDispatchMode):
    """Apple's GPUs: they know no double precision."""

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for each in tree_leaves(result):
            if isinstance(each, torch.Tensor) and each.device.type == "mps":
                assert each.dtype != torch.float64, function
        return result


def test_apple_gpus_are_not_asked_for_double_precision(
    generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "_normal", lambda shape, _: torch.empty(shape, device="mps"))
    with FakeTensorMode(), _NoDoubles():
        alpha = torch.ones(3, device="mps")
        spectrum = models._fbm_spectrum(alpha, 8)
        steps = models.sbm(alpha, 10, 2, generator)
    for result, shape in ((spectrum, (3, 9)), (steps, (3, 2, 9))):
        assert result.shape == shape
        assert result.device.type == "mps"
        assert result.dtype == torch.float32


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0, 2.0])
def test_sbm_variance_grows_as_time_to_the_alpha(alpha: float, generator: torch.Generator) -> None:
    steps = models.sbm(torch.full((20_000,), alpha), 101, 1, generator)[:, 0].double()
    time = np.arange(1, 101)
    theory = (time + 1.0) ** alpha - time**alpha
    ratio = steps.square().mean(0).numpy() / theory
    assert np.abs(ratio - 1).max() < 5 * (2 / 20_000) ** 0.5


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("alpha", [0.3, 0.8])
def test_ctrw_first_waiting_time_has_a_power_law_tail(
    alpha: float, dim: int, generator: torch.Generator
) -> None:
    n = 20_000
    moved = models.ctrw(torch.full((n,), alpha), 200, dim, generator).ne(0).any(1)
    first = torch.where(moved.any(1), moved.float().argmax(1) + 1, 200).numpy()
    for t in (2, 5, 20, 100):
        p = t**-alpha
        assert (first >= t).mean() == pytest.approx(p, abs=4.5 * (p * (1 - p) / n) ** 0.5)


def test_ctrw_makes_as_many_jumps_as_renewal_theory_says(generator: torch.Generator) -> None:
    # <N(t)> = t**a / (Gamma(1 - a) Gamma(1 + a)) for waiting times with the tail t**-a
    # (Metzler & Klafter, Phys. Rep. 339, 1 (2000), eq. 42 with unit variance of the jumps).
    alpha, n = 0.5, 8000
    steps = models.ctrw(torch.full((n,), alpha), 1000, 1, generator)
    for t in (200, 999):
        jumps = steps[..., :t].ne(0).sum(2).double()
        theory = t**alpha / (math.gamma(1 - alpha) * math.gamma(1 + alpha))
        # At a = 1/2 the next term of the expansion is a constant.
        theory += 1 / math.pi - 1
        assert jumps.mean().item() == pytest.approx(theory, rel=0.035)
        spread = steps[..., :t].sum(2).square().mean().item()
        assert spread == pytest.approx(theory, rel=0.1)


@pytest.mark.parametrize("alpha", [1.2, 1.7])
def test_lw_first_flight_has_a_power_law_tail(alpha: float, generator: torch.Generator) -> None:
    n, exponent = 20_000, 3 - alpha
    steps = models.lw(torch.full((n,), alpha), 200, 2, generator)
    turned = (steps - steps[..., :1]).abs().amax(1) > 1e-4 * steps.abs().amax((1, 2))[:, None]
    # The challenge drops a walk's first step, so that a flight of t steps shows t - 1.
    first = torch.where(turned.any(1), turned.float().argmax(1), 199).numpy() + 1
    for t in (3, 10, 50):
        # A flight of one step is never seen: the next one then comes first.
        seen, theory = (first >= t).mean(), t**-exponent
        unseen = 1 - 2**-exponent
        expected = theory + unseen * (t - 1.0) ** -exponent
        assert seen == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("alpha", [1.3, 1.7, 2.0])
def test_lw_spreads_as_time_to_the_alpha(alpha: float, generator: torch.Generator) -> None:
    steps = models.lw(torch.full((6_000,), alpha), 1000, 2, generator)
    assert ensemble_exponent(steps, 60, 999) == pytest.approx(alpha, abs=0.1)


def test_lw_keeps_its_speed(generator: torch.Generator) -> None:
    steps = models.lw(torch.full((50,), 1.5), 100, 3, generator)
    speed = steps.norm(dim=1)
    torch.testing.assert_close(speed, speed[:, :1].expand_as(speed), rtol=1e-4, atol=1e-5)
    assert speed.min() > 0
    assert speed.max() <= 10.001


@pytest.mark.parametrize("alpha", [0.3, 0.6, 0.9])
def test_attm_periods_follow_massignan_regime_1(alpha: float, generator: torch.Generator) -> None:
    n = 8_000
    scale, _ = models.attm_periods(torch.full((n,), alpha), 300, generator)
    log_d = 2 * scale.double().log()
    change = (log_d.diff(dim=1).abs() > 1e-5).numpy()
    first = np.where(change.any(1), change.argmax(1) + 1, 299)
    for t in (2, 5, 20, 100):
        # P(duration > t) for D**(1 / sigma) uniform between 0.01 and 0.9, the challenge's cut.
        p = min(1.0, max(0.0, (t**-alpha - 0.01) / 0.89))
        assert (first >= t).mean() == pytest.approx(p, abs=4.5 * (p * (1 - p) / n) ** 0.5 + 1e-9)
    # The duration is D**-gamma: long first periods give gamma, and with it sigma.
    second = np.where(
        change.sum(1) > 1, np.array([np.flatnonzero(c)[1:2].sum() for c in change]), 0
    )
    both = np.flatnonzero((first > 30) & (second - first > 30))
    rows = torch.from_numpy(both)
    ratio_d = (log_d[rows, 0] - log_d[rows, torch.from_numpy(first[both])]).numpy()
    ratio_t = np.log(first[both]) - np.log(second[both] + 1 - first[both])
    clear = np.abs(ratio_t) > 0.5
    gamma = -ratio_t[clear] / ratio_d[clear]
    sigma = alpha * gamma
    assert clear.sum() > 5
    # Durations are whole frames, hence the margin.
    assert np.all(gamma > 0)
    assert np.all(sigma < 3.3 * 1.15)
    assert np.all(gamma < (sigma + 1) * 1.15)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_every_model_is_finite_and_reproducible(name: str, dim: int) -> None:
    low, high = models.ALPHA_RANGE[name]
    alpha = torch.linspace(low, high, 64)
    code = torch.full((64,), MODELS.index(name))
    first, second = (
        models.simulate_displacements(code, alpha, 1000, dim, torch.Generator().manual_seed(5))
        for _ in range(2)
    )
    assert first.shape == (64, dim, 999)
    assert torch.isfinite(first).all()
    assert torch.equal(first, second)


def test_an_exponent_that_a_model_has_not_is_refused() -> None:
    with pytest.raises(InputError, match=r"CTRW is defined for alpha from 0\.05 to 1"):
        simulate_tracks(model="CTRW", alpha=1.5)
