"""Answers for track tables, from the bundled weights."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from perrin.engine import predict
from perrin.engine.score import score
from perrin.engine.weights import BUNDLED, load_card, load_network
from perrin.errors import Cancelled, InputError
from perrin.models import PROBABILITY_COLUMNS
from perrin.simulate import simulate_tracks
from perrin.simulate.protocols import theory

ANSWERS = [*PROBABILITY_COLUMNS, "alpha", "alpha_lo", "alpha_hi"]


@pytest.fixture(scope="module")
def tracks() -> pd.DataFrame:
    return simulate_tracks(alpha=0.6, n_tracks=20, n_points=80, seed=8)


def test_the_bundled_weights_are_as_good_as_promised() -> None:
    generator = torch.Generator().manual_seed(20_261_121)
    cpu = torch.device("cpu")
    figures = score(load_network(), theory(1500, 2, generator=generator), cpu)
    assert figures.alpha_mae <= 0.20
    assert figures.model_f1 >= 0.80
    spread = score(load_network(), theory(1500, 2, spread=True, generator=generator), cpu)
    assert 0.87 <= spread.coverage <= 0.93


def test_the_bundled_weights_have_a_card() -> None:
    card = load_card()
    assert BUNDLED.stat().st_size < 20e6
    assert card["held_out"]["2D"]["model_f1"] > 0.8
    assert card["command"].startswith("perrin train")


def test_answers_are_probabilities_and_ordered_intervals(tracks: pd.DataFrame) -> None:
    answers = predict(tracks)
    assert answers["particle"].tolist() == list(range(20))
    assert (answers["n_points"] == 80).all()
    np.testing.assert_allclose(answers[list(PROBABILITY_COLUMNS)].sum(axis=1), 1, atol=1e-4)
    assert (answers["alpha_lo"] <= answers["alpha"]).all()
    assert (answers["alpha"] <= answers["alpha_hi"]).all()
    assert answers["alpha"].between(0.05, 2).all()


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
    np.testing.assert_allclose(predict(other)[ANSWERS], answers[ANSWERS], atol=0.05)


def test_a_track_gets_the_same_answer_alone_and_among_others(tracks: pd.DataFrame) -> None:
    among = predict(tracks).set_index("particle").loc[[7], ANSWERS]
    alone = predict(tracks[tracks["particle"] == 7])[ANSWERS]
    np.testing.assert_allclose(alone, among, atol=0.02)


def test_short_and_motionless_tracks_get_no_answer() -> None:
    short = simulate_tracks(n_tracks=1, n_points=9)
    still = pd.DataFrame({"particle": 5, "frame": range(30), "y": 1.0, "x": 2.0})
    single = pd.DataFrame({"particle": [9], "frame": [3], "y": [0.0], "x": [0.0]})
    answers = predict(pd.concat([short, still, single]))
    assert answers["n_points"].tolist() == [9, 30, 1]
    assert answers[ANSWERS].isna().all(axis=None)
    assert not answers["unlike_training"].any()


def test_no_tracks_give_no_answers() -> None:
    none = pd.DataFrame({"particle": [], "frame": [], "y": [], "x": []})
    assert predict(none).empty


@pytest.mark.parametrize("n_points", [999, 1000, 2600])
def test_long_tracks_are_judged_whole(n_points: int) -> None:
    answers = predict(simulate_tracks(alpha=0.5, n_tracks=4, n_points=n_points, noise=0.05))
    assert answers["alpha"].notna().all()
    assert answers["alpha"].median() == pytest.approx(0.5, abs=0.15)


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
