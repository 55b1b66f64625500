"""The trunk that networks share: tokens of a track, for 1, 2 and 3 dimensions and for any length.

Axes pass through one shared encoder and are pooled; strided convolutions shorten long tracks;
attention blocks relate distant times.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from perrin.engine.features import N_EVEN, N_ODD, N_SUMMARY, Features
from perrin.parameters import Parameters, parameter

__all__ = ["Architecture", "Block", "Convolution", "Encoded", "Trunk", "masked"]


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


class Encoded(NamedTuple):
    """What the trunk makes of a batch of tracks.

    Attributes
    ----------
    summary
        Token that sums up the whole track, shape ``(n_tracks, width)``.
    tokens
        One for every :meth:`Trunk.stride` steps, shape ``(n_tracks, n_tokens, width)``.
    levels
        Frames before each of the strided convolutions and after the last, finest first, shape
        ``(n_tracks, n_steps // 2**level, stem_width)``.
    masks
        Which entries of each level belong to the track, shape ``(n_tracks, time, 1)``; None if
        all do.
    """

    summary: Tensor
    tokens: Tensor
    levels: list[Tensor]
    masks: list[Tensor | None]


class Trunk(nn.Module):
    """From features to tokens."""

    sizes: ClassVar[type[Parameters]] = Architecture

    def __init__(self, architecture: Architecture | None = None) -> None:
        super().__init__()
        self.architecture = a = architecture or Architecture()
        self.filters = nn.Conv1d(N_ODD, a.n_filters, a.kernel, padding="same", bias=False)
        self.per_axis = nn.Conv1d(2 * a.n_filters + N_EVEN, a.stem_width, 1)
        self.joint = nn.Conv1d(1, a.stem_width, 1)
        self.mix = Convolution(a.stem_width, kernel=3, stride=1)
        self.strides = nn.ModuleList(
            Convolution(a.stem_width, kernel=4, stride=2) for _ in range(a.n_strides)
        )
        self.to_trunk = nn.Linear(a.stem_width, a.width)
        self.position = nn.Linear(2 * _N_WAVES, a.width)
        self.summary = nn.Sequential(
            nn.Linear(N_SUMMARY, a.width), nn.GELU(), nn.Linear(a.width, a.width), nn.GELU()
        )
        self.summary_token = nn.Linear(2 * a.width, a.width)
        self.blocks = nn.ModuleList(Block(a.width, a.n_heads) for _ in range(a.n_blocks))
        self.norm = nn.LayerNorm(a.width)

    def take_trunk(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Begin with the trunk of another network, if it is of this size.

        Parameters
        ----------
        tensors, about
            What :func:`~.weights.load_tensors` returned of it.
        """
        if about["architecture"] != self.architecture.model_dump():
            return
        own = self.state_dict()
        of_trunk = Trunk(self.architecture).state_dict()
        self.load_state_dict(own | {name: tensors[name] for name in of_trunk})

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

    def encode(self, x: Features, summaries: Tensor, besides: Tensor | float = 0.0) -> Encoded:
        """Encode a batch of tracks.

        Parameters
        ----------
        x
            Their features.
        summaries
            Encoded summary of each axis, shape ``(n_tracks, dim, width)``.
        besides
            What else is known of every step, shape ``(n_tracks, n_steps, stem_width)``.
        """
        n, dim, _, n_steps = x.odd.shape
        size = self._responses(x.odd.flatten(0, 1)).abs()
        even = x.even.flatten(0, 1).transpose(1, 2)
        encoded = torch.cat((size, (size * size + _FLOOR).log(), even.to(size.dtype)), 2)
        per_axis = functional.relu(_linear(encoded, self.per_axis), inplace=True)
        per_axis = per_axis.view(n, dim, n_steps, -1).mean(1)
        there = None if x.there is None else x.there.transpose(1, 2)
        frames = per_axis + _linear(x.joint.transpose(1, 2), self.joint) + besides
        frames = masked(self.mix(masked(frames, there)), there)
        levels, masks = [frames], [there]
        n_strides = self.n_strides(n_steps + 1)
        for shorten in self.strides[:n_strides]:
            there = None if there is None else there[:, 1::2]
            frames = masked(shorten(frames), there)
            levels.append(frames)
            masks.append(there)
        tokens = self.to_trunk(frames)
        tokens = tokens + self.position(_waves(tokens.shape[1], 2**n_strides, tokens.device))
        summary = self.summary_token(torch.cat((summaries.mean(1), summaries.amax(1)), 1))
        tokens = torch.cat((summary[:, None], tokens), 1)
        attended = None if there is None else functional.pad(there[..., 0], (1, 0), value=True)
        for block in self.blocks:
            tokens = block(tokens, attended)
        tokens = self.norm(tokens)
        return Encoded(tokens[:, 0], tokens[:, 1:], levels, masks)


class Convolution(nn.Module):
    """Convolution, normalisation and rectifier on ``(n_tracks, time, channels)``.

    Time before channels spares the transpositions around the normalisation. As an image one pixel
    high the tracks are convolved as they lie in memory.
    """

    def __init__(self, width: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, width, kernel, stride)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, shape ``(n_tracks, time // stride, channels)``."""
        (kernel,), (stride,) = self.convolution.kernel_size, self.convolution.stride
        padded = functional.pad(x, (0, 0, (kernel - 1) // 2, kernel // 2))
        weight, bias = self.convolution.weight[:, :, None], self.convolution.bias
        image = padded.transpose(1, 2)[:, :, None]
        convolved = functional.conv2d(image, weight, bias, (1, stride))[:, :, 0].transpose(1, 2)
        normalised = self.norm(convolved[:, : x.shape[1] // stride])
        return functional.relu(normalised, inplace=True)


def _linear(x: Tensor, convolution: nn.Conv1d) -> Tensor:
    """Apply a convolution of kernel 1 to ``(..., channels)`` as a product of matrices."""
    return functional.linear(x, convolution.weight[..., 0], convolution.bias)


class Block(nn.Module):
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
        """Relate the tokens that the mask allows, shape ``(n_tracks, n_tokens, width)``."""
        qkv = self.query_key_value(self.norm_attention(x))
        q, k, v = qkv.unflatten(2, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        attended = _attend(q, k, v, mask)
        x = x + self.project(attended.transpose(1, 2).flatten(2))
        hidden = functional.relu(self.expand(self.norm_feed_forward(x)), inplace=True).square()
        y: Tensor = x + self.contract(hidden)
        return y


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    where = None if mask is None else mask[:, None, None]
    if q.device.type != "cpu":
        return functional.scaled_dot_product_attention(q, k, v, where)
    # On a CPU the backward pass in bfloat16 is several times slower than in single precision.
    with torch.autocast("cpu", enabled=False):
        return functional.scaled_dot_product_attention(q.float(), k.float(), v.float(), where)


def masked(x: Tensor, there: Tensor | None) -> Tensor:
    """Set what does not belong to a track to zero."""
    return x if there is None else x * there


_FLOOR = 1e-3
_N_WAVES = 10


def _waves(n_tokens: int, stride: int, device: torch.device) -> Tensor:
    """Sines and cosines of time in frames, with periods of 4 to 2048 frames."""
    frame = torch.arange(n_tokens, device=device)[:, None] * stride
    period = 2.0 ** torch.arange(2, 2 + _N_WAVES, device=device)
    phase = 2 * torch.pi * frame / period
    return torch.cat((phase.sin(), phase.cos()), 1)
