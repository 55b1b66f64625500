from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from perrin.errors import Cancelled, InputError
from perrin.statistics import SWITCH_METHOD, SwitchDetection, estimate_diffusivity, find_switches

PER_FRAME = ["particle", "frame", "p_switch", "state", "diffusivity", "alpha"]
SWITCHES = [
    "particle", "frame", "frame_lo", "frame_hi",
    "diffusivity_before", "diffusivity_after", "alpha_before", "alpha_after",
]  # fmt: skip


def switching(seed: int, n_tracks: int, pattern: list[tuple[int, float]], noise: float = 0.0):
    """Positions in 2D whose displacements follow ``pattern`` of (duration, diffusivity)."""
    rng = np.random.default_rng(seed)
    level = np.concatenate([np.full(length, value) for length, value in pattern])
    steps = rng.normal(size=(n_tracks, level.size, 2)) * np.sqrt(2 * level)[:, None]
    path = np.concatenate([np.zeros((n_tracks, 1, 2)), steps.cumsum(axis=1)], axis=1)
    return path + rng.normal(0, noise, path.shape)


@pytest.mark.parametrize("n_axes", [1, 2, 3])
@pytest.mark.parametrize("n_points", [10, 20, 50, 200])
def test_false_alarms_are_rare_in_brownian_motion(brownian, as_table, n_points, n_axes):
    tracks = as_table(brownian(7, 600, n_points, 1.0, 0.5, n_axes))
    assert find_switches(tracks).switches["particle"].nunique() < 0.05 * 600


@pytest.mark.parametrize("alpha", [0.2, 0.6, 1.5, 1.9])
def test_false_alarms_are_rare_in_fractional_brownian_motion(fractional, as_table, alpha):
    tracks = as_table(fractional(8, 400, 100, alpha))
    assert find_switches(tracks).switches["particle"].nunique() < 0.05 * 400


def test_van_velzen_switch_between_sigma_1_and_10_is_timed_within_3_frames(as_table):
    # 1000 steps in 1D with one switch at a random time; the report's own network missed by 260.
    rng = np.random.default_rng(9)
    times = rng.integers(20, 980, 60)
    sigma = np.where(np.arange(1000) < times[:, None], 1.0, 10.0)
    sigma[::2] = 11 - sigma[::2]
    path = (rng.normal(size=sigma.shape) * sigma).cumsum(axis=1)
    path = np.concatenate([np.zeros((60, 1)), path], axis=1)[:, :, None]
    found = find_switches(as_table(path)).switches.groupby("particle")
    assert (found.size() == 1).mean() > 0.95
    assert np.abs(found["frame"].first() - times).mean() < 3


def test_switch_is_found_with_interval_levels_and_diffusivities(as_table):
    tracks = as_table(switching(10, 300, [(60, 0.5), (60, 8.0)], noise=0.3))
    result = find_switches(tracks, exposure=0)
    found = result.switches.groupby("particle").first()
    assert result.switches.columns.tolist() == SWITCHES
    assert result.per_frame.columns.tolist() == PER_FRAME
    assert (result.switches.groupby("particle").size() == 1).mean() > 0.95
    assert len(found) == 300
    covered = (found["frame_lo"] <= 60) & (found["frame_hi"] >= 60)
    assert covered.mean() > 0.85
    assert found["diffusivity_before"].median() == pytest.approx(0.5, rel=0.1)
    assert found["diffusivity_after"].median() == pytest.approx(8, rel=0.1)
    state = result.per_frame.groupby("frame")["state"]
    assert state.median().loc[:55].eq(0).all()
    assert state.median().loc[65:].eq(1).all()


def test_p_switch_is_calibrated(as_table):
    # The number of switches that the probabilities expect is the number that is there.
    tracks = as_table(switching(11, 200, [(50, 1.0), (50, 5.0), (50, 1.0)]))
    frames = find_switches(tracks).per_frame
    near = frames["frame"].between(30, 70) | frames["frame"].between(80, 120)
    assert frames["p_switch"].between(0, 1).all()
    assert frames.loc[near, "p_switch"].sum() / 200 == pytest.approx(2, abs=0.35)
    assert frames.loc[~near, "p_switch"].sum() / 200 < 0.3


def test_returning_to_a_diffusivity_returns_to_its_state(as_table):
    tracks = as_table(switching(12, 100, [(60, 1.0), (60, 30.0), (60, 1.0), (60, 30.0)]))
    frames = find_switches(tracks).per_frame
    middle = frames[frames["frame"].isin([30, 90, 150, 210])]
    states = middle.pivot_table(index="particle", columns="frame", values="state")
    assert (states.to_numpy() == [0, 1, 0, 1]).all(axis=1).mean() > 0.9


def test_rest_without_noise_is_a_state_with_diffusivity_zero(as_table):
    tracks = as_table(switching(13, 20, [(40, 1.0), (40, 0.0), (40, 1.0)]))
    result = find_switches(tracks)
    assert (result.switches.groupby("particle").size() == 2).all()
    rest = result.per_frame[result.per_frame["frame"].between(41, 79)]
    assert (rest["state"] == 0).all()
    assert (rest["diffusivity"] < 1e-12).all()


def test_without_switch_the_diffusivity_is_that_of_the_track(brownian, as_table):
    tracks = as_table(brownian(14, 50, 60, 1.0, 0.5))
    tracks = tracks[np.random.default_rng(1).random(len(tracks)) > 0.2]
    result = find_switches(tracks, SwitchDetection(penalty=1e6), exposure=0.5)
    assert result.switches.empty
    per_track = estimate_diffusivity(tracks, exposure=0.5)["diffusivity"].to_numpy()
    frames = result.per_frame.groupby("particle")["diffusivity"]
    np.testing.assert_allclose(frames.first(), per_track, atol=1e-12)
    np.testing.assert_allclose(frames.last(), per_track, atol=1e-12)


def test_switch_in_a_gap_has_an_interval_as_wide_as_the_gap(as_table):
    tracks = as_table(switching(15, 100, [(60, 0.5), (60, 20.0)]))
    tracks = tracks[(tracks["frame"] < 50) | (tracks["frame"] >= 75)]
    found = find_switches(tracks).switches
    near = found[found["frame"].between(45, 80)]
    assert near["particle"].nunique() > 95
    assert ((near["frame_lo"] <= 60) & (near["frame_hi"] >= 60)).mean() > 0.9


@pytest.mark.parametrize("gap", [2, 10])
def test_gaps_alone_are_no_switch(brownian, as_table, gap):
    tracks = as_table(brownian(16, 300, 100, 1.0, 0.5))
    tracks = tracks[(tracks["frame"] % 20) >= gap]
    assert find_switches(tracks).switches["particle"].nunique() < 0.05 * 300


def test_segments_are_never_shorter_than_asked(as_table):
    tracks = as_table(switching(17, 100, [(4, 1.0), (3, 400.0), (4, 1.0), (40, 400.0)]))
    for shortest in (3, 6):
        found = find_switches(tracks, SwitchDetection(penalty=0, min_segment=shortest)).switches
        assert not found.empty
        distance = found.groupby("particle")["frame"].diff().dropna()
        assert (distance >= shortest).all()
        assert found["frame"].between(shortest, 51 - shortest).all()


def test_tracks_too_short_are_said_to_be(as_table):
    tracks = as_table(switching(18, 3, [(3, 1.0), (3, 900.0)]))
    lengths = tracks["particle"].map({0: 6, 1: 7, 2: 1})
    frames = find_switches(tracks[tracks["frame"] < lengths]).per_frame.groupby("particle")
    assert frames["p_switch"].count().tolist() == [0, 7, 0]
    assert np.isnan(frames["diffusivity"].first().loc[2])
    assert len(frames.get_group(2)) == 1


def test_empty_table_and_only_single_points():
    for rows in (0, 3):
        table = pd.DataFrame({"particle": np.arange(rows), "frame": 0, "y": 0.0, "x": 0.0})
        result = find_switches(table)
        assert len(result.per_frame) == rows
        assert result.per_frame.columns.tolist() == PER_FRAME
        assert result.switches.empty
        assert result.per_frame.attrs["method"] == SWITCH_METHOD


def test_progress_counts_tracks_and_can_stop(brownian, as_table):
    tracks = as_table(brownian(19, 1200, 100))
    seen = []
    find_switches(tracks, progress=lambda *report: seen.append(report))
    assert seen[-1] == ("Finding switches", 1200, 1200)
    assert len(seen) > 1

    def stop(*_: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        find_switches(tracks, progress=stop)


def test_bad_parameters_are_named():
    with pytest.raises(InputError, match="min_segment"):
        SwitchDetection.checked(min_segment=2)
    with pytest.raises(InputError, match="exposure is 2"):
        find_switches(pd.DataFrame({"particle": [0], "frame": [0], "x": [0.0]}), exposure=2)
