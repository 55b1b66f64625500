"""The training of one network of a classifier."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from perrin.errors import InputError, Progress
from perrin.learn.classifier import Architecture, Member, describe
from perrin.learn.fitting import Watch, fit
from perrin.learn.labelled import Labelled, some_held_out
from perrin.learn.parameters import EnvironmentTraining
from perrin.learn.pieces import LEAST_BATCHES, Cut, ask, cut, draw

__all__ = ["architecture_of", "train_member"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LOOKS = (10, 30, 100)
_DESCRIBED = (8, 15, 30, 60, 120)


def train_member(
    labelled: Labelled,
    training: EnvironmentTraining,
    *,
    seed: int,
    progress: Progress | None = None,
    watch: Watch | None = None,
    what: str = "training",
) -> tuple[Member, pd.DataFrame]:
    """Train one network; some of the tracks say when to stop.

    Returns
    -------
    network : Member
    curve : pandas.DataFrame
        As :class:`~.fitting.Fitted` has it.
    """
    torch.manual_seed(seed)
    member = Member(architecture_of(labelled, training))
    held_out = some_held_out(labelled, seed)
    learnt = labelled.of_tracks(np.flatnonzero(~held_out))
    checked = labelled.of_tracks(np.flatnonzero(held_out))
    member.measure_scale(
        torch.as_tensor(np.concatenate([s.steps for s in learnt.stretches]), dtype=torch.float32)
    )
    lesson = (_Described if training.inputs == "engine" else _Drawn)(
        member, learnt, checked, training
    )
    fitted = fit(
        member, lesson, training.model_copy(update={"seed": seed}),
        progress=progress, watch=watch, what=what,
    )  # fmt: skip
    return fitted.network, fitted.curve


class _Drawn:
    """Pieces drawn at random."""

    def __init__(
        self, member: Member, learnt: Labelled, checked: Labelled, training: EnvironmentTraining
    ) -> None:
        self._learnt, self._training = learnt, training
        t = training
        lengths = sorted({min(max(n, t.shortest), t.longest) for n in _LOOKS})
        looks = [cut(checked.stretches, n, n) for n in lengths]
        shortest = cut(checked.stretches, t.shortest, t.shortest)
        self._looks: list[Cut] = [look for look in looks if len(look[1])] or [shortest]
        self._label = checked.label

    def batches(
        self, rng: np.random.Generator, device: torch.device
    ) -> Iterator[tuple[Tensor, Tensor]]:
        t = self._training
        lengths = (t.shortest, t.longest)
        return draw(self._learnt, lengths, t.batch, balanced=t.balanced, rng=rng, device=device)

    def loss(self, network: Member, batch: tuple[Tensor, Tensor]) -> Tensor:
        steps, label = batch
        return functional.cross_entropy(network(steps), label)

    def look(self, network: Member, device: torch.device) -> dict[str, float]:
        found = [
            _judged(ask(network, steps, device), self._label[tracks])
            for tracks, steps in self._looks
        ]
        return _mean_of(found)


class _Described:
    """What the engine makes of pieces, computed once."""

    def __init__(
        self, member: Member, learnt: Labelled, checked: Labelled, training: EnvironmentTraining
    ) -> None:
        self._batch, self._balanced = training.batch, training.balanced
        self._x, self._label = _described(member, learnt)
        member.engine.standardise(self._x)
        self._checked, self._checked_label = _described(member, checked)

    def batches(
        self, rng: np.random.Generator, device: torch.device
    ) -> Iterator[tuple[Tensor, Tensor]]:
        label = self._label.numpy()
        weight = 1 / np.bincount(label)[label] if self._balanced else np.ones(label.size)
        for _ in range(max(LEAST_BATCHES, label.size // self._batch)):
            chosen = torch.as_tensor(rng.choice(label.size, self._batch, p=weight / weight.sum()))
            yield self._x[chosen].to(device), self._label[chosen].to(device)

    def loss(self, network: Member, batch: tuple[Tensor, Tensor]) -> Tensor:
        x, label = batch
        return functional.cross_entropy(network.answer(network.engine.standardised(x)), label)

    def look(self, network: Member, device: torch.device) -> dict[str, float]:
        x = network.engine.standardised(self._checked.to(device))
        return _judged(network.answer(x).cpu().double().numpy(), self._checked_label.numpy())


def _described(member: Member, labelled: Labelled) -> tuple[Tensor, Tensor]:
    parts, labels = [], []
    for n_steps in _DESCRIBED:
        tracks, steps = cut(labelled.stretches, n_steps, max(n_steps // 2, 1))
        if len(steps):
            parts.append(ask(lambda x: describe(x / member.scale), steps))
            labels.append(labelled.label[tracks])
    if not parts:
        raise InputError(
            f"No track has {_DESCRIBED[0]} steps in a row, the fewest that the engine can judge."
        )
    x = torch.as_tensor(np.concatenate(parts), dtype=torch.float32)
    return x, torch.as_tensor(np.concatenate(labels))


def _judged(logits: Array, label: Ints) -> dict[str, float]:
    """Cross-entropy and accuracy, every class counting the same."""
    log_p = functional.log_softmax(torch.as_tensor(logits), 1).numpy()
    weight = 1 / np.bincount(label)[label]
    weight /= weight.sum()
    return {
        "validation_loss": float(-(weight * log_p[np.arange(label.size), label]).sum()),
        "validation_accuracy": float((weight * (log_p.argmax(1) == label)).sum()),
    }


def _mean_of(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def architecture_of(labelled: Labelled, training: EnvironmentTraining) -> Architecture:
    """Say what a network is made of that learns from these tracks."""
    sampling = labelled.sampling
    return Architecture(
        classes=labelled.names, least_steps=training.shortest, inputs=training.inputs,
        layers=training.layers, units=training.units, pooling=training.pooling,
        axes=sampling.axes, interval=sampling.interval,
        length_unit=sampling.length_unit, time_unit=sampling.time_unit,
    )  # fmt: skip
