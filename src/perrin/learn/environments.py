"""Which environment was a track recorded in? Learnt from labelled tracks, tested on held-out ones.

After Rieke (2016), who told cells on three substrates apart by small recurrent networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from perrin.device import pick_device
from perrin.engine.weights import load_as, save_network
from perrin.errors import InputError, Progress
from perrin.learn.classifier import Architecture, Classifier, Member, describe
from perrin.learn.fitting import Watch, fit
from perrin.learn.labelled import Labelled, Sampling, collect, folds_of, some_held_out, stretches_of
from perrin.learn.parameters import ENVIRONMENT, EnvironmentTraining
from perrin.learn.pieces import LEAST_BATCHES, Cut, ask, cut, draw, whole_tracks
from perrin.learn.report import WHOLE, Report, answers_about
from perrin.tracks import index_tracks, validate_tracks

__all__ = [
    "ENVIRONMENT", "EnvironmentTraining", "Environments", "apply_environments",
    "learn_environments", "load_environments", "save_environments",
]  # fmt: skip

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MAKER = "perrin learn environments train"
_LOOKS = (10, 30, 100)
_DESCRIBED = (8, 15, 30, 60, 120)


class Environments(NamedTuple):
    """A trained network, and how good it is on tracks it never saw."""

    network: Classifier
    report: Report


def learn_environments(
    recordings: Iterable[tuple[str, pd.DataFrame]],
    training: EnvironmentTraining | None = None,
    *,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> Environments:
    """Learn to tell classes of tracks apart.

    Parameters
    ----------
    recordings
        The class and the track table of each recording; see :func:`.labelled.collect`, and
        :func:`.labelled.by_column` for one table with a column of labels.
    training
        How to learn.
    progress
        Called with every batch.
    watch
        Told of each epoch: ``fold``, ``epoch``, ``training_loss``, ``validation_loss`` and
        ``validation_accuracy``.

    Returns
    -------
    Environments
        The network, and a report on tracks that were held out: by movie where movies are known,
        else by track.

    Raises
    ------
    InputError
        If there is too little to learn from, or recordings cannot be compared.
    Cancelled
        If ``progress`` raises it.
    """
    training = training or EnvironmentTraining()
    labelled = collect(
        recordings, in_plane=training.in_plane,
        least_tracks=2 * training.folds, least_steps=training.shortest,
    )  # fmt: skip
    return cross_validated(labelled, training, progress=progress, watch=watch)


def cross_validated(
    labelled: Labelled,
    training: EnvironmentTraining,
    *,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> Environments:
    """Train one member for each part of the tracks, and test it on that part.

    Parameters
    ----------
    labelled
        The tracks.
    training, progress, watch
        As for :func:`learn_environments`.
    """
    architecture = _architecture(labelled, training)
    network = Classifier(architecture.model_copy(update={"members": training.folds}))
    fold_of = folds_of(labelled, training.folds, training.seed)
    answers, curves = [], []
    for fold in range(training.folds):
        rest = labelled.of_tracks(np.flatnonzero(fold_of != fold))
        held_out = np.flatnonzero(fold_of == fold)

        def watched(row: dict[str, float], fold: int = fold) -> None:
            if watch is not None:
                watch({"fold": fold + 1, **row})

        member, curve = train_member(
            rest,
            training,
            seed=training.seed + fold,
            progress=progress,
            watch=watched,
            what=f"training network {fold + 1} of {training.folds}",
        )
        network.members[fold] = member
        curves.append(curve.assign(fold=fold + 1))
        answers.append(answers_about(member, labelled, held_out).assign(fold=fold + 1))
    report = Report(
        names=labelled.names,
        answers=pd.concat(answers, ignore_index=True),
        curve=pd.concat(curves, ignore_index=True),
        by_movie=labelled.movies_known,
    )
    return Environments(network.eval(), report)


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
    member = Member(_architecture(labelled, training))
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
        self._looks: list[Cut] = [
            cut(checked.stretches, n, n)
            for n in sorted({min(max(n, training.shortest), training.longest) for n in _LOOKS})
        ]
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
            if len(steps)
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


def save_environments(path: Path, learnt: Environments, training: EnvironmentTraining) -> None:
    """Write a network and its card.

    Parameters
    ----------
    path
        Ends in ``.safetensors``; the card gets the same name ending in ``.yaml``.
    learnt
        What :func:`learn_environments` returned.
    training
        How it was made.
    """
    report = learnt.report
    whole = report.answers[report.answers["n_steps"] == WHOLE]
    card = {
        "name": "Network that tells environments apart",
        "answers": "probability of each class, from the steps of a track",
        "trained_on": {
            name: f"{count} tracks"
            for name, count in zip(
                report.names, np.bincount(whole["label"], minlength=len(report.names)), strict=True
            )
        },
        "command": _MAKER,
        "training": training.model_dump(mode="json"),
        "held_out": {
            "divided_by": "movie" if report.by_movie else "track",
            "accuracy": report.accuracy().round(4).to_dict("records"),
            "confusion_of_whole_tracks": report.confusion().to_dict("index"),
        },
        "caveats": report.caveats(),
    }
    save_network(path, learnt.network, card)


def load_environments(path: Path) -> Classifier:
    """Load what :func:`save_environments` wrote.

    Raises
    ------
    InputError
        If the file is missing, not Perrin's, for another network, or of a newer format.
    """
    return load_as(Classifier, path, "environments", _MAKER)


def apply_environments(
    tracks: pd.DataFrame,
    network: Classifier,
    *,
    device: str = "auto",
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Say for every track in which environment it was recorded.

    Parameters
    ----------
    tracks
        A track table, with its calibration in ``attrs`` if the network was trained with one.
    network
        What :func:`learn_environments` made or :func:`load_environments` read.
    device
        Where to compute.
    progress
        Called with the tracks judged and to judge.

    Returns
    -------
    pandas.DataFrame
        One row per track: ``particle``, ``environment`` (empty for tracks too short) and the
        probability of each class, ``p_`` and its name.

    Raises
    ------
    InputError
        If the tracks cannot be measured as those of the training were.
    """
    a = network.architecture
    table = validate_tracks(tracks)
    sampling = Sampling(a.axes, a.interval, a.length_unit, a.time_unit)
    stretches = stretches_of(table, sampling, a.least_steps)
    particles = index_tracks(table).particles
    where = pick_device(device)
    p = whole_tracks(network.to(where), stretches, particles.size, where, progress=progress)
    if not stretches:
        p = np.full((particles.size, len(a.classes)), np.nan)
    known = np.isfinite(p[:, 0])
    names = np.array(a.classes, dtype=object)
    called = np.where(known, names[np.where(known[:, None], p, 0).argmax(1)], None)
    columns = {f"p_{name}": p[:, i] for i, name in enumerate(a.classes)}
    return pd.DataFrame({"particle": particles, ENVIRONMENT: called, **columns})


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


def _architecture(labelled: Labelled, training: EnvironmentTraining) -> Architecture:
    sampling = labelled.sampling
    return Architecture(
        classes=labelled.names, least_steps=training.shortest, inputs=training.inputs,
        layers=training.layers, units=training.units, pooling=training.pooling,
        axes=sampling.axes, interval=sampling.interval,
        length_unit=sampling.length_unit, time_unit=sampling.time_unit,
    )  # fmt: skip
