from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perrin.errors import InputError
from perrin.statistics import estimate_diffusivity


@pytest.mark.parametrize(("diffusivity", "noise"), [(1.0, 0.2), (1.0, 1.0), (0.3, 1.0)])
def test_mean_and_standard_error_follow_vestergaard_2014_eq_17(
    brownian, as_table, diffusivity, noise
):
    n_points, n_tracks = 101, 3000
    fits = estimate_diffusivity(
        as_table(brownian(1, n_tracks, n_points, diffusivity, noise, n_axes=1)), exposure=0
    )
    n = n_points - 1
    ratio = noise**2 / diffusivity
    expected = diffusivity * np.sqrt(
        (6 + 4 * ratio + 2 * ratio**2) / n + 4 * (1 + ratio) ** 2 / n**2
    )
    spread = fits["diffusivity"].std()
    assert fits["diffusivity"].mean() == pytest.approx(
        diffusivity, abs=4 * expected / n_tracks**0.5
    )
    assert spread == pytest.approx(expected, rel=0.08)
    assert np.sqrt(np.mean(fits["diffusivity_se"] ** 2)) == pytest.approx(expected, rel=0.08)
    if noise == 1:  # A noise of 0.2 is lost in single tracks, and clipping at 0 lifts the mean.
        assert fits["noise"].median() == pytest.approx(noise, rel=0.05)


def test_standard_error_is_the_closed_form_without_gaps(brownian, as_table):
    tracks = as_table(brownian(2, 1, 4000, 1.0, 1.0, n_axes=1))
    fit = estimate_diffusivity(tracks, exposure=0).iloc[0]
    ratio = fit["noise"] ** 2 / fit["diffusivity"]
    closed = fit["diffusivity"] * np.sqrt((6 + 4 * ratio + 2 * ratio**2) / 3999)
    assert fit["diffusivity_se"] == pytest.approx(closed, rel=2e-3)


def test_motion_blur_is_removed_vestergaard_2014_eq_14(brownian, as_table):
    tracks = as_table(brownian(3, 2000, 60, 1.0, 0.5, exposed=16))
    right = estimate_diffusivity(tracks, exposure=1.0)
    assert right["diffusivity"].mean() == pytest.approx(1.0, abs=0.02)
    assert np.mean(right["noise"] ** 2) == pytest.approx(0.25, abs=0.03)
    flash = estimate_diffusivity(tracks, exposure=0.0)
    # Ignoring blur leaves D alone and makes the noise variance too small by 2 R D = 1/3.
    assert flash["diffusivity"].mean() == pytest.approx(right["diffusivity"].mean())
    assert np.mean(flash["noise"]) < 0.6 * np.mean(right["noise"])


def test_gaps_leave_the_estimate_unbiased(brownian, as_table):
    tracks = as_table(brownian(4, 3000, 60, 1.0, 0.7))
    kept = np.random.default_rng(0).random(len(tracks)) > 0.3
    fits = estimate_diffusivity(tracks[kept], exposure=0)
    assert fits["diffusivity"].mean() == pytest.approx(1.0, abs=0.03)
    assert fits["diffusivity"].std() == pytest.approx(
        np.sqrt(np.mean(fits["diffusivity_se"] ** 2)), rel=0.1
    )
    assert np.mean(fits["noise"] ** 2) == pytest.approx(0.49, abs=0.06)


@pytest.mark.parametrize(
    ("n_points", "diffusivity"), [(10, 1.0), (20, 0.05), (50, 0.0), (200, 0.05)]
)
def test_interval_covers_and_is_never_negative(brownian, as_table, n_points, diffusivity):
    fits = estimate_diffusivity(as_table(brownian(5, 2000, n_points, diffusivity, 1.0)), exposure=0)
    low, high = fits["diffusivity_lo"], fits["diffusivity_hi"]
    assert ((low >= 0) & (low <= fits["diffusivity"]) & (fits["diffusivity"] <= high)).all()
    assert np.isfinite(high).all()
    assert 0.86 < ((low <= diffusivity) & (diffusivity <= high)).mean() < 0.97


def test_known_noise_makes_the_estimate_more_precise(brownian, as_table):
    tracks = as_table(brownian(6, 2000, 20, 0.5, 1.0))
    free = estimate_diffusivity(tracks, exposure=0)
    given_noise = estimate_diffusivity(tracks, exposure=0, noise=1.0)
    assert given_noise["diffusivity"].mean() == pytest.approx(0.5, abs=0.04)
    assert given_noise["diffusivity"].std() < 0.75 * free["diffusivity"].std()
    assert (given_noise["noise"] - 1).abs().max() < 1e-9


def test_short_tracks_say_nothing(as_table):
    tracks = pd.DataFrame(
        {"particle": [1, 2, 2, 3, 3, 3], "frame": [0, 0, 1, 0, 1, 4], "x": [0, 0, 1, 0, 1.5, 1]}
    )
    fits = estimate_diffusivity(tracks)
    assert fits["n_points"].tolist() == [1, 2, 3]
    assert fits.iloc[:2, 2:].isna().all().all()
    assert fits.iloc[2, 2:].notna().all()
    assert estimate_diffusivity(tracks, noise=0.1)["diffusivity"].notna().tolist() == [0, 1, 1]


def test_empty_and_immobile_tracks():
    empty = pd.DataFrame({"particle": [], "frame": [], "x": []})
    assert estimate_diffusivity(empty).empty
    still = pd.DataFrame({"particle": 0, "frame": range(9), "y": 2.0, "x": 1.0})
    assert (estimate_diffusivity(still).iloc[0, 2:] == 0).all()


def test_bad_arguments_are_named():
    still = pd.DataFrame({"particle": 0, "frame": range(9), "y": 2.0, "x": 1.0})
    with pytest.raises(InputError, match="exposure is 40"):
        estimate_diffusivity(still, exposure=40)
    with pytest.raises(InputError, match="noise is -1"):
        estimate_diffusivity(still, noise=-1)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100), st.integers(3, 12))
def test_scaling_lengths_scales_the_answer(seed, factor, n_points):
    rng = np.random.default_rng(seed)
    frame = np.sort(rng.choice(30, n_points, replace=False))
    tracks = pd.DataFrame({"particle": 0, "frame": frame, "y": rng.normal(size=n_points).cumsum(),
                           "x": rng.normal(size=n_points).cumsum()})  # fmt: skip
    scaled = tracks.assign(x=tracks["x"] * factor, y=tracks["y"] * factor)
    one, other = estimate_diffusivity(tracks).iloc[0, 2:], estimate_diffusivity(scaled).iloc[0, 2:]
    np.testing.assert_allclose(other[:-1], one[:-1] * factor**2, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(other["noise"], one["noise"] * factor, rtol=1e-6, atol=1e-12)
