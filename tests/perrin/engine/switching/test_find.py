"""Switches as tables, segments, and the states that a movie's particles share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from perrin.engine.switching.inference import Frames, ask_frames
from perrin.engine.switching.methods import NETWORK_METHOD, SwitchCalls, find_switches
from perrin.engine.switching.network import SwitchNetwork
from perrin.engine.switching.population import shared_states
from perrin.engine.switching.segments import Segments, segments_of
from perrin.engine.trunk import Architecture
from perrin.engine.weights import save_network
from perrin.errors import Cancelled, InputError
from perrin.models import STATES
from perrin.simulate.phenomenological import BENCHMARK, simulate_experiment
from perrin.simulate.switching import simulate_switching
from perrin.statistics import SWITCH_METHOD

SMALL = Architecture(width=16, stem_width=8, n_filters=4, n_blocks=1, n_heads=2, hidden=16)
IMMOBILE, FREE = 0, 2


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("weights") / "switches.safetensors"
    save_network(path, SwitchNetwork(SMALL), {})
    return path


@pytest.fixture(scope="module")
def switching() -> pd.DataFrame:
    """Forty tracks whose diffusivity falls a hundredfold at frame 80 of 160."""
    return simulate_switching(
        [1.0, 0.01], switch_frames=[80], n_tracks=40, n_points=160, noise=0.05, seed=3
    )


def test_a_large_switch_is_found_and_measured(switching: pd.DataFrame) -> None:
    found = find_switches(switching, exposure=0.0)
    per_frame, switches = found
    assert per_frame.attrs["method"] == switches.attrs["method"] == NETWORK_METHOD
    once = switches.groupby("particle").size()
    assert (once == 1).mean() > 0.8
    assert np.median(np.abs(switches["frame"] - 80)) <= 2
    assert (switches["frame_lo"] <= switches["frame"]).all()
    assert (switches["frame_hi"] >= switches["frame"]).all()
    assert switches["diffusivity_before"].median() == pytest.approx(1, rel=0.25)
    assert switches["diffusivity_after"].median() < 0.03
    levels = per_frame.groupby("frame")["state"].median()
    assert levels.loc[10] == 1
    assert levels.loc[150] == 0
    assert set(per_frame["motion"].dropna()) <= set(STATES)


def test_tables_hold_one_row_per_localization_in_order(
    switching: pd.DataFrame, weights: Path
) -> None:
    shuffled = switching.sample(frac=1, random_state=1)
    per_frame = find_switches(shuffled, weights=weights).per_frame
    expected = switching[["particle", "frame"]].to_numpy()
    np.testing.assert_array_equal(per_frame[["particle", "frame"]], expected)
    assert per_frame["p_switch"].between(0, 1).all()
    moving = per_frame["motion"] != "immobile"
    for name in ("diffusivity", "alpha"):
        low, high = per_frame[f"{name}_lo"][moving], per_frame[f"{name}_hi"][moving]
        assert (low <= per_frame[name][moving]).all()
        assert (high >= per_frame[name][moving]).all()


def test_nothing_is_said_of_short_and_of_motionless_tracks(weights: Path) -> None:
    short = simulate_switching([1.0], n_tracks=1, n_points=19, seed=1)
    still = pd.DataFrame({"particle": 1, "frame": range(30), "y": 1.0, "x": 2.0})
    enough = simulate_switching([1.0], n_tracks=1, n_points=20, seed=1).assign(particle=2)
    per_frame, switches = find_switches(pd.concat([short, still, enough]), weights=weights)
    known = per_frame.groupby("particle")[["p_switch", "diffusivity"]].count()
    assert known.to_numpy().tolist() == [[0, 0], [0, 0], [20, 20]]
    assert set(switches["particle"]) <= {2}
    nothing = per_frame[per_frame["particle"] < 2]
    assert (nothing["state"] == 0).all()
    assert nothing.drop(columns=["particle", "frame", "state"]).isna().all().all()


@pytest.mark.parametrize("exposure", [-0.1, 1.5, float("nan")])
def test_an_impossible_exposure_is_refused(switching: pd.DataFrame, exposure: float) -> None:
    with pytest.raises(InputError, match="The exposure is"):
        find_switches(switching, exposure=exposure)


def test_what_happens_in_a_gap_is_told_after_it(weights: Path) -> None:
    whole = simulate_switching([1.0], n_tracks=1, n_points=60, seed=4)
    gapped = whole[~whole["frame"].between(20, 29)]
    frames = ask_frames(gapped, weights=weights)
    np.testing.assert_array_equal(frames.frame, gapped["frame"])
    after = int(np.flatnonzero(frames.frame == 30)[0])
    others = np.delete(frames.p_switch, [0, after, len(gapped) - 1])
    # Ten frames' worth of what an untrained network thinks of every frame.
    assert frames.p_switch[after] > 4 * np.median(others)


def test_a_long_track_is_answered_in_pieces_without_seams(weights: Path) -> None:
    long = simulate_switching([1.0], n_tracks=2, n_points=2500, seed=5)
    frames = ask_frames(long, weights=weights)
    assert np.isfinite(frames.p_switch).all()
    assert np.isfinite(frames.alpha).all()
    first = ask_frames(long[long["frame"] < 999], weights=weights)
    # The first piece is the same track; it answers up to the middle of the overlap.
    one = frames.alpha[:700]
    np.testing.assert_allclose(first.alpha[:700], one, atol=1e-4)


def test_penalised_likelihood_can_be_chosen(switching: pd.DataFrame) -> None:
    found = find_switches(switching, SwitchCalls(switch_method="likelihood"))
    assert found.switches.attrs["method"] == SWITCH_METHOD


def test_progress_and_cancel(switching: pd.DataFrame, weights: Path) -> None:
    told: list[tuple[str, int, int]] = []
    find_switches(switching, weights=weights, progress=lambda *report: told.append(report))
    assert told[-1] == ("Finding switches", 40 * 160, 40 * 160)

    def stop(*_: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        find_switches(switching, weights=weights, progress=stop)


def frames_of(p_switch: np.ndarray, log_d: np.ndarray, alpha: np.ndarray) -> Frames:
    """One track, whose steps have the size that is said of it."""
    n = len(p_switch)
    free = np.tile((0.0, 0.0, 1.0, 0.0), (n, 1))
    steps = np.exp(log_d / 2)[:, None] * np.random.default_rng(1).normal(size=(n, 2))
    position = np.concatenate((np.zeros((1, 2)), steps[:-1])).cumsum(0)
    return Frames(
        np.zeros(n, np.int64), np.arange(n), position, np.array([0, n]), p_switch, log_d,
        np.full(n, 0.1), alpha, np.full(n, 0.2), free,
    )  # fmt: skip


def test_segments_pool_their_frames() -> None:
    p = np.zeros(40)
    p[20] = 0.9
    second = np.arange(40) >= 20
    frames = frames_of(p, np.where(second, 0.0, -3.0), np.where(second, 1.5, 0.5))
    segments = segments_of(frames, 0.5, 3)
    assert segments.starts.tolist() == [0, 20]
    assert segments.n_points.tolist() == [20, 20]
    np.testing.assert_allclose(segments.diffusivity, np.exp([-3.0, 0.0]))
    np.testing.assert_allclose(segments.exponent, [0.5, 1.5])
    np.testing.assert_allclose(segments.alpha_scale, 0.2)
    assert segments.level.tolist() == [0, 1]
    assert segments.state.tolist() == [FREE, FREE]
    alike = segments_of(frames._replace(log_diffusivity=np.full(40, -1.0)), 0.5, 3)
    assert alike.level.tolist() == [0, 0]


def population(n_tracks: int, seed: int) -> tuple[Segments, np.ndarray]:
    """Tracks of 200 frames that switch between two states, seen with errors."""
    rng = np.random.default_rng(seed)
    state = (rng.random((n_tracks, 200)) < 0.02).cumsum(1) % 2
    begins = np.diff(state, axis=1, prepend=-1) != 0
    starts = np.flatnonzero(begins.ravel())
    owner = starts // 200
    of_segment = state.ravel()[starts]
    n = len(starts)
    log_d = np.log([0.05, 1.0])[of_segment] + 0.3 * rng.standard_normal(n)
    alpha = np.array([0.7, 1.1])[of_segment] + 0.15 * rng.standard_normal(n)
    scale = np.full(n, 0.3 / np.sqrt(2))
    free = np.tile((0.0, 0.1, 0.9, 0.0), (n, 1))
    follows = np.where(np.diff(owner, prepend=-1) == 0, starts, -1)
    segments = Segments(
        np.repeat(np.arange(n), np.diff(np.append(starts, n_tracks * 200))), starts, owner,
        follows, follows, log_d, scale, alpha, scale / 2,
        np.diff(np.append(starts, n_tracks * 200)),
        np.diff(np.append(starts, n_tracks * 200)), free, np.full(n, FREE), np.zeros(n, np.int64),
    )  # fmt: skip
    return segments, of_segment


def test_states_of_a_population_are_recovered() -> None:
    segments, of_segment = population(150, 1)
    shared = shared_states(segments)
    table = shared.states
    assert len(table) == 2
    np.testing.assert_allclose(table["diffusivity"], [0.05, 1.0], rtol=0.1)
    np.testing.assert_allclose(table["alpha"], [0.7, 1.1], atol=0.05)
    assert (shared.of_segment == of_segment).mean() > 0.98
    share = segments.duration[of_segment == 1].sum() / segments.duration.sum()
    assert table["occupancy"].iloc[1] == pytest.approx(share, abs=0.02)
    assert (table["occupancy_lo"] <= table["occupancy"]).all()
    assert (table["occupancy_hi"] >= table["occupancy"]).all()
    np.testing.assert_allclose(table["dwell"], 50, rtol=0.25)
    np.testing.assert_allclose(shared.transition.sum(1), 1)
    np.testing.assert_allclose(np.diag(shared.transition, 1), 0.02, rtol=0.25)


def test_segments_gain_from_those_that_share_their_state() -> None:
    segments, of_segment = population(150, 2)
    true_d, true_alpha = np.log([0.05, 1.0])[of_segment], np.array([0.7, 1.1])[of_segment]
    pooled = shared_states(segments, n_resamples=0).segments
    for name, truth in (("log_diffusivity", true_d), ("alpha", true_alpha)):
        alone = np.abs(getattr(segments, name) - truth).mean()
        together = np.abs(getattr(pooled, name) - truth).mean()
        assert together < 0.6 * alone, name


def test_a_number_of_states_can_be_asked_for_and_too_few_segments_are_refused() -> None:
    segments, _ = population(60, 3)
    assert len(shared_states(segments, 3, n_resamples=0).states) == 3
    few, _ = population(1, 4)
    with pytest.raises(InputError, match="at least 10 segments"):
        shared_states(few)


def test_immobile_segments_are_a_state_of_their_own() -> None:
    segments, of_segment = population(80, 5)
    state = np.where(of_segment == 0, IMMOBILE, FREE)
    shared = shared_states(segments._replace(state=state), n_resamples=10)
    assert shared.states["motion"].tolist() == ["immobile", "free"]
    assert (shared.of_segment == of_segment).all()


@pytest.fixture(scope="module")
def trapped() -> pd.DataFrame:
    """Particles that rest in traps for a few frames, and almost fly in between."""
    return simulate_experiment(BENCHMARK[8], seed=21)


def test_what_tracks_share_makes_each_more_certain(trapped: pd.DataFrame) -> None:
    """Short rests are told from slow motion by the localization error that all share."""
    tracks = trapped[["particle", "frame", "y", "x"]]
    segments = segments_of(ask_frames(tracks, exposure=0.0), 0.5, 3)
    shared = shared_states(segments, tracks=tracks, exposure=0.0, n_resamples=0)
    assert shared.noise == pytest.approx(BENCHMARK[8].noise, rel=0.2)
    assert shared.states["motion"].iloc[0] == "immobile"
    middle = segments.starts + segments.n_points // 2
    truth = trapped["state"].to_numpy()[middle]
    alone, together = (
        ((each.state == IMMOBILE) == (truth == IMMOBILE)).mean()
        for each in (segments, shared.segments)
    )
    assert together > 0.9
    assert 1 - together < 0.5 * (1 - alone)
    still = shared.segments.state == IMMOBILE
    assert (shared.segments.diffusivity[still] == 0).all()
    assert (shared.segments.level[still] == 0).all()
