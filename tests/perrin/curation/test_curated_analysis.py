"""Analyses of curated tracks: changed tracks alone are analysed anew, and notes become columns."""

from __future__ import annotations

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from perrin import Analysis, Calibration, analyze
from perrin.analysis import AnalysisParameters
from perrin.curation import Delete, History, Join, Judge, Label, reanalyze, with_notes
from perrin.filters import TrackFilters
from perrin.simulate.switching import simulate_switching

CALIBRATION = Calibration(pixel_size=0.1, frame_interval=0.05)
TABLES = ("per_track", "per_frame", "switches")
pytestmark = pytest.mark.usefixtures("single_precision")


@pytest.fixture(scope="module")
def tracks() -> pd.DataFrame:
    """Five tracks of 40 points, one after the other, two of which change their diffusivity."""
    return simulate_switching([0.05, 2.0], n_tracks=5, n_points=40, box=(64, 64), seed=3)


@pytest.fixture(scope="module")
def analysis(tracks: pd.DataFrame) -> Analysis:
    return analyze(tracks, CALIBRATION, device="cpu")


def test_changed_tracks_alone_are_analysed_anew(tracks: pd.DataFrame, analysis: Analysis) -> None:
    history = History(tracks)
    first, second, *others = sorted(set(tracks["particle"]))
    changed = {
        *history.split(first, (25,)).particles,
        *history.do(Delete(particle=second, frame=int(history.now.frames(second)[7]))).particles,
    }
    table = history.now.table()
    partly = reanalyze(analysis, table, changed, device="cpu")
    for name in TABLES:
        before, after = getattr(analysis, name), getattr(partly, name)
        assert_frame_equal(
            after[after["particle"].isin(others)].reset_index(drop=True),
            before[before["particle"].isin(others)].reset_index(drop=True),
            check_exact=True,
        )
        # Networks add up in another order when others are in the batch.
        assert_frame_equal(
            after, getattr(analyze(table, CALIBRATION, device="cpu"), name), rtol=1e-3, atol=1e-3
        )


def test_a_track_that_is_gone_leaves_no_rows(tracks: pd.DataFrame, analysis: Analysis) -> None:
    particle = int(tracks["particle"].iloc[0])
    rest = tracks[tracks["particle"] != particle].reset_index(drop=True)
    partly = reanalyze(analysis, rest, {particle})
    for name in TABLES:
        before = getattr(analysis, name)
        assert_frame_equal(
            getattr(partly, name), before[before["particle"] != particle].reset_index(drop=True)
        )


def test_tracks_that_share_states_are_all_analysed_anew(
    tracks: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[pd.DataFrame] = []

    def remember(table: pd.DataFrame, *_: object, **__: object) -> str:
        asked.append(table)
        return "the new one"

    monkeypatch.setattr("perrin.curation._results.analyze", remember)
    shared = Analysis(
        *(pd.DataFrame({"particle": [], "frame": []}) for _ in TABLES), CALIBRATION,
        AnalysisParameters(shared_states=True),
    )  # fmt: skip
    assert reanalyze(shared, tracks, {int(tracks["particle"].iloc[0])}) == "the new one"
    assert_frame_equal(asked.pop(), tracks)
    reanalyze(shared, tracks, ())
    assert not asked


def test_notes_and_filters_become_columns(tracks: pd.DataFrame, analysis: Analysis) -> None:
    first, second, third, fourth, fifth = sorted(set(tracks["particle"]))
    starts = tracks.groupby("particle")["frame"].min()
    filters = TrackFilters(ranges={"first_frame": (None, float(starts[fourth]))})
    history = History(tracks, filters)
    history.do(Judge(kind="reject", particles=(first,)))
    history.do(Judge(kind="accept", particles=(second,)))
    history.do(Label(particles=(second, fifth), label="bound"))
    noted = with_notes(analysis, history.now).per_track
    assert noted["verdict"].fillna("").tolist() == ["rejected", "accepted", "", "", ""]
    assert noted["label"].fillna("").tolist() == ["", "bound", "", "", "bound"]
    inside = starts.loc[[third, fourth, fifth]] <= starts[fourth]
    assert noted["kept"].tolist() == [False, True, *inside]
    # Noted once more, there is still one column of each.
    again = with_notes(with_notes(analysis, history.now), History(tracks).now).per_track
    assert again["kept"].all()
    assert list(again.columns) == [*analysis.per_track.columns, "verdict", "label", "kept"]


def test_joined_tracks_are_one(tracks: pd.DataFrame, analysis: Analysis) -> None:
    history = History(tracks)
    particle = int(tracks["particle"].iloc[0])
    change = history.split(particle, (20,))
    (new,) = change.particles - {particle}
    split = reanalyze(analysis, history.now.table(), change.particles, device="cpu")
    assert split.per_track.set_index("particle").loc[[particle, new], "n_points"].sum() == 40
    change = history.do(Join(particle=particle, other=new))
    joined = reanalyze(split, history.now.table(), change.particles, device="cpu")
    for name in TABLES:
        assert_frame_equal(getattr(joined, name), getattr(analysis, name), rtol=1e-3, atol=1e-3)
