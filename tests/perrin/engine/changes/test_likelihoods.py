"""Likelihoods of a change: against the density of Gaussian vectors, symmetries, gaps, lengths."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import toeplitz
from scipy.special import logsumexp
from scipy.stats import multivariate_t

from perrin.engine.changes import likelihoods as module
from perrin.engine.changes.likelihoods import N_LIKELIHOODS, likelihoods, log_evidence
from perrin.simulate.models import fbm
from perrin.simulate.protocols import NOISE_LEVELS

GAUSSIAN, COMMON, LOGARITHMIC, EITHER = range(4)


def joined(alpha: tuple[float, float], at: int, n: int, dim: int, factor: float = 1.0):
    generator = torch.Generator().manual_seed(5)
    parts = [fbm(torch.full((n,), each), 200, dim, generator) for each in alpha]
    later = torch.arange(199) >= at
    steps = torch.where(later, factor * parts[1], parts[0])
    return torch.nn.functional.pad(steps.cumsum(2), (1, 0))


def walks(n: int, dim: int, n_points: int) -> torch.Tensor:
    return torch.randn(n, dim, n_points, generator=torch.Generator().manual_seed(2)).cumsum(2)


def covariance(alpha: float, noise: float, n: int) -> np.ndarray:
    """Of displacements of fractional Brownian motion with localization noise: half the second
    differences of the mean squared displacement (Mandelbrot and van Ness 1968)."""
    lag = np.arange(n + 1.0)
    msd = lag**alpha + 2 * noise**2 * (lag > 0)
    return toeplitz((msd[1:] + np.r_[msd[1], msd[:-2]] - 2 * msd[:-1]) / 2)


def test_one_side_has_the_density_of_a_student_vector() -> None:
    """A Gaussian vector whose variance is inverse gamma is Student's, at each of the grid.

    On so few displacements the prediction from those before is exact.
    """
    n = 12
    steps = torch.randn(n, generator=torch.Generator().manual_seed(1)).double()
    track = torch.nn.functional.pad(steps.cumsum(0), (1, 0))[None, None]
    a, b = module._SIZE
    x = steps.numpy() / np.sqrt(np.square(steps.numpy()).mean())
    density = [
        logsumexp(
            [
                multivariate_t.logpdf(x, shape=b / a * covariance(alpha, noise, n), df=2 * a)
                for noise in NOISE_LEVELS
            ]
        )
        - np.log(len(NOISE_LEVELS))
        for alpha in module._EXPONENTS
    ]
    expected = logsumexp(density) - np.log(len(density))
    # At the first border all displacements are after it, at the last all before.
    found = log_evidence(track, n)[0, :, GAUSSIAN]
    assert found.tolist() == pytest.approx([expected, expected], abs=1e-3)


@pytest.mark.parametrize("alpha", [(0.3, 1.6), (1.6, 0.3)])
def test_a_change_of_exponent_is_most_likely_where_it_is(alpha: tuple[float, float]) -> None:
    found = log_evidence(joined(alpha, 120, 40, 2), 1)
    for kind in (GAUSSIAN, COMMON, EITHER):
        best = found[..., kind].argmax(1).double()
        assert (best - 120).abs().median() <= 3
        assert (found[..., kind].amax(1) > found[:, 0, kind] + 5).double().mean() > 0.9


def test_a_change_of_size_shows_though_nothing_else_changes() -> None:
    found = log_evidence(joined((1.0, 1.0), 80, 40, 1, factor=4.0), 1)
    assert (found.argmax(1)[:, [GAUSSIAN, EITHER]].double() - 80).abs().median() <= 3


def test_no_change_is_seldom_outdone() -> None:
    found = log_evidence(joined((1.0, 1.0), 200, 200, 2), 1)[..., GAUSSIAN]
    # With 199 places at even odds, the evidence of all of them together.
    together = found[:, 1:].logsumexp(1) - np.log(199)
    assert (together > found[:, 0]).double().mean() < 0.1


def test_mirrored_swapped_and_scaled_axes_change_nothing() -> None:
    tracks = walks(5, 3, 90)
    turned = torch.stack((tracks[:, 2], -7 * tracks[:, 0], 0.1 * tracks[:, 1]), 1)
    one, other = (log_evidence(each, 1)[..., [GAUSSIAN, EITHER]] for each in (tracks, turned))
    assert torch.allclose(one, other, atol=1e-2)


def test_time_reversed_the_borders_are_mirrored() -> None:
    tracks = walks(5, 2, 81)
    assert torch.allclose(
        log_evidence(tracks.flip(2), 4).flip(1), log_evidence(tracks, 4), atol=0.05
    )


@given(shorter=st.integers(20, 150), stride=st.sampled_from([1, 2, 4, 8]))
def test_a_track_gets_the_same_in_company(shorter: int, stride: int) -> None:
    tracks = walks(2, 2, 200)
    together = log_evidence(tracks, stride, lengths=torch.tensor([200, shorter]))
    alone = log_evidence(tracks[1:, :, :shorter], stride)
    assert torch.allclose(together[1:, : alone.shape[1]], alone, atol=0.05)


def test_displacements_that_were_not_seen_say_nothing() -> None:
    tracks = walks(2, 2, 60)
    seen = torch.ones(2, 60, dtype=torch.bool)
    seen[:, 30] = False
    spoilt = tracks.clone()
    spoilt[..., 30] = 1e3
    assert torch.allclose(log_evidence(tracks, 2, seen), log_evidence(spoilt, 2, seen), atol=1e-3)


@pytest.mark.parametrize("n_points", [2, 5, 40])
def test_every_border_has_finite_channels(n_points: int) -> None:
    for tracks in (walks(3, 2, n_points), torch.zeros(3, 2, n_points)):
        found = likelihoods(tracks, 2)
        assert found.shape == (3, (n_points - 1) // 2 + 1, N_LIKELIHOODS)
        assert torch.isfinite(found).all()
        # The best border of each kind is not outdone.
        assert (found[..., : N_LIKELIHOODS // 2].amax(1) == 0).all()
