"""Training of the network for switches, on tracks simulated on the fly."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from perrin.device import autocast
from perrin.engine.scale import HALF_WIDTH, LEAST_SHARE
from perrin.engine.switching.data import SwitchBatch, batches
from perrin.engine.switching.network import PerStep, SwitchNetwork
from perrin.engine.training import Trained, Training, card, laplace, learn
from perrin.engine.weights import BUNDLED, load_switch_network, load_tensors, save_network
from perrin.errors import Progress

__all__ = ["calibrate", "losses", "train"]

_WEIGHTS = {"switch": 10.0, "state": 0.5, "diffusivity": 0.5, "alpha": 1.0}
"""Of the parts of the loss; the frames of a switch are few."""

_HELD_OUT_SEED = 987_654_321
_CALIBRATION_SEED = 123_456_789
_CALIBRATION_POINTS = 4000
_N_HELD_OUT = 60
_TINY = 1e-30


def train(
    parameters: Training, folder: Path, *, resume: bool = True, progress: Progress | None = None
) -> Path:
    """Train a network for switches, and write its weights and card.

    The trunk starts from that of the bundled network for whole tracks, unless ``parameters`` name
    weights of a network for switches to start from.

    Parameters
    ----------
    parameters, folder, resume, progress
        As for :func:`perrin.engine.train.train`.

    Returns
    -------
    Path
        The weights.
    """
    trained = learn(_Switches(), parameters, folder, resume=resume, progress=progress)
    network = trained.network.cpu()
    figures = calibrate(network)
    path = folder / "weights.safetensors"
    save_network(path, network, _card(parameters, trained, figures))
    return path


def calibrate(network: SwitchNetwork, n_batches: int = 400) -> dict[str, float]:
    """Widen or narrow the uncertainties until 90 % intervals hold the truth in 90 % of frames.

    Parameters
    ----------
    network
        On the CPU; its ``spread`` is set.
    n_batches
        Batches of fresh tracks, of each of which one frame counts; half of them measure the result.

    Returns
    -------
    dict
        Share of frames whose interval holds the truth, of ``diffusivity`` and of ``alpha``.
    """
    network.spread.fill_(1)
    generator = torch.Generator().manual_seed(_CALIBRATION_SEED)
    errors: dict[str, list[Tensor]] = {"diffusivity": [], "alpha": []}
    for batch in islice(batches(_CALIBRATION_SEED, n_points=_CALIBRATION_POINTS), n_batches):
        with torch.inference_mode():
            said = network(batch.positions, batch.seen, exposure=batch.exposure)
        n, n_steps = batch.alpha.shape
        frame = torch.randint(n_steps, (n, 1), generator=generator)
        for name, answer, truth in (
            ("diffusivity", said.log_diffusivity, batch.diffusivity.log()),
            ("alpha", said.alpha, batch.alpha),
        ):
            one = answer.gather(1, frame[..., None].expand(-1, -1, 2))[:, 0]
            true = truth.gather(1, frame)[:, 0]
            known = torch.isfinite(true)
            error = (one[:, 0] - true).abs() / one[:, 1].exp()
            errors[name].append(error[known])
    figures = {}
    for i, (name, parts) in enumerate(errors.items()):
        half = len(parts) // 2
        widened = torch.cat(parts[:half]).quantile(0.9) / HALF_WIDTH
        network.spread[i] = widened
        within = torch.cat(parts[half:]) < HALF_WIDTH * widened
        figures[f"{name}_coverage"] = round(float(within.double().mean()), 4)
    return figures


class _Switches:
    """What there is to learn of switches."""

    head = "per_step"

    def begin(self, parameters: Training) -> SwitchNetwork:
        if parameters.start:
            return load_switch_network(Path(parameters.start))
        network = SwitchNetwork(parameters.architecture)
        network.take_trunk(*load_tensors(BUNDLED))
        return network

    def batches(
        self, seed: int, *, share: int, n_points: int, device: torch.device
    ) -> Iterator[SwitchBatch]:
        return batches(seed, share=share, n_points=n_points, device=device)

    def loss(self, network: SwitchNetwork, batch: SwitchBatch) -> tuple[Tensor, Tensor]:
        with autocast(batch.positions.device):
            said = network(batch.positions, batch.seen, exposure=batch.exposure)
        parts = losses(said, batch)
        total = sum((_WEIGHTS[name] * part for name, part in parts.items()), torch.zeros(()))
        return total, torch.zeros_like(total)

    def look(self, network: SwitchNetwork, device: torch.device) -> dict[str, float]:
        found: dict[str, list[float]] = {}
        for batch in islice(batches(_HELD_OUT_SEED, device=device), _N_HELD_OUT):
            with torch.inference_mode():
                said = network(batch.positions, batch.seen, exposure=batch.exposure)
                parts = losses(said, batch)
            for name, part in parts.items():
                found.setdefault(name, []).append(float(part))
        return {name: round(sum(values) / len(values), 4) for name, values in found.items()}


def losses(said: PerStep, batch: SwitchBatch) -> dict[str, Tensor]:
    """Compute what training makes small.

    Parameters
    ----------
    said, batch
        What the network said of the tracks, and the truth, of which unknown parts do not count.

    Returns
    -------
    dict of Tensor
        Cross-entropies per displacement of ``switch`` and ``state``, and negative log-likelihoods
        of ``diffusivity`` and ``alpha``.
    """
    mean_square = batch.positions.diff(dim=2).square().mean((1, 2))[:, None]
    least = (LEAST_SHARE**2 * mean_square).clamp_min(_TINY)
    diffusivity = batch.diffusivity.nan_to_num().maximum(least)
    state = functional.cross_entropy(
        said.state.mT, batch.state.long().clamp_min(0), reduction="none"
    )
    return {
        "switch": _mean(_binary(said.switch, batch.switch), ~batch.switch.isnan()),
        "state": _mean(state, batch.state >= 0),
        "diffusivity": _mean(
            laplace(said.log_diffusivity, diffusivity.log()), ~batch.diffusivity.isnan()
        ),
        "alpha": _mean(laplace(said.alpha, batch.alpha.nan_to_num()), ~batch.alpha.isnan()),
    }


def _binary(logit: Tensor, truth: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(
        logit[:, 1:], truth[:, 1:].nan_to_num(), reduction="none"
    )


def _mean(values: Tensor, known: Tensor) -> Tensor:
    """Mean over what is known; zero if nothing is."""
    known = known[:, -values.shape[1] :]
    return torch.where(known, values, 0.0).sum() / known.sum().clamp_min(1)


def _card(
    parameters: Training, trained: Trained[SwitchNetwork], figures: dict[str, float]
) -> dict[str, Any]:
    return card(
        parameters,
        trained,
        figures,
        engine="switches",
        name="Perrin's network for switches",
        answers="switches, state, diffusivity and anomalous exponent at every displacement",
        trained_on=(
            "tracks simulated on the fly: particles in fields of view that follow the five "
            "physical models of the second AnDi challenge with widely drawn parameters; pieces of "
            "fractional Brownian motion in 1, 2 and 3 dimensions; tracks of the first challenge; "
            "20 to 999 points (perrin.engine.switching.data)"
        ),
    )
