from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

from perrin.errors import Cancelled, InputError
from perrin.io import read_tracks
from perrin.statistics import StateArray, fit_states, infer_state_array, remaining_share
from perrin.statistics._population import Spectra

TWO = ((0.1, 2.0), (0.4, 0.6))
THREE = ((0.05, 0.6, 6.0), (0.3, 0.3, 0.4))


def mixture(seed, n_tracks, diffusivities, shares, noise=0.2):
    """Tracks of 2 to 10 points, each in one state."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, 11, n_tracks)
    state = rng.choice(len(shares), n_tracks, p=shares)
    spread = np.sqrt(2 * np.repeat(np.array(diffusivities)[state], lengths))
    place = (rng.normal(size=(spread.size, 2)) * spread[:, None]).cumsum(axis=0)
    place += rng.normal(0, noise, place.shape)
    frame = np.arange(spread.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return pd.DataFrame(
        {"particle": np.repeat(np.arange(n_tracks), lengths), "frame": frame,
         "y": place[:, 0], "x": place[:, 1]}
    )  # fmt: skip


def test_likelihood_is_berglunds(brownian, as_table):
    tracks = as_table(brownian(1, 1, 8))
    shift = 0.3**2 - 0.6 * 0.7 / 3
    covariance = np.diag(np.full(7, 2 * 0.7 + 2 * shift))
    covariance += np.diag(np.full(6, -shift), 1) + np.diag(np.full(6, -shift), -1)
    expected = sum(multivariate_normal(cov=covariance).logpdf(np.diff(tracks[c])) for c in "yx")
    found = Spectra.of(tracks, None).log_likelihood(np.array([0.7]), np.array([0.3]), 0.6)
    assert found[0, 0] == pytest.approx(expected)


def test_tracks_are_cut_at_gaps_and_by_length():
    frame = [0, 1, 2, 5, 6, 7, 8, 9, 12, 0, 1]
    tracks = pd.DataFrame({"particle": [3] * 9 + [4] * 2, "frame": frame, "x": np.arange(11.0)})
    assert sorted(Spectra.of(tracks, None).lengths) == [1, 2, 4]
    assert sorted(Spectra.of(tracks, 3).lengths) == [1, 1, 2, 3]


@pytest.mark.parametrize(("diffusivities", "shares"), [TWO, THREE])
@pytest.mark.parametrize("seed", [2, 3])
def test_states_of_short_tracks_are_recovered(diffusivities, shares, seed):
    fit = fit_states(mixture(seed, 3000, diffusivities, shares), exposure=0, n_bootstrap=0)
    assert len(fit.table) == len(shares)
    np.testing.assert_allclose(fit.table["diffusivity"], diffusivities, rtol=0.10)
    np.testing.assert_allclose(fit.table["occupancy"], shares, atol=0.05)
    assert fit.noise == pytest.approx(0.2, abs=0.03)


def test_bootstrap_intervals_are_as_wide_as_the_spread_over_repeats():
    fits = [
        fit_states(mixture(10 + k, 400, *TWO), 2, exposure=0, n_bootstrap=0).table
        for k in range(20)
    ]
    spread = np.std([fit["occupancy"].iloc[0] for fit in fits], ddof=1)
    once = fit_states(mixture(10, 400, *TWO), 2, exposure=0, n_bootstrap=40).table.iloc[0]
    width = (once["occupancy_hi"] - once["occupancy_lo"]) / (2 * 1.645)
    assert 0.5 * spread < width < 2 * spread
    assert once["diffusivity_lo"] < once["diffusivity"] < once["diffusivity_hi"]


def test_one_state_is_one_state(brownian, as_table):
    fit = fit_states(as_table(brownian(4, 1500, 6, 1.0, 0.3)), exposure=0, n_bootstrap=0)
    assert len(fit.table) == 1
    assert fit.table["diffusivity"].iloc[0] == pytest.approx(1, rel=0.06)


def test_state_array_puts_its_mass_where_the_states_are():
    fit = infer_state_array(mixture(5, 3000, *TWO))
    table = fit.table()
    assert table["occupancy"].sum() == pytest.approx(1)
    for diffusivity, share in zip(*TWO, strict=True):
        near = table["diffusivity"].between(diffusivity / 2, diffusivity * 2)
        mass = table[near]
        assert mass["occupancy"].sum() == pytest.approx(share, abs=0.06)
        mean = np.exp(np.average(np.log(mass["diffusivity"]), weights=mass["occupancy"]))
        assert mean == pytest.approx(diffusivity, rel=0.1)
    assert (table["occupancy_lo"] <= table["occupancy"]).all()
    assert (table["occupancy"] <= table["occupancy_hi"]).all()


def test_remaining_share_is_that_of_simulated_particles():
    rng = np.random.default_rng(6)
    z = rng.uniform(0, 5, 200_000)
    for diffusivity in (0.1, 3.0, 40.0):
        moved = z + rng.normal(0, np.sqrt(2 * diffusivity), z.size)
        inside = ((moved > 0) & (moved < 5)).mean()
        assert remaining_share(diffusivity, 5.0) == pytest.approx(inside, abs=0.004)
    assert remaining_share(0, 5.0) == 1


def test_defocus_correction_restores_the_fast_state():
    tracks = mixture(7, 2000, *TWO)
    plain = fit_states(tracks, 2, exposure=0, n_bootstrap=0).table["occupancy"]
    thin = fit_states(tracks, 2, exposure=0, n_bootstrap=0, focal_depth=3.0).table["occupancy"]
    ratio = remaining_share(np.array(TWO[0]), 3.0)
    assert thin[1] / thin[0] == pytest.approx(plain[1] / plain[0] * ratio[0] / ratio[1], rel=0.03)


def test_live_cell_tracks_have_an_immobile_and_a_fast_part(shared_data):
    # Heckert et al. (2022), fig. 3: HaloTag-NLS is mostly fast, at several µm²/s.
    tracks = read_tracks(shared_data / "live_cell_tracks.csv")
    scale = 0.16**2 / 0.00748
    table = infer_state_array(tracks).table()
    fast = table.loc[table["diffusivity"] * scale > 1, "occupancy"].sum()
    assert fast > 0.5
    states = fit_states(tracks, exposure=0, n_bootstrap=0).table
    assert states["diffusivity"].iloc[-1] * scale > 2


def test_nothing_to_say_bad_arguments_and_progress():
    points = pd.DataFrame({"particle": [0, 1, 1], "frame": [0, 0, 7], "x": [0.0, 1.0, 2.0]})
    for function in (infer_state_array, fit_states):
        with pytest.raises(InputError, match="consecutive frames"):
            function(points)
    tracks = mixture(8, 50, *TWO)
    with pytest.raises(InputError, match="grid of diffusivities"):
        infer_state_array(tracks, StateArray(diffusivity_min=2, diffusivity_max=1))
    with pytest.raises(InputError, match="at least 1"):
        fit_states(tracks, 0)

    def stop(*_: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        infer_state_array(tracks, progress=stop)
