"""Tracks beside the truth: cases counted by hand, and matching beside another solver."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from perrin import Calibration, InputError, analyze
from perrin.analysis import Analysis, AnalysisParameters
from perrin.cli import perrin_command
from perrin.cli._shell import exit_code_of
from perrin.io import write_table
from perrin.results import save_results
from perrin.truth import Truth, compare_with_truth, read_truth
from perrin.truth_scores import confusion, score_table

SAMPLES = Path(__file__).resolve().parents[2] / "sample_data"
GATE = 3.0


def table(*paths: tuple[int, list[int], float]) -> pd.DataFrame:
    """Tracks, each of them number, frames and y; x is 10 times the frame."""
    parts = [
        pd.DataFrame({"particle": number, "frame": frames, "y": y, "x": 10.0 * np.array(frames)})
        for number, frames, y in paths
    ]
    return pd.concat(parts, ignore_index=True)


TRUE = table((1, [0, 1, 2, 3, 4], 0.0), (2, [0, 1, 2, 3, 4], 20.0), (3, [0, 1], 60.0))


def value(scores: pd.DataFrame, group: str, score: str) -> float:
    (row,) = scores[(scores["group"] == group) & scores["score"].str.startswith(score)].itertuples()
    return float(row.value)


def test_the_truth_itself_is_perfect() -> None:
    truth = Truth.of(TRUE)
    scores = score_table(compare_with_truth(truth, TRUE))
    shares = scores[scores["unit"] == "share"]
    assert (shares["value"] == 1).all()
    assert value(scores, "Localizations", "error") == 0
    assert value(scores, "ISBI 2012 challenge", "alpha") == 1


def test_faults_are_counted() -> None:
    # Track 8 is particle 1 but jumps to 2 at frame 3; track 9 is 2 until then. Particle 3 is missed
    # whole, particle 2 in its last frame; track 7 is nowhere.
    jump = table((8, [3], 21.0)).assign(y=21.0)
    found = pd.concat(
        [table((8, [0, 1, 2], 1.0)), jump, table((9, [0, 1, 2], 20.0), (7, [2, 3], 90.0))]
    )
    result = compare_with_truth(Truth.of(TRUE), found, gate=GATE)
    scores = score_table(result)
    assert value(scores, "Localizations", "found") == pytest.approx(7 / 12)
    assert value(scores, "Localizations", "right") == pytest.approx(7 / 9)
    # Four localizations are 1 px off, three are not; without a calibration that is in pixels.
    assert value(scores, "Localizations", "error") == pytest.approx(np.sqrt(4 / 7))
    per_track = result.per_track.set_index("particle")
    assert per_track["true_particle"].fillna(-1).to_dict() == {7: -1, 8: 1, 9: 2}
    assert per_track["right"].to_dict() == {7: 0, 8: 0.75, 9: 1}
    assert result.missed_particles.tolist() == [3]
    missed = result.truth.tracks[result.missed]
    assert list(zip(missed["particle"], missed["frame"], strict=True)) == [
        (1, 3), (1, 4), (2, 4), (3, 0), (3, 1)
    ]  # fmt: skip
    assert result.tracks.loc[result.false, "particle"].tolist() == [7, 7]
    # True links between found localizations: 0-1, 1-2 of both, 2-3 of particle 2.
    assert result.n_true_links == 9
    assert result.n_links_seen == 5
    assert value(scores, "Links", "found") == pytest.approx(4 / 5)
    wrong = result.links[~result.links["right"]]
    assert list(zip(wrong["particle"], wrong["frame"], strict=True)) == [(7, 3), (8, 3)]
    assert value(scores, "Links", "right") == pytest.approx(4 / 6)
    assert value(scores, "Tracks", "found") == pytest.approx(2 / 3)
    assert value(scores, "Tracks", "right") == pytest.approx(2 / 3)


points = st.lists(
    st.tuples(st.integers(0, 1), st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=9
)


@given(points, points)
def test_matching_is_the_best_there_is(first: list, second: list) -> None:
    true, found = (
        pd.DataFrame(rows, columns=["frame", "y", "x"]).assign(particle=range(len(rows)))
        for rows in (first, second)
    )
    result = compare_with_truth(Truth.of(true), found, gate=GATE)
    best = 0.0
    for frame in (0, 1):
        a, b = (t.loc[t["frame"] == frame, ["y", "x"]].to_numpy() for t in (true, found))
        gain = np.maximum(GATE - np.linalg.norm(a[:, None] - b, axis=2), 0)
        best += gain[linear_sum_assignment(gain, maximize=True)].sum()
    matched = result.match >= 0
    assert np.nansum(GATE - result.distance) == pytest.approx(best, abs=1e-9)
    assert np.unique(result.match[matched]).size == matched.sum()
    rows = result.truth.tracks.iloc[result.match[matched]]
    assert (rows["frame"].to_numpy() == result.tracks["frame"].to_numpy()[matched]).all()


def test_what_a_table_says_of_switches() -> None:
    one = table((1, list(range(6)), 0.0), (2, list(range(6)), 20.0))
    # The state of the last frame is that of a step that nobody saw.
    states = one.assign(state=[0, 0, 1, 1, 1, 0, 2, 2, 2, 2, 2, 2], alpha=1.0, model="FBM")
    truth = Truth.of(states)
    assert truth.switches is not None
    assert truth.switches.to_numpy().tolist() == [[1, 2]]
    assert truth.per_track.to_dict("list") == {
        "particle": [1, 2], "model": ["FBM", "FBM"], "alpha": [1.0, 1.0]
    }  # fmt: skip
    # An exponent that switches is not that of a whole track.
    assert "alpha" not in Truth.of(states.assign(alpha=[1.0, 2.0] * 6)).per_track
    assert Truth.of(one).switches is None
    named = Truth.of(one, pd.DataFrame({"particle": [2], "model": ["LW"]}))
    assert named.per_track["model"].isna().tolist() == [True, False]
    with pytest.raises(InputError, match="several rows"):
        Truth.of(one, pd.DataFrame({"particle": [2, 2], "model": ["LW", "LW"]}))


def test_answers_are_compared_with_what_is_true_of_the_particle() -> None:
    # Four particles under other numbers; the last switches at 30 and at 60.
    frames = list(range(80))
    true = table(*((k, frames, 20.0 * k) for k in range(4))).assign(state=0)
    true.loc[(true["particle"] == 3) & true["frame"].between(30, 59), "state"] = 1
    known = pd.DataFrame(
        {"particle": range(4), "model": ["FBM", "FBM", "LW", "LW"], "alpha": [0.5, 1, 1.5, 1.8],
         "diffusivity": [1.0, 1, 1, 1]}
    )  # fmt: skip
    found = true[["particle", "frame", "y", "x"]].assign(particle=13 - true["particle"])
    per_track = pd.DataFrame(
        {"particle": [13, 12, 11, 10], "model": ["FBM", "LW", "LW", None],
         "alpha": [0.6, 1.2, 1.4, np.nan], "alpha_lo": [0.4, 1.1, 1.3, np.nan],
         "alpha_hi": [0.7, 1.3, 1.6, np.nan], "diffusivity": [np.e, np.e, np.e, np.e]}
    )  # fmt: skip
    switches = pd.DataFrame({"particle": [10, 10, 12], "frame": [33, 75, 30]})
    analysis = Analysis(per_track, pd.DataFrame(), switches, Calibration(), AnalysisParameters())
    result = compare_with_truth(Truth.of(true, known), found, analysis)
    scores = score_table(result, analysis)
    assert value(scores, "Exponent α", "mean absolute error") == pytest.approx(0.4 / 3)
    assert value(scores, "Exponent α", "mean error") == pytest.approx(0.2 / 3)
    assert value(scores, "Exponent α", "true one within") == pytest.approx(2 / 3)
    assert value(scores, "Model", "right") == pytest.approx(2 / 3)
    assert value(scores, "Diffusivity D", "said by true") == pytest.approx(np.e)
    # 30 is found at 33; 60 is missed, since 75 is too far; 75 and that of track 12 are false.
    assert value(scores, "Switches", "found") == 0.5
    assert value(scores, "Switches", "right") == pytest.approx(1 / 3)
    assert value(scores, "Switches", "error") == 3
    assert result.switches is not None
    assert result.switches["true_particle"].tolist() == [3, 3, 3, 1]
    counts = confusion(result, analysis)
    assert counts is not None
    assert counts.loc["FBM"].to_dict() == {"ATTM": 0, "CTRW": 0, "FBM": 1, "LW": 1, "SBM": 0}


def test_truth_is_read_by_either_of_its_files(tmp_path: Path) -> None:
    for end in ("tracks", "truth"):
        truth = read_truth(SAMPLES / f"two_state_receptors_{end}.csv")
        counts = truth.per_track["n_switches"].to_numpy()
        assert truth.switches is not None
        counted = truth.switches["particle"].value_counts()
        said = counted.reindex(truth.per_track["particle"], fill_value=0)
        np.testing.assert_array_equal(said, counts)
    alone = tmp_path / "mine.csv"
    write_table(TRUE, alone)
    assert list(read_truth(alone).per_track) == ["particle"]
    write_table(TRUE, tmp_path / "mine_tracks.csv")
    (tmp_path / "mine_truth.csv").write_text("model\nFBM\n")
    with pytest.raises(InputError, match="lacks the column 'particle'"):
        read_truth(tmp_path / "mine_tracks.csv")


def test_other_axes_are_refused() -> None:
    with pytest.raises(InputError, match="axes"):
        compare_with_truth(Truth.of(TRUE), TRUE.assign(z=0.0))


def test_compare_prints_the_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = SAMPLES / "two_state_receptors_tracks.csv"
    tracks = read_truth(truth).tracks[["particle", "frame", "y", "x"]]
    tracks = tracks[tracks["particle"] < 4]
    calibration = Calibration(pixel_size=0.1, frame_interval=0.03)
    analysis = analyze(tracks, calibration, device="cpu")
    recipe = "version: 1\ncalibration: {pixel_size: 0.1, frame_interval: 0.03}\n"
    save_results(tmp_path / "results", recipe=recipe, tracks=tracks, analysis=analysis)
    arguments = ["compare", str(tmp_path / "results"), "--truth", str(truth)]
    assert exit_code_of(perrin_command, [*arguments, "-o", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "20.0 %" in said, "four of twenty particles"
    assert "Switches" in said
    scores = pd.read_csv(tmp_path / "out/scores.csv")
    assert value(scores, "Localizations", "right") == 1
    assert exit_code_of(perrin_command, [*arguments, "-o", str(tmp_path / "out")]) == 1
    # A track table alone.
    write_table(tracks, tmp_path / "spots.csv")
    arguments[1] = str(tmp_path / "spots.csv")
    assert exit_code_of(perrin_command, arguments) == 0
    assert "Switches" not in capsys.readouterr().out
