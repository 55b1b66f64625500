"""The tracks that the benchmark makes of its own, against theory and against their originals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from perrin.engine.benchmarks.accuracy import attm_of_andi_datasets
from perrin.engine.benchmarks.detection import ODDITIES
from perrin.engine.benchmarks.robustness import blurred_and_sharp


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def transcribed(n_points: int, alpha: float, rng: np.random.Generator) -> np.ndarray:
    """ATTM in 3D, regime 1, line by line as andi-datasets 2.1.13 has it."""
    sigma = 3 * rng.uniform(0.01, 1.1)
    while sigma > sigma / alpha or sigma / alpha > sigma + 1:
        sigma = 3 * rng.uniform(0.01, 1.1)
    positions = np.zeros((1, 3))
    while len(positions) < n_points:
        diffusivity = (1 - rng.uniform(0.1, 0.99)) ** (1 / sigma)
        duration = int(min(diffusivity ** (-sigma / alpha), n_points))
        direction = rng.normal(size=(duration, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        steps = np.sqrt(2 * diffusivity) * rng.normal(size=(duration, 1)) * direction
        positions = np.concatenate((positions, positions[-1] + steps))
    return positions[:n_points].T


def summaries(positions: np.ndarray) -> np.ndarray:
    """Scale-free statistics of tracks ``(n, 3, n_points)``, one row each."""
    lags = [np.square(positions[..., k:] - positions[..., :-k]).sum(1) for k in (1, 2, 10, 60)]
    steps = np.diff(positions, axis=2)
    turning = (steps[..., 1:] * steps[..., :-1]).sum((1, 2)) / np.square(steps).sum((1, 2))
    means = [np.log(lag.mean(1)) for lag in lags]
    fourth = np.log(np.square(lags[0]).mean(1)) - 2 * means[0]
    return np.stack((*(mean - means[0] for mean in means[1:]), turning, fourth))


@pytest.mark.parametrize("alpha", [0.3, 0.8])
def test_their_attm_is_theirs(alpha: float) -> None:
    n, n_points = 400, 150
    rng = np.random.default_rng(7)
    theirs = np.stack([transcribed(n_points, alpha, rng) for _ in range(n)])
    steps = attm_of_andi_datasets(torch.full((n,), alpha), n_points, 3, generator())
    ours = np.concatenate((np.zeros((n, 3, 1)), steps.double().cumsum(2).numpy()), 2)
    for a, b in zip(summaries(ours), summaries(theirs), strict=True):
        assert stats.ks_2samp(a, b).pvalue > 0.001


def test_their_attm_jitters_in_place() -> None:
    # With alpha near 0 the first period lasts for the whole track: white noise about one place.
    steps = attm_of_andi_datasets(torch.full((500,), 0.05), 300, 3, generator()).double()
    turning = (steps[..., 1:] * steps[..., :-1]).sum((1, 2)) / steps.square().sum((1, 2))
    assert turning.median().item() == pytest.approx(-0.5, abs=0.05)


@pytest.mark.parametrize("dim", [1, 3])
def test_blur_averages_over_the_frame(dim: int) -> None:
    # Berglund (2010): with an open shutter displacements have variance 2/3 and neighbours 1/6.
    sharp, blurred = (x.double() for x in blurred_and_sharp(4000, 40, dim, generator()))
    assert sharp.shape == blurred.shape == (4000, dim, 40)
    for positions, variance, covariance in ((sharp, 1, 0), (blurred, 2 / 3, 1 / 6)):
        steps = positions.diff(dim=2)
        assert steps.var().item() == pytest.approx(variance, abs=0.01)
        neighbours = (steps[..., 1:] * steps[..., :-1]).mean().item()
        assert neighbours == pytest.approx(covariance, abs=0.01)
        assert (steps[..., 2:] * steps[..., :-2]).mean().item() == pytest.approx(0, abs=0.01)
    # The mean lies half a frame later: a third of a frame's variance from where the frame began.
    assert (blurred - sharp).square().mean().item() == pytest.approx(1 / 3, abs=0.01)


def test_odd_tracks_have_their_shape() -> None:
    for make in ODDITIES.values():
        tracks = make(3, 50, 2, generator=generator())
        assert tracks.shape == (3, 2, 50)
        assert torch.isfinite(tracks).all()
