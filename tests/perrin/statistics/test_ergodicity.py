from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import gamma

from perrin.errors import InputError
from perrin.statistics import (
    ageing,
    amplitude_scatter,
    ergodicity_breaking,
    non_gaussian_parameter,
    velocity_autocorrelation,
)
from perrin.statistics._arrays import poisson_weights
from perrin.statistics._ergodicity import brownian_breaking


def continuous_time_walks(seed: int, n_tracks: int, n_points: int, alpha: float) -> np.ndarray:
    """Jumps of length 1 after waiting times of density ~ t**(-1 - alpha), t > 1, in 1D."""
    rng = np.random.default_rng(seed)
    paths = np.zeros((n_tracks, n_points, 1))
    for path in paths:
        waits = rng.random(4 * int(n_points**alpha) + 200) ** (-1 / alpha)
        times = np.cumsum(waits)
        jumps = np.bincount(np.minimum(times, n_points).astype(int), minlength=n_points + 1)
        path[:, 0] = (rng.choice([-1, 1], n_points) * np.sqrt(jumps[:n_points])).cumsum()
    return paths


def test_brownian_motion_has_the_value_of_its_length(brownian, as_table):
    # At lag 1 the average of t independent squares in d dimensions: EB = 2 / (d t).
    times = np.array([10, 100, 999])
    table = ergodicity_breaking(as_table(brownian(1, 1500, 1000)), times, level=0.99)
    np.testing.assert_allclose(table["eb"], 1 / times, rtol=0.12)
    assert ((table["eb_lo"] < 1 / times) & (1 / times < table["eb_hi"])).all()
    assert (table["n_tracks"] == 1500).all()


def test_brownian_motion_at_longer_lags_deng_barkai_2009(brownian, as_table):
    # Deng and Barkai (2009), Phys. Rev. E 79, 011112: EB = 4 lag / (3 t) in one dimension.
    table = ergodicity_breaking(as_table(brownian(2, 2000, 1001, n_axes=1)), [1000], lag=30)
    assert table["eb"].iloc[0] == pytest.approx(4 * 30 / 3000, rel=0.12)


@pytest.mark.parametrize(("noise", "exposed", "expected"), [(2.0, 0, -0.4), (0.0, 10, 0.25)])
@pytest.mark.parametrize("lag", [1, 3])
def test_noise_and_blur_correlate_displacements_of_brownian_motion(
    brownian, as_table, noise, exposed, expected, lag
):
    # Vestergaard et al. (2014): <d²> = 2 (D + s), <d d'> = -s, s = noise² - 2 R D.
    tracks = as_table(brownian(3, 4000, 41, noise=noise, exposed=exposed))
    correlation = velocity_autocorrelation(tracks, 1)["correlation"].iloc[1]
    assert correlation == pytest.approx(expected, abs=0.01)
    times = np.array([lag, 10, 40])
    theory = brownian_breaking(times, lag=lag, n_axes=2, correlation=correlation)
    if lag == 1:
        np.testing.assert_allclose(theory, (1 + 2 * correlation**2 * (1 - 1 / times)) / times)
    # The variance of a variance: four standard errors are 9 %; without correlations, 12 % and more.
    found = ergodicity_breaking(tracks, times, lag=lag, n_bootstrap=1)["eb"]
    np.testing.assert_allclose(found, theory, rtol=0.09)


def test_ctrw_at_alpha_one_half_tends_to_0_570_he_2008(as_table):
    expected = 2 * gamma(1.5) ** 2 / gamma(2) - 1
    assert expected == pytest.approx(0.570, abs=1e-3)
    tracks = as_table(continuous_time_walks(4, 3000, 4000, 0.5))
    table = ergodicity_breaking(tracks, [3999], level=0.99)
    assert table["eb"].iloc[0] == pytest.approx(expected, abs=0.05)
    assert table["eb_lo"].iloc[0] < expected < table["eb_hi"].iloc[0]
    scatter = amplitude_scatter(tracks)
    assert scatter["xi"].mean() == pytest.approx(1)
    assert scatter["xi"].var() == pytest.approx(table["eb"].iloc[0], rel=0.01)


def test_fractional_brownian_motion_tends_to_zero_deng_barkai_2009(fractional, as_table):
    table = ergodicity_breaking(as_table(fractional(4, 500, 500, 0.6)), [10, 50, 499])
    assert (np.diff(table["eb"]) < 0).all()
    assert table["eb"].iloc[-1] < 0.01


def test_confidence_band_covers(brownian, as_table):
    inside = []
    for seed in range(60):
        table = ergodicity_breaking(as_table(brownian(50 + seed, 100, 21)), [20], seed=seed)
        inside.append(table["eb_lo"].iloc[0] < 1 / 20 < table["eb_hi"].iloc[0])
    assert 0.75 < np.mean(inside) < 0.99


def test_ageing_of_ctrw_and_of_brownian_motion(brownian, as_table):
    # Metzler et al. (2014): the mean time average of a CTRW falls as t**(alpha - 1).
    table = ageing(as_table(continuous_time_walks(5, 1500, 2000, 0.5)), [100, 1999])
    slope = np.diff(np.log(table["msd"])) / np.diff(np.log(table["time"]))
    assert slope[0] == pytest.approx(-0.5, abs=0.1)
    table = ageing(as_table(brownian(6, 300, 500)), [10, 499])
    assert np.abs(table["msd"] - 4).max() < 4 * table["msd_se"].max()


def test_ageing_ends_where_half_of_the_tracks_do(brownian, as_table):
    tracks = as_table(brownian(6, 12, 500))
    tracks = tracks[(tracks["particle"] == 0) | (tracks["frame"] <= 40)]
    # Particles seen once say nothing of how long the others last.
    tracks = tracks[(tracks["particle"] < 6) | (tracks["frame"] == 0)]
    table = ageing(tracks)
    assert table["time"].iloc[-1] == 40
    assert (table["n_tracks"] == 6).all()


def test_the_bootstrap_needs_no_more_memory_for_many_draws(brownian, as_table, monkeypatch):
    tracks = as_table(brownian(9, 20, 12))
    at_once = ergodicity_breaking(tracks), non_gaussian_parameter(tracks)
    monkeypatch.setattr("perrin.statistics._arrays._WEIGHTS_AT_ONCE", 70)
    assert {len(block) for block in poisson_weights(500, 20, 0)} == {3, 2}
    in_blocks = ergodicity_breaking(tracks), non_gaussian_parameter(tracks)
    for one, other in zip(at_once, in_blocks, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_gaps_and_tracks_of_different_length(brownian, as_table):
    tracks = as_table(brownian(7, 400, 101))
    tracks = tracks[np.random.default_rng(0).random(len(tracks)) > 0.3]
    tracks = tracks[(tracks["particle"] % 2 == 0) | (tracks["frame"] < 30)]
    table = ergodicity_breaking(tracks, [20, 90], lag=6)
    assert table["n_tracks"].iloc[0] > 390
    assert 150 < table["n_tracks"].iloc[1] <= 200
    assert table["eb"].notna().all()


def test_nothing_to_say_and_bad_arguments(brownian, as_table):
    empty = pd.DataFrame({"particle": [], "frame": [], "x": []})
    assert ergodicity_breaking(empty).empty
    assert ageing(empty).empty
    one = ergodicity_breaking(as_table(brownian(8, 1, 10)))
    assert one[["eb", "eb_lo", "eb_hi"]].isna().all().all()
    with pytest.raises(InputError, match="lag is 0"):
        ergodicity_breaking(empty, lag=0)
    with pytest.raises(InputError, match="at least the lag"):
        ergodicity_breaking(as_table(brownian(8, 3, 10)), [2], lag=5)
