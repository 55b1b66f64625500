"""Calibration of a trained network on tracks of its own: neither for training nor for testing."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from perrin.device import autocast
from perrin.engine.data import batches
from perrin.engine.network import LENGTH_CLASSES, Network, length_class
from perrin.engine.score import score
from perrin.simulate.protocols import theory

__all__ = ["calibrate"]

_SEED = 271_828_183
FALSE_ALARMS = 0.05
"""Share of the tracks of each length class that lie farther than the class's limit."""


def calibrate(
    network: Network, *, seed: int = 0, device: torch.device, n_tracks: int = 2000
) -> dict[str, Any]:
    """Set the network's temperatures and what it takes for unlike its training.

    For each class of lengths one temperature is chosen that makes the posterior most likely
    (Guo et al., ICML 2017), and the mean and covariance of the embedding are stored, with the
    distance that ``FALSE_ALARMS`` of the tracks exceed (Lee et al., NeurIPS 2018).

    Parameters
    ----------
    network
        A trained network; its calibration is replaced.
    seed
        Seed of the training, so that the tracks used here differ from its.
    device
        Where to compute.
    n_tracks
        Tracks per class of lengths.

    Returns
    -------
    dict
        Accuracy on 2,000 further held-out tracks per dimension, for the card.
    """
    network.to(device).eval()
    logits: list[list[torch.Tensor]] = [[] for _ in LENGTH_CLASSES]
    cells: list[list[torch.Tensor]] = [[] for _ in LENGTH_CLASSES]
    embeddings: list[list[torch.Tensor]] = [[] for _ in LENGTH_CLASSES]
    for positions, seen, cell in batches(_SEED + seed, device=device):
        i = length_class(positions.shape[2])
        if sum(map(len, cells[i])) < n_tracks:
            with torch.inference_mode(), autocast(device):
                output = network(positions, seen)
            logits[i].append(output.logits.flatten(1))
            cells[i].append(cell)
            embeddings[i].append(output.embedding)
        if all(sum(map(len, c)) >= n_tracks for c in cells):
            break
    for i, n_points in enumerate(LENGTH_CLASSES):
        network.temperature[i] = _temperature(torch.cat(logits[i]), torch.cat(cells[i]))
        known = torch.cat(embeddings[i])
        network.centre[i] = known.mean(0)
        network.whitening[i] = _whitening(known)
        network.farthest[i] = network.distance(known, n_points).quantile(1 - FALSE_ALARMS)
    generator = torch.Generator(device).manual_seed(_SEED - 1 - seed)
    figures: dict[str, Any] = {"protocol": "theory-v1, 10 to 999 points, 2000 tracks per dimension"}
    for dim in (1, 2, 3):
        result = score(network, theory(2000, dim, generator=generator), device)
        spread = score(network, theory(2000, dim, spread=True, generator=generator), device)
        result = result._replace(coverage=spread.coverage)
        figures[f"{dim}D"] = {name: round(value, 4) for name, value in result._asdict().items()}
    return figures


def _temperature(logits: torch.Tensor, cell: torch.Tensor) -> float:
    candidates = torch.exp(torch.linspace(-0.7, 0.7, 57)).tolist()
    losses = [float(functional.cross_entropy(logits / t, cell)) for t in candidates]
    return float(candidates[losses.index(min(losses))])


def _whitening(embedding: torch.Tensor) -> torch.Tensor:
    covariance = torch.cov(embedding.T.double())
    scale = covariance.diagonal().mean()
    eye = torch.eye(len(covariance), dtype=torch.float64, device=covariance.device)
    lower = torch.linalg.cholesky(covariance + 1e-3 * scale * eye)
    whitening: torch.Tensor = torch.linalg.inv(lower).T
    return whitening.float()
