"""The network for changes of model: where in a track one is, and what moves before and after.

Each of the trunk's tokens says how likely the change is within its frames, and which model and
exponent rule there. It is told what tokens before it say on average, and what those from it on do,
as the likelihood of a change just there would be a sum over either side, and the likelihood itself
of those changes for which it can be written down; then all compare themselves with each other once
more. A change of model is rarely told to within a few frames, so that nothing is gained by going
back to single frames.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from perrin.engine.changes.likelihoods import N_LIKELIHOODS, likelihoods
from perrin.engine.features import features
from perrin.engine.switching.contrast import N_CONTRASTS, contrasts
from perrin.engine.trunk import Architecture, Block, Trunk, masked
from perrin.models import MODELS
from perrin.simulate.protocols import ALPHAS, cell_weights

__all__ = ["ChangeNetwork", "PerToken"]

_N_COMPARING = 2  # attention blocks after the sides are known


class PerToken(NamedTuple):
    """What the network says of the stretches of a track, each :meth:`~.Trunk.stride` frames long.

    Attributes
    ----------
    place
        Logarithm, up to a constant, of the probability that the change is in each stretch; the
        first entry is for no change at all; shape ``(n_tracks, 1 + n_tokens)``; minus infinity
        beyond the end of a track.
    cell
        The same for each (model, exponent bin) in each stretch, shape ``(n_tracks, n_tokens, 5,
        40)``; minus infinity where a model has no such exponent.
    """

    place: Tensor
    cell: Tensor


class ChangeNetwork(Trunk):
    """Where model or exponent change, if they do, and what they are before and after."""

    impossible: Tensor

    def __init__(self, architecture: Architecture | None = None) -> None:
        super().__init__(architecture)
        a = self.architecture
        self.contrast = nn.Linear(N_CONTRASTS, a.stem_width)
        self.sides = nn.Linear(2 * a.width, a.width)
        self.likely = nn.Linear(2 * N_LIKELIHOODS, a.width)
        self.compare = nn.ModuleList(Block(a.width, a.n_heads) for _ in range(_N_COMPARING))
        self.last_norm = nn.LayerNorm(a.width)
        self.hidden = nn.Linear(2 * a.width, a.hidden)
        self.place = nn.Linear(a.hidden, 1)
        self.trust = nn.Linear(a.hidden, 2 * N_LIKELIHOODS)
        self.never = nn.Linear(a.width, 1)
        self.answer = nn.Linear(a.hidden, len(MODELS) * ALPHAS.numel())
        self.register_buffer("impossible", cell_weights("both") == 0, persistent=False)

    def forward(
        self,
        positions: Tensor,
        seen: Tensor | None = None,
        lengths: Tensor | None = None,
        exposure: Tensor | float = 0.0,
    ) -> PerToken:
        """Answer for a batch of tracks; parameters as for :meth:`~.network.Network.forward`."""
        x = features(positions.float(), seen, lengths, exposure)
        contrast = self.contrast(contrasts(positions.float(), seen, lengths))
        e = self.encode(x, self.summary(x.summary), contrast)
        mask = e.masks[-1]
        borders = likelihoods(positions, self.stride(positions.shape[2]), seen, lengths)
        around = torch.cat((borders[:, :-1], borders[:, 1:]), 2)
        tokens = e.tokens + self.sides(_sides(masked(e.tokens, mask), mask)) + self.likely(around)
        for block in self.compare:
            tokens = block(tokens, None if mask is None else mask[..., 0])
        tokens = self.last_norm(tokens)
        whole = e.summary[:, None].expand(-1, tokens.shape[1], -1)
        hidden = functional.gelu(self.hidden(torch.cat((tokens, whole), 2)))
        # What likelihoods say of the place counts as far as the motion is such as they suppose.
        place = (self.place(hidden)[..., 0] + (self.trust(hidden) * around).sum(2)).float()
        if mask is not None:
            place = place.masked_fill(~mask[..., 0], float("-inf"))
        cell = self.answer(hidden).float().unflatten(2, (len(MODELS), ALPHAS.numel()))
        return PerToken(
            torch.cat((self.never(e.summary).float(), place), 1),
            cell.masked_fill(self.impossible, float("-inf")),
        )


def _sides(tokens: Tensor, mask: Tensor | None) -> Tensor:
    """Means of the tokens before each, and of those from it on, ``(n, n_tokens, 2 * width)``."""
    there = torch.ones_like(tokens[..., :1]) if mask is None else mask.to(tokens.dtype)
    n_before, before = (each.cumsum(1) - each for each in (there, tokens))
    n_after, after = there.sum(1, keepdim=True) - n_before, tokens.sum(1, keepdim=True) - before
    return torch.cat((before / n_before.clamp_min(1), after / n_after.clamp_min(1)), 2)
