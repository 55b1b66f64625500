"""What the network is shown of short and long tracks, with gaps and without."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perrin.engine.looks import Tracks, lay_out, look_at
from perrin.tracks import validate_tracks

CPU = torch.device("cpu")
ALL = np.array([0])


def table_of(frames: npt.ArrayLike, particle: int = 0) -> pd.DataFrame:
    """Make a track that is at (100 - frame, frame²) in each of the frames."""
    frame = np.asarray(frames)
    return pd.DataFrame(
        {"particle": particle, "frame": frame, "y": 100.0 - frame, "x": np.square(frame) * 1.0}
    )


def tracks_of(*frames: npt.ArrayLike) -> Tracks:
    return Tracks.of(
        validate_tracks(pd.concat([table_of(some, i) for i, some in enumerate(frames)]))
    )


# Long tracks with gaps of any size, so that looks at them may begin and end unseen.
seen = st.lists(st.integers(1, 120), min_size=9, max_size=200).map(
    lambda steps: np.cumsum([7, *steps])
)


def test_a_short_track_is_looked_at_once_as_it_is() -> None:
    tracks = tracks_of(range(5, 30), range(50, 90))
    looks = look_at(tracks, np.array([0, 1]))
    assert looks.owner.tolist() == [0, 1]
    assert looks.n_points.tolist() == [25, 40]
    assert looks.judges.all()
    assert looks.measures.all()
    laid = lay_out(tracks, looks, np.array([1, 0]), 0.5, CPU)
    assert laid.positions.shape == (2, 2, 40)
    assert laid.seen is None
    assert laid.lengths is not None
    assert laid.lengths.tolist() == [40, 25]
    assert laid.exposure.tolist() == [0.5, 0.5]
    frame = torch.arange(25.0)
    torch.testing.assert_close(laid.positions[1, 0, :25], -frame)
    torch.testing.assert_close(laid.positions[1, 1, :25], (frame + 5) ** 2 - 25)


def test_a_long_track_is_looked_at_every_kth_frame_and_piece_by_piece() -> None:
    tracks = tracks_of(range(2500))
    looks = look_at(tracks, ALL)
    assert looks.n_points[looks.judges].tolist() == [834, 833, 833]
    assert looks.n_points[looks.measures].tolist() == [834, 834, 832]
    assert not (looks.judges & looks.measures).any()
    some = np.flatnonzero(looks.judges)
    laid = lay_out(tracks, looks, some, 0.9, CPU)
    torch.testing.assert_close(laid.positions[1, 0, :833], -3 * torch.arange(833.0))
    # A shutter open for most of a frame is open for a third of that in three.
    torch.testing.assert_close(laid.exposure, torch.full((3,), 0.3))
    pieces = lay_out(tracks, looks, np.flatnonzero(looks.measures), 0.9, CPU)
    torch.testing.assert_close(pieces.positions[2, 0, :832], -torch.arange(832.0))
    torch.testing.assert_close(pieces.exposure, torch.full((3,), 0.9))


@settings(deadline=None)
@given(seen)
def test_looks_begin_and_end_with_a_localization_and_show_what_was_seen(
    frames: npt.NDArray[np.int64],
) -> None:
    tracks = tracks_of(frames)
    looks = look_at(tracks, ALL)
    n_looks = -(-int(frames[-1] - frames[0] + 1) // 999)
    assert looks.judges.sum() <= n_looks
    for i in range(looks.owner.size):
        rows = looks.rows[looks.starts[i] : looks.stops[i]]
        at = looks.frames[looks.starts[i] : looks.stops[i]]
        assert rows.size >= 10
        assert at[0] == 0
        assert at[-1] == looks.n_points[i] - 1 <= 998
        interval = n_looks if looks.judges[i] else 1
        assert looks.interval[i] == interval
        np.testing.assert_array_equal(frames[rows] - frames[rows[0]], interval * at)
        laid = lay_out(tracks, looks, np.array([i]), 1.0, CPU)
        assert laid.lengths is None
        shown = laid.positions[0, :, at].T.numpy()
        expected = np.stack((-(frames - frames[rows[0]]), frames**2 - frames[rows[0]] ** 2), 1)
        np.testing.assert_allclose(shown, expected[rows], rtol=1e-6)
        if laid.seen is None:
            assert rows.size == looks.n_points[i]
        else:
            assert laid.seen[0].nonzero().flatten().tolist() == at.tolist()
    for kind in (looks.judges, looks.measures):
        shown_rows = np.concatenate(
            [looks.rows[looks.starts[i] : looks.stops[i]] for i in np.flatnonzero(kind)] or [ALL]
        )
        assert np.unique(shown_rows).size == shown_rows.size


def test_looks_that_hold_too_little_are_left_out() -> None:
    # Even frames hold a track, odd ones only nine localizations.
    frames = np.union1d(np.arange(0, 1100, 2), np.arange(1, 19, 2))
    looks = look_at(tracks_of(frames), ALL)
    assert looks.n_points[looks.judges].tolist() == [550]
    assert look_at(tracks_of(range(0, 4000, 201)), ALL).owner.size == 0


def test_looks_in_which_nothing_moves_are_left_out() -> None:
    table = table_of(range(1500)).assign(y=0.0)
    table.loc[table["frame"] >= 750, "x"] = 3.0
    table.loc[table["frame"] < 750, "x"] *= 0
    tracks = Tracks.of(validate_tracks(table))
    looks = look_at(tracks, ALL)
    assert looks.judges.sum() == 2
    assert looks.measures.sum() == 0


@pytest.mark.parametrize("which", [[], [0]])
def test_there_may_be_nothing_to_look_at(which: list[int]) -> None:
    still = table_of(range(20)).assign(x=1.0, y=1.0)
    tracks = Tracks.of(validate_tracks(still))
    looks = look_at(tracks, np.array(which, np.int64))
    assert looks.owner.size == looks.rows.size == 0
