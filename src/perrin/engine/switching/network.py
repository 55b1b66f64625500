"""The network for switches: what a particle does at every step, and where that changes.

The trunk's tokens, which know the whole track but only roughly where they are, are brought back to
single steps level by level, each joined by what the trunk saw at that level on its way down (U-Net,
Ronneberger 2015, arXiv 1505.04597).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from perrin.engine.features import features
from perrin.engine.switching.contrast import N_CONTRASTS, contrasts
from perrin.engine.trunk import Architecture, Convolution, Trunk, masked
from perrin.models import STATES

__all__ = ["PerStep", "SwitchNetwork"]

_KERNEL = 3
_N_CONVOLUTIONS = 3  # at full resolution, after the levels are joined
_RARE = 4.0  # logit against a switch, before anything is learnt


class PerStep(NamedTuple):
    """What the network says of every displacement; time has ``n_points - 1`` entries.

    Attributes
    ----------
    switch
        Logit of the probability that a new state begins with this displacement, shape
        ``(n_tracks, time)``; meaningless at the first.
    log_diffusivity
        Logarithm of the generalised diffusivity of the current state, in squared units of the
        positions per frame, and the logarithm of the scale of its (Laplacian) uncertainty; shape
        ``(n_tracks, time, 2)``.
    alpha
        Anomalous exponent of the current state, and the logarithm of the scale of its
        uncertainty; shape ``(n_tracks, time, 2)``.
    state
        Logits of :data:`perrin.models.STATES`, shape ``(n_tracks, time, 4)``.
    """

    switch: Tensor
    log_diffusivity: Tensor
    alpha: Tensor
    state: Tensor


class SwitchNetwork(Trunk):
    """State, diffusivity, exponent and switches at every displacement of a track."""

    spread: Tensor

    def __init__(self, architecture: Architecture | None = None) -> None:
        super().__init__(architecture)
        a = self.architecture
        self.contrast = nn.Linear(N_CONTRASTS, a.stem_width)
        self.context = nn.Linear(2 * a.width, a.stem_width)
        self.skips = nn.ModuleList(
            nn.Linear(a.stem_width, a.stem_width) for _ in range(a.n_strides + 1)
        )
        self.rises = nn.ModuleList(
            nn.Linear(a.stem_width, 2 * a.stem_width, bias=False) for _ in range(a.n_strides)
        )
        self.joins = nn.ModuleList(
            Convolution(a.stem_width, kernel=_KERNEL, stride=1) for _ in range(a.n_strides)
        )
        self.last = nn.ModuleList(
            Convolution(a.stem_width, kernel=_KERNEL, stride=1) for _ in range(_N_CONVOLUTIONS)
        )
        self.per_step = nn.Linear(a.stem_width, 5 + len(STATES))
        # What the calibration sets: by how much the scales of log D and alpha are too small.
        self.register_buffer("spread", torch.ones(2))

    def forward(
        self,
        positions: Tensor,
        seen: Tensor | None = None,
        lengths: Tensor | None = None,
        exposure: Tensor | float = 0.0,
    ) -> PerStep:
        """Answer for a batch of tracks; parameters as for :meth:`~.network.Network.forward`."""
        x = features(positions.float(), seen, lengths, exposure)
        contrast = self.contrast(contrasts(positions.float(), seen, lengths))
        e = self.encode(x, self.summary(x.summary), contrast)
        whole = e.summary[:, None].expand(-1, e.tokens.shape[1], -1)
        bottom = len(e.levels) - 1
        frames = self.context(torch.cat((e.tokens, whole), 2)) + self.skips[bottom](e.levels[-1])
        frames = masked(frames, e.masks[-1])
        for level in range(bottom - 1, -1, -1):
            finer = e.levels[level]
            frames = self.rises[level](frames).unflatten(2, (2, -1)).flatten(1, 2)
            # Halving may have dropped a last frame.
            frames = functional.pad(frames, (0, 0, 0, finer.shape[1] - frames.shape[1]))
            frames = masked(frames + self.skips[level](finer), e.masks[level])
            frames = masked(frames + self.joins[level](frames), e.masks[level])
        for convolution in self.last:
            frames = masked(frames + convolution(frames), e.masks[0])
        y = self.per_step(frames).float()
        unit = (x.mean_square.mean(1).clamp_min(1e-30) / 2).log()[:, None]
        wider = self.spread.log()
        log_diffusivity = torch.stack((y[..., 1] + unit, y[..., 2] + wider[0]), 2)
        alpha = torch.stack((1 + y[..., 3], y[..., 4] + wider[1]), 2)
        return PerStep(y[..., 0] - _RARE, log_diffusivity, alpha, y[..., 5:])
