"""Training of the network for whole tracks, on tracks simulated on the fly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from perrin.device import autocast, pick_device
from perrin.engine.calibrate import calibrate
from perrin.engine.data import Batch, batches
from perrin.engine.network import Network, Output
from perrin.engine.scale import LEAST_SHARE
from perrin.engine.score import score
from perrin.engine.training import Trained, Training, card, laplace, learn
from perrin.engine.weights import load_network, save_network
from perrin.errors import Progress
from perrin.simulate.protocols import theory

__all__ = ["Training", "losses", "train"]

_N_LOOKED_AT = 600
_SHARE_OF_SCALE = 0.1
_SHARE_OF_MOBILITY = 0.1
_LEAST_MOBILITY = 0.01
_TINY = 1e-30


def train(
    parameters: Training, folder: Path, *, resume: bool = True, progress: Progress | None = None
) -> Path:
    """Train a network, calibrate it, and write its weights and card.

    Parameters
    ----------
    parameters
        How to train.
    folder
        Receives ``state.safetensors`` (to resume from), ``log.csv`` (the learning curve) and, in
        the end, ``weights.safetensors`` with its card ``weights.yaml``.
    resume
        Go on from a state in the folder if there is one.
    progress
        Called with the seconds trained and to train.

    Returns
    -------
    Path
        The weights.
    """
    trained = learn(_WholeTracks(), parameters, folder, resume=resume, progress=progress)
    network = trained.network
    figures = calibrate(network, seed=parameters.seed, device=pick_device(parameters.device))
    path = folder / "weights.safetensors"
    save_network(path, network, _card(parameters, trained, figures))
    return path


class _WholeTracks:
    """What there is to learn of whole tracks."""

    head = "answer"

    def begin(self, parameters: Training) -> Network:
        if parameters.start:
            return load_network(Path(parameters.start))
        return Network(parameters.architecture)

    def batches(
        self, seed: int, *, share: int, n_points: int, device: torch.device
    ) -> Iterator[Batch]:
        return batches(seed, share=share, n_points=n_points, device=device)

    def loss(self, network: Network, batch: Batch) -> tuple[Tensor, Tensor]:
        with autocast(batch.positions.device):
            output = network(batch.positions, batch.seen, exposure=batch.exposure)
        return losses(output, batch, network.stride(batch.positions.shape[2]))

    def look(self, network: Network, device: torch.device) -> dict[str, float]:
        row = {}
        generator = torch.Generator().manual_seed(987_654_321)
        for dim in (1, 2, 3):
            tracks = theory(_N_LOOKED_AT, dim, generator=generator)
            figures = score(network, tracks, device)
            row[f"alpha_mae_{dim}d"] = round(figures.alpha_mae, 4)
            row[f"model_f1_{dim}d"] = round(figures.model_f1, 4)
        return row


def losses(output: Output, batch: Batch, stride: int) -> tuple[Tensor, Tensor]:
    """Compute what training makes small: for the answer, and for all that is asked besides.

    Parameters
    ----------
    output, batch
        What the network said of the tracks, and the truth.
    stride
        Frames per token.

    Returns
    -------
    tuple of Tensor
        The cross-entropy of model and exponent; and the weighted sum of the negative
        log-likelihoods of diffusivity and noise, whose logarithms are taken to be Laplacian, so
        that the answer is a median, and the mean squared error of the local log-mobility.
    """
    answer = functional.cross_entropy(output.logits.flatten(1), batch.cell)
    mean_square = batch.positions.diff(dim=2).square().mean(2)
    # Noise far below the displacements leaves no trace of its size, nor motion far below noise.
    noise = batch.noise.maximum(LEAST_SHARE * mean_square.sqrt())
    diffusivity = batch.diffusivity.maximum(LEAST_SHARE**2 * mean_square)
    scale = _logarithmic(output.log_diffusivity, diffusivity) + _logarithmic(
        output.log_noise, noise
    )
    mobility = functional.avg_pool1d(batch.mobility[:, None], stride)[:, 0]
    error = output.log_mobility - (mobility + _LEAST_MOBILITY).log()
    return answer, _SHARE_OF_SCALE * scale + _SHARE_OF_MOBILITY * error.square().mean()


def _logarithmic(answer: Tensor, truth: Tensor) -> Tensor:
    return laplace(answer, truth.clamp_min(_TINY).log()).mean()


def _card(
    parameters: Training, trained: Trained[Network], figures: dict[str, Any]
) -> dict[str, Any]:
    return card(
        parameters,
        trained,
        figures,
        name="Perrin's network for whole tracks",
        answers="joint posterior over diffusion model and anomalous exponent",
        trained_on=(
            "tracks simulated on the fly: ATTM, CTRW, FBM, LW and SBM in 1, 2 and 3 dimensions, "
            "10 to 999 points, localization noise per axis or per track, up to 30 % of the frames "
            "missing in 15 % of the batches, held frames in 10 %, motion blur of known exposure in "
            "20 % (perrin.engine.data)"
        ),
    )
