"""How well a network answers on tracks whose truth is known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from perrin.engine.batching import work_through
from perrin.engine.network import Network
from perrin.engine.posterior import alpha_quantiles
from perrin.engine.verdict import ask, batches_of
from perrin.models import MODELS
from perrin.simulate.protocols import TheoryTracks

__all__ = ["Answers", "Figures", "answer", "figures_of", "score"]

Ints = npt.NDArray[np.int64]


class Answers(NamedTuple):
    """Answers for tracks with known truth, one entry per track."""

    alpha: npt.NDArray[np.float32]
    alpha_lo: npt.NDArray[np.float32]
    alpha_hi: npt.NDArray[np.float32]
    p_model: npt.NDArray[np.float32]
    distance: npt.NDArray[np.float32]


_SHAPES: tuple[tuple[int, ...], ...] = ((), (), (), (len(MODELS),), ())


class Figures(NamedTuple):
    """Accuracy over a set of tracks, with standard errors."""

    alpha_mae: float
    alpha_mae_se: float
    model_f1: float
    model_f1_se: float
    coverage: float


def answer(network: Network, tracks: TheoryTracks, device: torch.device) -> Answers:
    """Answer each track at its own length; tracks of similar length share a batch."""
    lengths = tracks.lengths.cpu()
    n = len(lengths)
    answers = Answers(*(np.empty((n, *shape), np.float32) for shape in _SHAPES))

    def work(some: Ints) -> None:
        rows = torch.from_numpy(some)
        longest = int(lengths[rows].max())
        positions = tracks.positions[rows.to(tracks.positions.device), :, :longest].to(device)
        verdict = ask(network, positions, lengths=lengths[rows].to(device))
        quantiles = alpha_quantiles(verdict.posterior, (0.5, 0.05, 0.95)).T
        found = (*quantiles, verdict.posterior.sum(2), verdict.distance)
        for column, values in zip(answers, found, strict=True):
            column[some] = values

    work_through(batches_of(network, lengths.numpy(), device), work, device)
    return answers


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
