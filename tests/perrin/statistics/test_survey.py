"""The first statistics of a set of tracks at once: in units, and each what its function says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from perrin import Calibration, InputError
from perrin.statistics import (
    StateArray,
    Survey,
    SurveyParameters,
    compare_conditions,
    estimate_diffusivity,
    fit_ensemble_msd,
    join_movies,
    survey_tracks,
)
from perrin.statistics.figures import comparison_figure, faint_curves, survey_figure
from perrin.statistics.words import ergodicity_lines

CALIBRATION = Calibration(pixel_size=0.1, frame_interval=0.02, exposure=0)
QUICK = SurveyParameters(max_lag=5, n_states=1, n_bootstrap=2)
SMALL = StateArray(n_diffusivities=20, n_noises=3)


@pytest.fixture(scope="module")
def tracks(brownian, as_table) -> pd.DataFrame:
    """D = 1 px²/frame, that is 0.5 µm²/s; noise 0.3 px, that is 30 nm."""
    return as_table(brownian(1, 100, 15, noise=0.3))


@pytest.fixture(scope="module")
def surveyed(tracks) -> Survey:
    return survey_tracks(tracks, CALIBRATION, QUICK, SMALL)


def test_brownian_motion_in_physical_units(surveyed, tracks):
    tables = surveyed.tables
    single = estimate_diffusivity(tracks, exposure=0)
    np.testing.assert_allclose(
        tables["diffusivity"]["diffusivity_hi"], single["diffusivity_hi"] / 2
    )
    np.testing.assert_allclose(tables["diffusivity"]["noise"], single["noise"] * 100)
    assert set(tables["diffusivity"]["noise_unit"]) == {"nm"}
    fit = fit_ensemble_msd(tracks, exposure=0)
    found = tables["msd_fits"].iloc[0]
    assert found["alpha"] == fit.alpha
    assert found["coefficient"] == pytest.approx(fit.coefficient * 0.1**2 / 0.02**fit.alpha)
    assert found["coefficient_unit"] == "µm²/s^alpha"
    state = tables["states"].iloc[0]
    assert state["diffusivity"] == pytest.approx(0.5, rel=0.1)
    assert state["noise"] == pytest.approx(30, rel=0.2)
    # MSD = 4 D t + 4 noise², within four standard errors.
    mean = tables["mean_msd"].query("average == 'time-ensemble'").iloc[4]
    assert mean["lag"] == pytest.approx(0.1)
    assert mean["msd"] == pytest.approx(4 * 0.5 * 0.1 + 4 * 0.03**2, abs=4 * mean["msd_se"])
    eb = tables["ergodicity"].iloc[-1]
    assert (eb["time"], eb["time_unit"]) == (pytest.approx(0.28), "s")
    assert eb["eb_lo"] < eb["eb"] < eb["eb_hi"]
    spread = tables["displacements"]
    assert (spread["density"].sum() * np.diff(spread["displacement"])[0]) == pytest.approx(1)
    correlation = tables["velocity_autocorrelation"].iloc[1]
    assert correlation["correlation"] == pytest.approx(-0.09 / 2.18, abs=0.1)
    assert tables["population"]["occupancy"].sum() == pytest.approx(1)
    assert tables["msd"]["lag"].max() == pytest.approx(5 * 0.02)


def test_without_calibration_everything_is_in_pixels_and_frames(tracks, surveyed):
    plain = survey_tracks(tracks, Calibration(exposure=0), QUICK, SMALL)
    assert set(plain.tables["msd"]["msd_unit"]) == {"px²"}
    np.testing.assert_allclose(
        plain.tables["msd"]["msd"] * 0.1**2, surveyed.tables["msd"]["msd"], rtol=1e-12
    )
    assert plain.tables["ergodicity"]["time"].iloc[0] == 1


def test_joined_movies_are_named_in_the_tables_of_tracks(tracks):
    part = tracks[tracks["particle"] < 10]
    survey = survey_tracks(join_movies({"a": part, "b": part}), CALIBRATION, QUICK, SMALL)
    table = survey.tables["diffusivity"]
    assert table["movie"].tolist() == ["a"] * 10 + ["b"] * 10
    assert table["particle_in_movie"].tolist() == [*range(10), *range(10)]
    assert set(survey.tables["msd"]["movie"]) == {"a", "b"}


def test_very_short_tracks_leave_empty_what_cannot_be_said(brownian, as_table, tmp_path: Path):
    survey = survey_tracks(as_table(brownian(2, 30, 2)), parameters=QUICK, population=SMALL)
    assert survey.tables["msd_fits"]["alpha"].isna().all()
    assert survey.tables["diffusivity"]["diffusivity"].isna().all()
    survey_figure(survey).savefig(tmp_path / "figure.png")
    with pytest.raises(InputError, match="No track has two localizations"):
        survey_tracks(as_table(brownian(2, 3, 1)))


def test_figure_has_units_and_what_the_tables_say(surveyed, tmp_path: Path):
    figure = survey_figure(surveyed, "beads")
    labels = [label for axes in figure.axes for label in (axes.get_xlabel(), axes.get_ylabel())]
    for unit in ("lag (s)", "MSD (µm²)", "diffusivity D (µm²/s)", "density (1/µm)"):
        assert unit in labels
    legend = figure.axes[0].get_legend().get_texts()
    alpha = surveyed.tables["msd_fits"]["alpha"].iloc[0]
    assert f"alpha {alpha:.2f} ±" in legend[0].get_text()
    # Successive displacements are correlated by noise, and their squares by the square of that.
    theory = figure.axes[3].lines[1]
    correlation = surveyed.tables["velocity_autocorrelation"]["correlation"].iloc[1]
    expected = 2 / (2 * 14) * (1 + 2 * correlation**2 * 13 / 14)
    np.testing.assert_allclose(theory.get_ydata()[-1], expected)
    assert f"Brownian motion: {expected:.2g}" in ergodicity_lines(surveyed)[0]
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_single_tracks_are_drawn_from_the_first_to_the_last(surveyed, monkeypatch):
    monkeypatch.setattr("perrin.statistics.figures._MOST_CURVES", 60)
    curves = faint_curves(surveyed)
    every = [part["msd"].iloc[0] for _, part in surveyed.tables["msd"].groupby("particle")]
    assert [curve[0, 1] for curve in curves] == every[::2]


def test_figure_of_a_comparison_has_a_point_per_movie(brownian, as_table, tmp_path: Path):
    conditions = [
        join_movies({str(m): as_table(brownian(9 * c + m, 20, 10, 1 + c)) for m in range(2 + c)})
        for c in range(2)
    ]
    compared = compare_conditions(
        *conditions, names=("control", "drug"), exposure=0, n_states=1, n_bootstrap=20
    ).in_units(CALIBRATION)
    figure = comparison_figure(compared)
    n = len(compared.table)
    assert len(figure.axes) == 2 * n
    upper, lower = figure.axes[1], figure.axes[n + 1]
    np.testing.assert_allclose(
        np.concatenate([line.get_ydata() for line in upper.lines if len(line.get_xdata()) != 2
                        or line.get_marker() == "o"]),
        compared.movies["diffusivity"],
    )  # fmt: skip
    assert [text.get_text() for text in upper.get_xticklabels()] == ["control", "drug"]
    assert upper.get_ylabel() == "µm²/s"
    row = compared.table.iloc[1]
    assert lower.lines[-1].get_ydata() == pytest.approx([row["difference"]])
    assert "µm²/s" in figure.axes[3].get_title()
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_figure_of_compared_results_draws_what_there_is(tmp_path: Path):
    rng = np.random.default_rng(3)
    table = pd.DataFrame(
        {"movie": np.arange(40) % 4, "alpha": rng.random(40), "model": ["FBM", "CTRW"] * 20}
    )
    figure = comparison_figure(compare_conditions(table, table, n_bootstrap=20))
    titles = [axes.get_title() for axes in figure.axes]
    assert "share called FBM" in titles
    figure.savefig(tmp_path / "figure.png")
