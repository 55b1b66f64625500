"""Mobility and mass of simulated particles, and what is said where they cannot be had."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from perrin.errors import Cancelled, InputError
from perrin.learn.property.fit import PotentialFit, fit_in_potential, units_of
from perrin.simulate.potential import Potential, perlin_noise, simulate_brownian, simulate_newton
from perrin.tracks import Calibration

PHYSICAL = Calibration(pixel_size=0.1, frame_interval=0.02)


@pytest.fixture(scope="module")
def hills():
    """Perlin noise with a rim, of some kT per ten pixels."""
    return Potential(25 * perlin_noise(1, 96, np.random.default_rng(8), cells=2)[0])


def table_of(paths: np.ndarray) -> pd.DataFrame:
    n, _, n_frames = paths.shape
    particle, frame = (grid.ravel() for grid in np.mgrid[:n, :n_frames])
    return pd.DataFrame(
        {"particle": particle, "frame": frame, "y": paths[:, 0].ravel(), "x": paths[:, 1].ravel()}
    ).dropna()


@pytest.fixture(scope="module")
def brownian(hills):
    """Twelve particles of mobility 0.4 px²/(frame kT) at temperature kT = 1."""
    rng = np.random.default_rng(1)
    start = rng.uniform(30, 66, (12, 2))
    paths = simulate_brownian(hills, np.full(12, 0.4), 0.4, start, rng, n_frames=60)
    return table_of(paths + 0.1 * rng.standard_normal(paths.shape))


@pytest.fixture(scope="module")
def rolling(hills):
    """Eight particles of mass 5 to 40 kT frame²/px², some frames of which were missed."""
    rng = np.random.default_rng(2)
    mass = np.linspace(5, 40, 8)
    paths = simulate_newton(
        hills, mass, (48, 48), rng.normal(0, 0.3, (8, 2)), n_frames=30, steps_per_frame=8
    ).positions
    table = table_of(paths + 0.1 * rng.standard_normal(paths.shape))
    return table[table["frame"] % 7 != 3], mass


def z_scores(found: pd.DataFrame, name: str, truth: float | np.ndarray) -> pd.Series:
    width = np.log(found[f"{name}_hi"] / found[f"{name}_lo"]) / 3.29
    return np.log(found[name] / truth) / width


def test_mobility_and_diffusivity_of_overdamped_particles(hills, brownian):
    found = fit_in_potential(brownian, hills, PotentialFit(localization_error=0.1))
    held = (found["mobility_lo"] < 0.4) & (found["mobility_hi"] > 0.4)
    assert held.sum() >= 8  # 90 % of 12, less than three standard deviations away
    weight = 1 / (found["mobility_hi"] - found["mobility_lo"]) ** 2
    pooled = (found["mobility"] * weight).sum() / weight.sum()
    assert pooled == pytest.approx(0.4, abs=3 * weight.sum() ** -0.5 / 3.29)
    assert found["diffusivity"].median() == pytest.approx(0.4, rel=0.15)


def test_einsteins_relation_makes_the_mobility_much_more_precise(hills, brownian):
    free, tied = (
        fit_in_potential(brownian, hills, PotentialFit(thermal_energy=thermal))
        for thermal in (None, 1.0)
    )
    widths = [(found["mobility_hi"] - found["mobility_lo"]).median() for found in (free, tied)]
    assert widths[1] < 0.6 * widths[0]
    assert abs(z_scores(tied, "mobility", 0.4).mean()) < 3 / 12**0.5
    np.testing.assert_allclose(tied["diffusivity"], tied["mobility"], rtol=1e-9)
    known = PotentialFit(thermal_energy=1.0, localization_error=0.1)  # one number is left to find
    assert abs(z_scores(fit_in_potential(brownian, hills, known), "mobility", 0.4).mean()) < 1


def test_mass_of_inertial_particles_with_missing_frames(hills, rolling):
    tracks, mass = rolling
    found = fit_in_potential(tracks, hills, PotentialFit(motion="inertial"))
    z = z_scores(found, "inertial_mass", mass[found["particle"]])
    assert (abs(z) < 3).all()
    assert (found["inertial_mass_hi"] / found["inertial_mass_lo"]).median() < 1.5
    assert (found["flags"] == "").all()


def test_the_answer_is_in_the_units_of_calibration_and_energy(hills, rolling, brownian):
    rows = slice(0, 26)  # the first particle
    pairs = [
        (brownian.iloc[:60], "overdamped", "mobility", "µm²/(s kT)", 0.01 / (0.02 * 2)),
        (rolling[0].iloc[rows], "inertial", "inertial_mass", "kT s²/µm²", 2 * 0.02**2 / 0.01),
    ]
    for tracks, motion, name, unit, factor in pairs:
        plain = PotentialFit(motion=motion)
        scaled = PotentialFit(motion=motion, energy_per_level=2.0, energy_unit="kT")
        in_pixels = fit_in_potential(tracks, hills, plain)
        physical = fit_in_potential(tracks, hills, scaled, PHYSICAL)
        assert physical[f"{name}_unit"].iloc[0] == unit == units_of(scaled, PHYSICAL)[name]
        assert physical[name].iloc[0] == pytest.approx(factor * in_pixels[name].iloc[0])
        assert "level" in in_pixels[f"{name}_unit"].iloc[0]
        assert physical["noise"].iloc[0] == pytest.approx(100 * in_pixels["noise"].iloc[0])


def test_a_potential_of_the_wrong_sign_is_noticed(hills, rolling):
    tracks, _ = rolling
    wrong = PotentialFit(motion="inertial", energy_per_level=-1.0)
    found = fit_in_potential(tracks, hills, wrong)
    assert (found["flags"] == "climbs").all()
    assert found["inertial_mass"].isna().all()


def test_particles_that_feel_no_force_have_no_largest_mass(hills):
    rng = np.random.default_rng(3)
    straight = 30 + np.arange(25) * np.array([0.9, 0.4])[:, None] + rng.normal(0, 0.2, (4, 2, 25))
    found = fit_in_potential(table_of(straight), hills, PotentialFit(motion="inertial"))
    assert (found["flags"] == "no_force_seen").all()
    assert found["inertial_mass_hi"].isna().all()


def test_short_tracks_and_those_outside_are_flagged_and_left_empty(hills, brownian):
    outside = brownian[brownian["particle"] == 0].assign(particle=90)
    outside.loc[outside["frame"] == 5, "x"] = -3.0
    short = brownian[(brownian["particle"] == 0) & (brownian["frame"] < 6)].assign(particle=91)
    found = fit_in_potential(pd.concat([outside, short]), hills)
    assert list(found["flags"]) == ["leaves_image", "too_short"]
    assert found[["mobility", "diffusivity", "noise"]].isna().all(axis=None)


def test_a_track_that_never_moves_feels_no_force(hills, brownian):
    still = brownian[brownian["particle"] == 0].assign(y=40.0, x=50.0)
    found = fit_in_potential(still, hills, PotentialFit(localization_error=0.1))
    assert found["flags"].iloc[0] == "no_force_seen"
    assert found["mobility_lo"].iloc[0] < 0 < found["mobility_hi"].iloc[0]


def test_what_cannot_be_measured_is_refused_in_a_sentence(hills, brownian):
    with pytest.raises(InputError, match="2D tracks"):
        fit_in_potential(brownian.drop(columns="y"), hills)
    with pytest.raises(InputError, match="within the image"):
        fit_in_potential(brownian.assign(x=1e4), hills)
    with pytest.raises(InputError, match="no force"):
        PotentialFit.checked(energy_per_level=0)
    with pytest.raises(InputError, match="overdamped"):
        PotentialFit.checked(motion="inertial", thermal_energy=1.0)


def test_the_work_can_be_cancelled(hills, brownian):
    def stop(what: str, done: int, total: int) -> None:
        assert (what, total) == ("fitting tracks", 12)
        if done == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        fit_in_potential(brownian, hills, progress=stop)
