"""Networks that say the mass: the four of the published comparison, and one of Perrin's own."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from perrin.learn.property.features import N_FEATURES
from perrin.learn.property.trap import COARSE, MASSES

__all__ = ["IMAGE_NETWORKS", "MassPosterior", "bin_edges"]

_N_BINS, _N_PARTS = 360, 4
_NARROWEST = 2e-3  # of a part, in the logarithm of the mass
_LEAST = 1e-9
_PIXELS = COARSE * COARSE


class _OfSum(nn.Module):
    """Sees the potential and the sum of all four-warm images: where, but not when."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, field: Tensor, warm: Tensor) -> Tensor:
        """Map potentials ``(n, 32, 32)`` and positions ``(n, t, 32, 32)`` to masses ``(n,)``."""
        mass: Tensor = self.layers(torch.stack((field, warm.sum(dim=1)), dim=1))
        return mass[:, 0]


class _OfSeries(nn.Module):
    """Sees the potential beside one four-warm image after the other."""

    def __init__(self, spatial: nn.Module, width: int) -> None:
        super().__init__()
        self.spatial = spatial
        self.memory = nn.GRU(width, COARSE, batch_first=True)
        self.last = nn.Linear(COARSE, 1)

    def forward(self, field: Tensor, warm: Tensor) -> Tensor:
        """Map potentials ``(n, 32, 32)`` and positions ``(n, t, 32, 32)`` to masses ``(n,)``."""
        both = torch.stack((field[:, None].expand_as(warm), warm), dim=2)
        # On a CPU convolutions of few channels take a third of the time in this order.
        images = both.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        seen = self.spatial(images).unflatten(0, both.shape[:2])
        return cast("Tensor", self.last(self.memory(seen)[0][:, -1])[:, 0])


def _dense() -> nn.Module:
    return _OfSum(
        nn.Sequential(
            nn.Flatten(),
            nn.Linear(2 * _PIXELS, 128), nn.ReLU(),
            nn.Linear(128, 32), nn.ReLU(),
            nn.Linear(32, 1),
        )
    )  # fmt: skip


def _convolutional() -> nn.Module:
    # Leaky units keep a gradient where all are below zero: a network of plain ones can die there.
    return _OfSum(
        nn.Sequential(
            nn.Conv2d(2, 16, 3, padding=1), nn.LeakyReLU(0.1), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.LeakyReLU(0.1), nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32 * _PIXELS // 16, 32), nn.LeakyReLU(0.1),
            nn.Linear(32, 1),
        )
    )  # fmt: skip


def _recurrent() -> nn.Module:
    return _OfSeries(nn.Sequential(nn.Flatten(), nn.Linear(2 * _PIXELS, COARSE)), COARSE)


def _convolutional_recurrent() -> nn.Module:
    spatial = nn.Sequential(nn.Conv2d(2, 10, 3, padding=1), nn.MaxPool2d(2), nn.Flatten())
    return _OfSeries(spatial, 10 * _PIXELS // 4)


IMAGE_NETWORKS = {
    "dense": _dense,
    "convolutional": _convolutional,
    "recurrent": _recurrent,
    "convolutional recurrent": _convolutional_recurrent,
}
"""Networks that see images alone. The two recurrent ones are theirs layer by layer (32 units, ten
filters of 3 x 3 and a maximum over 2 x 2, one GRU); of the others no layout is published."""


class MassPosterior(nn.Module):
    """Density of the mass from what physics makes of the track: about 35,000 weights.

    Every pair of frames is looked at by itself and beside its neighbours; what they say is averaged
    with weights that the network gives them. The density is a mixture of four Gaussians of the
    logarithm of the mass, cut to the masses that are possible.
    """

    middle: Tensor
    spread: Tensor

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.register_buffer("middle", torch.zeros(N_FEATURES))
        self.register_buffer("spread", torch.ones(N_FEATURES))
        self.each = nn.Sequential(nn.Linear(N_FEATURES, width), nn.GELU(), nn.Linear(width, width))
        self.beside = nn.Conv1d(width, width, 3, padding=1)
        self.norm = nn.LayerNorm(width)
        self.weigh = nn.Linear(width, 4)
        self.head = nn.Sequential(
            nn.Linear(4 * width, width), nn.GELU(), nn.Linear(width, 3 * _N_PARTS)
        )

    def measure_scale(self, tokens: Tensor) -> None:
        """Take the usual values of features from the training's tokens, shape ``(n, 14, 8)``."""
        self.middle.copy_(tokens.mean(dim=(0, 1)))
        self.spread.copy_(tokens.std(dim=(0, 1)))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens, shape ``(n, 14, 8)``, to log probabilities of bins, shape ``(n, 360)``."""
        each = self.each((tokens - self.middle) / self.spread)
        each = self.norm(each + nn.functional.gelu(self.beside(each.mT).mT))
        pooled = self.weigh(each).softmax(dim=1).mT @ each
        weight, place, spread = self.head(pooled.flatten(1)).unflatten(1, (3, _N_PARTS)).unbind(1)
        width = _NARROWEST + nn.functional.softplus(spread)[:, :, None]
        edges = bin_edges().to(tokens).log()
        below = torch.special.ndtr((edges - place[:, :, None]) / width)
        bins = (weight.softmax(dim=1)[:, None] @ below.diff(dim=2))[:, 0] + _LEAST
        return cast("Tensor", (bins / bins.sum(dim=1, keepdim=True)).log())


def bin_edges() -> Tensor:
    """Edges of the bins of mass, shape ``(361,)``."""
    return torch.linspace(*MASSES, _N_BINS + 1)
