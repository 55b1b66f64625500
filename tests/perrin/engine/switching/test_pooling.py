"""What tracks gain from those recorded with them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from perrin.engine.benchmarks.switch_limits import count_given_parameters
from perrin.engine.switching.inference import ask_frames
from perrin.engine.switching.methods import SwitchCalls, find_switches
from perrin.engine.switching.pooling import pooled
from perrin.engine.switching.segments import segments_of
from perrin.simulate.phenomenological import BENCHMARK, IMMOBILE, simulate_experiment
from perrin.simulate.switching import simulate_switching
from perrin.simulate.tables import table_of


@pytest.fixture(scope="module")
def switching() -> pd.DataFrame:
    """Forty tracks whose diffusivity falls to an eighth at frame 80 of 160."""
    return simulate_switching(
        [1.0, 0.125], switch_frames=[80], n_tracks=40, n_points=160, noise=0.05, seed=3
    )


def test_switches_within_one_state_of_the_population_are_none(
    switching: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Most of them do not show in displacements either; here that is not asked.
    monkeypatch.setattr("perrin.engine.switching.segments.drop_unseen", lambda *_: None)
    frames = ask_frames(switching, exposure=0.0)
    wrong = np.isin(frames.frame, (40, 120))  # where the particles go on as before
    said = frames._replace(p_switch=np.where(wrong, 0.9, frames.p_switch))
    assert (segments_of(said, 0.5, 3).low >= 0).sum() >= 118
    found = pooled(said, switching, exposure=0.0, threshold=0.5, shortest=3)
    segments = found.states.segments
    at = frames.frame[segments.starts[segments.low >= 0]]
    assert (np.abs(at - 80) < 10).sum() >= 38
    assert (np.abs(at - 80) >= 10).sum() < 8
    assert segments.n_points.sum() == len(switching)
    assert (found.frames.p_switch >= 0).all()


def test_shared_states_tell_where_a_faint_switch_is(switching: pd.DataFrame) -> None:
    """Of a network that says little, the states that all tracks share make more."""
    frames = ask_frames(switching, exposure=0.0)
    blurred = np.where(np.abs(frames.frame - 80) <= 12, 0.04, 0.0)
    found = pooled(
        frames._replace(p_switch=np.maximum(blurred, 0.3 * frames.p_switch)),
        switching, exposure=0.0, threshold=0.3, shortest=3,
    )  # fmt: skip
    segments = found.states.segments
    at = frames.frame[segments.starts[segments.low >= 0]]
    assert (np.abs(at - 80) <= 2).mean() > 0.7


@pytest.mark.parametrize("experiment", [3, 7], ids=["caught by traps", "changing by themselves"])
def test_shared_states_count_frames_as_the_kind_of_motion_does(experiment: int) -> None:
    """The step to the frame of a switch is of the new state in traps, else that from it."""
    tracks = simulate_experiment(BENCHMARK[experiment - 1], seed=31)
    frames = ask_frames(tracks, exposure=0.0)
    found = pooled(frames, tracks, exposure=0.0, threshold=0.5, shortest=3)
    segments = found.states.segments
    said = segments.starts[segments.low >= 0]
    states = tracks.sort_values(["particle", "frame"])[["diffusivity", "state"]].to_numpy()
    true = np.flatnonzero((states[1:] != states[:-1]).any(1)) + 1
    true = np.setdiff1d(true, frames.bounds)
    off = said[:, None] - true
    near = off[np.arange(said.size), np.abs(off).argmin(1)]
    near = near[np.abs(near) <= 3]
    assert near.size > 15
    assert abs(near.mean()) < 0.4


def test_one_state_leaves_the_network_its_word() -> None:
    tracks = simulate_switching([1.0], n_tracks=30, n_points=100, noise=0.05, seed=5)
    frames = ask_frames(tracks, exposure=0.0)
    found = pooled(frames, tracks, exposure=0.0, threshold=0.5, shortest=3)
    assert len(found.states.states) == 1
    np.testing.assert_array_equal(found.frames.p_switch, frames.p_switch)


def test_sharing_can_be_asked_for() -> None:
    """Particles rest in traps for a few frames, and almost fly in between."""
    trapped = simulate_experiment(BENCHMARK[8], seed=21)
    tracks = trapped[["particle", "frame", "y", "x"]]
    alone = find_switches(tracks, exposure=0.0)
    together = find_switches(tracks, SwitchCalls(shared_states=True), exposure=0.0)
    rests = [(each.per_frame["motion"] == "immobile").mean() for each in (alone, together)]
    true = (trapped["state"] == IMMOBILE).mean()
    assert abs(rests[1] - true) < 0.5 * abs(rests[0] - true)
    moving = together.per_frame.dropna(subset="alpha")
    assert (moving["alpha_lo"] <= moving["alpha"]).all()
    few = tracks[tracks["particle"] < 1]
    pd.testing.assert_frame_equal(
        find_switches(few, SwitchCalls(shared_states=True), exposure=0.0).per_frame,
        find_switches(few, exposure=0.0).per_frame,
    )


def test_states_without_spread_count_as_well_as_who_is_told_all() -> None:
    """Van Velzen (2020): sizes of steps switch between 1 and 5; how often."""
    rng = np.random.default_rng(5)
    n, n_steps, rate = 24, 400, 0.01
    jumps = rng.random((n, n_steps)) < rate
    jumps[:, 0] = False
    fast = (jumps.cumsum(1) + rng.integers(2, size=(n, 1))) % 2 == 1
    steps = np.where(fast, 5.0, 1.0) * rng.standard_normal((n, n_steps))
    tracks = table_of(np.pad(steps, ((0, 0), (1, 0))).cumsum(1)[:, None])
    frames = ask_frames(tracks, exposure=0.0, device="cpu")
    found = pooled(frames, tracks, exposure=0.0, threshold=0.5, shortest=3)
    told = count_given_parameters(steps, 5.0, rate)

    def error(counts: np.ndarray) -> float:
        return float(np.abs(counts - jumps.sum(1)).mean())

    alone, together = (
        error(np.bincount(segments.track, minlength=n) - 1)
        for segments in (segments_of(frames, 0.5, 3), found.states.segments)
    )
    assert together < alone
    assert together < error(told) + 0.35
    moving = found.states.states["diffusivity"].to_numpy()
    assert moving[-1] / moving[0] == pytest.approx(25, rel=0.15)
