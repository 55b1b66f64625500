"""Training: batches, resuming, calibration, weights."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import pytest
import torch

from perrin.engine.data import LONGEST, MOST_MISSING, SHORTEST, batches, blur, exposure_of, hold
from perrin.engine.network import Architecture, Network, Output
from perrin.engine.train import Training, losses, train
from perrin.engine.weights import (
    load_card,
    load_network,
    load_tensors,
    save_network,
    save_tensors,
)
from perrin.errors import InputError
from perrin.simulate.protocols import cell_weights

SMALL = Architecture(width=16, stem_width=8, n_filters=4, n_blocks=1, n_heads=2, hidden=16)


def test_batches_hold_what_they_promise() -> None:
    dims, lengths, gapped = set(), [], 0
    for batch in itertools.islice(batches(3, n_points=4000), 60):
        positions, seen, cell, diffusivity, noise, mobility, exposure = batch
        assert 0 <= exposure <= 1
        n, dim, n_points = positions.shape
        assert torch.isfinite(positions).all()
        assert SHORTEST <= n_points <= LONGEST
        assert cell.shape == (n,)
        assert (cell_weights("both").flatten()[cell] > 0).all()
        assert diffusivity.shape == noise.shape == (n, dim)
        assert mobility.shape == (n, n_points - 1)
        assert all(torch.isfinite(truth).all() for truth in (diffusivity, noise, mobility))
        if seen is not None:
            gapped += 1
            assert seen[:, [0, -1]].all()
            assert (~seen).float().mean() < MOST_MISSING
        dims.add(dim)
        lengths.append(n_points)
    assert dims == {1, 2, 3}
    assert min(lengths) < 60
    assert max(lengths) > 600
    assert 0 < gapped < 30


def test_the_same_seed_makes_the_same_batches() -> None:
    for first, second in zip(
        itertools.islice(batches(5, n_points=2000), 3),
        itertools.islice(batches(5, n_points=2000), 3),
        strict=True,
    ):
        assert torch.equal(first.positions, second.positions)
        assert torch.equal(first.cell, second.cell)


def test_squared_displacements_are_those_of_the_true_diffusivity_and_noise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # <dx²> = 2 D + 2 sigma² (Qian 1991), in every model, without blur and held frames.
    monkeypatch.setattr("perrin.engine.data._SHARES", torch.zeros(3))
    ratios: dict[int, list[torch.Tensor]] = {code: [] for code in range(5)}
    for batch in itertools.islice(batches(11, n_points=8000), 120):
        seen = batch.positions.diff(dim=2).square().mean((1, 2))
        true = 2 * (batch.diffusivity + batch.noise.square()).mean(1)
        for code, found in ratios.items():
            found.append((seen / true)[batch.cell // 40 == code])
    for code, found in ratios.items():
        ratio = torch.cat(found)
        error = ratio.std() / len(ratio) ** 0.5
        assert ratio.mean().item() == pytest.approx(1, abs=0.01 + 4 * error.item()), code


def test_the_unblurred_diffusivity_of_blurred_tracks_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Blur takes a third of the exposure off Brownian motion's squared displacement (Berglund 2010).
    monkeypatch.setattr("perrin.engine.data._SHARES", torch.tensor([0.0, 0.0, 1.0]))
    monkeypatch.setattr("perrin.engine.data._SUBFRAMES", (6,))
    monkeypatch.setattr("perrin.engine.data._FINE_POINTS", 6 * 166)
    monkeypatch.setattr("perrin.engine.data._length", lambda _coin: 166)
    monkeypatch.setattr("perrin.engine.data.draw_cells", _brownian)
    ratios, exposures = [], set()
    for batch in itertools.islice(batches(12, n_points=8000), 40):
        seen = batch.positions.diff(dim=2).square().mean((1, 2))
        exposures.add(batch.exposure)
        blurred = batch.diffusivity * (1 - batch.exposure / 3)
        ratios.append(seen / (2 * (blurred + batch.noise.square()).mean(1)))
    assert torch.cat(ratios).mean().item() == pytest.approx(1, abs=0.015)
    assert min(exposures) < 0.5 < max(exposures)


def _brownian(n: int, _task: str, _generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    return torch.full((n,), 2), torch.ones(n)


def test_true_answers_cost_less_than_wrong_ones() -> None:
    batch = next(batches(4, n_points=2000))
    # Resting particles have no diffusivity whose logarithm could be asked for.
    batch = batch._replace(diffusivity=batch.diffusivity.clamp_min(1.0))
    n, dim, n_points = batch.positions.shape
    stride = 4
    n_tokens = (n_points - 1) // stride
    right = torch.full((n, 5 * 40), -9.0)
    right[torch.arange(n), batch.cell] = 9.0
    local = torch.nn.functional.avg_pool1d(batch.mobility[:, None], stride)[:, 0]
    sure = torch.full((n, dim), -2.0)
    truth = Output(
        right.view(n, 5, 40),
        torch.zeros(n, 1),
        torch.stack((batch.diffusivity.log(), sure), 2),
        torch.stack((batch.noise.log(), sure), 2),
        (local + 0.01).log(),
    )
    assert truth.log_mobility.shape == (n, n_tokens)
    best = losses(truth, batch, stride)
    for name in ("logits", "log_diffusivity", "log_noise", "log_mobility"):
        wrong = truth._replace(**{name: getattr(truth, name).roll(1, 0) + 0.3})
        answer, others = losses(wrong, batch, stride)
        assert answer + others > sum(best)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Training:
    # What is under test is the course of a training, not its figures.
    monkeypatch.setattr("perrin.engine.data._POOL", 64)
    monkeypatch.setattr("perrin.engine.training._BATCHES_PER_LOOK", 2)
    monkeypatch.setattr("perrin.engine.train._N_LOOKED_AT", 20)
    monkeypatch.setattr("perrin.engine.train.calibrate", lambda *_, **__: {"2D": "not measured"})
    return Training(minutes=0.01, batch_points=1000, device="cpu", architecture=SMALL)


def test_training_writes_weights_card_log_and_goes_on_where_it_stopped(
    quick: Training, tmp_path: Path
) -> None:
    seen: list[int] = []
    path = train(quick, tmp_path, progress=lambda _what, done, _total: seen.append(done))
    assert seen
    network = load_network(path)
    assert network.architecture == SMALL
    card = load_card(path)
    assert card["views"] > 0
    assert card["training"]["seed"] == 1
    _, before = load_tensors(tmp_path / "state.safetensors")

    longer = quick.model_copy(update={"minutes": before["seconds"] / 60 + 0.005})
    train(longer, tmp_path)
    _, after = load_tensors(tmp_path / "state.safetensors")
    assert after["step"] > before["step"]
    assert after["seconds"] > before["seconds"]
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    assert int(rows[1]["views"]) > int(rows[0]["views"])


def test_training_starts_afresh_when_told_to(quick: Training, tmp_path: Path) -> None:
    save_tensors(tmp_path / "state.safetensors", {}, {"step": 9, "views": 9, "seconds": 1e9})
    (tmp_path / "log.csv").write_text("minutes,loss\n1,2\n")
    train(quick, tmp_path, resume=False)
    _, about = load_tensors(tmp_path / "state.safetensors")
    assert about["seconds"] < 1e9
    with (tmp_path / "log.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert int(row["views"]) > 0


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    network = Network(SMALL)
    network.temperature[2] = 1.7
    save_network(tmp_path / "w.safetensors", network, {"name": "a test"})
    again = load_network(tmp_path / "w.safetensors")
    for name, tensor in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)
    assert load_card(tmp_path / "w.safetensors") == {"name": "a test"}


def test_what_is_not_weights_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no weights at"):
        load_network(tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"something else entirely")
    with pytest.raises(InputError, match="does not hold weights written by Perrin"):
        load_network(tmp_path / "bad.safetensors")
    save_tensors(tmp_path / "new.safetensors", {}, {"format": 99})
    with pytest.raises(InputError, match="format 99"):
        load_network(tmp_path / "new.safetensors")


def test_blur_is_that_of_a_shutter_open_all_the_time() -> None:
    # Brownian motion averaged over whole frames: neighbours correlate by 1/6 over 2/3
    # (Berglund 2010, R = 1/6), and every displacement is normalised.
    steps = torch.randn(1000, 1, 8 * 200 - 1, generator=torch.Generator().manual_seed(1))
    blurred, unit = blur(steps, 8, 8)
    assert blurred.shape == (1000, 1, 199)
    assert unit.mean().item() == pytest.approx((8 * (2 / 3 + 1 / (3 * 8**2))) ** 0.5, rel=0.01)
    correlation = (blurred[..., 1:] * blurred[..., :-1]).mean() / blurred.square().mean()
    expected = (1 - 1 / 8**2) / 6 / (2 / 3 + 1 / (3 * 8**2))
    assert correlation.item() == pytest.approx(expected, abs=0.01)


def test_a_short_exposure_does_not_blur() -> None:
    steps = torch.randn(5, 2, 4 * 30 - 1, generator=torch.Generator().manual_seed(5))
    sharp, unit = blur(steps.clone(), 4, 1)
    path = torch.nn.functional.pad(steps, (1, 0)).cumsum(2)[..., ::4]
    torch.testing.assert_close(sharp * unit[..., None], path.diff(dim=2), rtol=1e-3, atol=1e-3)
    assert exposure_of(4, 1) == 0
    assert exposure_of(1000, 1000) == pytest.approx(1, abs=1e-5)


def test_held_frames_stay_between_the_older_position_and_the_true_one() -> None:
    walk = torch.randn(200, 2, 50, generator=torch.Generator().manual_seed(2)).cumsum(2)
    shown = hold(walk, torch.Generator().manual_seed(3))
    changed = (shown != walk).any(1)
    assert not changed[:, 0].any()
    assert 0.15 < changed.float().mean().item() < 0.35
    first = changed.float().argmax(1)
    for track in torch.nonzero(changed.any(1)).flatten()[:50].tolist():
        i = int(first[track])
        older, true, seen = walk[track, :, i - 1], walk[track, :, i], shown[track, :, i]
        weight = (seen - older) / (true - older)
        torch.testing.assert_close(weight, weight[:1].expand(2), rtol=1e-2, atol=1e-3)
        assert -1e-3 < weight[0] < 0.501
