"""The analysis of track tables: its columns, units, flags and honesty."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import perrin
from perrin.analysis import COVARIANCE, FLAGS, AnalysisParameters
from perrin.engine import explain, predict
from perrin.errors import InputError
from perrin.simulate import simulate_switching, simulate_tracks
from perrin.statistics import estimate_diffusivity
from perrin.tracks import Calibration

PER_TRACK = [
    "particle", "n_points", "model", "p_attm", "p_ctrw", "p_fbm", "p_lw", "p_sbm",
    "alpha", "alpha_lo", "alpha_hi", "p_ergodic", "diffusivity", "diffusivity_lo",
    "diffusivity_hi", "noise", "diffusivity_by", "n_switches", "flags", "diffusivity_unit",
    "noise_unit",
]  # fmt: skip
PER_FRAME = [
    "particle", "frame", "p_switch", "state", "motion", "diffusivity", "diffusivity_lo",
    "diffusivity_hi", "alpha", "alpha_lo", "alpha_hi", "weight", "diffusivity_unit",
]  # fmt: skip
SWITCHES = [
    "particle", "frame", "frame_lo", "frame_hi", "diffusivity_before", "diffusivity_after",
    "alpha_before", "alpha_after", "model_before", "model_after", "diffusivity_unit", "method",
]  # fmt: skip
CALIBRATION = Calibration(pixel_size=0.1, frame_interval=0.02, exposure=0)


def test_the_tables_have_the_columns_of_the_contract() -> None:
    analysis = perrin.analyze(simulate_tracks(n_tracks=3, n_points=50))
    assert list(analysis.per_track.columns) == PER_TRACK
    assert list(analysis.per_frame.columns) == PER_FRAME
    assert list(analysis.switches.columns) == SWITCHES
    assert len(analysis.per_track) == 3
    assert len(analysis.per_frame) == 150


def test_units_follow_from_the_calibration_alone() -> None:
    tracks = simulate_tracks(n_tracks=5, n_points=60)
    raw = perrin.analyze(tracks).per_track
    physical = perrin.analyze(tracks, CALIBRATION.model_copy(update={"exposure": 1.0})).per_track
    assert (raw["diffusivity_unit"] == "px²/frame").all()
    assert (physical["diffusivity_unit"] == "µm²/s").all()
    np.testing.assert_allclose(physical["diffusivity"], raw["diffusivity"] * 0.1**2 / 0.02)
    np.testing.assert_allclose(physical["noise"], raw["noise"] * 100)
    pd.testing.assert_series_equal(physical["alpha"], raw["alpha"])
    pd.testing.assert_series_equal(physical["model"], raw["model"])


def test_a_calibration_that_came_with_the_table_is_used() -> None:
    tracks = simulate_tracks(n_tracks=2, n_points=30)
    tracks.attrs["calibration"] = CALIBRATION
    assert perrin.analyze(tracks).calibration == CALIBRATION


def test_brownian_motion_has_its_diffusivity_and_no_switches() -> None:
    tracks = simulate_tracks(alpha=1.0, step=1.0, noise=0.2, n_tracks=60, n_points=200, seed=3)
    found = perrin.analyze(tracks, CALIBRATION).per_track
    # D = step² / 2 per frame.
    assert found["diffusivity"].median() == pytest.approx(0.5 * 0.1**2 / 0.02, rel=0.05)
    covered = found["diffusivity_lo"].le(0.25) & found["diffusivity_hi"].ge(0.25)
    assert covered.mean() > 0.75
    assert found["alpha"].median() == pytest.approx(1, abs=0.1)
    assert (found["n_switches"] > 0).mean() < 0.05


def test_the_z_step_brings_depth_to_the_length_of_the_plane() -> None:
    tracks = simulate_tracks(dim=3, n_tracks=3, n_points=60)
    squeezed = tracks.assign(z=tracks["z"] / 4)
    stepped = CALIBRATION.model_copy(update={"z_step": 0.4})
    expected = perrin.analyze(tracks, CALIBRATION).per_track
    pd.testing.assert_frame_equal(perrin.analyze(squeezed, stepped).per_track, expected)


def test_what_cannot_be_said_is_empty() -> None:
    short = simulate_tracks(n_tracks=2, n_points=12)
    single = pd.DataFrame({"particle": [7], "frame": [0], "y": [1.0], "x": [1.0]})
    found = perrin.analyze(pd.concat([short, single])).per_track
    assert (found["flags"] == "too_short").all()
    judged = ["model", "p_attm", "p_fbm", "alpha", "alpha_lo", "alpha_hi", "p_ergodic"]
    assert found[judged].isna().all(axis=None)
    assert found["diffusivity"].notna().tolist() == [True, True, False]
    assert found["diffusivity_by"].isna().tolist() == [False, False, True]


def test_the_network_measures_what_it_knows_and_the_covariance_the_rest() -> None:
    known = simulate_tracks(alpha=0.6, n_tracks=4, n_points=60)
    short = known[(known["particle"] == 0) & (known["frame"] < 15)].assign(particle=10)
    # Half of the frames missing is more than the network has ever seen.
    gappy = known[(known["particle"] == 1) & (known["frame"] % 2 == 0)].assign(particle=11)
    tracks = pd.concat([known, short, gappy])
    found = perrin.analyze(tracks, CALIBRATION).per_track.set_index("particle")
    unlike = found["flags"].str.contains("unlike_training")
    assert unlike[11]
    brownian = found["alpha_lo"].le(1) & found["alpha_hi"].ge(1)
    expected = np.where(unlike | brownian | (found.index == 10), COVARIANCE, "perrin")
    assert found["diffusivity_by"].tolist() == expected.tolist()
    answers = predict(tracks, exposure=0)
    by_covariance = estimate_diffusivity(tracks, exposure=0)
    for name, scale in (("diffusivity_lo", 0.1**2 / 0.02), ("noise", 100)):
        source = answers[name].where(expected == "perrin", by_covariance[name])
        np.testing.assert_allclose(found[name], source * scale)


def test_each_frame_of_a_judged_track_has_its_weight() -> None:
    tracks = simulate_tracks(model="CTRW", alpha=0.7, n_tracks=3, n_points=60)
    tracks = tracks[(tracks["particle"] != 1) | (tracks["frame"] < 15)]
    per_frame = perrin.analyze(tracks, CALIBRATION).per_frame
    weight = per_frame.groupby("particle")["weight"]
    np.testing.assert_allclose(weight.mean(), [1, np.nan, 1])
    expected = explain(tracks, exposure=0)["weight"].where(per_frame["particle"] != 1)
    # In bfloat16 a batch of another shape is rounded differently.
    np.testing.assert_allclose(per_frame["weight"], expected, atol=0.1)


def test_another_engine_says_what_it_can() -> None:
    tracks = simulate_tracks(n_tracks=3, n_points=60)
    likelihood = AnalysisParameters(engine="fbm")
    analysis = perrin.analyze(tracks, CALIBRATION, parameters=likelihood)
    assert list(analysis.per_track.columns) == PER_TRACK
    assert list(analysis.per_frame.columns) == PER_FRAME
    assert (analysis.per_track["diffusivity_by"] == "fbm").all()
    assert analysis.per_frame["weight"].isna().all()
    assert analysis.per_track[["model", "p_fbm", "p_ergodic"]].isna().all(axis=None)


def test_the_shortest_track_judged_is_the_users_choice() -> None:
    tracks = simulate_tracks(n_tracks=2, n_points=12)
    found = perrin.analyze(tracks, parameters=AnalysisParameters(min_points=12)).per_track
    assert found["model"].notna().all()
    assert not found["flags"].str.contains("too_short").any()


def test_gaps_are_flagged() -> None:
    tracks = simulate_tracks(n_tracks=2, n_points=40)
    gappy = tracks[~((tracks["particle"] == 1) & (tracks["frame"] == 11))]
    flags = perrin.analyze(gappy).per_track["flags"].str.split(";")
    assert ["has_gaps" in f for f in flags] == [False, True]
    assert set().union(*flags) - {""} <= set(FLAGS)


def test_a_switch_is_found_with_both_sides() -> None:
    # Without noise the network takes part of the slow motion for it (docs/switches.md).
    tracks = simulate_switching(
        [0.02, 2.0], switch_frames=[60], n_tracks=8, n_points=120, noise=0.1, seed=2
    )
    analysis = perrin.analyze(tracks, CALIBRATION)
    assert (analysis.per_track["n_switches"] == 1).mean() >= 0.75
    near = analysis.switches[(analysis.switches["frame"] - 60).abs() <= 3]
    assert near["particle"].nunique() >= 7
    scale = CALIBRATION.diffusivity_scale
    before, after = near["diffusivity_before"].median(), near["diffusivity_after"].median()
    assert {before > after, after > before} == {True, False}
    assert min(before, after) == pytest.approx(0.02 * scale, rel=0.3)
    assert max(before, after) == pytest.approx(2.0 * scale, rel=0.3)
    assert near["alpha_before"].notna().all()
    assert (near["method"] == "network").all()
    frames = analysis.per_frame[analysis.per_frame["frame"].between(70, 110)]
    late = frames.groupby("particle")["diffusivity"].median()
    expected = near.set_index("particle")["diffusivity_after"]
    np.testing.assert_allclose(late[expected.index], expected, rtol=0.5)
    assert (frames["diffusivity_lo"] <= frames["diffusivity"]).all()
    assert (frames["diffusivity_hi"] >= frames["diffusivity"]).all()


def test_penalised_likelihood_says_less_in_the_same_tables() -> None:
    tracks = simulate_switching([0.02, 2.0], switch_frames=[60], n_tracks=4, n_points=120, seed=2)
    chosen = AnalysisParameters(switch_method="likelihood")
    analysis = perrin.analyze(tracks, CALIBRATION, parameters=chosen)
    assert list(analysis.per_frame.columns) == PER_FRAME
    assert list(analysis.switches.columns) == SWITCHES
    assert (analysis.switches["method"] == "penalised likelihood").all()
    assert analysis.per_frame["motion"].isna().all()
    frames = analysis.per_frame.set_index(["particle", "frame"])
    one = analysis.switches.iloc[0]
    first = frames.loc[(one["particle"], one["frame"])]
    assert first["alpha"] == one["alpha_after"]
    assert first["diffusivity"] == one["diffusivity_after"]


def test_frames_of_tracks_too_short_for_the_network_have_what_is_said_of_the_track() -> None:
    analysis = perrin.analyze(simulate_tracks(n_tracks=2, n_points=12), CALIBRATION)
    frames = analysis.per_frame
    assert frames[["p_switch", "motion"]].isna().all(axis=None)
    expected = analysis.per_track.set_index("particle").loc[frames["particle"], "diffusivity"]
    np.testing.assert_array_equal(frames["diffusivity"], expected)


def test_no_tracks_is_an_error_in_words() -> None:
    none = pd.DataFrame({"particle": [], "frame": [], "y": [], "x": []})
    with pytest.raises(InputError, match="no tracks to analyse"):
        perrin.analyze(none)


def test_live_cell_tracks_are_read_as_they_are_and_mostly_too_short(shared_data: Path) -> None:
    tracks = perrin.read_tracks(shared_data / "live_cell_tracks.csv")
    found = perrin.analyze(tracks, Calibration(pixel_size=0.16, frame_interval=0.00748)).per_track
    assert len(found) == 2387
    short = found["n_points"] < AnalysisParameters().min_points
    assert short.mean() > 0.95
    assert found.loc[short, "flags"].str.contains("too_short").all()
    assert found.loc[short, ["model", "alpha"]].isna().all(axis=None)
    assert found.loc[~short, "model"].notna().all()


def test_printing_an_analysis_says_what_was_found_and_how_surely() -> None:
    tracks = simulate_tracks(n_tracks=3, n_points=60)
    single = pd.DataFrame({"particle": [7], "frame": [0], "y": [1.0], "x": [1.0]})
    text = str(perrin.analyze(pd.concat([tracks, single]), CALIBRATION))
    assert "median D (µm²/s)" in text
    assert "not judged" in text
    assert "Alpha is known for 3 of 4 tracks, D for 3." in text
    assert "median probability of 0." in text
