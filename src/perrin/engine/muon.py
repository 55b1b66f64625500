"""Muon: steps of equal size in all directions of a matrix (Jordan 2024)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

__all__ = ["Muon"]

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_TINY = 1e-7


class Muon(torch.optim.Optimizer):
    """Muon in single precision, matrices of one shape together.

    :class:`torch.optim.Muon` takes the same steps but iterates in bfloat16, one matrix after the
    other, which on a processor without such arithmetic takes as long as the rest of the training.

    Parameters
    ----------
    params
        Matrices.
    lr
        Step size, on the scale of AdamW's (Liu et al. 2025, arXiv 2502.16982).
    weight_decay
        Decay of the weights, relative to ``lr``.
    momentum
        Of Nesterov's kind.

    References
    ----------
    .. [1] Jordan (2024), https://kellerjordan.github.io/posts/muon/.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step."""
        for group in self.param_groups:
            rate, momentum = group["lr"], group["momentum"]
            alike: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    alike[p.shape].append(p)
            for shape, matrices in alike.items():
                moved = torch.stack([self._moved(p, momentum) for p in matrices])
                size = 0.2 * math.sqrt(max(shape))
                for p, update in zip(matrices, _orthogonal(moved), strict=True):
                    p.mul_(1 - rate * group["weight_decay"]).add_(update, alpha=-rate * size)

    def _moved(self, p: Tensor, momentum: float) -> Tensor:
        assert p.grad is not None
        state = self.state[p]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(p.grad)
        buffer = state["momentum_buffer"].lerp_(p.grad, 1 - momentum)
        return p.grad.lerp(buffer, momentum)


def _orthogonal(matrices: Tensor) -> Tensor:
    """Bring the singular values of each matrix near 1 by Newton and Schulz's iteration."""
    tall = matrices.shape[1] > matrices.shape[2]
    x: Tensor = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(_TINY)
    a, b, c = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x
