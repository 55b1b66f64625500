"""Answers for track tables, from the bundled weights."""

from __future__ import annotations

import functools
import gc
import weakref

import numpy as np
import pandas as pd
import pytest
import torch

from perrin.engine import predict as predict_exposed
from perrin.engine.batching import batch_limit
from perrin.engine.score import score
from perrin.engine.verdict import Verdict, ask
from perrin.engine.weights import BUNDLED, load_card, load_network
from perrin.errors import Cancelled, InputError
from perrin.models import PROBABILITY_COLUMNS
from perrin.simulate import simulate_tracks
from perrin.simulate.protocols import theory

JUDGED = [*PROBABILITY_COLUMNS, "alpha", "alpha_lo", "alpha_hi", "p_ergodic"]
MEASURED = ["diffusivity", "diffusivity_lo", "diffusivity_hi", "noise"]

# Simulated tracks are sharp.
predict = functools.partial(predict_exposed, exposure=0)


@pytest.fixture(scope="module")
def tracks() -> pd.DataFrame:
    return simulate_tracks(alpha=0.6, n_tracks=20, n_points=80, seed=8)


def test_the_bundled_weights_are_as_good_as_promised() -> None:
    # The card and these tracks are two samples of the same: their difference, over its error.
    promised = load_card()["held_out"]["2D"]
    generator = torch.Generator().manual_seed(20_261_121)
    cpu = torch.device("cpu")
    n = 1500
    found = score(load_network(), theory(n, 2, generator=generator), cpu)._asdict()
    for name in ("alpha_mae", "model_f1"):
        error = np.hypot(found[f"{name}_se"], promised[f"{name}_se"])
        assert found[name] == pytest.approx(promised[name], abs=4 * error), name
    spread = score(load_network(), theory(n, 2, spread=True, generator=generator), cpu)
    share = promised["coverage"]
    error = np.sqrt(share * (1 - share) * (1 / n + 1 / 2000))
    assert spread.coverage == pytest.approx(share, abs=4 * error)


def test_the_bundled_weights_have_a_card() -> None:
    card = load_card()
    assert BUNDLED.stat().st_size < 20e6
    assert {"1D", "2D", "3D"} < set(card["held_out"])
    assert card["command"].startswith("perrin train")


def test_answers_are_probabilities_and_ordered_intervals(tracks: pd.DataFrame) -> None:
    answers = predict(tracks)
    columns = ["particle", "n_points", *JUDGED, *MEASURED, "unlike_training"]
    assert answers.columns.tolist() == columns
    assert answers["particle"].tolist() == list(range(20))
    assert (answers["n_points"] == 80).all()
    np.testing.assert_allclose(answers[list(PROBABILITY_COLUMNS)].sum(axis=1), 1, atol=1e-4)
    assert (answers["alpha_lo"] <= answers["alpha"]).all()
    assert (answers["alpha"] <= answers["alpha_hi"]).all()
    assert answers["alpha"].between(0.05, 2).all()
    assert answers["p_ergodic"].between(0, 1).all()
    assert (answers["p_ergodic"] >= answers["p_fbm"]).all()
    assert (answers["diffusivity_lo"] > 0).all()
    assert (answers["diffusivity_lo"] < answers["diffusivity"]).all()
    assert (answers["diffusivity"] < answers["diffusivity_hi"]).all()
    assert (answers["noise"] > 0).all()


def test_subdiffusion_brownian_motion_and_superdiffusion_are_told_apart() -> None:
    medians = [
        predict(simulate_tracks(alpha=alpha, n_tracks=40, n_points=200))["alpha"].median()
        for alpha in (0.4, 1.0, 1.6)
    ]
    np.testing.assert_allclose(medians, [0.4, 1.0, 1.6], atol=0.2)


def test_unit_place_and_order_of_rows_do_not_matter(tracks: pd.DataFrame) -> None:
    answers = predict(tracks)
    other = tracks.assign(y=tracks["y"] * 1e-3 + 7, x=tracks["x"] * 1e-3)
    other = other.sample(frac=1, random_state=1)
    np.testing.assert_allclose(predict(other)[JUDGED], answers[JUDGED], atol=0.05)


def test_diffusivity_and_noise_have_the_tracks_own_units(tracks: pd.DataFrame) -> None:
    answers = predict(tracks)
    magnified = predict(tracks.assign(y=tracks["y"] * 10, x=tracks["x"] * 10))
    scale = [100, 100, 100, 10]
    np.testing.assert_allclose(magnified[MEASURED], answers[MEASURED] * scale, rtol=0.02)


def test_the_order_of_the_tracks_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    lengths = rng.integers(10, 999, 60)
    whole = simulate_tracks(alpha=0.7, n_tracks=60, n_points=999, seed=4)
    mixed = whole[whole["frame"] < lengths[whole["particle"]]]
    number = rng.permutation(60)
    answers = predict(mixed)
    other = predict(mixed.assign(particle=number[mixed["particle"]])).iloc[number]
    assert other["n_points"].tolist() == lengths.tolist()
    np.testing.assert_allclose(other[JUDGED], answers[JUDGED], atol=0.02)
    np.testing.assert_allclose(other[MEASURED], answers[MEASURED], rtol=0.1)


def test_a_track_gets_the_same_answer_alone_and_among_others(tracks: pd.DataFrame) -> None:
    among = predict(tracks).set_index("particle").loc[[7], JUDGED]
    alone = predict(tracks[tracks["particle"] == 7])[JUDGED]
    np.testing.assert_allclose(alone, among, atol=0.02)


def test_short_and_motionless_tracks_get_no_answer() -> None:
    short = simulate_tracks(n_tracks=1, n_points=9)
    still = pd.DataFrame({"particle": 5, "frame": range(30), "y": 1.0, "x": 2.0})
    single = pd.DataFrame({"particle": [9], "frame": [3], "y": [0.0], "x": [0.0]})
    answers = predict(pd.concat([short, still, single]))
    assert answers["n_points"].tolist() == [9, 30, 1]
    assert answers[JUDGED + MEASURED].isna().all(axis=None)
    assert not answers["unlike_training"].any()


def test_no_tracks_give_no_answers() -> None:
    none = pd.DataFrame({"particle": [], "frame": [], "y": [], "x": []})
    assert predict(none).empty


@pytest.mark.parametrize("n_points", [999, 1000, 2600])
def test_long_tracks_are_judged_whole(n_points: int) -> None:
    answers = predict(simulate_tracks(alpha=0.5, n_tracks=4, n_points=n_points, noise=0.05))
    assert answers[JUDGED + MEASURED].notna().all(axis=None)
    assert answers["alpha"].median() == pytest.approx(0.5, abs=0.15)


def test_the_diffusivity_of_a_long_track_is_that_from_frame_to_frame() -> None:
    # Every 4th frame superdiffusion with alpha 1.5 looks eight times as fast.
    answers = predict(simulate_tracks(alpha=1.5, n_tracks=6, n_points=3500, noise=0.1, seed=3))
    assert answers["diffusivity"].median() == pytest.approx(0.5, rel=0.2)


def test_gaps_where_looks_at_a_long_track_begin_or_end_do_not_matter() -> None:
    tracks = simulate_tracks(alpha=0.5, n_tracks=4, n_points=2600, noise=0.05, seed=5)
    # Each look at every third frame, and each third of the track, would begin or end unseen.
    missing = tracks["frame"].isin([1, 2, 4, 866, 867, 1733, 1734, 2590, 2593, 2597, 2598])
    change = predict(tracks[~missing])[JUDGED] - predict(tracks)[JUDGED]
    assert change.abs().max(axis=None) < 0.05


def test_a_long_track_of_a_few_localizations_gets_no_answer() -> None:
    tracks = simulate_tracks(n_tracks=1, n_points=4000)
    answers = predict(tracks[tracks["frame"] % 201 == 0])
    assert answers["n_points"].tolist() == [20]
    assert answers[JUDGED + MEASURED].isna().all(axis=None)
    assert answers["unlike_training"].all()


def test_memory_does_not_grow_with_the_number_of_tracks(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = batch_limit(torch.device("cpu"))
    alive: weakref.WeakSet[torch.Tensor] = weakref.WeakSet()
    asked: list[int] = []
    most = 0

    def watched(network: object, positions: torch.Tensor, *others: object) -> Verdict:
        nonlocal most
        verdict = ask(network, positions, *others)  # type: ignore[arg-type]
        asked.append(positions.shape[0] * positions.shape[2])
        alive.add(verdict.posterior)
        most = max(most, len(alive))
        return verdict

    monkeypatch.setattr("perrin.engine.inference.ask", watched)
    monkeypatch.setattr("perrin.engine.batching._LIMIT", 2_000)
    gc.disable()
    try:
        predict(simulate_tracks(n_tracks=400, n_points=60))
    finally:
        gc.enable()
    assert sum(asked) == 400 * 60
    assert max(asked) <= 2_000 < limit
    # One batch's answers per thread, and those that it is about to let go.
    assert most <= 2 * torch.get_num_threads()


@pytest.mark.parametrize(
    ("model", "alpha", "ergodic"),
    [("FBM", 0.4, True), ("FBM", 1.6, True), ("ATTM", 0.3, False), ("CTRW", 0.5, False),
     ("LW", 1.5, False), ("SBM", 0.4, False), ("SBM", 1.7, False)],
)  # fmt: skip
def test_fbm_is_found_ergodic_and_the_others_not(model: str, alpha: float, ergodic: bool) -> None:
    answers = predict(simulate_tracks(model=model, alpha=alpha, n_tracks=40, n_points=300, seed=6))
    assert ((answers["p_ergodic"] > 0.5) == ergodic).mean() >= 0.85


def test_an_impossible_exposure_is_refused(tracks: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="exposure is 2"):
        predict(tracks, exposure=2)


def test_gaps_are_known_to_the_network(tracks: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    inner = tracks["frame"].between(1, 78)
    gappy = tracks[~(inner & (rng.random(len(tracks)) < 0.1))]
    change = predict(gappy)["alpha"] - predict(tracks)["alpha"]
    assert change.abs().median() < 0.15
    sparse = tracks[(tracks["frame"] % 2 == 0) | (tracks["frame"] == 79)]
    assert predict(sparse)["unlike_training"].all()


def test_progress_is_told_and_may_cancel(tracks: pd.DataFrame) -> None:
    told: list[tuple[str, int, int]] = []
    predict(tracks, progress=lambda *news: told.append(news))
    assert told[-1][1] == told[-1][2] == 20 * 80

    def stop(*_: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        predict(tracks, progress=stop)


def test_a_device_that_is_not_there_is_refused(tracks: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="cannot compute on 'cuda:99'"):
        predict(tracks, device="cuda:99")
    with pytest.raises(InputError, match="cannot compute on 'abacus'"):
        predict(tracks, device="abacus")
