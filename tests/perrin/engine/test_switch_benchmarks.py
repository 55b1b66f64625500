"""Scores, limits and runs of the benchmarks of switches."""

from __future__ import annotations

import sys
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from perrin.cli import perrin_command
from perrin.engine.benchmarks import SWITCH_TABLES, andi2, as_text, switches
from perrin.engine.benchmarks.challenge2 import Pieces, pieces_of_labels, score_pieces
from perrin.engine.benchmarks.ensemble2 import Ensemble, one_state, score_ensemble
from perrin.engine.benchmarks.switch_limits import (
    count_given_parameters,
    count_reportable,
    decide_given_parameters,
    frame_given_parameters,
)
from perrin.engine.benchmarks.switch_methods import cut_by_kernel, cut_by_pelt, pieces_from_cuts
from perrin.engine.benchmarks.views import switch_view
from perrin.engine.switching.network import SwitchNetwork
from perrin.engine.trunk import Architecture
from perrin.engine.weights import save_network
from perrin.simulate.phenomenological import BENCHMARK, populations_of
from perrin.simulate.switching import simulate_switching

SMALL = Architecture(width=16, stem_width=8, n_filters=4, n_blocks=1, n_heads=2, hidden=16)


def pieces(ends: list[int], alpha: float = 1.0, diffusivity: float = 1.0, state: int = 2) -> Pieces:
    n = len(ends)
    return Pieces(np.array(ends), np.full(n, alpha), np.full(n, diffusivity), np.full(n, state))


@given(st.lists(st.integers(1, 90), min_size=0, max_size=6, unique=True))
def test_the_truth_scores_best(points: list[int]) -> None:
    true = pieces([*sorted(points), 100])
    assert score_pieces([true], [true]) == (1.0, 0.0, 0.0, 0.0, 1.0)


def test_scores_are_those_of_a_worked_example() -> None:
    # One switch found 3 frames late, one invented, one missed in the second track; the third has
    # none, which counts as found: JSC = (1 + 1) / (2 + 1 + 1).
    true = [pieces([50, 100]), pieces([20, 100]), pieces([100])]
    said = [
        pieces([53, 80, 100], alpha=1.2),
        pieces([100], diffusivity=2.0),
        pieces([100], state=1),
    ]
    score = score_pieces(true, said)
    assert score.jsc == pytest.approx(2 / 4)
    assert score.rmse == pytest.approx(3)
    # Two pairs of the first track, the longer segment of the second, the whole third.
    assert score.alpha_mae == pytest.approx(2 * 0.2 / 4)
    assert score.diffusivity_msle == pytest.approx(np.log(3 / 2) ** 2 / 4)
    assert score.state_f1 == pytest.approx(3 / 4)


def test_a_switch_ten_frames_off_is_missed_and_false() -> None:
    assert score_pieces([pieces([50, 100])], [pieces([59, 100])]).jsc == 1
    assert score_pieces([pieces([50, 100])], [pieces([60, 100])]).jsc == 0


def test_labels_are_cut_where_any_changes() -> None:
    alpha = np.array([1.0, 1, 1, 0.5, 0.5, 0.5])
    diffusivity = np.array([1.0, 1, 1, 1, 2, 2])
    cut = pieces_of_labels(alpha, diffusivity, np.full(6, 2))
    assert cut.ends.tolist() == [3, 4, 6]
    assert cut.diffusivity.tolist() == [1, 1, 2]


def ensemble(alpha: list[float], share: list[float], sd: float = 0.05) -> Ensemble:
    n = len(alpha)
    return Ensemble(
        np.array(alpha), np.full(n, sd**2), np.ones(n), np.full(n, 0.01), np.array(share)
    )


def test_states_of_a_population_score_zero_if_right() -> None:
    true = ensemble([0.5, 1.5], [0.25, 0.75])
    assert score_ensemble(true, true) == (0, 0)


@given(st.floats(0.4, 1.6), st.floats(0.4, 1.6), st.floats(0, 1))
@settings(max_examples=10, deadline=None)
def test_the_distance_of_states_is_what_has_to_be_moved(
    first: float, second: float, share: float
) -> None:
    """The Wasserstein distance of two mixtures that share a part: the rest, times how far."""
    one = ensemble([1.0, first], [1 - share, share])
    other = ensemble([1.0, second], [1 - share, share])
    distance = score_ensemble(one, other)
    assert distance.alpha_distance == pytest.approx(share * abs(first - second), abs=1e-5)
    assert distance.diffusivity_distance == pytest.approx(0, abs=1e-9)


def test_one_state_has_the_moments_of_all_frames() -> None:
    found = one_state([pieces([50], alpha=0.5), pieces([150], alpha=1.5)])
    assert found.alpha.tolist() == [1.25]
    assert found.alpha_variance[0] == pytest.approx(0.25 * 0.75**2 + 0.75 * 0.25**2)
    assert found.share.tolist() == [1]


def log_density(steps: np.ndarray, sigma: np.ndarray) -> float:
    return float((-np.log(sigma) - np.square(steps / sigma) / 2).sum())


def test_short_excursions_hide_two_switches_each() -> None:
    jumps = np.zeros((3, 40), bool)
    jumps[0, [5, 7, 20]] = True  # two steps in the other state
    jumps[1, [5, 8, 20]] = True  # three
    jumps[2, [5, 6, 7, 30]] = True  # there, back, and there to stay
    assert count_reportable(jumps, 3).tolist() == [1, 3, 2]


def test_limits_are_those_of_trying_everything() -> None:
    rng = np.random.default_rng(1)
    ratio, rate, n = 3.0, 0.2, 9
    steps = rng.standard_normal((20, n)) * rng.choice((1, ratio), (20, n))
    counted = count_given_parameters(steps, ratio, rate)
    frames = frame_given_parameters(steps, ratio)
    for row, count, frame in zip(steps, counted, frames, strict=True):
        best = max(
            product((0, 1), repeat=n),
            key=lambda path: (
                log_density(row, np.where(path, ratio, 1.0))
                + np.abs(np.diff(path)).sum() * np.log(rate)
                + (n - 1 - np.abs(np.diff(path)).sum()) * np.log(1 - rate)
            ),
        )
        assert count == np.abs(np.diff(best)).sum()
        p = [
            np.logaddexp(
                log_density(row, np.where(np.arange(n) < at, 1.0, ratio)),
                log_density(row, np.where(np.arange(n) < at, ratio, 1.0)),
            )
            for at in range(1, n)
        ]
        cumulated = np.exp(np.array(p) - max(p)).cumsum()
        assert frame == 1 + np.searchsorted(cumulated, cumulated[-1] / 2)
    switched = np.where(np.arange(40) < 20, 1.0, ratio) * rng.standard_normal((50, 40))
    steady = ratio * rng.standard_normal((50, 40))
    assert decide_given_parameters(switched, ratio).mean() > 0.9
    assert decide_given_parameters(steady, ratio).mean() < 0.1


@pytest.mark.parametrize("cut", [cut_by_pelt, cut_by_kernel])
def test_classical_methods_find_a_large_switch(cut: object) -> None:
    rng = np.random.default_rng(2)
    steps = rng.standard_normal((120, 2)) * np.where(np.arange(120) < 70, 1.0, 0.05)[:, None]
    assert callable(cut)
    assert any(abs(at - 70) <= 2 for at in cut(steps))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_pelt_is_the_best_way_to_cut(seed: int) -> None:
    # Against all ways to cut once or not at all, by brute force.
    steps = np.random.default_rng(seed).standard_normal((14, 1))
    penalty = 3 * np.log(14)

    def cost(a: int, b: int) -> float:
        return float((b - a) * np.log(np.square(steps[a:b]).mean() + 1e-12))

    found = cut_by_pelt(steps)
    bounds = [0, *found.tolist(), 14]
    total = sum(cost(a, b) for a, b in pairwise(bounds))
    total += penalty * len(found)
    once = min(cost(0, k) + cost(k, 14) + penalty for k in range(3, 12))
    assert total <= min(cost(0, 14), once) + 1e-9


def test_every_cut_becomes_a_piece_with_its_own_fit() -> None:
    tracks = simulate_switching(
        [1.0, 0.05], switch_frames=[60], n_tracks=5, n_points=120, noise=0.1, seed=1
    )
    made = pieces_from_cuts(tracks, lambda _: np.array([60]))
    assert [piece.ends.tolist() for piece in made] == [[60, 120]] * 5
    before, after = np.median([piece.diffusivity for piece in made], axis=0)
    assert before == pytest.approx(1, rel=0.4)
    assert after < 0.1


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("weights") / "switches.safetensors"
    save_network(path, SwitchNetwork(SMALL), {})
    return path


def test_andi2_measures_every_method_on_the_same_tracks(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules[andi2.__module__]
    monkeypatch.setattr(module, "BENCHMARK", (BENCHMARK[2], BENCHMARK[7]))
    tables = andi2(1, weights=weights)
    assert tuple(tables) == SWITCH_TABLES["andi2"]
    table = tables["andi2"]
    assert table.groupby("experiment")["n_tracks"].nunique().eq(1).all()
    assert table["method"].nunique() == 6
    together = table[table["experiment"] == 0]
    assert together["jsc_se"].notna().all()
    assert table["jsc"].between(0, 1).all()
    states = tables["states"].set_index(["method", "experiment"])
    assert states.loc[("one state, MSD", 1), "n_states"] == len(populations_of(BENCHMARK[2].motion))
    distances = states[["alpha_distance", "diffusivity_distance"]]
    # One state is always wrong where there are two; what weights drawn at random say may be right.
    assert (distances.loc["one state, MSD"] > 0).all(axis=None)
    assert (distances >= 0).all(axis=None)
    assert "Second AnDi challenge" in as_text(tables)


def test_switches_measures_everything(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "_RATIOS": (10.0,), "_N_STEPS": 60, "_LENGTHS": (20,), "_ALPHAS": (1.0,),
        "_NOISES": (0.0,), "_GRADUAL": (0.3,),
    }.items():  # fmt: skip
        monkeypatch.setattr(sys.modules[switches.__module__], name, value)
    tables = switches(20, weights=weights)
    assert tuple(tables) == SWITCH_TABLES["switches"]
    told = tables["time"].set_index("method")["mae"]
    assert told["told all parameters"] < 5
    assert "network, tracks share states" in told
    limit = tables["sigma"].set_index("method")["mape"]
    # Van Velzen 2020: maximum likelihood reaches 5.83 % on 100 steps; 20 tracks here.
    assert limit["maximum likelihood"] == pytest.approx(0.0583, abs=0.03)
    assert limit["Cramér–Rao"] == pytest.approx(0.0564, abs=1e-4)
    assert set(tables["one_switch"]["dim"]) == {1, 2, 3}
    assert set(tables["one_switch"]["noise"]) == {"before joining", "after joining"}
    assert "How large is sigma" in as_text(tables)


def test_the_command_prints_and_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from perrin.engine import benchmarks

    table = pd.DataFrame({"method": ["network"], "mape": [0.06], "mape_se": [0.001]})
    monkeypatch.setattr(benchmarks, "switches", lambda *_, **__: {"sigma": table})
    out = tmp_path / "results"
    done = CliRunner().invoke(perrin_command, ["benchmark", "switches", "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert "0.0600 ± 0.0010" in done.output
    assert pd.read_csv(out / "sigma.csv")["mape"].tolist() == [0.06]
    refused = CliRunner().invoke(perrin_command, ["benchmark", "switches", "--full"])
    assert refused.exit_code == 2
    assert "belong to andi1" in refused.output


def test_a_share_of_more_tracks_says_so() -> None:
    rows = [(20, 1.0, 0.0, 100, 0.02), (20, 1.0, 1.0, 500, 0.04), (50, 1.0, 0.0, 100, 0.01)]
    table = pd.DataFrame(rows, columns=["n_points", "alpha", "noise", "n_tracks", "flagged"])
    shown = switch_view("false_switches")(table.assign(flagged_se=0.001))
    assert shown["tracks"].tolist() == [100, 100]
    assert shown["noise 1.0"].iloc[0].endswith("(500)")
    assert not shown["noise 0.0"].str.contains("(", regex=False).any()
