"""Training of the network for changes of model, on tracks simulated on the fly."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from perrin.device import autocast
from perrin.engine.changes.data import ChangeBatch, batches
from perrin.engine.changes.network import ChangeNetwork, PerToken
from perrin.engine.training import Trained, Training, card, learn
from perrin.engine.weights import BUNDLED, load_change_network, load_tensors, save_network
from perrin.errors import Progress

__all__ = ["losses", "train"]

_SHARE_OF_CELLS = 0.5
_HELD_OUT_SEED = 987_654_321
_HELD_OUT_POINTS = 40_000
_N_HELD_OUT = 24


def train(
    parameters: Training, folder: Path, *, resume: bool = True, progress: Progress | None = None
) -> Path:
    """Train a network for changes of model, and write its weights and card.

    The trunk starts from that of the bundled network for whole tracks, unless ``parameters`` name
    weights of a network for changes to start from.

    Parameters
    ----------
    parameters, folder, resume, progress
        As for :func:`perrin.engine.train.train`.

    Returns
    -------
    Path
        The weights.
    """
    lesson = _Changes()
    trained = learn(lesson, parameters, folder, resume=resume, progress=progress)
    network = trained.network.cpu()
    path = folder / "weights.safetensors"
    figures = lesson.look(network, torch.device("cpu"))
    save_network(path, network, _card(parameters, trained, figures))
    return path


class _Changes:
    """What there is to learn of changes."""

    head = "answer"

    def begin(self, parameters: Training) -> ChangeNetwork:
        if parameters.start:
            return load_change_network(Path(parameters.start))
        network = ChangeNetwork(parameters.architecture)
        network.take_trunk(*load_tensors(BUNDLED))
        torch.nn.init.zeros_(network.contrast.weight)
        return network

    def batches(
        self, seed: int, *, share: int, n_points: int, device: torch.device
    ) -> Iterator[ChangeBatch]:
        return batches(seed, share=share, n_points=n_points, device=device)

    def loss(self, network: ChangeNetwork, batch: ChangeBatch) -> tuple[Tensor, Tensor]:
        with autocast(batch.positions.device):
            said = network(batch.positions, batch.seen, exposure=batch.exposure)
        place, cells = losses(said, batch, network.stride(batch.positions.shape[2]))
        return place, _SHARE_OF_CELLS * cells

    def look(self, network: ChangeNetwork, device: torch.device) -> dict[str, float]:
        found: list[tuple[float, float]] = []
        held_out = batches(_HELD_OUT_SEED, n_points=_HELD_OUT_POINTS, device=device)
        for batch in islice(held_out, _N_HELD_OUT):
            with torch.inference_mode():
                said = network(batch.positions, batch.seen, exposure=batch.exposure)
                parts = losses(said, batch, network.stride(batch.positions.shape[2]))
            found.append((float(parts[0]), float(parts[1])))
        place, cells = (round(sum(each) / len(found), 4) for each in zip(*found, strict=True))
        return {"place": place, "cell": cells}


def losses(said: PerToken, batch: ChangeBatch, stride: int) -> tuple[Tensor, Tensor]:
    """Cross-entropies of the place of the change, and of model and exponent before and after.

    Parameters
    ----------
    said, batch
        What the network said of the tracks, and the truth.
    stride
        Frames per token.
    """
    n_tokens = said.cell.shape[1]
    n_steps = batch.positions.shape[2] - 1
    changes = batch.at < n_steps
    token = (batch.at // stride).clamp_max(n_tokens - 1)
    place = functional.cross_entropy(said.place, torch.where(changes, 1 + token, 0))
    middle = stride * torch.arange(n_tokens, device=token.device) + (stride - 1) / 2
    cell = torch.where(middle < batch.at[:, None], batch.cell[:, :1], batch.cell[:, 1:])
    cells = functional.cross_entropy(said.cell.flatten(0, 1).flatten(1), cell.flatten())
    return place, cells


def _card(
    parameters: Training, trained: Trained[ChangeNetwork], figures: dict[str, float]
) -> dict[str, Any]:
    return card(
        parameters,
        trained,
        figures,
        engine="changes",
        name="Perrin's network for changes of model",
        answers="where diffusion model or exponent change, and what they are before and after",
        trained_on=(
            "tracks simulated on the fly: two tracks of ATTM, CTRW, FBM, LW or SBM joined at any "
            "frame, one in five not joined, in 1, 2 and 3 dimensions, 20 to 999 points, as in task "
            "3 of the first AnDi challenge and with other noise, sizes, gaps and motion blur "
            "(perrin.engine.changes.data)"
        ),
    )
