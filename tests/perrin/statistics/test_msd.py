from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perrin.errors import Cancelled, InputError
from perrin.statistics import (
    ensemble_msd,
    fit_msd,
    michalet_lags,
    msd_covariance,
    time_averaged_msd,
    time_ensemble_msd,
)


def by_definition(track: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    frame = track["frame"].to_numpy()
    place = track[["y", "x"]].to_numpy()
    lags = np.arange(1, frame[-1] - frame[0] + 1)
    pairs = [np.nonzero(frame[None] - frame[:, None] == lag) for lag in lags]
    square = [((place[j] - place[i]) ** 2).sum(axis=1) for i, j in pairs]
    return np.array([s.mean() if s.size else np.nan for s in square]), np.array(
        [s.size for s in square]
    )


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**32 - 1), st.lists(st.integers(1, 40), min_size=1, max_size=6), st.booleans()
)
def test_all_lags_equal_the_definition_gaps_or_not(seed, lengths, gaps):
    rng = np.random.default_rng(seed)
    parts = []
    for particle, length in enumerate(lengths):
        frame = np.sort(rng.choice(length * 2 if gaps else length, length, replace=False)) + 5
        place = rng.normal(size=(length, 2)).cumsum(axis=0) + rng.normal(0, 1000, 2)
        parts.append(
            pd.DataFrame({"particle": particle, "frame": frame, "y": place[:, 0], "x": place[:, 1]})
        )
    tracks = pd.concat(parts, ignore_index=True)
    result = time_averaged_msd(tracks)
    for i, part in enumerate(parts):
        rows = slice(result.bounds[i], result.bounds[i + 1])
        value, count = by_definition(part)
        np.testing.assert_allclose(result.msd[rows], value, rtol=1e-8, atol=1e-8)
        np.testing.assert_array_equal(result.n_pairs[rows], count)
        np.testing.assert_array_equal(result.lags[rows], np.arange(1, value.size + 1))


def test_longest_lag_and_table(brownian, as_table):
    tracks = as_table(brownian(1, 5, 30))
    every = time_averaged_msd(tracks).table()
    some = time_averaged_msd(tracks, 4).table()
    pd.testing.assert_frame_equal(
        some, every[every["lag"] <= 4].reset_index(drop=True), check_exact=False
    )


def test_agrees_with_trackpy_imsd(brownian, as_table):
    trackpy = pytest.importorskip("trackpy")
    tracks = as_table(brownian(2, 3, 40))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # trackpy's own, about pandas
        theirs = trackpy.imsd(tracks, 1, 1, max_lagtime=39)
    ours = (
        time_averaged_msd(tracks).table().pivot_table(index="lag", columns="particle", values="msd")
    )
    np.testing.assert_allclose(ours.to_numpy(), theirs.to_numpy())


@pytest.mark.parametrize(("alpha", "noise"), [(1.0, 0.0), (0.6, 0.5), (1.5, 0.3)])
def test_error_bars_match_the_spread_over_repeats(fractional, as_table, alpha, noise):
    n_tracks, n_points, n_lags = 4000, 40, 15
    tracks = as_table(fractional(3, n_tracks, n_points, alpha, noise))
    msd = time_averaged_msd(tracks, n_lags).msd.reshape(n_tracks, n_lags)
    theory = msd_covariance(n_points, n_lags, coefficient=1, alpha=alpha, noise=noise, exposure=0)
    np.testing.assert_allclose(msd.std(axis=0), np.sqrt(np.diag(theory)), rtol=0.06)
    correlation = theory / np.sqrt(np.outer(np.diag(theory), np.diag(theory)))
    np.testing.assert_allclose(np.corrcoef(msd.T), correlation, atol=0.05)


def test_variance_of_qian_1991_for_brownian_motion():
    # Qian, Sheetz, Elson (1991): relative variance of the MSD at lag n of N steps along one axis,
    # for n <= K = N - n + 1: (4 n² K + 2 K + n - n³) / (6 n K²) times 2 / d.
    n_steps, n_axes = 60, 2
    covariance = msd_covariance(n_steps + 1, 20, coefficient=1, exposure=0, n_axes=n_axes)
    n = np.arange(1, 21)
    k = n_steps - n + 1
    relative = (4 * n**2 * k + 2 * k + n - n**3) / (6 * n * k**2)
    expected = relative * (2 / n_axes) * (2 * n_axes * n) ** 2
    np.testing.assert_allclose(np.diag(covariance), expected, rtol=1e-9)


def test_average_over_tracks_and_its_error_match_the_spread_over_repeats(brownian, as_table):
    repeats = [
        time_ensemble_msd(as_table(brownian(100 + k, 30, 20, 1.0, 0.5)), 10) for k in range(200)
    ]
    values = np.array([table["msd"] for table in repeats])
    errors = np.array([table["msd_se"] for table in repeats])
    lag = np.arange(1, 11)
    np.testing.assert_allclose(values.mean(axis=0), 4 * lag + 4 * 0.25, rtol=0.03)
    np.testing.assert_allclose(np.sqrt((errors**2).mean(axis=0)), values.std(axis=0), rtol=0.15)


def test_ensemble_average_and_its_error(brownian, as_table):
    table = ensemble_msd(as_table(brownian(4, 4000, 12)))
    lag = np.arange(1, 12)
    # Squares of 2D Gaussian displacements are exponential: their spread equals their mean.
    np.testing.assert_allclose(table["msd_se"], 4 * lag / np.sqrt(4000), rtol=0.1)
    assert (np.abs(table["msd"] - 4 * lag) < 4 * table["msd_se"]).all()
    assert (table["n_tracks"] == 4000).all()


@pytest.mark.parametrize("method", ["gls", "weighted"])
@pytest.mark.parametrize(("alpha", "noise"), [(0.6, 0.0), (1.0, 1.0), (1.5, 0.5)])
def test_fit_recovers_alpha_with_honest_errors(fractional, as_table, alpha, noise, method):
    tracks = as_table(fractional(5, 300, 200, alpha, noise))
    known = fit_msd(tracks, noise=noise, method=method, exposure=0)
    assert known["alpha"].mean() == pytest.approx(alpha, abs=0.03)
    assert known["coefficient"].median() == pytest.approx(1, rel=0.05)
    assert known["alpha"].std() == pytest.approx(known["alpha_se"].median(), rel=0.2)
    free = fit_msd(tracks, method=method, exposure=0)
    assert free["alpha"].median() == pytest.approx(alpha, abs=0.06)
    assert free["alpha_se"].median() > 0.9 * free["alpha"].std()


def test_fit_without_noise_correction_is_biased(fractional, as_table):
    tracks = as_table(fractional(6, 200, 200, 1.0, 1.0))
    assert fit_msd(tracks, noise=0, exposure=0)["alpha"].median() < 0.8


def test_fit_corrects_motion_blur(brownian, as_table):
    tracks = as_table(brownian(7, 300, 100, 1.0, 0.0, exposed=16))
    right = fit_msd(tracks, alpha=1, noise=0, n_lags=3, exposure=1)["coefficient"].mean()
    wrong = fit_msd(tracks, alpha=1, noise=0, n_lags=3, exposure=0)["coefficient"].mean()
    assert right == pytest.approx(1, abs=0.02)
    assert wrong < 0.85


def test_fit_with_gaps_and_tracks_too_short(fractional, as_table):
    tracks = as_table(fractional(8, 200, 100, 0.7))
    tracks = tracks[np.random.default_rng(0).random(len(tracks)) > 0.2]
    tracks = tracks[(tracks["particle"] > 1) | (tracks["frame"] < 3)]
    fits = fit_msd(tracks, noise=0, exposure=0).iloc[2:]
    assert fits["alpha"].mean() == pytest.approx(0.7, abs=0.03)
    assert fits["alpha"].std() == pytest.approx(fits["alpha_se"].median(), rel=0.2)
    free = fit_msd(tracks)
    assert free.loc[:1, ["alpha", "coefficient", "noise"]].isna().all().all()
    still = pd.DataFrame({"particle": 0, "frame": range(20), "y": 1.0, "x": 2.0})
    assert fit_msd(still)[["alpha", "coefficient", "noise"]].isna().all().all()


def test_number_of_lags_follows_michalet_2010():
    # Without noise two lags are best, however long the track; with endless noise 0.8 + 0.564 N.
    assert michalet_lags([10, 100, 1000], 0).tolist() == [2, 2, 2]
    assert michalet_lags([10, 100, 1000], np.inf).tolist() == [6, 57, 564]
    lags = michalet_lags(1000, [0, 1, 10, 100, 1000])
    assert (np.diff(lags) >= 0).all()
    assert lags[1] == 3
    assert lags[2] == 7


def test_bad_arguments_and_progress(brownian, as_table):
    tracks = as_table(brownian(9, 3, 10))
    with pytest.raises(InputError, match="longest lag is 0"):
        time_averaged_msd(tracks, 0)
    with pytest.raises(InputError, match="2 lags cannot determine 3"):
        fit_msd(tracks, n_lags=2)
    with pytest.raises(InputError, match="'ols'"):
        fit_msd(tracks, method="ols")
    with pytest.raises(InputError, match="alpha is 3"):
        fit_msd(tracks, alpha=3)
    with pytest.raises(InputError, match="noise is nan"):
        fit_msd(tracks, noise=np.nan)
    with pytest.raises(InputError, match="12 lags"):
        msd_covariance(10, 12, coefficient=1)

    def stop(*_: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        time_averaged_msd(tracks, progress=stop)
    assert time_averaged_msd(tracks.iloc[:1]).table().empty
