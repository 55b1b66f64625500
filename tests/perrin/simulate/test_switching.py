"""Switching Brownian motion against its own definition."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from perrin import InputError
from perrin.simulate.switching import simulate_switching, stationary_distribution
from perrin.tracks import validate_tracks


def states(tracks: pd.DataFrame) -> np.ndarray:
    return tracks["state"].to_numpy().reshape(tracks["particle"].nunique(), -1)


def dwells(state: np.ndarray, of: int) -> np.ndarray:
    """Lengths of the stays in one state that both begin and end inside a track."""
    found = []
    for row in state:
        edges = np.flatnonzero(np.diff(row)) + 1
        for start, stop in pairwise(edges):
            if row[start] == of:
                found.append(stop - start)
    return np.array(found)


def test_dwell_times_are_geometric() -> None:
    """P(dwell = k) = p**(k-1) (1-p); chi-square over classes with enough cases."""
    transition = [[0.9, 0.1], [0.25, 0.75]]
    tracks = simulate_switching(
        [0.1, 1.0], transition=transition, n_tracks=40, n_points=5000, dim=1, seed=1
    )
    for state, stay in ((0, 0.9), (1, 0.75)):
        seen = dwells(states(tracks), state)
        assert seen.mean() == pytest.approx(1 / (1 - stay), rel=0.03)
        longest = 12
        counts = np.bincount(seen.clip(max=longest), minlength=longest + 1)[1:]
        chance = np.append(stay ** np.arange(longest - 1) * (1 - stay), stay ** (longest - 1))
        assert stats.chisquare(counts, chance * counts.sum()).pvalue > 0.001


def test_transitions_and_occupancy_of_three_states() -> None:
    transition = np.array([[0.8, 0.15, 0.05], [0.1, 0.85, 0.05], [0.0, 0.3, 0.7]])
    tracks = simulate_switching(
        [0.1, 0.5, 2.0], transition=transition, n_tracks=500, n_points=400, seed=2
    )
    state = states(tracks)
    counts = np.zeros((3, 3))
    np.add.at(counts, (state[:, :-1].ravel(), state[:, 1:].ravel()), 1)
    np.testing.assert_allclose(counts / counts.sum(1, keepdims=True), transition, atol=0.01)
    stationary = stationary_distribution(transition)
    np.testing.assert_allclose(stationary @ transition, stationary, atol=1e-12)
    np.testing.assert_allclose(np.bincount(state.ravel()) / state.size, stationary, atol=0.02)
    # It starts in the stationary distribution: the first frame is like any other.
    np.testing.assert_allclose(np.bincount(state[:, 0]) / 500, stationary, atol=0.08)


def test_steps_have_the_diffusivity_of_their_row() -> None:
    """<step²> = 2 D per axis and frame, state by state; steps are Gaussian."""
    levels = np.array([0.05, 0.8])
    tracks = simulate_switching(
        levels, transition=[[0.95, 0.05], [0.05, 0.95]], n_tracks=300, n_points=200, dim=3, seed=3
    )
    position = tracks[["z", "y", "x"]].to_numpy().reshape(300, 200, 3)
    steps, state = np.diff(position, axis=1), states(tracks)[:, :-1]
    for number, level in enumerate(levels):
        chosen = steps[state == number].ravel()
        assert (chosen**2).mean() == pytest.approx(2 * level, rel=0.02)
        assert stats.kstest(chosen / np.sqrt(2 * level), "norm").pvalue > 0.001
    np.testing.assert_array_equal(tracks["diffusivity"], levels[tracks["state"]])
    assert (position[:, 0] == 0).all()


def test_switch_at_given_frames() -> None:
    tracks = simulate_switching(
        [0.0, 1.0, 0.0], switch_frames=[10, 30], n_tracks=3, n_points=50, seed=4
    )
    expected = np.repeat([0, 1, 2], [10, 20, 20])
    np.testing.assert_array_equal(states(tracks), np.tile(expected, (3, 1)))
    moved = np.diff(tracks["x"].to_numpy().reshape(3, 50), axis=1) != 0
    np.testing.assert_array_equal(moved, np.tile(expected[:-1] == 1, (3, 1)))


def test_without_switching_each_keeps_its_state() -> None:
    state = states(simulate_switching([0.1, 1.0], n_tracks=400, n_points=5, seed=5))
    assert (state == state[:, :1]).all()
    assert 150 < state[:, 0].sum() < 250


@settings(max_examples=30, deadline=None)
@given(
    dim=st.integers(1, 3), level=st.floats(0, 50), seed=st.integers(0, 2**32),
    data=st.data(),
)  # fmt: skip
def test_a_box_keeps_everybody_in(dim: int, level: float, seed: int, data: st.DataObject) -> None:
    box = data.draw(hnp.arrays(np.float64, dim, elements=st.floats(0.5, 100)))
    tracks = simulate_switching([level], n_tracks=5, n_points=20, dim=dim, box=list(box), seed=seed)
    position = tracks[["z", "y", "x"][-dim:]].to_numpy()
    assert (position >= 0).all()
    assert (position <= box).all()
    pd.testing.assert_frame_equal(validate_tracks(tracks), tracks)


def test_reflection_fills_the_box_evenly() -> None:
    """The stationary distribution of reflected Brownian motion is uniform."""
    tracks = simulate_switching([1.0], n_tracks=3000, n_points=100, dim=1, box=[10], seed=6)
    last = tracks.loc[tracks["frame"] == 99, "x"]
    assert stats.kstest(last, "uniform", args=(0, 10)).pvalue > 0.001


def test_localization_error_is_added() -> None:
    tracks = simulate_switching([0.0], n_tracks=100, n_points=100, noise=0.3, seed=7)
    assert tracks[["y", "x"]].to_numpy().std() == pytest.approx(0.3, rel=0.03)


def test_seed() -> None:
    first, again, other = (
        simulate_switching([1.0], n_tracks=2, n_points=10, seed=s) for s in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, again)
    assert (first["x"] != other["x"]).any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"diffusivities": []}, "diffusivities are one or more"),
        ({"diffusivities": [-1]}, "diffusivities are one or more"),
        ({"diffusivities": [1, 2], "transition": [[1]]}, r"each of the 2 states.*\(1, 1\)"),
        ({"diffusivities": [1, 2], "transition": [[0.5, 0.6], [0.5, 0.5]]}, "add up to 1"),
        ({"diffusivities": [1, 2], "transition": [[1.5, -0.5], [0.5, 0.5]]}, "add up to 1"),
        ({"diffusivities": [1, 2], "switch_frames": [0]}, "from 1 to 199"),
        ({"diffusivities": [1, 2], "switch_frames": [200]}, "from 1 to 199"),
        ({"diffusivities": [1, 2], "switch_frames": [5, 9]}, "one fewer"),
        ({"diffusivities": [1, 2, 3], "switch_frames": [9, 5]}, "increasing"),
        ({"diffusivities": [1, 2], "switch_frames": [5], "transition": np.eye(2)}, "not both"),
        ({"diffusivities": [1], "n_tracks": 0}, "n_tracks of at least 1"),
        ({"diffusivities": [1], "dim": 4}, "dim 1, 2 or 3"),
        ({"diffusivities": [1], "box": [10]}, "box needs 2 sizes"),
    ],
)
def test_bad_input(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        simulate_switching(**arguments)
