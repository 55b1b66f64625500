"""What positions say of segments, against likelihoods computed in other ways."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from perrin.engine.switching.evidence import Stretches, of_positions
from perrin.simulate.switching import simulate_switching
from perrin.statistics import fit_fbm

ESCAPES = 0.05  # probability per frame that evidence.py gives to an escape
PRIOR = np.log(9.2 * 1.96)  # four decades of D and all alphas alike


def stretches(tracks: pd.DataFrame) -> Stretches:
    starts = np.flatnonzero(tracks["particle"].diff() != 0)
    return Stretches(
        tracks[["y", "x"]].to_numpy(),
        tracks["frame"].to_numpy(),
        starts,
        np.append(starts[1:], len(tracks)),
        np.zeros(len(starts)),
    )


def motion(n: int) -> np.ndarray:
    return np.tile((0.0, 0.0, 1.0, 0.0), (n, 1))


def test_the_gaussian_stands_for_the_likelihood() -> None:
    """Its mean and width are those of a maximum-likelihood fit, where there are many points."""
    tracks = simulate_switching([0.5], n_tracks=5, n_points=300, noise=0.1, seed=1)
    seen = of_positions(stretches(tracks), motion(5), 0.1, 0.0)
    fitted = fit_fbm(tracks, noise=0.1, exposure=0.0)
    width = np.sqrt(np.einsum("ndd->nd", seen.covariance))
    np.testing.assert_allclose(seen.value[:, 1], fitted["alpha"], atol=0.02)
    np.testing.assert_allclose(seen.value[:, 0], np.log(fitted["coefficient"]), atol=0.03)
    np.testing.assert_allclose(width[:, 1], fitted["alpha_se"], rtol=0.2)
    assert (seen.still < seen.moving - PRIOR - 100).all()


def test_rest_is_likelier_than_motion_for_a_particle_at_rest() -> None:
    rng = np.random.default_rng(2)
    n_tracks, n_points = 40, 20
    tracks = pd.DataFrame(
        {
            "particle": np.repeat(np.arange(n_tracks), n_points),
            "frame": np.tile(np.arange(n_points), n_tracks),
            "y": 0.1 * rng.standard_normal(n_tracks * n_points),
            "x": 0.1 * rng.standard_normal(n_tracks * n_points),
        }
    )
    seen = of_positions(stretches(tracks), motion(n_tracks), 0.1, 0.0)
    assert (seen.still > seen.moving - PRIOR).mean() > 0.9
    jumping = tracks.assign(x=tracks["x"] + 3.0 * (tracks["frame"] >= 8))
    seen = of_positions(stretches(jumping), motion(n_tracks), 0.1, 0.0)
    assert (seen.still > seen.moving - PRIOR).mean() > 0.9


@given(st.integers(0, 1000), st.integers(2, 5))
@settings(max_examples=20, deadline=None)
def test_the_likelihood_of_rest_is_the_sum_over_all_escapes(seed: int, n: int) -> None:
    """Summed by hand over every way to part the track, each part about an unknown place."""
    rng = np.random.default_rng(seed)
    position = rng.standard_normal((n, 2))
    noise, jump = 0.7, float(np.square(np.diff(position, axis=0)).mean())
    track = Stretches(position, np.arange(n), np.array([0]), np.array([n]), np.zeros(1))
    total = 0.0
    for escapes in product((False, True), repeat=n - 1):
        ends = [0, *(1 + np.flatnonzero(escapes)), n]
        likelihood = 1.0
        for start, stop in pairwise(ends):
            likelihood *= (1 - ESCAPES) ** (stop - start - 1)
            if start:
                likelihood *= ESCAPES / (2 * np.pi * jump)
            if stop - start > 1:
                steps = np.diff(position[start:stop], axis=0)
                covariance = noise**2 * (
                    2 * np.eye(len(steps)) - np.eye(len(steps), k=1) - np.eye(len(steps), k=-1)
                )
                for axis in steps.T:
                    likelihood *= multivariate_normal.pdf(axis, cov=covariance)
        total += likelihood
    constants = -(n - 1) * np.log(2 * np.pi)
    seen = of_positions(track, motion(1), noise, 0.0)
    assert seen.still[0] + constants == pytest.approx(np.log(total), abs=1e-9)
