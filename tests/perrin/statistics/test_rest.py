"""Rest and motion told apart: false alarms, distribution, power beside the best possible test."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perrin import InputError
from perrin.statistics import immobility
from perrin.statistics._rest import wandering_tail


@pytest.mark.parametrize(
    ("n_axes", "critical"),
    [(1, (0.347, 0.461, 0.743)), (2, (0.607, 0.748, 1.074)), (3, (0.841, 1.000, 1.359))],
)
def test_critical_values_are_those_of_nyblom_and_harvey_2000_table_1(n_axes, critical):
    np.testing.assert_allclose(
        wandering_tail(np.array(critical), n_axes), [0.1, 0.05, 0.01], rtol=0.01
    )


@pytest.mark.parametrize("n_axes", [1, 2, 3])
def test_tail_falls_from_one_to_nothing(n_axes):
    tail = wandering_tail(np.linspace(0, 40, 2000), n_axes)
    assert (np.diff(tail) <= 0).all()
    assert tail[0] == pytest.approx(1, abs=1e-4)
    assert 0 < tail[-1] < 1e-11
    assert np.isnan(wandering_tail(np.array([np.nan]), n_axes))


@pytest.mark.parametrize("n_axes", [1, 2, 3])
@pytest.mark.parametrize("n_points", [5, 10, 50])
def test_of_particles_at_rest_both_statistics_have_the_moments_of_theory(
    as_table, n_points, n_axes
):
    rng = np.random.default_rng(n_points)
    # Noise may differ between axes and frames may be missing; neither matters at rest.
    positions = rng.normal(100, np.array([0.1, 1, 10])[:n_axes], (3000, n_points, n_axes))
    tracks = as_table(positions)
    tracks["frame"] *= 1 + tracks["particle"] % 3
    found = immobility(tracks)
    assert found["wandering"].mean() == pytest.approx(
        n_axes * (n_points + 1) / (6 * n_points), rel=0.04
    )
    # von Neumann 1941: mean 0 and variance 1 of the ratio as it is scaled here.
    assert found["smoothness"].mean() == pytest.approx(0, abs=4 / np.sqrt(3000))
    assert found["smoothness"].var() == pytest.approx(1, rel=0.12)
    for level in (0.05, 0.2):
        alarms = (found["p_immobile"] < level).mean()
        assert alarms < level + 3 * np.sqrt(level * (1 - level) / 3000)
        if n_points == 50:
            assert alarms > 0.7 * level


def test_power_is_near_that_of_the_best_test_that_knows_the_motion(brownian, as_table):
    n_points, diffusivity = 50, 0.02
    # Of tests that shift and scale do not change, the ratio of quadratic forms with the true
    # covariance is the most powerful (Neyman and Pearson; King 1987, Econometric Reviews 6, 169).
    frames = np.arange(n_points)
    covariance = np.eye(n_points) + 2 * diffusivity * np.minimum.outer(frames, frames)
    basis = np.linalg.qr(np.eye(n_points) - 1 / n_points)[0][:, :-1]
    inverse = np.linalg.inv(basis.T @ covariance @ basis)

    def best(positions):
        free = np.einsum("ij,kid->kjd", basis, positions)
        return (free**2).sum((1, 2)) / np.einsum("kid,ij,kjd->k", free, inverse, free)

    rest = np.random.default_rng(2).normal(size=(10_000, n_points, 2))
    moving = brownian(3, 1500, n_points, diffusivity=diffusivity, noise=1)
    highest = np.mean(best(moving) > np.quantile(best(rest), 0.95))
    found = (immobility(as_table(moving))["p_immobile"] < 0.05).mean()
    assert 0.85 * highest < found < highest


def test_confined_motion_is_seen_by_its_smoothness(as_table):
    # Ornstein and Uhlenbeck's motion, a relaxation time of 3 frames, as large as the noise.
    rng = np.random.default_rng(4)
    position = rng.normal(size=(500, 50, 2))
    for frame in range(1, 50):
        memory = np.exp(-1 / 3)
        position[:, frame] = (
            memory * position[:, frame - 1] + np.sqrt(1 - memory**2) * position[:, frame]
        )
    found = immobility(as_table(position + rng.normal(size=position.shape)))
    assert (found["p_immobile"] < 0.05).mean() > 0.8
    assert (2 * wandering_tail(found["wandering"].to_numpy(), 2) < 0.05).mean() < 0.5


@settings(max_examples=30, deadline=None)
@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e3), st.integers(5, 30))
def test_place_and_scale_do_not_matter(as_table, place, factor, n_points):
    tracks = as_table(np.random.default_rng(n_points).normal(size=(3, n_points, 2)))
    other = tracks.assign(y=place + factor * tracks["y"], x=place + factor * tracks["x"])
    pd.testing.assert_frame_equal(immobility(tracks), immobility(other), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("place", [0.0, 0.1, 123.456])
def test_a_particle_that_never_changes_is_at_rest(as_table, place):
    tracks = as_table(np.full((2, 20, 2), place))
    tracks.loc[tracks["particle"] == 1, "x"] += np.arange(20)
    found = immobility(tracks)
    assert found.loc[0, "p_immobile"] == 1
    assert found.loc[1, "p_immobile"] < 1e-3


def test_short_tracks_say_nothing(as_table):
    tracks = as_table(np.random.default_rng(5).normal(size=(4, 5, 2)))
    found = immobility(tracks[(tracks["particle"] != 2) | (tracks["frame"] < 4)])
    assert found["n_points"].tolist() == [5, 5, 4, 5]
    assert found["p_immobile"].isna().tolist() == [False, False, True, False]
    assert list(immobility(tracks[:0]).columns) == list(found.columns)
    with pytest.raises(InputError, match="'particle'"):
        immobility(pd.DataFrame({"x": [1.0]}))
