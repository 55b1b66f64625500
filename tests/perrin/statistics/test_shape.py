from __future__ import annotations

import numpy as np
import pytest

from perrin.errors import InputError
from perrin.statistics import (
    confinement_radius,
    first_passage,
    moment_scaling_spectrum,
    non_gaussian_parameter,
    van_hove,
    velocity_autocorrelation,
)


def test_van_hove_of_brownian_motion_is_gaussian(brownian, as_table):
    table = van_hove(as_table(brownian(1, 200, 200)), lag=1, bins=np.linspace(-4, 4, 21))
    assert (np.abs(table["density"] - table["gaussian"]) < 5 * table["density_se"] + 0.004).all()
    assert (table["density"] * 0.4).sum() == pytest.approx(1, abs=0.01)


def test_non_gaussian_parameter_is_that_of_two_diffusivities(brownian, as_table):
    # Half the tracks at D = 1, half at 4: <D²>/<D>² - 1 = 8.5 / 6.25 - 1 = 0.36.
    plain = non_gaussian_parameter(as_table(brownian(2, 300, 100)), 3)
    assert (plain["parameter"].abs() < 4 * plain["parameter_se"]).all()
    both = np.concatenate([brownian(3, 300, 100, 1.0), brownian(4, 300, 100, 4.0)])
    mixed = non_gaussian_parameter(as_table(both), 3)
    np.testing.assert_allclose(mixed["parameter"], 0.36, atol=0.03)


@pytest.mark.parametrize("alpha", [0.5, 1.5])
def test_velocity_autocorrelation_of_fractional_brownian_motion(fractional, as_table, alpha):
    table = velocity_autocorrelation(as_table(fractional(5, 300, 150, alpha)), 5)
    t = table["lag"].to_numpy(dtype=float)
    theory = ((t + 1) ** alpha + np.abs(t - 1) ** alpha - 2 * t**alpha) / 2
    assert table["correlation"].iloc[0] == 1
    assert (np.abs(table["correlation"] - theory) < 4 * table["correlation_se"])[1:].all()
    assert (table["correlation_se"] < 0.02).all()


def test_velocity_autocorrelation_of_noise_and_gaps(brownian, as_table):
    # Brownian motion with noise: -sigma² / (2 D + 2 sigma²) at lag 1.
    tracks = as_table(brownian(6, 300, 100, 1.0, 1.0))
    tracks = tracks[np.random.default_rng(0).random(len(tracks)) > 0.2]
    table = velocity_autocorrelation(tracks, 3)
    np.testing.assert_allclose(table["correlation"], [1, -0.25, 0, 0], atol=0.02)


def test_moment_scaling_spectrum_of_self_similar_motion_is_a_line(fractional, as_table):
    table = moment_scaling_spectrum(as_table(fractional(7, 300, 200, 1.4)))
    np.testing.assert_allclose(table["exponent"], 0.7 * table["order"], rtol=0.03)


def test_first_passage_of_brownian_motion_in_the_plane(brownian, as_table):
    # r² / (4 D), with a step's length more since positions are known once per frame.
    table = first_passage(as_table(brownian(8, 600, 6000)), 40.0)
    assert table["time"].notna().mean() > 0.99
    assert table["time"].mean() == pytest.approx(400, rel=0.1)
    never = first_passage(as_table(brownian(8, 5, 10)), 1e6)
    assert never["time"].isna().all()
    assert (never["observed"] == 9).all()


@pytest.mark.parametrize(("n_axes", "noise"), [(1, 0.0), (2, 0.0), (3, 0.0), (2, 0.3)])
def test_radius_of_a_ball_filled_evenly(as_table, n_axes, noise):
    rng = np.random.default_rng(9)
    direction = rng.normal(size=(50, 2000, n_axes))
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    place = 3 * direction * rng.random((50, 2000, 1)) ** (1 / n_axes)
    table = confinement_radius(as_table(place + rng.normal(0, noise, place.shape)), noise)
    assert table["radius"].mean() == pytest.approx(3, rel=0.01)
    assert table["saturation"].mean() == pytest.approx(1, abs=0.02)


def test_free_motion_does_not_saturate(brownian, as_table):
    assert confinement_radius(as_table(brownian(10, 200, 500)))["saturation"].median() < 0.5


def test_bad_arguments(brownian, as_table):
    tracks = as_table(brownian(11, 2, 5))
    with pytest.raises(InputError, match="radius is -1"):
        first_passage(tracks, -1)
    with pytest.raises(InputError, match="9 frames apart"):
        van_hove(tracks, 9)
    with pytest.raises(InputError, match="three lags"):
        moment_scaling_spectrum(tracks, max_lag=2)
    with pytest.raises(InputError, match="lag is 0"):
        van_hove(tracks, 0)
