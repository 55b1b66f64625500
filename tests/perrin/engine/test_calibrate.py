"""Calibration: temperatures, the spread of D, limits."""

from __future__ import annotations

from itertools import islice

import pytest
import torch

from perrin.engine import calibrate as module
from perrin.engine.calibrate import (
    _Answers,
    _coverage,
    _evenly,
    _surprise,
    _temperature,
    calibrate,
)
from perrin.engine.data import Batch, batches
from perrin.engine.network import LENGTH_CLASSES, Architecture, Network, Output, length_class
from perrin.engine.score import Figures
from perrin.engine.verdict import ask

CPU = torch.device("cpu")
SMALL = Architecture(width=16, stem_width=8, n_filters=4, n_blocks=1, n_heads=2, hidden=16)


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    # Neither the figures for the card nor the detector's skill are under test.
    monkeypatch.setattr("perrin.engine.data._POOL", 128)
    monkeypatch.setattr(module, "score", lambda *_: Figures(0.0, 0.0, 0.0, 0.0, 0.0))
    monkeypatch.setattr(module, "_LESSONS", 20)


@pytest.mark.parametrize("wrong_by", [0.6, 1.0, 1.7])
def test_a_temperature_undoes_what_made_the_answers_too_sure(wrong_by: float) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.full((4000, 5, 40), -torch.inf)
    logits[:, 2] = 2 * torch.randn(4000, 40, generator=generator)
    cells = torch.multinomial(logits.flatten(1).softmax(1), 1, generator=generator)[:, 0]
    anywhere = torch.rand(4000, generator=generator) - 0.5
    alpha = 0.05 * (cells % 40 + 1 + anywhere)
    answers = _Answers(wrong_by * logits, cells, alpha.clamp(0.05, 2))
    assert _temperature(answers) == pytest.approx(wrong_by, rel=0.08)
    right = answers.logits.flatten(1) / wrong_by
    assert _coverage(right, answers) == pytest.approx(0.9, abs=0.02)


def test_batches_pass_until_every_class_has_its_share() -> None:
    stream = _evenly(batches(4, n_points=300), 20)
    found: dict[tuple[int, int], list[int]] = {}
    for batch in stream:
        n, dim, n_points = batch.positions.shape
        found.setdefault((length_class(n_points), dim), []).append(n)
    assert len(found) == 3 * len(LENGTH_CLASSES)
    assert all(sum(sizes) >= 20 > sum(sizes[:-1]) for sizes in found.values())


def test_the_surprise_is_one_at_the_ends_of_the_interval() -> None:
    batch = next(b for b in islice(batches(2, n_points=600), 50) if b.positions.shape[1] == 2)
    n = len(batch.positions)
    noise = torch.full((n, 2), 0.5)
    noise[0, 0] = 1.0
    true = torch.full((n, 2), 3.0)
    batch = Batch(batch.positions, None, batch.cell, true, noise, batch.mobility, 0.0)
    log_scale = torch.full((n, 2), 0.2)
    # Two axes, each with an uncertainty of 0.2: that of their mean is 0.2 / sqrt(2).
    half = 0.2 / 2**0.5 * torch.tensor(10.0).log()
    said = torch.stack(((true.log() + half), log_scale.log()), 2)
    output = Output(torch.empty(0), torch.empty(0), said, said, torch.empty(0))
    surprise = _surprise(output, batch)
    assert len(surprise) == n - 1
    torch.testing.assert_close(surprise, torch.ones_like(surprise), rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("_quick")
def test_calibration_sets_everything_of_every_class_and_dimension() -> None:
    torch.manual_seed(0)
    network = Network(SMALL)
    figures = calibrate(network, device=CPU, n_tracks=40)
    assert set(figures) == {"protocol", "1D", "2D", "3D"}
    assert network.temperature.shape == network.farthest.shape == (len(LENGTH_CLASSES), 3)
    assert (network.temperature > 0).all()
    assert (network.spread != 1).all()
    assert torch.isfinite(network.farthest).all()
    flagged = []
    for batch in islice(batches(9, n_points=1000), 40):
        verdict = ask(network, batch.positions, batch.seen, None, batch.exposure)
        flagged.append((verdict.distance > verdict.limit).float())
    assert 0.005 < torch.cat(flagged).mean() < 0.2
