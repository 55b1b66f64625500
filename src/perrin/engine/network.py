"""The network: one for 1, 2 and 3 dimensions and for any length.

Axes pass through one shared encoder and are pooled; strided convolutions shorten long tracks;
attention blocks relate distant times; the head gives the joint posterior over model and anomalous
exponent, from which both answers follow and between which none can contradict.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from perrin.engine.features import N_EVEN, N_ODD, N_SUMMARY, Features, features
from perrin.models import MODELS
from perrin.parameters import Parameters, parameter
from perrin.simulate.protocols import ALPHAS, cell_weights

__all__ = ["LENGTH_CLASSES", "Architecture", "Network", "Output", "length_class"]


LENGTH_CLASSES = (10, 20, 30, 50, 100, 200, 400)
"""Shortest track of each class of lengths that is calibrated by itself."""


class Architecture(Parameters):
    """Size of the network; stored beside its weights."""

    width: int = parameter(96, "Channels of the attention blocks.", ge=8)
    stem_width: int = parameter(64, "Channels of the convolutions before them.", ge=8)
    n_filters: int = parameter(24, "Linear filters on the displacements of each axis.", ge=1)
    kernel: int = parameter(9, "Length of these filters, odd.", unit="frames", ge=3)
    n_blocks: int = parameter(4, "Attention blocks.", ge=1)
    n_heads: int = parameter(4, "Attention heads per block.", ge=1)
    max_tokens: int = parameter(
        64, "Tracks are shortened by strided convolutions to at most so many tokens.", ge=8
    )
    n_strides: int = parameter(4, "Strided convolutions, each of which halves a track.", ge=0)
    hidden: int = parameter(128, "Channels of the head.", ge=8)


class Output(NamedTuple):
    """Answer of the network.

    Attributes
    ----------
    logits
        Logarithm, up to a constant, of the posterior over (model, exponent bin); shape
        ``(n_tracks, 5, 40)``; minus infinity where a model has no such exponent.
    embedding
        The head's hidden layer, shape ``(n_tracks, hidden)``.
    """

    logits: Tensor
    embedding: Tensor


class Network(nn.Module):
    """Joint posterior over diffusion model and anomalous exponent for whole tracks."""

    impossible: Tensor
    temperature: Tensor
    centre: Tensor
    whitening: Tensor
    farthest: Tensor

    def __init__(self, architecture: Architecture | None = None) -> None:
        super().__init__()
        self.architecture = a = architecture or Architecture()
        self.filters = nn.Conv1d(N_ODD, a.n_filters, a.kernel, padding="same", bias=False)
        self.per_axis = nn.Conv1d(2 * a.n_filters + N_EVEN, a.stem_width, 1)
        self.joint = nn.Conv1d(1, a.stem_width, 1)
        self.mix = _Convolution(a.stem_width, kernel=3, stride=1)
        self.strides = nn.ModuleList(
            _Convolution(a.stem_width, kernel=4, stride=2) for _ in range(a.n_strides)
        )
        self.to_trunk = nn.Linear(a.stem_width, a.width)
        self.position = nn.Linear(2 * _N_WAVES, a.width)
        self.summary = nn.Sequential(
            nn.Linear(N_SUMMARY, a.width), nn.GELU(), nn.Linear(a.width, a.width), nn.GELU()
        )
        self.summary_token = nn.Linear(2 * a.width, a.width)
        self.blocks = nn.ModuleList(_Block(a.width, a.n_heads) for _ in range(a.n_blocks))
        self.norm = nn.LayerNorm(a.width)
        self.hidden = nn.Linear(3 * a.width, a.hidden)
        self.answer = nn.Linear(a.hidden, len(MODELS) * ALPHAS.numel())
        self.register_buffer("impossible", cell_weights("both") == 0, persistent=False)
        n = len(LENGTH_CLASSES)
        self.register_buffer("temperature", torch.ones(n))
        self.register_buffer("centre", torch.zeros(n, a.hidden))
        self.register_buffer("whitening", torch.eye(a.hidden).repeat(n, 1, 1))
        self.register_buffer("farthest", torch.full((n,), torch.inf))

    def forward(self, positions: Tensor, seen: Tensor | None = None) -> Output:
        """Answer for a batch of tracks of equal length; see :func:`~.features.features`."""
        seen_features = features(positions.float(), seen)
        tokens = self.trunk(seen_features)
        summary, frames = tokens[:, 0], tokens[:, 1:]
        pooled = torch.cat((frames.mean(1), frames.amax(1), summary), 1)
        embedding = functional.gelu(self.hidden(pooled))
        logits = self.answer(embedding).float().unflatten(1, (len(MODELS), ALPHAS.numel()))
        return Output(logits.masked_fill(self.impossible, float("-inf")), embedding.float())

    def posterior(self, output: Output, n_points: int) -> Tensor:
        """Calibrated posterior over (model, exponent bin), shape ``(n_tracks, 5, 40)``."""
        scaled = output.logits / self.temperature[length_class(n_points)]
        return scaled.flatten(1).softmax(1).view_as(output.logits)

    def distance(self, embedding: Tensor, n_points: int) -> Tensor:
        """Mahalanobis distance from the tracks of training, shape ``(n_tracks,)`` (Lee 2018)."""
        i = length_class(n_points)
        away = (embedding - self.centre[i]) @ self.whitening[i]
        distance: Tensor = torch.linalg.vector_norm(away, dim=1)
        return distance

    def limit(self, n_points: int) -> Tensor:
        """Distance beyond which a track of this length counts as unlike the training."""
        return self.farthest[length_class(n_points)]

    def trunk(self, x: Features) -> Tensor:
        """Tokens of shape ``(n_tracks, 1 + n_tokens, width)``; the first one sums up the track."""
        n, dim = x.odd.shape[:2]
        response = self.filters(x.odd.flatten(0, 1))
        encoded = torch.cat(
            (response.abs(), (response.square() + 1e-3).log() / 4, x.even.flatten(0, 1)), 1
        )
        per_axis = functional.relu(self.per_axis(encoded))
        per_axis = per_axis.view(n, dim, *per_axis.shape[1:]).mean(1)
        frames = self.mix(per_axis + self.joint(x.joint))
        stride = 1
        for shorten in self.strides:
            if frames.shape[2] <= self.architecture.max_tokens:
                break
            frames = shorten(frames)
            stride *= 2
        tokens = self.to_trunk(frames.transpose(1, 2))
        tokens = tokens + self.position(_waves(tokens.shape[1], stride, tokens.device))
        summaries = self.summary(x.summary)
        summary = self.summary_token(torch.cat((summaries.mean(1), summaries.amax(1)), 1))
        tokens = torch.cat((summary[:, None], tokens), 1)
        for block in self.blocks:
            tokens = block(tokens)
        normalised: Tensor = self.norm(tokens)
        return normalised


def length_class(n_points: int) -> int:
    """Index into :data:`LENGTH_CLASSES`; tracks below the first class belong to it."""
    return max(0, bisect_right(LENGTH_CLASSES, n_points) - 1)


class _Convolution(nn.Module):
    def __init__(self, width: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, width, kernel, stride, padding=(kernel - 1) // 2)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.convolution(x).transpose(1, 2)).transpose(1, 2)
        return functional.relu(y)


class _Block(nn.Module):
    """Pre-normalised attention and feed-forward layer."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norm_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.norm_feed_forward = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.query_key_value(self.norm_attention(x))
        q, k, v = qkv.unflatten(2, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        attended = _attend(q, k, v)
        x = x + self.project(attended.transpose(1, 2).flatten(2))
        hidden = functional.relu(self.expand(self.norm_feed_forward(x))).square()
        y: Tensor = x + self.contract(hidden)
        return y


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    if q.device.type != "cpu":
        return functional.scaled_dot_product_attention(q, k, v)
    # On a CPU the backward pass in bfloat16 is several times slower than in single precision.
    with torch.autocast("cpu", enabled=False):
        return functional.scaled_dot_product_attention(q.float(), k.float(), v.float())


_N_WAVES = 10


def _waves(n_tokens: int, stride: int, device: torch.device) -> Tensor:
    """Sines and cosines of time in frames, with periods of 4 to 2048 frames."""
    frame = torch.arange(n_tokens, device=device)[:, None] * stride
    period = 2.0 ** torch.arange(2, 2 + _N_WAVES, device=device)
    phase = 2 * torch.pi * frame / period
    return torch.cat((phase.sin(), phase.cos()), 1)
