"""The data protocols against their descriptions."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from perrin.models import MODELS
from perrin.simulate.protocols import ALPHAS, NOISE_LEVELS, cell_weights, normalised, theory


def test_cells_are_those_of_the_challenge() -> None:
    for task in ("alpha", "model", "both"):
        weights = cell_weights(task)
        assert weights.sum().item() == pytest.approx(1)
        count = (weights > 0).sum(1).tolist()
        assert dict(zip(MODELS, count, strict=True)) == {
            "ATTM": 20, "CTRW": 20, "FBM": 39, "LW": 21, "SBM": 40,
        }  # fmt: skip
    torch.testing.assert_close(cell_weights("model").sum(1), torch.full((5,), 0.2))
    torch.testing.assert_close(cell_weights("alpha").sum(0), torch.full((40,), 1 / 40))


@pytest.mark.parametrize("noise_per", ["axis", "track"])
def test_theory_tracks_have_the_noise_they_say(noise_per: Literal["axis", "track"]) -> None:
    generator = torch.Generator().manual_seed(1)
    tracks = theory(3000, 3, noise_per=noise_per, shortest=999, generator=generator)
    assert tracks.positions.shape == (3000, 3, 999)
    same = (tracks.noise == tracks.noise[:, :1]).all(1)
    assert bool(same.all()) == (noise_per == "track")
    assert {round(level, 4) for level in tracks.noise.unique().tolist()} == set(NOISE_LEVELS)
    # FBM at alpha 1 is white: its displacements then have variance 1 + 2 noise² in units of the
    # factor squared, and neighbours the covariance -noise², whatever the factor.
    white = (tracks.model == MODELS.index("FBM")) & ((tracks.alpha - 1).abs() < 0.01)
    steps = tracks.positions[white].diff(dim=2)
    ratio = (steps[..., 1:] * steps[..., :-1]).mean(2) / steps.square().mean(2)
    squared = tracks.noise[white].square()
    expected = -squared / (1 + 2 * squared)
    assert (ratio - expected).mean().abs() < 4 / (999 * ratio.numel()) ** 0.5


def test_lengths_cover_the_range_evenly() -> None:
    tracks = theory(3000, 1, shortest=10, longest=50, generator=torch.Generator().manual_seed(2))
    counts = np.bincount(tracks.lengths, minlength=51)[10:]
    assert counts.min() > 0
    assert counts.sum() == 3000
    chi_square = ((counts - 3000 / 41) ** 2 / (3000 / 41)).sum()
    assert chi_square < 75  # 40 degrees of freedom, p = 0.0007


def test_displacements_are_normalised_per_axis_whatever_their_size() -> None:
    steps = torch.randn(4, 2, 500) * torch.tensor([1e-30, 1e10])[:, None]
    deviation = normalised(steps).std(2, correction=0)
    torch.testing.assert_close(deviation, torch.ones(4, 2))


def test_an_axis_of_even_motion_hides_its_noise() -> None:
    steps = normalised(torch.full((1, 1, 100), 3.0))
    assert steps.min() > 1e5


def test_exponents_are_on_the_grid() -> None:
    assert ALPHAS.numel() == 40
    assert ALPHAS[0].item() == pytest.approx(0.05)
    assert ALPHAS[-1].item() == pytest.approx(2)
