"""Muon in single precision takes the steps of PyTorch's own."""

from __future__ import annotations

import torch
from torch import nn

from perrin.engine.muon import Muon


def test_steps_are_those_of_pytorch() -> None:
    generator = torch.Generator().manual_seed(0)
    begun = [torch.randn(shape, generator=generator) for shape in ((12, 40), (40, 12), (12, 40))]
    ours, theirs = ([nn.Parameter(w.clone()) for w in begun] for _ in range(2))
    mine = Muon(ours, lr=1e-2, weight_decay=0.1)
    other = torch.optim.Muon(theirs, lr=1e-2, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for _ in range(5):
        for p, q in zip(ours, theirs, strict=True):
            p.grad = torch.randn(p.shape, generator=generator)
            q.grad = p.grad.clone()
        mine.step()
        other.step()
    for p, q, w in zip(ours, theirs, begun, strict=True):
        # Theirs are computed in bfloat16.
        assert (p - q).norm() < 0.02 * (q - w).norm()


def test_all_directions_of_a_matrix_move_alike() -> None:
    p = nn.Parameter(torch.zeros(8, 20))
    p.grad = torch.randn(8, 20) * torch.logspace(-2, 0, 8)[:, None]
    Muon([p], lr=1.0).step()
    sizes = torch.linalg.svdvals(p.detach()) / (0.2 * 20**0.5)
    assert sizes.min() > 0.5
    assert sizes.max() < 1.3
