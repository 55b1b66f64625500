"""Environments are learnt, measured on held-out tracks, saved, and called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from perrin.errors import Cancelled, InputError
from perrin.learn.classifier import motion
from perrin.learn.environments import (
    Environments,
    apply_environments,
    learn_environments,
    load_environments,
    save_environments,
)
from perrin.learn.generate import load_generator
from perrin.learn.parameters import EnvironmentTraining
from perrin.simulate import simulate_superstatistics

Recordings = list[tuple[str, pd.DataFrame]]


@pytest.fixture(scope="module")
def seen() -> list[dict[str, float]]:
    return []


@pytest.fixture(scope="module")
def learnt(
    slow_and_fast: Recordings, quick: EnvironmentTraining, seen: list[dict[str, float]]
) -> Environments:
    return learn_environments(slow_and_fast, quick, watch=seen.append)


def test_classes_of_other_speed_are_told_apart(
    learnt: Environments, seen: list[dict[str, float]]
) -> None:
    report = learnt.report
    accuracy = report.accuracy().set_index("n_steps")["accuracy"]
    assert accuracy[0] > 0.9
    assert accuracy[20] > 0.8
    assert report.confusion().to_numpy().sum() == 40
    assert report.by_movie
    assert report.caveats() == []
    assert [(row["fold"], row["epoch"]) for row in seen] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert len(report.curve) == 4


def test_classes_that_are_one_are_not_told_apart(quick: EnvironmentTraining) -> None:
    same = [
        (name, simulate_superstatistics(n_tracks=10, n_points=41, seed=seed))
        for seed, name in enumerate("abab")
    ]
    accuracy = learn_environments(same, quick).report.accuracy().set_index("n_steps")
    # Three standard errors of 40 tracks.
    assert accuracy.loc[0, "balanced"] == pytest.approx(0.5, abs=0.24)


def test_a_network_is_saved_with_its_card_and_called(
    learnt: Environments, quick: EnvironmentTraining, slow_and_fast: Recordings, tmp_path: Path
) -> None:
    path = tmp_path / "mine.safetensors"
    save_environments(path, learnt, quick)
    card = yaml.safe_load(path.with_suffix(".yaml").read_text(encoding="utf-8"))
    assert card["trained_on"] == {"slow": "20 tracks", "fast": "20 tracks"}
    assert card["held_out"]["divided_by"] == "movie"
    network = load_environments(path)
    fast = slow_and_fast[-1][1]
    short = fast[(fast["particle"] != 3) | (fast["frame"] < 4)]
    short.attrs = fast.attrs
    called = apply_environments(short, network)
    assert list(called) == ["particle", "environment", "p_slow", "p_fast"]
    assert called.loc[3].isna().sum() == 3
    others = called.drop(index=3)
    assert (others["environment"] == "fast").mean() > 0.8
    np.testing.assert_allclose(others["p_slow"] + others["p_fast"], 1)
    np.testing.assert_array_equal(
        called["p_fast"], apply_environments(short, learnt.network)["p_fast"]
    )
    with pytest.raises(InputError, match="not of the one for making tracks"):
        load_generator(path)
    plain = fast.copy()
    plain.attrs = {}
    with pytest.raises(InputError, match="lengths of the tracks are in px"):
        apply_environments(plain, network)


def test_the_engine_needs_no_more_than_a_last_layer(
    slow_and_fast: Recordings, quick: EnvironmentTraining
) -> None:
    training = quick.model_copy(update={"inputs": "engine"})
    learnt = learn_environments(slow_and_fast, training)
    assert learnt.report.accuracy().set_index("n_steps").loc[30, "accuracy"] > 0.8
    # The engine's own weights are not saved again.
    assert not any("network" in name for name in learnt.network.state_dict())


def test_training_can_be_cancelled(slow_and_fast: Recordings, quick: EnvironmentTraining) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if "2 of 2" in what:
            raise Cancelled

    with pytest.raises(Cancelled):
        learn_environments(slow_and_fast, quick, progress=stop)


def test_what_is_seen_of_motion_does_not_turn_with_the_image() -> None:
    generator = torch.Generator().manual_seed(0)
    steps = torch.randn(5, 12, 3, generator=generator)
    angle = torch.tensor(1.1)
    turn = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    turned = torch.cat((-steps[..., :1], steps[..., 1:].flip(-1) @ turn), -1)
    torch.testing.assert_close(motion(turned, True), motion(steps, True), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        motion(turned[..., 1:], False), motion(steps[..., 1:], False), atol=1e-4, rtol=1e-4
    )
