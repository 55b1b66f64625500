"""Which environment was a track recorded in? Learnt from labelled tracks, tested on held-out ones.

After Rieke (2016), who told cells on three substrates apart by small recurrent networks.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from perrin.device import pick_device
from perrin.engine.weights import load_as, save_network
from perrin.errors import Progress
from perrin.learn.classifier import Classifier
from perrin.learn.fitting import Watch
from perrin.learn.labelled import Labelled, collect, folds_of
from perrin.learn.members import architecture_of, train_member
from perrin.learn.parameters import ENVIRONMENT, EnvironmentTraining
from perrin.learn.pieces import whole_tracks
from perrin.learn.report import WHOLE, Report, answers_about
from perrin.learn.sampling import Sampling, stretches_of
from perrin.tracks import index_tracks, validate_tracks

__all__ = [
    "ENVIRONMENT", "EnvironmentTraining", "Environments", "apply_environments",
    "learn_environments", "load_environments", "save_environments",
]  # fmt: skip

_MAKER = "perrin learn environments train"


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
    architecture = architecture_of(labelled, training)
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
