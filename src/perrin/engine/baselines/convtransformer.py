"""The ConvTransformer: convolutions and attention on tracks along one axis.

N. Firbas, Ò. Garibo-i-Orts, M. Á. Garcia-March, J. A. Conejero, Characterization of anomalous
diffusion through convolutional transformers, J. Phys. A 56, 014001 (2023).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial
from itertools import cycle
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from perrin.device import pick_device
from perrin.engine.baselines import training
from perrin.engine.baselines._axes import ask_each_axis, unit_path
from perrin.engine.baselines._tables import answer_table, theory_table
from perrin.engine.data import LONGEST, SHORTEST, batches
from perrin.errors import Progress
from perrin.models import MODELS, PROBABILITY_COLUMNS
from perrin.simulate.protocols import ALPHAS, theory
from perrin.tracks import index_tracks, validate_tracks

__all__ = ["ConvTransformer", "predict", "train"]


class _Network(nn.Module):
    """One network for one task, as the paper has it.

    Two convolutions to 20 and 64 channels (kernel 3), each with ReLU and dropout of 5 %, max
    pooling by 2, two transformer encoder blocks of 16 heads without positional encoding, the
    maximum over time, a linear layer.

    Notes
    -----
    What the published description leaves open is chosen here: convolutions without padding; one
    pooling, after both; blocks as in Vaswani et al. (NeurIPS 2017), feed-forward layers four times
    as wide as the model, no dropout inside.
    """

    def __init__(self, n_out: int) -> None:
        super().__init__()
        self.words = nn.Sequential(
            nn.Conv1d(1, 20, 3), nn.ReLU(), nn.Dropout(0.05),
            nn.Conv1d(20, 64, 3), nn.ReLU(), nn.Dropout(0.05),
            nn.MaxPool1d(2),
        )  # fmt: skip
        block = nn.TransformerEncoderLayer(64, 16, 256, dropout=0.0, batch_first=True)
        self.sentence = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
        self.answer = nn.Linear(64, n_out)

    def forward(self, path: Tensor) -> Tensor:
        """Map paths, shape ``(n, 1, n_points)``, to answers, shape ``(n, n_out)``."""
        tokens = self.sentence(self.words(path).transpose(1, 2))
        answer: Tensor = self.answer(tokens.amax(1))
        return answer


class ConvTransformer(training.Baseline):
    """The paper's two networks: one for the exponent, one for the model."""

    name: ClassVar[str] = "convtransformer"
    about: ClassVar[dict[str, str]] = {
        "name": "ConvTransformer (Firbas et al. 2023, J. Phys. A 56 014001), trained by Perrin",
        "answers": "anomalous exponent, and probabilities of the five models, of tracks in 1D",
        "trained_on": (
            "each axis by itself of the tracks that Perrin's own network is trained on "
            "(perrin.engine.data); both networks in turn, on successive batches"
        ),
    }

    def __init__(self) -> None:
        super().__init__()
        self.exponent = _Network(1)
        self.model = _Network(len(MODELS))

    def forward(self, path: Tensor) -> Tensor:
        """Exponent and logits of the models, shape ``(n, 6)``, of paths ``(n, 1, n_points)``."""
        return torch.cat((self.exponent(path), self.model(path)), 1)

    def lessons(self, seed: int, n_points: int, device: torch.device) -> Iterator[training.Lesson]:
        """Mean absolute error of the exponent and cross-entropy of the model, in turn."""
        stream = batches(1_000_003 * seed, n_points=n_points, device=device)
        for batch, task in zip(stream, cycle(("exponent", "model")), strict=False):
            n_tracks, dim, _ = batch.positions.shape
            path = unit_path(batch.positions).flatten(0, 1)[:, None]
            cell = batch.cell.repeat_interleave(dim)
            if task == "exponent":
                alpha = ALPHAS.to(device)[cell % ALPHAS.numel()]
                loss = functional.l1_loss(self.exponent(path)[:, 0], alpha)
            else:
                loss = functional.cross_entropy(self.model(path), cell // ALPHAS.numel())
            yield loss, n_tracks

    def figures(self, n_tracks: int, seed: int, device: torch.device) -> dict[str, float]:
        """Error of alpha and F1 of the model on theory-v1 tracks in 1, 2 and 3 dimensions."""
        generator = torch.Generator().manual_seed(seed)
        found: dict[str, float] = {}
        for dim in (1, 2, 3):
            tracks = theory(n_tracks, dim, generator=generator)
            answers = _judge(self, theory_table(tracks), device)
            error = (answers["alpha"] - tracks.alpha.numpy()).abs()
            guess = answers[list(PROBABILITY_COLUMNS)].to_numpy().argmax(1)
            right = guess == tracks.model.numpy()
            found[f"alpha_mae_{dim}d"] = round(float(error.mean()), 4)
            found[f"alpha_mae_se_{dim}d"] = round(float(error.sem()), 4)
            found[f"model_f1_{dim}d"] = round(float(right.mean()), 4)
            found[f"model_f1_se_{dim}d"] = round(float(right.std() / n_tracks**0.5), 4)
        return found


def predict(
    tracks: pd.DataFrame,
    *,
    device: str = "auto",
    weights: Path | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Ask the ConvTransformer about every track.

    The published networks are for tracks in one dimension. In two and three each axis is asked
    about by itself; the exponents are averaged, and so are the logits of the models.

    Parameters
    ----------
    tracks
        A track table.
    device
        Where to compute.
    weights
        A file written by ``perrin train --engine convtransformer``; the bundled weights if not
        given.
    progress
        Called with the number of localizations judged and to judge.

    Returns
    -------
    pandas.DataFrame
        See :func:`perrin.engine.engines.predict`. Says alpha and the models' probabilities, as the
        networks give them: without calibration or interval, alpha not kept within its range.

    Raises
    ------
    InputError
        If the table, the device or the weights cannot be used.
    Cancelled
        If ``progress`` raises it.

    Notes
    -----
    Gaps are filled by straight lines; the networks know no others. Tracks of more than 999 frames,
    the longest in training, are looked at every k-th frame, once for each start.
    """
    where = pick_device(device)
    network = _loaded(weights, str(where))
    return _judge(network, validate_tracks(tracks), where, progress)


train = partial(training.train, ConvTransformer)
"""Train it: see :func:`perrin.engine.baselines.training.train`."""


def _judge(
    network: ConvTransformer,
    table: pd.DataFrame,
    device: torch.device,
    progress: Progress | None = None,
) -> pd.DataFrame:
    said = ask_each_axis(
        table, network, 1 + len(MODELS), _looks, shortest=SHORTEST, device=device, progress=progress
    )
    weight = np.exp(said[:, 1:] - said[:, 1:].max(1, keepdims=True))
    p_model = weight / weight.sum(1, keepdims=True)
    columns = dict(zip(PROBABILITY_COLUMNS, p_model.T, strict=True)) | {"alpha": said[:, 0]}
    index = index_tracks(table)
    return answer_table(index.particles, index.lengths, columns)


def _looks(n_frames: int) -> list[slice]:
    stride = -(-n_frames // LONGEST)
    return [slice(start, None, stride) for start in range(stride)]


@lru_cache(maxsize=2)
def _loaded(weights: Path | None, device: str) -> ConvTransformer:
    return training.load(ConvTransformer, weights).to(device)
