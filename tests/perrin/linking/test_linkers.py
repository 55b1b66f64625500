"""Perrin's own linker and laptrack's, beside trackpy's."""

from __future__ import annotations

import laptrack
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perrin import Calibration, Cancelled, LapLinker, MotionLinker, NearestLinker, link
from perrin.linking import Linker, track_graph
from perrin.linking._learning import _localization_error, _Movie
from perrin.linking._parameters import Spots
from perrin.localization import suggest_search_range
from perrin.scores import score_tracks

LINKERS = (MotionLinker(), NearestLinker(search_range=5), LapLinker(search_range=5))


def crowd(seed: int, n: int = 60, n_frames: int = 40, side: float = 60.0) -> pd.DataFrame:
    """Slow and fast Brownian particles, 5 % of the localizations missing, ``truth`` known."""
    rng = np.random.default_rng(seed)
    spread = np.where(np.arange(n) % 2, 0.25, 1.5)
    steps = rng.normal(0, 1, (n_frames, n, 2)) * spread[:, None]
    steps[0] = rng.uniform(0, side, (n, 2))
    path = steps.cumsum(0) + rng.normal(0, 0.1, (n_frames, n, 2))
    frame, truth = np.divmod(np.arange(n_frames * n), n)
    y, x = path.reshape(-1, 2).T
    table = pd.DataFrame({"frame": frame, "truth": truth, "y": y, "x": x})
    return table.sample(frac=0.95, random_state=seed)


def beta(spots: pd.DataFrame, linker: Linker) -> float:
    truth = spots.rename(columns={"truth": "particle"})
    return score_tracks(truth, link(spots, linker)).beta


def partition(tracks: pd.DataFrame) -> set[tuple[tuple[int, float], ...]]:
    """Tracks without their numbers."""
    return {
        tuple(zip(one["frame"], one["x"], strict=True)) for _, one in tracks.groupby("particle")
    }


def test_slow_particles_among_fast_ones_are_not_lost() -> None:
    """Less than half is lost of what the plain linkers lose at their best search range."""
    spots = [crowd(seed, n_frames=25) for seed in (1, 2)]
    ours = np.mean([beta(one, MotionLinker()) for one in spots])
    for search_range in (2.5, 3.5, 4.5):
        given = {"search_range": search_range, "memory": 3}
        for other in (NearestLinker(**given, adaptive_stop=1), LapLinker(**given)):
            theirs = np.mean([beta(one, other) for one in spots])
            assert 1 - ours < (1 - theirs) / 2


@pytest.mark.parametrize("seed", [1, 2])
def test_fewer_links_are_wrong_than_to_the_nearest_spot(seed: int) -> None:
    """What is said to be expected of links to the nearest spot bounds those of the linker."""
    spots = crowd(seed)
    expected = suggest_search_range(spots).wrong
    tracks = link(spots, MotionLinker())
    linked = tracks["particle"].diff().eq(0) & tracks["frame"].diff().eq(1)
    wrong = float(tracks["truth"].diff().ne(0)[linked].mean())
    assert 0 < wrong < expected


def test_particles_that_cross_keep_their_direction() -> None:
    rng = np.random.default_rng(3)
    right = {linker.kind: 0 for linker in LINKERS}
    for _ in range(6):
        # Two of them meet in the middle; others, far away, show how particles move here.
        angle = rng.uniform(0, 2 * np.pi, 8)
        start = np.column_stack((np.arange(8) * 60.0, np.zeros(8)))
        velocity = 2 * np.column_stack((np.cos(angle), np.sin(angle)))
        velocity[1] = velocity[0] @ [[0, 1], [-1, 0]]
        start[:2] = -15 * velocity[:2] + rng.normal(0, 0.5, (2, 2))
        path = start + velocity * np.arange(30)[:, None, None] + rng.normal(0, 0.1, (30, 8, 2))
        frame, truth = np.divmod(np.arange(240), 8)
        y, x = path.reshape(-1, 2).T
        spots = pd.DataFrame({"frame": frame, "truth": truth, "y": y, "x": x})
        for linker in LINKERS:
            tracks = link(spots, linker)
            right[linker.kind] += bool(
                tracks.groupby("truth")["particle"].nunique()[:2].eq(1).all()
            )
    assert right["motion"] == 6
    assert right["motion"] > max(right["nearest"], right["lap"])


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(LINKERS))
def test_the_order_of_rows_and_where_the_field_lies_change_nothing(seed: int, kind: Linker) -> None:
    spots = crowd(seed % 1000, n=15, n_frames=12)
    moved = spots.assign(y=spots["y"] - 300, frame=spots["frame"] + 10**9)
    tracks = [link(s.sort_values(["frame", "x"]), kind) for s in (spots, moved)]
    tracks.append(link(spots.sample(frac=1, random_state=seed % 2**32), kind))
    tracks[1]["frame"] -= 10**9
    assert partition(tracks[0]) == partition(tracks[1]) == partition(tracks[2])
    assert [t["particle"].drop_duplicates().is_monotonic_increasing for t in tracks] == [True] * 3


@pytest.mark.parametrize("linker", LINKERS, ids=lambda linker: linker.kind)
@pytest.mark.parametrize("axes", [["x"], ["y", "x"], ["z", "y", "x"]], ids=len)
def test_any_number_of_axes(linker: Linker, axes: list[str]) -> None:
    rng = np.random.default_rng(0)
    at = np.arange(5)[:, None] * 40 + rng.normal(0, 0.3, (20, 5, len(axes))).cumsum(0)
    frame, truth = np.divmod(np.arange(100), 5)
    spots = pd.DataFrame(at.reshape(-1, len(axes)), columns=axes)
    spots = spots.assign(frame=frame, truth=truth)
    tracks = link(spots, linker)
    assert len(tracks) == 100
    assert tracks.groupby("particle")["truth"].nunique().tolist() == [1] * 5


@pytest.mark.parametrize("kind", [MotionLinker, NearestLinker, LapLinker])
@pytest.mark.parametrize(("memory", "n_tracks"), [(0, 3), (1, 2), (3, 1)])
def test_memory_counts_frames_out_of_sight(kind: type[Linker], memory: int, n_tracks: int) -> None:
    """Missing for one frame, then for three, while others are seen."""
    frames = np.setdiff1d(np.arange(40), [15, 25, 26, 27])
    blinking = pd.DataFrame({"frame": frames, "y": 5.0, "x": 5.0})
    others = pd.DataFrame({"frame": np.arange(40).repeat(3), "y": 5.0})
    others["x"] = np.tile([100.0, 200.0, 300.0], 40)
    tracks = link(pd.concat((blinking, others)), kind(search_range=5, memory=memory))
    assert tracks.loc[tracks["x"] == 5, "particle"].nunique() == n_tracks
    assert tracks.loc[tracks["x"] > 5, "particle"].nunique() == 3


@pytest.mark.parametrize("kind", [MotionLinker, NearestLinker, LapLinker])
def test_an_empty_search_range_is_found_from_the_data(kind: type[Linker]) -> None:
    """Steps of 8 px, longer than the usual 5, far from each other."""
    rng = np.random.default_rng(0)
    path = rng.normal(0, 6, (30, 10, 2)).cumsum(0) + 300 * np.arange(10)[:, None]
    frame, truth = np.divmod(np.arange(300), 10)
    y, x = path.reshape(-1, 2).T
    spots = pd.DataFrame({"frame": frame, "truth": truth, "y": y, "x": x})
    tracks = link(spots, kind(search_range=None))
    assert tracks["particle"].nunique() < 20
    assert tracks.groupby("particle")["truth"].nunique().max() == 1


def test_localization_errors_are_learnt() -> None:
    rng = np.random.default_rng(0)
    frames = np.repeat(np.arange(40), 50)
    truth = np.tile(np.arange(50), 40)
    speed = rng.normal(0, 1, (50, 2))  # half of them move straight on
    speed[::2] = 0
    path = rng.normal(0, 0.3, (40, 50, 2)).cumsum(0) + np.arange(40)[:, None, None] * speed
    seen = (path + rng.normal(0, 0.4, path.shape)).reshape(-1, 2)
    movie = _Movie.of(Spots(seen, frames, None))
    assert _localization_error(movie, truth) == pytest.approx(0.4, rel=0.05)


def test_stated_errors_are_used() -> None:
    """A spot 6 px off is the same one again where positions are that uncertain."""
    n = 30
    resting = pd.DataFrame({"frame": np.arange(n).repeat(8), "y": 0.0})
    rng = np.random.default_rng(0)
    resting["x"] = np.tile(np.arange(8) * 50.0, n) + rng.normal(0, 0.05, 8 * n)
    resting[["y_err", "x_err"]] = 0.05
    off = (resting["frame"] == 20) & (resting["x"] < 10)
    resting.loc[off, "x"] += 6
    linker = MotionLinker(search_range=5, min_length=1)
    sure = link(resting, linker)
    resting.loc[off, ["y_err", "x_err"]] = 5.0
    resting.loc[5, "x_err"] = np.nan  # what is not known is taken to be as elsewhere
    unsure = link(resting, linker)
    assert (sure["particle"].nunique(), unsure["particle"].nunique()) == (9, 8)


def test_cancelling_while_learning_and_while_linking() -> None:
    for what in ("Learning how particles move", "Linking"):

        def stop(now: str, done: int, total: int, what: str = what) -> None:
            assert 0 < done <= total
            if now == what and done > 1:
                raise Cancelled

        with pytest.raises(Cancelled):
            link(crowd(0), progress=stop)


def test_distances_in_z_are_physical() -> None:
    spots = crowd(0, n=20, n_frames=15).assign(z=lambda t: t["truth"] % 3 * 4.0)
    in_planes = spots.assign(z=spots["z"] / 5)
    in_planes.attrs["calibration"] = Calibration(pixel_size=0.1, frame_interval=1, z_step=0.5)
    assert partition(link(in_planes, MotionLinker())) == partition(link(spots, MotionLinker()))


def splitting_and_merging() -> pd.DataFrame:
    """One spot becomes two at frame 10, which become one again at frame 20."""
    rows = []
    for frame in range(30):
        apart = 1.5 if 10 <= frame < 20 else 0.0
        rows += [(frame, 10.0, 10 + side * apart) for side in ((-1, 1) if apart else (0,))]
        rows.append((frame, 60.0, 60.0))
    return pd.DataFrame(rows, columns=["frame", "y", "x"])


def test_splitting_and_merging() -> None:
    linker = LapLinker(search_range=3, split_range=3, merge_range=3)
    tracks = link(splitting_and_merging(), linker)
    by_track = tracks.groupby("particle").agg(
        first=("frame", "min"), last=("frame", "max"), parent=("parent", "first"),
        other=("other_parent", "first"),
    )  # fmt: skip
    assert by_track.to_numpy().tolist() == [
        [0, 9, -1, -1], [0, 29, -1, -1], [10, 19, 0, -1], [10, 19, 0, -1], [20, 29, 2, 3],
    ]  # fmt: skip
    assert track_graph(tracks) == {2: [0], 3: [0], 4: [2, 3]}
    assert track_graph(tracks[tracks["particle"] != 2]) == {3: [0], 4: [3]}
    assert track_graph(tracks.drop(columns=["parent", "other_parent"])) == {}


def test_parents_that_are_too_short_are_not_named() -> None:
    spots = splitting_and_merging()
    linker = LapLinker(search_range=3, split_range=3, merge_range=3, min_length=11)
    tracks = link(spots, linker)
    assert tracks["particle"].unique().tolist() == [1]
    assert set(tracks["parent"]) == {-1}


def test_laptrack_says_the_same_itself() -> None:
    spots = crowd(5, n=40, n_frames=15, side=40).sort_values("frame", kind="stable")
    spots = spots.reset_index(drop=True)
    linker = LapLinker(search_range=4, memory=1, split_range=3, merge_range=3, min_length=1)
    ours = link(spots, linker)
    theirs, split, merge = laptrack.LapTrack(
        cutoff=16, gap_closing_cutoff=16, gap_closing_max_frame_count=2, splitting_cutoff=9,
        merging_cutoff=9,
    ).predict_dataframe(spots, ["y", "x"], only_coordinate_cols=False)  # fmt: skip
    both = ours.merge(theirs, on=["truth", "y", "x"])
    number = both.drop_duplicates("track_id").set_index("track_id")["particle"]
    assert len(both) == len(spots)
    assert both.groupby("particle")["track_id"].nunique().eq(1).all()
    assert number.is_unique
    expected = {
        (number[child], number[parent])
        for links in (split, merge)
        for parent, child in links[["parent_track_id", "child_track_id"]].to_numpy()
    }
    assert len(expected) > 10
    assert {(c, p) for c, parents in track_graph(ours).items() for p in parents} == expected
