"""The network for switches: symmetries, lengths, data, losses, training."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from perrin.engine.data import LONGEST
from perrin.engine.engines import train
from perrin.engine.network import Network
from perrin.engine.switching.data import SHORTEST, SwitchBatch, batches
from perrin.engine.switching.network import PerStep, SwitchNetwork
from perrin.engine.switching.train import calibrate, losses
from perrin.engine.training import Trained, Training
from perrin.engine.trunk import Architecture
from perrin.engine.weights import load_network, load_switch_network, save_network
from perrin.errors import InputError
from perrin.models import STATES

SMALL = Architecture(width=16, stem_width=8, n_filters=4, n_blocks=1, n_heads=2, hidden=16)


@pytest.fixture
def network() -> SwitchNetwork:
    torch.manual_seed(1)
    return SwitchNetwork(SMALL).eval()


def walks(n: int, dim: int, n_points: int) -> torch.Tensor:
    return torch.randn(n, dim, n_points, generator=torch.Generator().manual_seed(2)).cumsum(2)


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("n_points", [20, 66, 131, 400])
def test_every_displacement_is_answered(network: SwitchNetwork, dim: int, n_points: int) -> None:
    said = network(walks(3, dim, n_points))
    assert said.switch.shape == (3, n_points - 1)
    assert said.log_diffusivity.shape == said.alpha.shape == (3, n_points - 1, 2)
    assert said.state.shape == (3, n_points - 1, len(STATES))
    assert all(torch.isfinite(part).all() for part in said)


def test_mirrored_swapped_and_scaled_axes_change_nothing_but_the_unit(
    network: SwitchNetwork,
) -> None:
    tracks = walks(4, 3, 90)
    said = network(tracks)
    turned = network(3 * torch.stack((tracks[:, 2], -tracks[:, 0], tracks[:, 1]), 1))
    for name in ("switch", "alpha", "state"):
        assert torch.allclose(getattr(said, name), getattr(turned, name), atol=1e-4), name
    grown = turned.log_diffusivity[..., 0] - said.log_diffusivity[..., 0]
    assert torch.allclose(grown, torch.tensor(2 * np.log(3.0), dtype=torch.float32), atol=1e-3)


@pytest.mark.parametrize(("longest", "shorter"), [(200, 151), (130, 67), (64, 21)])
def test_a_track_gets_the_same_answers_in_company(
    network: SwitchNetwork, longest: int, shorter: int
) -> None:
    tracks = walks(2, 2, longest)
    assert network.stride(longest) >= network.stride(shorter)
    if network.stride(longest) != network.stride(shorter):
        pytest.skip("tracks of different stride never share a batch")
    together = network(tracks, lengths=torch.tensor([longest, shorter]))
    alone = network(tracks[1:, :, :shorter])
    for one, other in zip(together, alone, strict=True):
        assert torch.allclose(one[1:, : shorter - 1], other, atol=1e-4)


def test_batches_hold_what_they_promise() -> None:
    dims, lengths, exposures, switched = set(), [], set(), 0.0
    for batch in islice(batches(3, n_points=3000), 80):
        n, dim, n_points = batch.positions.shape
        assert torch.isfinite(batch.positions).all()
        assert SHORTEST <= n_points <= LONGEST
        for truth in (batch.switch, batch.diffusivity, batch.alpha, batch.state):
            assert truth.shape == (n, n_points - 1)
        assert (batch.diffusivity.nan_to_num(nan=1.0) >= 0).all()
        # Where a particle rests there is no exponent, and no diffusivity.
        rests = batch.state == 0
        assert batch.alpha[rests].isnan().all()
        assert (batch.diffusivity[rests] == 0).all()
        dims.add(dim)
        lengths.append(n_points)
        exposures.add(batch.exposure)
        switched += float(batch.switch.nansum())
    assert dims == {1, 2, 3}
    assert min(lengths) < 40
    assert max(lengths) > 300
    assert max(exposures) > 0.9
    assert switched > 100


def test_displacements_are_those_of_the_true_diffusivity() -> None:
    # <dx²> = 2 D along each axis; noise adds the same everywhere, so that ratios of slow and fast
    # segments are bounded by it: without noise they must agree on average (Brownian motion).
    from perrin.engine.switching.data import _Pieces

    pieces = _Pieces(torch.Generator().manual_seed(5))
    ratios = []
    for _ in range(40):
        batch = pieces.draw(64, 100, 2)
        lag_two = batch.positions[..., 2:] - batch.positions[..., :-2]
        steps = batch.positions.diff(dim=2)
        whole = (batch.switch.sum(1) == 0) & (batch.alpha == 1).all(1)
        # The difference of the MSD at two lags is free of noise.
        free = (lag_two.square().mean((1, 2)) - steps.square().mean((1, 2))) / 2
        ratios.append((free / batch.diffusivity[:, 0])[whole])
    ratio = torch.cat(ratios)
    error = float(ratio.std() / len(ratio) ** 0.5)
    assert float(ratio.mean()) == pytest.approx(1, abs=4 * error)
    assert error < 0.02


def test_true_answers_cost_less_than_wrong_ones() -> None:
    batch = next(batches(4, n_points=2000))
    right = _truth(batch)
    cost = losses(right, batch)
    wrong = PerStep(-right.switch, right.log_diffusivity + 2, right.alpha + 1, -right.state)
    worse = losses(wrong, batch)
    assert all(cost[name] < worse[name] for name in ("switch", "diffusivity", "alpha", "state"))
    assert all(torch.isfinite(value) for value in (*cost.values(), *worse.values()))


def _truth(batch: SwitchBatch) -> PerStep:
    sure = torch.full_like(batch.switch, -2.0)
    mean_square = batch.positions.diff(dim=2).square().mean((1, 2))[:, None]
    d = batch.diffusivity.nan_to_num(nan=1.0).maximum(4e-4 * mean_square)
    code = batch.state.long().clamp_min(0)
    return PerStep(
        18 * batch.switch.nan_to_num() - 9,
        torch.stack((d.log(), sure), 2),
        torch.stack((batch.alpha.nan_to_num(nan=1.0), sure), 2),
        9.0 * torch.nn.functional.one_hot(code, len(STATES)),
    )


def test_training_makes_weights_that_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perrin.engine.training._BATCHES_PER_LOOK", 2)
    monkeypatch.setattr("perrin.engine.switching.train._N_HELD_OUT", 2)
    quick = Training(minutes=0.002, batch_points=1000, architecture=SMALL, device="cpu", muon=False)
    path = train(quick, tmp_path, engine="switches")
    loaded = load_switch_network(path)
    assert torch.isfinite(loaded(walks(2, 2, 50)).switch).all()
    header = (tmp_path / "log.csv").read_text().splitlines()[0]
    assert header == "minutes,views,loss,switch,state,diffusivity,alpha"
    assert "perrin train --engine switches" in path.with_suffix(".yaml").read_text()


def test_a_new_network_begins_with_the_trunk_of_the_engine() -> None:
    from perrin.engine.switching.train import _Switches

    begun = _Switches().begin(Training()).state_dict()
    engine = load_network().state_dict()
    assert torch.equal(begun["blocks.0.expand.weight"], engine["blocks.0.expand.weight"])


def test_a_network_trained_elsewhere_is_calibrated_on_the_cpu(
    network: SwitchNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = SwitchNetwork(SMALL)
    monkeypatch.setattr(elsewhere, "cpu", lambda: network)
    trained = Trained(elsewhere, views=1, seconds=1.0, steps=1)
    monkeypatch.setattr("perrin.engine.switching.train.learn", lambda *_, **__: trained)
    calibrated: list[SwitchNetwork] = []

    def record(network: SwitchNetwork) -> dict[str, float]:
        calibrated.append(network)
        return {}

    monkeypatch.setattr("perrin.engine.switching.train.calibrate", record)
    train(Training(), tmp_path, engine="switches")
    assert calibrated == [network]


def test_weights_of_the_other_network_are_refused(tmp_path: Path, network: SwitchNetwork) -> None:
    path = tmp_path / "switches.safetensors"
    save_network(path, network, {})
    with pytest.raises(InputError, match="not of the one for whole tracks"):
        load_network(path)
    save_network(path, Network(SMALL), {})
    with pytest.raises(InputError, match="not of the one for switches"):
        load_switch_network(path)


def test_the_bundled_weights_load() -> None:
    assert load_switch_network().architecture == Architecture()


def test_calibrated_intervals_hold_the_truth_as_often_as_they_say() -> None:
    network = SwitchNetwork(SMALL).eval()
    figures = calibrate(network, 200)
    assert (network.spread > 0).all()
    # Half of the batches measure; errors vary from batch to batch, not from track to track.
    assert figures["diffusivity_coverage"] == pytest.approx(0.9, abs=0.05)
    assert figures["alpha_coverage"] == pytest.approx(0.9, abs=0.05)
