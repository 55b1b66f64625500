"""Linking on tracks that are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perrin import Calibration, Cancelled, InputError, NearestLinker, link
from perrin.linking import filter_by_length
from perrin.simulate.switching import simulate_switching


def spots_of(tracks: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Localizations without their particle, in random order; ``truth`` keeps it for comparison."""
    spots = tracks.rename(columns={"particle": "truth"})
    return spots.sample(frac=1, random_state=seed).reset_index(drop=True)


def lattice(n_tracks: int = 16, n_points: int = 60, seed: int = 1) -> pd.DataFrame:
    """Brownian particles that start 40 px apart and cannot be confused."""
    tracks = simulate_switching([0.1], n_tracks=n_tracks, n_points=n_points, seed=seed)
    tracks["y"] += 40 * (tracks["particle"] % 4)
    tracks["x"] += 40 * (tracks["particle"] // 4)
    return tracks


def agrees(linked: pd.DataFrame) -> bool:
    pairs = linked[["particle", "truth"]].drop_duplicates()
    return pairs["particle"].is_unique and pairs["truth"].is_unique


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_particles_that_are_apart_are_told_apart(seed: int) -> None:
    tracks = lattice(seed=seed, n_points=20)
    linked = link(spots_of(tracks, seed), NearestLinker(search_range=4))
    assert len(linked) == len(tracks)
    assert agrees(linked)


def test_the_table() -> None:
    spots = spots_of(lattice()).assign(mass=7.0)
    spots.attrs["calibration"] = Calibration(pixel_size=0.1, frame_interval=0.02)
    before = spots.copy()
    linked = link(spots)
    pd.testing.assert_frame_equal(spots, before)
    assert linked.columns.tolist()[:4] == ["particle", "frame", "y", "x"]
    assert {"mass", "truth", "state"} <= set(linked.columns)
    assert linked["particle"].is_monotonic_increasing
    assert linked["particle"].min() == 0
    assert linked.index.equals(pd.RangeIndex(len(linked)))
    assert linked.attrs["calibration"] == spots.attrs["calibration"]


@pytest.mark.parametrize(("memory", "n_tracks"), [(0, 3), (1, 2), (2, 2), (3, 1)])
def test_memory_counts_frames_out_of_sight(memory: int, n_tracks: int) -> None:
    """Missing for one frame, then for three: nobody else is seen in those frames."""
    frames = np.setdiff1d(np.arange(20), [5, 10, 11, 12])
    spots = pd.DataFrame({"frame": frames, "y": 5.0, "x": 5.0})
    linked = link(spots, NearestLinker(memory=memory))
    assert linked["particle"].nunique() == n_tracks


def test_frame_numbers_that_are_far_apart() -> None:
    spots = pd.DataFrame({"frame": [0, 1, 10**12, 10**12 + 1], "y": 5.0, "x": 5.0})
    linked = link(spots, NearestLinker(memory=3))
    assert linked["particle"].tolist() == [0, 0, 1, 1]


def test_search_range_is_a_limit() -> None:
    spots = pd.DataFrame({"frame": range(6), "y": 0.0, "x": np.arange(6) * 3.0})
    assert set(link(spots, NearestLinker(search_range=3.1))["particle"]) == {0}
    with pytest.raises(InputError, match="None of the 6 tracks has 2 localizations"):
        link(spots, NearestLinker(search_range=2.9))


@pytest.mark.parametrize(("z_step", "n_tracks"), [(0.1, 1), (0.5, 2)])
def test_distances_in_z_are_physical(z_step: float, n_tracks: int) -> None:
    """A step of two planes is 2 px with cubic voxels, 10 px with planes five times as far apart."""
    spots = pd.DataFrame({"frame": range(4), "z": [0.0, 0, 2, 2], "y": 5.0, "x": 5.0})
    spots.attrs["calibration"] = Calibration(pixel_size=0.1, frame_interval=1, z_step=z_step)
    linked = link(spots, NearestLinker(search_range=5))
    assert linked["particle"].nunique() == n_tracks
    assert linked["z"].tolist() == [0, 0, 2, 2]  # still in planes


def test_one_dimension() -> None:
    spots = pd.DataFrame({"frame": [0, 0, 1, 1], "x": [0.0, 50, 1, 51]})
    assert link(spots)["x"].tolist() == [0, 1, 50, 51]


@pytest.mark.parametrize("min_length", [1, 3, 5])
def test_short_tracks_are_left_out(min_length: int) -> None:
    lengths = {0: 2, 1: 4, 2: 5}
    spots = pd.concat(
        pd.DataFrame({"frame": range(n), "y": 0.0, "x": 100.0 * i}) for i, n in lengths.items()
    )
    linked = link(spots, NearestLinker(min_length=min_length))
    kept = [n for n in lengths.values() if n >= min_length]
    assert sorted(linked.groupby("particle").size()) == kept
    pd.testing.assert_frame_equal(filter_by_length(linked, 1), linked)
    assert filter_by_length(linked, 6).empty


def crowd() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "frame": np.repeat([0, 1], 300),
            "y": rng.uniform(0, 40, 600),
            "x": rng.uniform(0, 40, 600),
        }
    )


def test_a_crowd_is_refused_with_a_remedy() -> None:
    with pytest.raises(InputError, match=r"within 15 px.*Lower the search range.*adaptive_stop"):
        link(crowd(), NearestLinker(search_range=15))


def test_a_crowd_can_be_linked_with_smaller_ranges() -> None:
    linked = link(crowd(), NearestLinker(search_range=5, adaptive_stop=0.1))
    step = linked.groupby("particle")[["y", "x"]].diff().dropna()
    assert 0 < len(step) <= 300
    assert np.hypot(step["y"], step["x"]).max() <= 5


def test_cancelling() -> None:
    calls = []

    def stop(what: str, done: int, total: int) -> None:
        calls.append((what, done, total))
        if done == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        link(spots_of(lattice()), NearestLinker(), progress=stop)
    assert calls == [("Linking", i, 60) for i in (1, 2, 3)]


@pytest.mark.parametrize(
    ("spots", "words"),
    [
        (pd.DataFrame(columns=["frame", "y", "x"]), "no localizations to link.*Lower minmass"),
        (pd.DataFrame({"y": [1.0], "x": [1.0]}), "lacks the column 'frame'"),
        (pd.DataFrame({"frame": [0], "y": [1.0]}), "lacks the column 'x'"),
        (pd.DataFrame({"frame": [0, 1], "y": [1.0, np.nan], "x": 1.0}), "column 'y', row 1"),
        (pd.DataFrame({"frame": [0, 1], "y": 1.0, "x": ["a", "b"]}), "text 'a' in column 'x'"),
        ([1, 2], "this is a list"),
    ],
)
def test_bad_localizations(spots: pd.DataFrame, words: str) -> None:
    with pytest.raises(InputError, match=words):
        link(spots)


def test_bad_parameters() -> None:
    with pytest.raises(InputError, match="adaptive_stop must be smaller"):
        NearestLinker.checked(search_range=3, adaptive_stop=3)
    with pytest.raises(InputError, match="search_range"):
        NearestLinker.checked(search_range=0)
