"""The network: one for 1, 2 and 3 dimensions and for any length.

Axes pass through one shared encoder and are pooled; strided convolutions shorten long tracks;
attention blocks relate distant times; the head gives the joint posterior over model and anomalous
exponent, from which both answers follow and between which none can contradict.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from perrin.engine.features import N_EVEN, N_ODD, N_SUMMARY, Features, features
from perrin.engine.unlike import Detector, clues
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


class Network(nn.Module):
    """Joint posterior over diffusion model and anomalous exponent for whole tracks."""

    impossible: Tensor
    temperature: Tensor
    spread: Tensor
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
        tokens, mask = self.trunk(x, summaries)
        summary, frames = tokens[:, 0], tokens[:, 1:]
        if mask is None:
            mean, most = frames.mean(1), frames.amax(1)
        else:
            mean = (frames * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            most = frames.masked_fill(~mask[..., None], float("-inf")).amax(1)
        embedding = functional.gelu(self.hidden(torch.cat((mean, most, summary), 1)))
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

    def n_strides(self, n_points: int) -> int:
        """How many times a track of so many points is halved."""
        n_steps, n = n_points - 1, 0
        while n < len(self.strides) and n_steps > self.architecture.max_tokens:
            n_steps, n = n_steps // 2, n + 1
        return n

    def stride(self, n_points: int) -> int:
        """Frames per token for a track of so many points."""
        return int(2 ** self.n_strides(n_points))

    def _responses(self, odd: Tensor) -> Tensor:
        """Apply the linear filters; shape ``(n_axes, n_steps, n_filters)``."""
        reach = self.architecture.kernel // 2
        pieces = functional.pad(odd, (reach, reach)).unfold(2, self.architecture.kernel, 1)
        return functional.linear(pieces.transpose(1, 2).flatten(2), self.filters.weight.flatten(1))

    def trunk(self, x: Features, summaries: Tensor) -> tuple[Tensor, Tensor | None]:
        """Tokens, shape ``(n_tracks, 1 + n_tokens, width)``, the first of which sums up the track.

        The second result says which of the others belong to the track, None if all do.
        """
        n, dim, _, n_steps = x.odd.shape
        size = self._responses(x.odd.flatten(0, 1)).abs()
        even = x.even.flatten(0, 1).transpose(1, 2)
        encoded = torch.cat((size, (size * size + _FLOOR).log(), even.to(size.dtype)), 2)
        per_axis = functional.relu(_linear(encoded, self.per_axis))
        per_axis = per_axis.view(n, dim, n_steps, -1).mean(1)
        there = None if x.there is None else x.there.transpose(1, 2)
        frames = per_axis + _linear(x.joint.transpose(1, 2), self.joint)
        frames = _masked(self.mix(_masked(frames, there)), there)
        n_strides = self.n_strides(n_steps + 1)
        for shorten in self.strides[:n_strides]:
            there = None if there is None else there[:, 1::2]
            frames = _masked(shorten(frames), there)
        tokens = self.to_trunk(frames)
        tokens = tokens + self.position(_waves(tokens.shape[1], 2**n_strides, tokens.device))
        summary = self.summary_token(torch.cat((summaries.mean(1), summaries.amax(1)), 1))
        tokens = torch.cat((summary[:, None], tokens), 1)
        mask = None if there is None else there[..., 0]
        attended = None if mask is None else functional.pad(mask, (1, 0), value=True)
        for block in self.blocks:
            tokens = block(tokens, attended)
        return self.norm(tokens), mask


def length_class(n_points: int) -> int:
    """Index into :data:`LENGTH_CLASSES`; tracks below the first class belong to it."""
    return int(_length_classes(n_points))


def _length_classes(n_points: int | Tensor) -> Tensor:
    lengths = torch.as_tensor(n_points)
    edges = torch.tensor(LENGTH_CLASSES[1:], device=lengths.device)
    return torch.bucketize(lengths, edges, right=True)


class _Convolution(nn.Module):
    """Convolution, normalisation and rectifier on ``(n_tracks, time, channels)``.

    Time before channels spares the transpositions around the normalisation; on a CPU the
    convolution is faster as one product of matrices, too.
    """

    def __init__(self, width: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, width, kernel, stride)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        (kernel,), (stride,) = self.convolution.kernel_size, self.convolution.stride
        n_out = x.shape[1] // stride
        padded = functional.pad(x, (0, 0, (kernel - 1) // 2, kernel // 2))
        last = stride * (n_out - 1) + 1
        taps = torch.cat([padded[:, i : i + last : stride] for i in range(kernel)], 2)
        return functional.relu(self.norm(_linear(taps, self.convolution)))


def _linear(x: Tensor, convolution: nn.Conv1d) -> Tensor:
    """Apply a convolution to its taps, shape ``(..., kernel * channels)``, as one product."""
    return functional.linear(x, convolution.weight.transpose(1, 2).flatten(1), convolution.bias)


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

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        qkv = self.query_key_value(self.norm_attention(x))
        q, k, v = qkv.unflatten(2, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        attended = _attend(q, k, v, mask)
        x = x + self.project(attended.transpose(1, 2).flatten(2))
        hidden = functional.relu(self.expand(self.norm_feed_forward(x))).square()
        y: Tensor = x + self.contract(hidden)
        return y


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    where = None if mask is None else mask[:, None, None]
    if q.device.type != "cpu":
        return functional.scaled_dot_product_attention(q, k, v, where)
    # On a CPU the backward pass in bfloat16 is several times slower than in single precision.
    with torch.autocast("cpu", enabled=False):
        return functional.scaled_dot_product_attention(q.float(), k.float(), v.float(), where)


def _masked(x: Tensor, there: Tensor | None) -> Tensor:
    return x if there is None else x * there


_FLOOR = 1e-3
_N_WAVES = 10


def _waves(n_tokens: int, stride: int, device: torch.device) -> Tensor:
    """Sines and cosines of time in frames, with periods of 4 to 2048 frames."""
    frame = torch.arange(n_tokens, device=device)[:, None] * stride
    period = 2.0 ** torch.arange(2, 2 + _N_WAVES, device=device)
    phase = 2 * torch.pi * frame / period
    return torch.cat((phase.sin(), phase.cos()), 1)
