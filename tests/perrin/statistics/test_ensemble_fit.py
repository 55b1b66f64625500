"""Power laws fitted to averaged MSDs: the truth, and errors checked against repeats."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from perrin import InputError, simulate_tracks
from perrin.simulate import Simulation
from perrin.statistics import fit_ensemble_msd


@pytest.mark.parametrize("average", ["time-ensemble", "ensemble"])
@pytest.mark.parametrize(("alpha", "noise"), [(0.5, 0.5), (1.0, 0.7), (1.5, 0.5)])
def test_exponent_is_recovered_with_the_error_seen_over_repeats(
    fractional, as_table, average, alpha, noise
):
    fits = pd.DataFrame(
        [
            fit_ensemble_msd(as_table(fractional(seed, 100, 40, alpha, noise)), average, exposure=0)
            for seed in range(40)
        ]
    )
    spread = fits["alpha"].std()
    assert fits["alpha"].mean() == pytest.approx(
        alpha, abs=0.25 * spread + 4 * spread / np.sqrt(40)
    )
    # The spread over 40 repeats is itself known to 11 %.
    assert fits["alpha_se"].mean() == pytest.approx(spread, rel=0.35)
    ratio = fits["coefficient_se"].mean() / fits["coefficient"].std()
    # Subdiffusion resembles noise; K then keeps within bounds that its error does not know of.
    assert 0.65 < ratio < (2 if alpha < 1 else 1.35)


def test_diffusivity_noise_and_blur_of_brownian_motion(brownian, as_table):
    tracks = as_table(brownian(1, 2000, 20, noise=0.6, exposed=20))
    fit = fit_ensemble_msd(tracks, alpha=1)
    assert fit.coefficient == pytest.approx(1, abs=4 * fit.coefficient_se)
    assert fit.coefficient_se < 0.02
    assert fit.noise == pytest.approx(0.6, abs=0.03)
    assert np.isnan(fit.alpha_se)
    # Blur forgotten is noise mistaken: the MSD lies 2 d exposure D / 3 lower.
    assert fit_ensemble_msd(tracks, alpha=1, exposure=0).noise == pytest.approx(
        np.sqrt(0.6**2 - 1 / 3), abs=0.1
    )


def test_noise_taken_for_motion_lowers_the_exponent(fractional, as_table):
    tracks = as_table(fractional(2, 400, 40, 1.0, 1.0))
    assert fit_ensemble_msd(tracks, noise=0, exposure=0).alpha < 0.8
    known = fit_ensemble_msd(tracks, noise=1.0, exposure=0)
    assert known.alpha == pytest.approx(1, abs=4 * known.alpha_se)
    assert known.noise == 1


def test_ctrw_has_two_exponents_he_2008():
    # He, Burov, Metzler, Barkai 2008: the ensemble average grows as t**alpha, time averages as t.
    motion = Simulation(model="CTRW", alpha=0.5, n_tracks=600, n_points=300, dim=2, seed=3)
    tracks = simulate_tracks(motion)
    ensemble = fit_ensemble_msd(tracks, "ensemble", noise=0, exposure=0)
    both = fit_ensemble_msd(tracks, noise=0, exposure=0)
    assert ensemble.alpha == pytest.approx(0.5, abs=0.12)
    assert both.alpha == pytest.approx(1, abs=0.12)


def test_tracks_of_many_lengths_with_gaps(brownian, as_table):
    rng = np.random.default_rng(4)
    tracks = as_table(brownian(4, 800, 30, noise=0.3))
    length = rng.integers(2, 30, 800)
    kept = (tracks["frame"] < length[tracks["particle"]]) & (rng.random(len(tracks)) > 0.2)
    fit = fit_ensemble_msd(tracks[kept], exposure=0)
    assert fit.alpha == pytest.approx(1, abs=4 * fit.alpha_se)
    assert fit.alpha_se < 0.1
    assert 4 <= fit.n_lags <= 20


def test_number_of_lags_as_asked(brownian, as_table):
    tracks = as_table(brownian(5, 20, 30))
    assert fit_ensemble_msd(tracks, n_lags=7).n_lags == 7
    assert fit_ensemble_msd(tracks, "ensemble", n_lags=8).n_lags == 8
    assert fit_ensemble_msd(tracks, n_lags=7).n_tracks == 20


def test_nothing_to_say_and_bad_arguments(brownian, as_table):
    tracks = as_table(brownian(6, 5, 10))
    with pytest.raises(InputError, match="Two tracks that move"):
        fit_ensemble_msd(tracks.query("particle == 0"))
    with pytest.raises(InputError, match="Two tracks that move"):
        fit_ensemble_msd(tracks.assign(x=0.0, y=0.0))
    with pytest.raises(InputError, match="Two tracks that move"):
        fit_ensemble_msd(tracks[:0])
    with pytest.raises(InputError, match="between 0 and 2"):
        fit_ensemble_msd(tracks, alpha=2.5)
    with pytest.raises(InputError, match="noise is -1"):
        fit_ensemble_msd(tracks, noise=-1)
    with pytest.raises(InputError, match="average is 'mean'"):
        fit_ensemble_msd(tracks, "mean")
    for average in ("ensemble", "time-ensemble"):
        with pytest.raises(InputError, match="2 lags cannot determine 3"):
            fit_ensemble_msd(tracks, average, n_lags=2)
