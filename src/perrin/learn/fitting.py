"""The training that networks on users' own tracks share.

Unlike simulated tracks, one's own are few and come again every epoch: some are held out to see
when the network begins to learn them by heart, and its best state is kept.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from perrin.device import pick_device
from perrin.engine.training import cosine
from perrin.errors import Progress
from perrin.learn.parameters import Fitting

__all__ = ["Fitted", "Fitting", "Lesson", "Watch", "fit"]

Watch = Callable[[dict[str, float]], None]
"""Told of every epoch what the learning curve says of it; called where the training runs."""

N = TypeVar("N", bound=nn.Module)
Learner = TypeVar("Learner", bound=nn.Module, contravariant=True)
B = TypeVar("B")


class Lesson(Protocol[Learner, B]):
    """What is learnt: the batches, how wrong the network is, and how good it has become."""

    def batches(self, rng: np.random.Generator, device: torch.device) -> Iterator[B]:
        """Yield the batches of one epoch."""

    def loss(self, network: Learner, batch: B) -> Tensor:
        """Compute what is to become small."""

    def look(self, network: Learner, device: torch.device) -> dict[str, float]:
        """Measure the network on tracks held out; ``validation_loss`` decides which state is kept.

        What else is returned is part of the learning curve.
        """


class Fitted(NamedTuple, Generic[N]):
    """Result of a training.

    Attributes
    ----------
    network
        In its best state, ready to answer, on the CPU.
    curve
        The learning curve, one row per epoch: ``epoch``, ``training_loss``, ``validation_loss``
        and what else was measured.
    best_epoch
        Whose state is kept.
    """

    network: N
    curve: pd.DataFrame
    best_epoch: int


def fit(
    network: N,
    lesson: Lesson[N, B],
    fitting: Fitting,
    *,
    progress: Progress | None = None,
    watch: Watch | None = None,
    what: str = "training",
) -> Fitted[N]:
    """Train a network until held-out tracks say that it gets no better.

    Parameters
    ----------
    network
        What to train; it is changed.
    lesson
        What to learn.
    fitting
        How.
    progress
        Called with every batch, with the epochs done and to do; what it raises ends the training.
    watch
        Told of each epoch.
    what
        Name of the work for ``progress``.

    Raises
    ------
    InputError
        If the device cannot be used.
    Cancelled
        If ``progress`` raises it.
    """
    device = pick_device(fitting.device)
    rng = np.random.default_rng(fitting.seed)
    network.to(device)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=fitting.learning_rate, weight_decay=fitting.weight_decay
    )
    rows: list[dict[str, float]] = []
    best, best_epoch, best_loss = copy.deepcopy(network.state_dict()), 0, math.inf
    for epoch in range(1, fitting.epochs + 1):
        for group in optimiser.param_groups:
            group["lr"] = fitting.learning_rate * cosine((epoch - 1) / fitting.epochs)
        network.train()
        losses = []
        for batch in lesson.batches(rng, device):
            if progress is not None:
                progress(what, epoch - 1, fitting.epochs)
            loss = lesson.loss(network, batch)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            losses.append(float(loss.detach()))
        network.eval()
        with torch.no_grad():
            measured = lesson.look(network, device)
        rows.append({"epoch": epoch, "training_loss": float(np.mean(losses)), **measured})
        if watch is not None:
            watch(rows[-1])
        if measured["validation_loss"] < best_loss:
            best, best_epoch = copy.deepcopy(network.state_dict()), epoch
            best_loss = measured["validation_loss"]
        elif epoch - best_epoch >= fitting.patience:
            break
    if progress is not None:
        progress(what, fitting.epochs, fitting.epochs)
    network.load_state_dict(best)
    return Fitted(network.cpu().eval(), pd.DataFrame(rows), best_epoch)
