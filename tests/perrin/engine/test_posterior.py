"""Quantiles of the exponent, and whether the motion is ergodic."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from perrin.engine.posterior import alpha_quantiles, ergodic_probability

weights = st.lists(st.floats(0, 1), min_size=200, max_size=200).filter(lambda w: sum(w) > 1e-3)


@given(weights)
def test_quantiles_are_in_order_and_in_range(values: list[float]) -> None:
    posterior = torch.tensor(values, dtype=torch.float64).view(1, 5, 40)
    low, middle, high = alpha_quantiles(posterior / posterior.sum(), (0.05, 0.5, 0.95))[0].tolist()
    assert 0.05 <= low <= middle <= high <= 2 + 1e-6


def test_a_certain_bin_gives_its_centre() -> None:
    for i in (0, 7, 19, 39):
        posterior = torch.zeros(1, 5, 40)
        posterior[0, 2, i] = 1
        median = alpha_quantiles(posterior, (0.5,)).item()
        assert median == pytest.approx(0.05 * (i + 1), abs=1e-6)


def test_quantiles_of_an_even_posterior_are_those_of_the_even_distribution() -> None:
    posterior = torch.full((1, 5, 40), 1 / 200)
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    found = alpha_quantiles(posterior, levels)[0].numpy()
    np.testing.assert_allclose(found, 0.025 + 2 * np.array(levels), atol=1e-5)


def test_fbm_is_ergodic_and_so_is_sbm_where_it_is_brownian_motion() -> None:
    # ATTM, CTRW, FBM, LW, SBM with alpha 1.2, SBM with alpha 1.
    cells = [(0, 10), (1, 10), (2, 10), (3, 30), (4, 23), (4, 19)]
    posterior = torch.zeros(len(cells), 5, 40)
    for track, (model, exponent) in enumerate(cells):
        posterior[track, model, exponent] = 1
    assert ergodic_probability(posterior).tolist() == [0, 0, 1, 0, 0, 1]
    assert ergodic_probability(posterior.mean(0, keepdim=True)).item() == pytest.approx(2 / 6)
