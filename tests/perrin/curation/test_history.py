"""Curation of track tables: nothing is lost, everything can be undone, and a file does it again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from perrin import InputError
from perrin.curation import (
    Curation,
    Delete,
    Filter,
    History,
    Join,
    Judge,
    Label,
    Note,
    Split,
    curate,
)
from perrin.filters import TrackFilters
from perrin.tracks import validate_tracks


@pytest.fixture
def tracks() -> pd.DataFrame:
    """Track 1 in frames 0 to 9, 2 in 10 to 14, 3 in 5 to 12."""
    return make_tracks({1: range(10), 2: range(10, 15), 3: range(5, 13)})


def make_tracks(frames: dict[int, range | list[int]]) -> pd.DataFrame:
    rows = [(particle, frame) for particle, seen in frames.items() for frame in seen]
    table = pd.DataFrame(rows, columns=["particle", "frame"])
    values = np.arange(len(rows), dtype=float)
    return validate_tracks(table.assign(y=values, x=-values, mass=values * 10))


def frames_of(table: pd.DataFrame) -> dict[int, list[int]]:
    return {int(number): rows["frame"].tolist() for number, rows in table.groupby("particle")}


def test_a_track_is_split_joined_and_shortened(tracks: pd.DataFrame) -> None:
    history = History(tracks)
    assert history.split(1, (3, 8)).particles == {1, 4, 5}
    assert frames_of(history.now.table()) == {
        1: [0, 1, 2], 2: [*range(10, 15)], 3: [*range(5, 13)], 4: [3, 4, 5, 6, 7], 5: [8, 9],
    }  # fmt: skip
    assert history.do(Join(particle=2, other=5)).particles == {2, 5}
    assert history.do(Delete(particle=2, frame=12)).particles == {2}
    assert frames_of(history.now.table())[2] == [8, 9, 10, 11, 13, 14]
    # Each localization keeps what was measured of it.
    merged = history.now.table().merge(tracks, on=["frame", "y", "x", "mass"], how="left")
    assert merged["particle_y"].notna().all()


def test_what_is_said_of_a_track_goes_with_it(tracks: pd.DataFrame) -> None:
    history = History(tracks)
    history.do(Label(particles=(1, 2), label="  bound\nto DNA "))
    history.do(Judge(kind="reject", particles=(2, 3)))
    assert history.now.notes == {
        1: Note("", "bound to DNA"), 2: Note("rejected", "bound to DNA"), 3: Note("rejected", ""),
    }  # fmt: skip
    assert history.now.rejected == {2, 3}
    history.split(2, (12,))
    assert history.now.notes[4] == history.now.notes[2]
    # Joined to a track of which something is said, that holds; else what was said of the other.
    history.do(Join(particle=1, other=4))
    assert history.now.notes[1] == Note("rejected", "bound to DNA")
    history.do(Label(particles=(3,), label=""))
    history.do(Judge(kind="accept", particles=(3,)))
    assert history.now.notes[3] == Note("accepted", "")
    # With its last localization a track goes, and what was said of it.
    for frame in (10, 11):
        history.do(Delete(particle=2, frame=frame))
    assert 2 not in history.now.notes
    assert 2 not in set(history.now.table()["particle"])


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (Split(particle=1, frames=(0,), new=(9,)), "from frame 0 to 9 and cannot .* at frame 0"),
        (Split(particle=1, frames=(3, 10), new=(8, 9)), "frames 3, 10"),
        (Split(particle=1, frames=(3,), new=(2,)), "one that no track has"),
        (Split(particle=1, frames=(3, 4), new=(8, 8)), "one that no track has"),
        (Join(particle=1, other=1), "with itself"),
        (Join(particle=1, other=3), "both were seen in frame 5 and 4 others"),
        (Join(particle=1, other=7), "There is no track 7"),
        (Delete(particle=2, frame=9), "Track 2 was not seen in frame 9"),
        (Judge(kind="accept", particles=(1, 8)), "There is no track 8"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_and_changes_nothing(
    tracks: pd.DataFrame, operation: Split | Join | Delete | Judge, words: str
) -> None:
    history = History(tracks)
    with pytest.raises(InputError, match=words):
        history.do(operation)
    assert (history.done, history.now.notes) == ([], {})
    assert_frame_equal(history.now.table(), tracks)


def test_the_last_localization_of_all_stays() -> None:
    history = History(make_tracks({4: [0, 1]}))
    history.do(Delete(particle=4, frame=0))
    with pytest.raises(InputError, match="last localization"):
        history.do(Delete(particle=4, frame=1))


def test_what_changes_nothing_is_no_step_and_a_filter_that_is_moved_is_one(
    tracks: pd.DataFrame,
) -> None:
    history = History(tracks)
    history.do(Judge(kind="accept", particles=(1,)))
    history.do(Judge(kind="accept", particles=(1,)))
    for low in (0.1, 0.2, 0.3):
        history.do(Filter(filters=TrackFilters(ranges={"alpha": (low, None)})))
    history.do(Filter(filters=TrackFilters(ranges={"alpha": (0.3, None)}, models=("FBM",))))
    assert len(history.done) == 3
    history.undo()
    assert history.now.filters == TrackFilters(ranges={"alpha": (0.3, None)})
    history.undo()
    assert history.now.filters == TrackFilters()
    # Something new forgets what was undone.
    history.do(Label(particles=(2,), label="b"))
    assert history.redo() is None
    # Filters are the recipe's.
    assert [each.kind for each in history.curation.operations] == ["accept", "label"]


def test_a_curation_fits_its_own_tracks_only(tracks: pd.DataFrame) -> None:
    history = History(tracks)
    history.split(1, (4,))
    moved = tracks.assign(y=tracks["y"] + 1e-9)
    assert frames_of(curate(moved, history.curation).table()) == frames_of(history.now.table())
    with pytest.raises(InputError, match="made on other tracks"):
        curate(history.now.table(), history.curation)
    with pytest.raises(InputError, match="version 2"):
        Curation.from_yaml(history.curation.to_yaml().replace("version: 1", "version: 2"))
    with pytest.raises(InputError, match=r"operations.0.split: .*as many new"):
        Curation.from_yaml(history.curation.to_yaml().replace("frames: [4]", "frames: [4, 5]"))


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    numbers = draw(st.sets(st.integers(-3, 30), min_size=1, max_size=4))
    frames = st.sets(st.integers(0, 12), min_size=1, max_size=8).map(sorted)
    return make_tracks({number: draw(frames) for number in sorted(numbers)})


def act(data: st.DataObject, history: History) -> None:
    """Do something at random, sensible or not, as a user would."""
    numbers = sorted({*history.now.table()["particle"], 99})
    one, other = (data.draw(st.sampled_from(numbers)) for _ in range(2))
    frame = data.draw(st.integers(0, 12))
    words = st.sampled_from(["", "free", "bound: 'α'"])
    try:
        match data.draw(st.integers(0, 6)):
            case 0:
                history.split(
                    one, tuple(sorted(data.draw(st.sets(st.integers(0, 12), min_size=1))))
                )
            case 1:
                history.do(Join(particle=one, other=other))
            case 2:
                history.do(Delete(particle=one, frame=frame))
            case 3:
                kind = data.draw(st.sampled_from(["accept", "reject"]))
                history.do(Judge(kind=kind, particles=(one, other)))
            case 4:
                history.do(Label(particles=(one,), label=data.draw(words)))
            case 5:
                history.undo()
            case 6:
                history.redo()
    except InputError:
        pass


def state(history: History) -> tuple[pd.DataFrame, dict[int, Note]]:
    return history.now.table(), dict(history.now.notes)


def assert_same(
    one: tuple[pd.DataFrame, dict[int, Note]], other: tuple[pd.DataFrame, dict[int, Note]]
) -> None:
    assert_frame_equal(one[0], other[0], check_exact=True)
    assert one[1] == other[1]


@settings(max_examples=30, deadline=None)
@given(tables(), st.data())
def test_nothing_is_lost_and_all_of_it_is_undone_redone_and_replayed(
    tracks: pd.DataFrame, data: st.DataObject
) -> None:
    history = History(tracks)
    for _ in range(data.draw(st.integers(1, 12))):
        act(data, history)
        table = history.now.table()
        deleted = sum(isinstance(change.operation, Delete) for change in history.done)
        assert len(table) == len(tracks) - deleted
        assert_frame_equal(validate_tracks(table), table)
        # Whatever was said is said of a track that is there.
        assert set(history.now.notes) <= set(table["particle"])
    # The file does the same again.
    written = Curation.from_yaml(history.curation.to_yaml())
    assert written == history.curation
    assert_same(state(History.replayed(tracks, written)), state(history))
    # Undone step by step, every table comes back, and redone as well.
    seen = [state(history)]
    while history.undo():
        seen.append(state(history))
    assert_same(seen[-1], (tracks, {}))
    for expected in reversed(seen[:-1]):
        history.redo()
        assert_same(state(history), expected)


@settings(max_examples=15, deadline=None)
@given(tables(), st.data())
def test_joining_what_was_split_is_as_if_nothing_had_happened(
    tracks: pd.DataFrame, data: st.DataObject
) -> None:
    history = History(tracks)
    particle = data.draw(st.sampled_from(sorted(set(tracks["particle"]))))
    history.do(Label(particles=(particle,), label="mine"))
    before = state(history)
    frames = history.now.frames(particle)[1:].tolist()
    if not frames:
        return
    at = data.draw(st.sets(st.sampled_from(frames), min_size=1))
    change = history.split(particle, tuple(sorted(at)))
    assert isinstance(change.operation, Split)
    for number in change.operation.new:
        history.do(Join(particle=particle, other=number))
    assert_same(state(history), before)
