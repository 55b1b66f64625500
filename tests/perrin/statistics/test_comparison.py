"""Conditions compared by movie: what was put in comes out; intervals know that movies differ."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student
from scipy.stats import ttest_ind

from perrin import Calibration, InputError
from perrin.errors import Cancelled
from perrin.statistics import (
    Comparison,
    compare_conditions,
    estimate_diffusivity,
    fit_ensemble_msd,
    join_movies,
)
from perrin.statistics._switches import MIN_POINTS_TO_SWITCH


@pytest.fixture(scope="module")
def cells(brownian, as_table):
    """Movies in which a share of the particles is slow."""

    def make(seed, n_movies, slow_share, fast=1.0, n_tracks=60):
        n_slow = round(slow_share * n_tracks)
        return join_movies(
            {
                f"cell {m}": as_table(
                    np.concatenate(
                        [
                            brownian(seed + 2 * m, n_slow, 12, 0.002, 0.2),
                            brownian(seed + 2 * m + 1, n_tracks - n_slow, 12, fast, 0.2),
                        ]
                    )
                )
                for m in range(n_movies)
            }
        )

    return make


@pytest.fixture(scope="module")
def compared(cells) -> Comparison:
    return compare_conditions(
        cells(10, 3, 0.4), cells(50, 4, 0.7), names=("control", "treated"), exposure=0, n_states=2
    )


def results(rng, n_movies, n_tracks=30, spread=1.5):
    """Per-track results whose diffusivities differ between movies by a factor."""
    factor = np.repeat(spread ** rng.normal(size=n_movies), n_tracks)
    return pd.DataFrame(
        {
            "movie": np.repeat(np.arange(n_movies), n_tracks),
            "diffusivity": factor * np.exp(0.5 * rng.normal(size=factor.size)),
        }
    )


def test_differences_of_two_populations_are_found(compared):
    table = compared.table.set_index("quantity")
    assert list(table.index) == [
        "alpha", "diffusivity", "not_seen_moving", "occupancy_0", "occupancy_1",
    ]  # fmt: skip
    truth = {
        "alpha": (1, 1), "diffusivity": (0.601, 0.301), "occupancy_0": (0.4, 0.7),
        "occupancy_1": (0.6, 0.3),
    }  # fmt: skip
    for name, (first, second) in truth.items():
        row = table.loc[name]
        assert row["first_lo"] <= first <= row["first_hi"], name
        assert row["second_lo"] <= second <= row["second_hi"], name
        assert row["difference_lo"] <= second - first <= row["difference_hi"], name
        assert row["difference"] == pytest.approx(row["second"] - row["first"])
    assert table.loc["occupancy_0", "difference_lo"] > 0.2
    assert table.loc["not_seen_moving", "difference_lo"] > 0
    assert (
        table.loc["diffusivity", "ratio_lo"] < 0.301 / 0.601 < table.loc["diffusivity", "ratio_hi"]
    )
    assert table["ratio"].notna().tolist() == [False, True, False, False, False]
    np.testing.assert_allclose(compared.states["diffusivity"], [0.002, 1.0], rtol=0.1, atol=0.002)
    np.testing.assert_allclose(compared.states["noise"], 0.2, rtol=0.1)


def test_each_movie_is_what_it_is_alone(compared, cells):
    movies = compared.movies
    assert movies["condition"].tolist() == [0] * 3 + [1] * 4
    assert movies["movie"].tolist()[:3] == ["cell 0", "cell 1", "cell 2"]
    assert (movies["n_tracks"] == 60).all()
    first = cells(10, 3, 0.4)
    alone = first[first["movie"] == "cell 1"]
    mean = estimate_diffusivity(alone, exposure=0)["diffusivity"].mean()
    assert movies.loc[1, "diffusivity"] == pytest.approx(mean, rel=0.05)
    # The whole condition's exponent is that of its tracks, but for the weights of the lags.
    fit = fit_ensemble_msd(first, exposure=0)
    assert compared.table.loc[0, "first"] == pytest.approx(fit.alpha, abs=fit.alpha_se)


def test_intervals_are_those_of_student_and_welch_where_movies_are_alike_in_size():
    # Of equal movies a share is the mean of the movies' shares, whose intervals are known.
    rng = np.random.default_rng(1)
    first, second = (
        pd.DataFrame({"movie": np.repeat(np.arange(n), 50), "n_switches": rng.random(n * 50) < p})
        for n, p in ((4, 0.3), (6, 0.5))
    )
    row = compare_conditions(first, second, n_bootstrap=20_000).table.loc[0]
    shares = [table.groupby("movie")["n_switches"].mean() for table in (first, second)]
    welch = ttest_ind(shares[1], shares[0], equal_var=False).confidence_interval(0.95)
    assert row["difference_lo"] == pytest.approx(welch.low, abs=0.005)
    assert row["difference_hi"] == pytest.approx(welch.high, abs=0.005)
    reach = student.ppf(0.975, 3) * shares[0].sem()
    assert row["first_lo"] == pytest.approx(shares[0].mean() - reach, abs=0.005)


def test_interval_by_movie_covers_and_by_track_would_not():
    rng = np.random.default_rng(2)
    covered = {"movie": 0, "track": 0}
    for seed in range(60):
        pair = [results(rng, 3) for _ in range(2)]
        alone = [table.assign(movie=np.arange(len(table))) for table in pair]
        for name, tables in (("movie", pair), ("track", alone)):
            row = compare_conditions(*tables, n_bootstrap=100, seed=seed).table.loc[0]
            covered[name] += row["ratio_lo"] <= 1 <= row["ratio_hi"]
    assert covered["movie"] >= 53
    assert covered["track"] <= 40


def test_results_of_an_analysis_are_compared():
    rng = np.random.default_rng(3)

    def analysed(alpha, share):
        n = 200
        return pd.DataFrame(
            {
                "movie": np.repeat(["a", "b", "c", "d"], n // 4),
                "alpha": np.where(rng.random(n) < 0.2, np.nan, rng.normal(alpha, 0.1, n)),
                "diffusivity": pd.array(np.exp(rng.normal(size=n)), dtype="Float64"),
                "diffusivity_unit": "µm²/s",
                "p_immobile": rng.random(n),
                "n_switches": rng.integers(0, 2, n),
                "model": pd.Series(np.where(rng.random(n) < share, "FBM", "CTRW"), dtype="str"),
            }
        )

    table = compare_conditions(analysed(0.6, 0.2), analysed(0.9, 0.8)).table.set_index("quantity")
    assert table.loc["alpha", "difference"] == pytest.approx(0.3, abs=0.05)
    assert table.loc["alpha", "difference_lo"] > 0.2
    assert table.loc["share_FBM", "difference_lo"] > 0.3
    assert table.loc["share_FBM", "first"] + table.loc["share_CTRW", "first"] == pytest.approx(1)
    assert table.loc["not_seen_moving", "first"] == pytest.approx(0.95, abs=0.05)
    assert table.loc["diffusivity", "unit"] == "µm²/s"
    assert table.loc["switching", "first"] == pytest.approx(0.5, abs=0.1)


def test_tracks_too_short_to_be_seen_switching_do_not_count():
    long, short = (
        pd.DataFrame({"movie": ["a", "b"] * 10, "n_points": n, "n_switches": counts})
        for n, counts in ((MIN_POINTS_TO_SWITCH, [1, 1, 0, 0] * 5), (MIN_POINTS_TO_SWITCH - 1, 0))
    )
    unknown = long.assign(n_switches=pd.array([None] * 20, dtype="Int64"))
    table = compare_conditions(long, pd.concat([long, short, unknown]), n_bootstrap=10).table
    assert table.loc[0, "quantity"] == "switching"
    assert table.loc[0, ["first", "second"]].tolist() == [0.5, 0.5]


def test_medians_are_those_of_all_tracks():
    rng = np.random.default_rng(4)
    first, second = results(rng, 3), results(rng, 4, n_tracks=31)
    compared = compare_conditions(first, second, n_bootstrap=10)
    assert compared.table.loc[0, "first"] == pytest.approx(first["diffusivity"].median())
    assert compared.table.loc[0, "second"] == pytest.approx(second["diffusivity"].median())
    np.testing.assert_allclose(
        compared.movies["diffusivity"],
        np.concatenate(
            [table.groupby("movie")["diffusivity"].median() for table in (first, second)]
        ),
    )


def test_units_are_converted_and_only_where_they_are_lengths(compared):
    calibration = Calibration(pixel_size=0.1, frame_interval=0.02)
    physical = compared.in_units(calibration)
    before, after = (part.table.set_index("quantity") for part in (compared, physical))
    lengths = ["first", "first_lo", "second_hi", "difference", "difference_hi"]
    np.testing.assert_allclose(
        after.loc["diffusivity", lengths].astype(float),
        before.loc["diffusivity", lengths].astype(float) * 0.5,
    )
    assert after.loc["diffusivity", "unit"] == "µm²/s"
    assert after.loc["diffusivity", "ratio_hi"] == before.loc["diffusivity", "ratio_hi"]
    pd.testing.assert_frame_equal(before.drop("diffusivity"), after.drop("diffusivity"))
    np.testing.assert_allclose(physical.movies["diffusivity"], compared.movies["diffusivity"] * 0.5)
    np.testing.assert_allclose(physical.states["noise"], compared.states["noise"] * 100)


def test_one_movie_gives_no_interval_and_is_refused(cells):
    first, second = cells(1, 2, 0.5, n_tracks=10), cells(2, 1, 0.5, n_tracks=10)
    with pytest.raises(InputError, match="'treated' has 1 movie, and how much movies differ"):
        compare_conditions(first, second, names=("control", "treated"))


def test_what_tracks_are_too_short_for_is_left_out_or_empty(brownian, as_table):
    short = join_movies({str(m): as_table(brownian(m, 40, 3)) for m in range(3)})
    compared = compare_conditions(short, short, exposure=0, n_states=1, n_bootstrap=20)
    table = compared.table.set_index("quantity")
    assert list(table.index) == ["diffusivity", "not_seen_moving", "occupancy_0"]
    assert table.loc["diffusivity", ["first", "ratio_hi"]].notna().all()
    assert table.loc["not_seen_moving"].drop("unit").isna().all()
    # One movie of tracks that are too short says nothing of alpha; some draws are of it alone.
    longer = {str(m): as_table(brownian(m, 40, 3 if m == 0 else 12)) for m in range(3)}
    compared = compare_conditions(
        join_movies(longer), join_movies(longer), exposure=0, n_states=1, n_bootstrap=50
    )
    assert compared.movies["alpha"].isna().tolist() == [True, False, False] * 2
    alpha = compared.table.set_index("quantity").loc["alpha"]
    assert alpha["first"] == pytest.approx(1, abs=0.3)
    assert np.isnan(alpha["difference_lo"])


def test_particles_of_joined_movies_stay_apart(brownian, as_table):
    tracks = as_table(brownian(1, 3, 5)).assign(mass=1.0)
    joined = join_movies({"one": tracks, "two": tracks.assign(particle=tracks["particle"] + 7)})
    assert joined.groupby("particle")["movie"].first().tolist() == ["one"] * 3 + ["two"] * 3
    np.testing.assert_array_equal(joined["x"], np.tile(tracks["x"], 2))
    assert "mass" in joined
    with pytest.raises(InputError, match="movie 'bad' lacks the columns 'particle'"):
        join_movies({"bad": pd.DataFrame({"x": [1.0]})})
    with pytest.raises(InputError, match="no movies"):
        join_movies({})


def test_bad_tables_and_arguments(cells, brownian, as_table):
    tracks = cells(3, 2, 0.5, n_tracks=10)
    table = results(np.random.default_rng(5), 2)
    with pytest.raises(InputError, match="lacks the column 'movie'"):
        compare_conditions(tracks, tracks.drop(columns="movie"))
    with pytest.raises(InputError, match="rows without a movie"):
        compare_conditions(tracks, tracks.assign(movie=tracks["movie"].where(tracks["x"] > 0)))
    with pytest.raises(InputError, match="two tables of one kind"):
        compare_conditions(tracks, table)
    with pytest.raises(InputError, match="neither tracks"):
        compare_conditions(table[["movie"]], table)
    with pytest.raises(InputError, match="analyse both with their calibration"):
        compare_conditions(table, table.assign(diffusivity_unit="µm²/s"))
    with pytest.raises(InputError, match="analyse all movies"):
        compare_conditions(table, table.assign(diffusivity_unit=["µm²/s"] + ["px²/frame"] * 59))
    with pytest.raises(InputError, match="The level is 1"):
        compare_conditions(table, table, level=1)
    with pytest.raises(InputError, match="compare tracks of as many"):
        compare_conditions(tracks, tracks.drop(columns="y"))

    def stop(what, done, total):
        raise Cancelled

    with pytest.raises(Cancelled):
        compare_conditions(table, table, progress=stop)
