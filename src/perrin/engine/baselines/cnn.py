"""The convolutional regressor of the AnDi tutorial: alpha of FBM tracks of 200 points.

"First steps in anomalous diffusion: characterizing anomalous diffusion and ergodicity breaking from
single trajectories", the tutorial of ``andi-datasets``, section on machine learning
(andichallenge.github.io/andi_datasets/tutorials/andi_and_ergodicity.html).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from perrin.device import pick_device
from perrin.engine.baselines import training
from perrin.engine.baselines._axes import ask_each_axis, unit_path
from perrin.engine.baselines._tables import answer_table
from perrin.errors import Progress
from perrin.simulate.models import fbm
from perrin.tracks import index_tracks, validate_tracks

__all__ = ["N_FRAMES", "Cnn", "predict", "train"]

N_FRAMES = 200
"""Length of the tracks that the network is for."""

_LOW, _HIGH = 0.2, 1.8
_PENALTY = 1e-3


class Cnn(training.Baseline):
    """Convolutions of 3, 8 and 3 filters (kernels 3, 5, 2), layers of 128 and 64, batch norm."""

    name: ClassVar[str] = "cnn"
    about: ClassVar[dict[str, str]] = {
        "name": "Convolutional alpha regressor of the AnDi tutorial, trained by Perrin",
        "answers": "anomalous exponent of tracks of 200 frames in 1D",
        "trained_on": (
            "fractional Brownian motion of 200 points without noise, alpha 0.2 to 1.8, simulated "
            "on the fly"
        ),
    }

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(1, 3, 3), nn.ReLU(), _norm(3),
            nn.Conv1d(3, 8, 5), nn.ReLU(), _norm(8),
            nn.Conv1d(8, 3, 2), nn.ReLU(), _norm(3),
            nn.Flatten(), nn.Dropout(0.5),
            nn.Linear(3 * (N_FRAMES - 7), 128), nn.Sigmoid(), _norm(128), nn.Dropout(0.5),
            nn.Linear(128, 64), nn.Sigmoid(), _norm(64),
            nn.Linear(64, 1),
        )  # fmt: skip
        # The tutorial's first values: Keras' "uniform" for convolutions, its own for the others.
        for layer in self.layers:
            if isinstance(layer, nn.Conv1d):
                nn.init.uniform_(layer.weight, -0.05, 0.05)
            elif isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
            if isinstance(layer, (nn.Conv1d, nn.Linear)):
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    def forward(self, path: Tensor) -> Tensor:
        """Map paths, shape ``(n, 1, 200)``, to exponents, shape ``(n, 1)``."""
        exponent: Tensor = self.layers(path)
        return exponent

    def lessons(self, seed: int, n_points: int, device: torch.device) -> Iterator[training.Lesson]:
        """Mean absolute error, and a penalty on the weights of all but the last two layers."""
        generator = torch.Generator(device).manual_seed(seed)
        n_tracks = max(2, n_points // N_FRAMES)
        heavy = [p for p in self.parameters() if p.ndim > 1][:4]
        while True:
            path, alpha = _tracks(n_tracks, generator)
            error = (self(path)[:, 0] - alpha).abs().mean()
            yield error + _PENALTY * torch.stack([p.square().sum() for p in heavy]).sum(), n_tracks

    def figures(self, n_tracks: int, seed: int, device: torch.device) -> dict[str, float]:
        """Error of alpha on tracks like those of training."""
        path, alpha = _tracks(n_tracks, torch.Generator(device).manual_seed(seed))
        with torch.inference_mode():
            error = (self(path)[:, 0] - alpha).abs()
        return {
            "alpha_mae": round(float(error.mean()), 4),
            "alpha_mae_se": round(float(error.std() / n_tracks**0.5), 4),
        }


def predict(
    tracks: pd.DataFrame,
    *,
    device: str = "auto",
    weights: Path | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Ask the AnDi tutorial's network about every track of at least 200 points.

    The network takes 200 frames along one axis, neither more nor fewer, and has seen nothing but
    FBM without noise. Longer tracks are cut into windows that cover them, as few as possible;
    axes and windows are asked about by themselves and the exponents averaged. **Tracks of fewer
    than 200 points get no answer.**

    Parameters
    ----------
    tracks
        A track table.
    device
        Where to compute.
    weights
        A file written by ``perrin train --engine cnn``; the bundled weights if not given.
    progress
        Called with the number of localizations judged and to judge.

    Returns
    -------
    pandas.DataFrame
        See :func:`perrin.engine.engines.predict`. Says alpha, not kept within its range.

    Raises
    ------
    InputError
        If the table, the device or the weights cannot be used.
    Cancelled
        If ``progress`` raises it.

    Notes
    -----
    Gaps are filled by straight lines.
    """
    where = pick_device(device)
    table = validate_tracks(tracks)
    network = _loaded(weights, str(where))
    said = ask_each_axis(
        table, network, 1, _windows, shortest=N_FRAMES, device=where, progress=progress
    )
    index = index_tracks(table)
    return answer_table(index.particles, index.lengths, {"alpha": said[:, 0]})


train = partial(training.train, Cnn)
"""Train it: see :func:`perrin.engine.baselines.training.train`."""


def _norm(n_channels: int) -> nn.BatchNorm1d:
    return nn.BatchNorm1d(n_channels, eps=1e-3, momentum=0.01)


def _tracks(n_tracks: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    device = generator.device
    alpha = _LOW + (_HIGH - _LOW) * torch.rand(n_tracks, generator=generator, device=device)
    steps = fbm(alpha, N_FRAMES, 1, generator)
    return unit_path(nn.functional.pad(steps.cumsum(2), (1, 0))), alpha


def _windows(n_frames: int) -> list[slice]:
    starts = np.linspace(0, n_frames - N_FRAMES, -(-n_frames // N_FRAMES)).astype(int)
    return [slice(start, start + N_FRAMES) for start in starts.tolist()]


@lru_cache(maxsize=2)
def _loaded(weights: Path | None, device: str) -> Cnn:
    return training.load(Cnn, weights).to(device)
