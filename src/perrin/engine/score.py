"""How well a network answers on tracks whose truth is known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from perrin.device import autocast
from perrin.engine.network import Network
from perrin.engine.posterior import alpha_quantiles
from perrin.simulate.protocols import TheoryTracks

__all__ = ["Answers", "Figures", "answer", "figures_of", "score"]

_POINTS_PER_BATCH = 64_000


class Answers(NamedTuple):
    """Answers for tracks with known truth, one entry per track."""

    alpha: npt.NDArray[np.float32]
    alpha_lo: npt.NDArray[np.float32]
    alpha_hi: npt.NDArray[np.float32]
    p_model: npt.NDArray[np.float32]
    distance: npt.NDArray[np.float32]


class Figures(NamedTuple):
    """Accuracy over a set of tracks, with standard errors."""

    alpha_mae: float
    alpha_mae_se: float
    model_f1: float
    model_f1_se: float
    coverage: float


def answer(network: Network, tracks: TheoryTracks, device: torch.device) -> Answers:
    """Answer each track at its own length; tracks of equal length share a batch."""
    lengths = tracks.lengths.cpu()
    rows_in_order = torch.argsort(lengths)
    parts: list[tuple[torch.Tensor, ...]] = []
    present, counts = torch.unique_consecutive(lengths[rows_in_order], return_counts=True)
    groups = torch.split(rows_in_order, counts.tolist())
    for n_points, group in zip(present.tolist(), groups, strict=True):
        for rows in torch.split(group, max(1, _POINTS_PER_BATCH // n_points)):
            positions = tracks.positions[rows, :, :n_points].to(device)
            with torch.inference_mode(), autocast(device):
                output = network(positions)
            posterior = network.posterior(output, n_points)
            quantiles = alpha_quantiles(posterior, (0.5, 0.05, 0.95))
            distance = network.distance(output.embedding, n_points)
            parts.append((quantiles.cpu(), posterior.sum(2).cpu(), distance.cpu()))
    back = torch.empty_like(rows_in_order)
    back[rows_in_order] = torch.arange(len(rows_in_order))
    quantiles, p_model, distance = (torch.cat(column)[back] for column in zip(*parts, strict=True))
    alpha, low, high = quantiles.numpy().T
    return Answers(alpha, low, high, p_model.numpy(), distance.numpy())


def figures_of(answers: Answers, tracks: TheoryTracks) -> Figures:
    """Mean absolute error of alpha, micro-averaged F1 of the model, coverage of the interval.

    With one answer per track the micro-averaged F1 is the share of right answers. The coverage
    means something only for exponents that are spread between the challenge's values.
    """
    alpha = tracks.alpha.cpu().numpy()
    error = np.abs(answers.alpha - alpha)
    right = answers.p_model.argmax(1) == tracks.model.cpu().numpy()
    covered = (answers.alpha_lo <= alpha) & (alpha <= answers.alpha_hi)
    n = len(error)
    f1 = float(right.mean())
    return Figures(
        float(error.mean()),
        float(error.std() / n**0.5),
        f1,
        float((f1 * (1 - f1) / n) ** 0.5),
        float(covered.mean()),
    )


def score(network: Network, tracks: TheoryTracks, device: torch.device) -> Figures:
    """Answer and compare with the truth."""
    return figures_of(answer(network, tracks, device), tracks)
