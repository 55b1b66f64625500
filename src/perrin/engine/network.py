"""The network for whole tracks: one for 1, 2 and 3 dimensions and for any length.

On the trunk's tokens sits a head that gives the joint posterior over model and anomalous
exponent, from which both answers follow and between which none can contradict.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from perrin.engine.features import features
from perrin.engine.trunk import Architecture, Trunk
from perrin.engine.unlike import Detector, clues
from perrin.models import MODELS
from perrin.simulate.protocols import ALPHAS, cell_weights

__all__ = ["LENGTH_CLASSES", "Architecture", "Network", "Output", "length_class"]


LENGTH_CLASSES = (10, 20, 30, 50, 100, 200, 400)
"""Shortest track of each class of lengths that is calibrated by itself."""


class Output(NamedTuple):
    """Answer of the network.

    Attributes
    ----------
    logits
        Logarithm, up to a constant, of the posterior over (model, exponent bin); shape
        ``(n_tracks, 5, 40)``; minus infinity where a model has no such exponent.
    embedding
        The head's hidden layer, followed by the track's clues (:func:`.unlike.clues`), shape
        ``(n_tracks, hidden + N_CLUES)``.
    log_diffusivity
        Logarithm of the short-time diffusivity along each axis, in squared units of the positions
        per frame, and the logarithm of its uncertainty; shape ``(n_tracks, dim, 2)``.
    log_noise
        The same for the standard deviation of the localization noise, in units of the positions.
    log_mobility
        Logarithm of the local mean squared displacement, free of noise and relative to the
        track's, for each token (time in steps of :meth:`Network.stride`), shape
        ``(n_tracks, n_tokens)``.
    """

    logits: Tensor
    embedding: Tensor
    log_diffusivity: Tensor
    log_noise: Tensor
    log_mobility: Tensor


class Network(Trunk):
    """Joint posterior over diffusion model and anomalous exponent for whole tracks."""

    impossible: Tensor
    temperature: Tensor
    spread: Tensor
    farthest: Tensor

    def __init__(self, architecture: Architecture | None = None) -> None:
        super().__init__(architecture)
        a = self.architecture
        self.hidden = nn.Linear(3 * a.width, a.hidden)
        self.answer = nn.Linear(a.hidden, len(MODELS) * ALPHAS.numel())
        self.scale = nn.Sequential(
            nn.Linear(a.hidden + a.width, a.hidden), nn.GELU(), nn.Linear(a.hidden, 4)
        )
        self.mobility = nn.Linear(a.width, 1)
        self.register_buffer("impossible", cell_weights("both") == 0, persistent=False)
        # What the calibration sets, by class of lengths and dimension.
        classes = (len(LENGTH_CLASSES), 3)
        self.register_buffer("temperature", torch.ones(classes))
        self.register_buffer("spread", torch.ones(3))
        self.register_buffer("farthest", torch.full(classes, torch.inf))
        self.detector = Detector(a.hidden)

    def forward(
        self,
        positions: Tensor,
        seen: Tensor | None = None,
        lengths: Tensor | None = None,
        exposure: Tensor | float = 0.0,
    ) -> Output:
        """Answer for a batch of tracks.

        Parameters
        ----------
        positions, seen, lengths, exposure
            As for :func:`~.features.features`. Tracks of different length may share a batch if
            :meth:`stride` is the same for all; the answers are those that each would get alone.
        """
        x = features(positions.float(), seen, lengths, exposure)
        summaries = self.summary(x.summary)
        encoded = self.encode(x, summaries)
        frames, mask = encoded.tokens, encoded.masks[-1]
        if mask is None:
            mean, most = frames.mean(1), frames.amax(1)
        else:
            mean = (frames * mask).sum(1) / mask.sum(1)
            most = frames.masked_fill(~mask, float("-inf")).amax(1)
        embedding = functional.gelu(self.hidden(torch.cat((mean, most, encoded.summary), 1)))
        logits = self.answer(embedding).float().unflatten(1, (len(MODELS), ALPHAS.numel()))
        each_axis = torch.cat((embedding[:, None].expand(-1, summaries.shape[1], -1), summaries), 2)
        scale = self.scale(each_axis).float()
        unit = x.mean_square.clamp_min(1e-30).log()
        log_diffusivity = torch.stack((scale[..., 0] + unit - math.log(2), scale[..., 1]), 2)
        log_noise = torch.stack((scale[..., 2] + unit / 2, scale[..., 3]), 2)
        return Output(
            logits.masked_fill(self.impossible, float("-inf")),
            torch.cat((embedding.float(), clues(x)), 1),
            log_diffusivity,
            log_noise,
            self.mobility(frames).float().squeeze(2),
        )

    def posterior(self, output: Output, n_points: int | Tensor) -> Tensor:
        """Calibrated posterior over (model, exponent bin), shape ``(n_tracks, 5, 40)``.

        Parameters
        ----------
        output
            What the network said of the tracks.
        n_points
            Their length, or the length of each, shape ``(n_tracks,)``.
        """
        dim = output.log_diffusivity.shape[1]
        temperature = self.temperature[_length_classes(n_points), dim - 1]
        scaled = output.logits / temperature.view(-1, 1, 1)
        return scaled.flatten(1).softmax(1).view_as(output.logits)

    def distance(self, embedding: Tensor) -> Tensor:
        """How unlike the training tracks are, shape ``(n_tracks,)``; see :mod:`~.unlike`."""
        distance: Tensor = self.detector(embedding)
        return distance

    def limit(self, n_points: int | Tensor, dim: int) -> Tensor:
        """Distance beyond which a track of this length counts as unlike the training."""
        return self.farthest[_length_classes(n_points), dim - 1]


def length_class(n_points: int) -> int:
    """Index into :data:`LENGTH_CLASSES`; tracks below the first class belong to it."""
    return int(_length_classes(n_points))


def _length_classes(n_points: int | Tensor) -> Tensor:
    lengths = torch.as_tensor(n_points)
    edges = torch.tensor(LENGTH_CLASSES[1:], device=lengths.device)
    return torch.bucketize(lengths, edges, right=True)
