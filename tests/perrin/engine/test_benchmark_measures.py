"""The benchmark's statistics against what they are known to be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from perrin.engine.benchmarks.measures import (
    Sets,
    accuracy,
    calibration,
    mean_and_error,
    ratio_of_means,
    reliability,
)


def called(confidence: np.ndarray, chance: np.ndarray, seed: int = 0) -> pd.DataFrame:
    """Calls of model 0 that are right with the chance given."""
    right = np.random.default_rng(seed).random(confidence.size) < chance
    return pd.DataFrame({"confidence": confidence, "called": 0, "model": np.where(right, 0, 1)})


def test_a_mean_has_the_error_of_a_mean() -> None:
    mean, error = mean_and_error([1.0, 3.0, 5.0, 7.0])
    assert mean == 4
    assert error == pytest.approx(np.sqrt(5 / 4))
    share, error = mean_and_error([True, True, True, False])
    assert share == 0.75
    assert error == pytest.approx(np.sqrt(0.75 * 0.25 / 4))
    assert np.isnan(mean_and_error([])).all()
    assert mean_and_error([2.0])[0] == 2
    assert np.isnan(mean_and_error([2.0])[1])


def test_a_ratio_of_paired_means_has_the_error_of_the_delta_method() -> None:
    rng = np.random.default_rng(1)
    x = rng.exponential(size=2000)
    y = 1.1 * x + rng.normal(0, 0.1, x.size)
    ratio, error = ratio_of_means(y, x)
    assert ratio == pytest.approx(1.1, abs=0.01)
    expected = (y - ratio * x).std() / x.mean() / np.sqrt(x.size)
    assert error == pytest.approx(expected, rel=0.2)


@settings(deadline=None, max_examples=25)
@given(arrays(float, 30, elements=st.floats(0.1, 10)), st.floats(0.1, 10))
def test_a_ratio_does_not_depend_on_the_unit(x: np.ndarray, unit: float) -> None:
    y = x[::-1] + 1
    assert ratio_of_means(unit * y, unit * x) == pytest.approx(ratio_of_means(y, x))
    assert ratio_of_means(x, x)[0] == pytest.approx(1)
    assert ratio_of_means(x, x)[1] == pytest.approx(0, abs=1e-9)


def test_true_probabilities_show_the_calibration_error_of_chance_alone() -> None:
    confidence = np.random.default_rng(202).uniform(0.3, 1, 3000)
    found = [calibration(called(confidence, confidence, seed)) for seed in range(20)]
    for name in ("ece", "ace"):
        errors = np.array([figures[name] for figures in found])
        floor = found[0][f"{name}_floor"]
        assert errors.mean() == pytest.approx(floor, abs=4 * errors.std() / np.sqrt(20))
        spread = np.mean([figures[f"{name}_se"] for figures in found])
        assert spread == pytest.approx(errors.std(ddof=1), rel=0.6)


@pytest.mark.parametrize("excess", [0.1, 0.25])
def test_overconfidence_is_the_calibration_error(excess: float) -> None:
    confidence = np.random.default_rng(303).uniform(0.3, 1, 20_000)
    figures = calibration(called(confidence, confidence - excess))
    for name in ("ece", "ace"):
        assert figures[name] == pytest.approx(excess, abs=4 * figures[f"{name}_se"])


def test_certain_answers_can_be_calibrated_too() -> None:
    figures = calibration(called(np.ones(50), np.ones(50)))
    assert figures["ece"] == figures["ace"] == figures["ece_floor"] == 0


@settings(deadline=None, max_examples=25)
@given(arrays(float, st.integers(1, 200), elements=st.floats(0.2, 1)))
def test_reliability_and_calibration_error_agree(confidence: np.ndarray) -> None:
    answers = called(confidence, np.full(confidence.size, 0.5))
    table = reliability(answers)
    assert table["n_tracks"].sum() == confidence.size
    assert (table["low"] < table["confidence"] + 1e-9).all()
    assert (table["confidence"] < table["high"] + 1e-9).all()
    gap = (table["n_tracks"] * (table["right"] - table["confidence"]).abs()).sum()
    assert gap / confidence.size == pytest.approx(calibration(answers)["ece"])


def test_accuracy_is_what_it_says() -> None:
    truth = pd.DataFrame({"alpha": [0.5, 1.0, 1.5, 2.0], "model": [0, 1, 2, 3]})
    answers = truth.assign(
        answer=[0.6, 0.9, 1.5, 1.6], low=[0.5, 0.8, 1.6, 1.0], high=[1, 0.95, 2, 2],
        called=[0, 1, 2, 2],
    )  # fmt: skip
    figures = accuracy(Sets(answers, answers[:3], answers[1:]))
    assert figures["alpha_mae"] == pytest.approx(0.15)
    assert figures["alpha_bias"] == pytest.approx(-0.1)
    assert figures["model_f1"] == 1
    assert figures["alpha_coverage"] == pytest.approx(1 / 3)
    assert (figures["n_alpha"], figures["n_model"], figures["n_spread"]) == (4, 3, 3)
