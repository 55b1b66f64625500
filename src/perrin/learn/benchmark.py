"""``perrin benchmark learn``: networks on users' tracks, beside Rieke (2016).

His recordings are not public; :func:`perrin.simulate.simulate_cells` makes what stands in for
them. How much its classes overlap was chosen, on cells of other seeds than are measured here, so
that his best network does about as well on them as it did on the recordings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from perrin.errors import Progress
from perrin.learn.environments import cross_validated
from perrin.learn.generate import generate_tracks, learn_generator
from perrin.learn.labelled import Labelled, collect, folds_of
from perrin.learn.members import train_member
from perrin.learn.parameters import EnvironmentTraining, GeneratorTraining
from perrin.learn.report import answers_about
from perrin.learn.resemblance import resemblance
from perrin.simulate.superstatistics import simulate_cells
from perrin.tracks import Calibration

__all__ = ["PUBLISHED", "TITLES", "learn"]

TITLES = {
    "environments": "Environments: accuracy by number of steps (0: whole tracks)",
    "few_tracks": "Environments: accuracy on 30 steps by number of training tracks per class",
    "generated": "Made tracks beside real ones that the generator never saw",
}
"""Tables of the benchmark, and what they are called."""

PUBLISHED = {"accuracy": 0.95, "collagen": 0.98, "plastic": 0.94, "fibronectin": 0.87}
"""Rieke (2016), two layers of 10 units with weighted classes, on pieces of 30 steps."""

_THEIRS = EnvironmentTraining(
    inputs="velocities", pooling="last", layers=2, units=10, shortest=30, longest=30,
    learning_rate=1e-2, epochs=40, patience=10,
)  # fmt: skip
_NETWORKS = {
    "A: 1 layer of 10": _THEIRS.model_copy(update={"layers": 1, "balanced": False}),
    "B: 2 layers of 10": _THEIRS.model_copy(update={"balanced": False}),
    "C: 2 layers of 10, weighted": _THEIRS,
    "D: 2 layers of 30, weighted": _THEIRS.model_copy(update={"units": 30}),
    "Perrin": EnvironmentTraining(),
    "Perrin, z ignored": EnvironmentTraining(in_plane=True),
    "Perrin, from the engine": EnvironmentTraining(inputs="engine"),
}
_FEW = ("C: 2 layers of 10, weighted", "Perrin", "Perrin, from the engine")
_N_TRACKS = (5, 10, 20)
_FOLDS = 3
_REPEATS = 2
_STEPS_OF_FEW = 30

_GENERATORS = {
    "as published": GeneratorTraining(
        frame="image", tails="normal", latent=0, still_axes=True, epochs=50, batch=32
    ),
    "Perrin": GeneratorTraining(),
}
_GENERATED = ("plastic", "collagen")
_INTERVAL = 300.0  # s, the steps of Rieke (2016)
_JUDGE = EnvironmentTraining(folds=2, epochs=10)


@dataclass(frozen=True)
class _Run:
    seed: int
    share: float
    progress: Progress | None

    def cells(self, more: int = 0) -> dict[str, pd.DataFrame]:
        return simulate_cells(self.seed + more, share=self.share)


def learn(
    *, seed: int = 0, share: float = 1.0, progress: Progress | None = None
) -> dict[str, pd.DataFrame]:
    """Measure how well environments are told apart and tracks are made.

    Parameters
    ----------
    seed
        Seed of the cells.
    share
        Share of the tracks to measure on; for quick trials.
    progress
        Called with every batch of every training.

    Returns
    -------
    dict of pandas.DataFrame
        ``environments``: for each ``network`` what :meth:`~.report.Report.accuracy` returns,
        three-fold cross-validation by movie. ``few_tracks``: accuracy on pieces of 30 steps
        by number of training tracks per class, mean and standard error of two divisions.
        ``generated``: :func:`~.resemblance.resemblance` of made tracks with cells that the
        generator never saw, for a network as published and for Perrin's, and, in the column
        ``other cells``, of the cells that it learnt from.

    Raises
    ------
    Cancelled
        If ``progress`` raises it.
    """
    run = _Run(seed, share, progress)
    return {
        "environments": _environments(run),
        "few_tracks": _few_tracks(run),
        "generated": _generated(run),
    }


def _environments(run: _Run) -> pd.DataFrame:
    tables = []
    for name, training in _NETWORKS.items():
        labelled = collect(run.cells().items(), in_plane=training.in_plane)
        chosen = training.model_copy(update={"folds": _FOLDS})
        report = cross_validated(labelled, chosen, progress=run.progress).report
        tables.append(report.accuracy().assign(network=name))
    published = {**PUBLISHED, "n_steps": 30, "network": "Rieke (2016), his recordings"}
    return pd.concat([*tables, pd.DataFrame([published])], ignore_index=True).round(4)


def _few_tracks(run: _Run) -> pd.DataFrame:
    labelled = collect(run.cells().items())
    rows = []
    for repeat in range(_REPEATS):
        rng = np.random.default_rng([run.seed, repeat])
        fold = folds_of(labelled, _FOLDS, run.seed)
        held_out, rest = np.flatnonzero(fold == repeat), np.flatnonzero(fold != repeat)
        for n_tracks in _N_TRACKS:
            chosen = np.concatenate(
                [
                    rng.permutation(rest[labelled.label[rest] == c])[:n_tracks]
                    for c in range(len(labelled.names))
                ]
            )
            for name in _FEW:
                right = _accuracy_of_few(run, labelled, chosen, held_out, name)
                rows.append({"network": name, "n_tracks": n_tracks, "accuracy": right})
    found = pd.DataFrame(rows).groupby(["network", "n_tracks"], sort=False)["accuracy"]
    table = found.agg(accuracy="mean", accuracy_se=lambda x: x.std() / np.sqrt(len(x)))
    return table.reset_index().round(4)


def _accuracy_of_few(
    run: _Run, labelled: Labelled, chosen: np.ndarray, held_out: np.ndarray, name: str
) -> float:
    """Accuracy of a network that learnt from some tracks, every class counting the same."""
    few = labelled.of_tracks(chosen)
    member, _ = train_member(
        few, _NETWORKS[name], seed=run.seed, progress=run.progress, what="learning from few tracks"
    )
    answers = answers_about(member, labelled, held_out)
    answers = answers[answers["n_steps"] == _STEPS_OF_FEW]
    right = answers["label"] == answers["called"]
    return float(right.groupby(answers["label"]).mean().mean())


def _generated(run: _Run) -> pd.DataFrame:
    tables = []
    seen, unseen = run.cells(), run.cells(more=1)
    for name in _GENERATED:
        given, real = _at_steps(seen[name]), _at_steps(unseen[name])
        found = {
            **{kind: _made(run, given, real, training) for kind, training in _GENERATORS.items()},
            "other cells": resemblance(real, given, _JUDGE, progress=run.progress),
        }
        table = pd.DataFrame({"cells": name, "measure": found["Perrin"]["measure"]})
        for kind, part in found.items():
            table[kind] = part["value"]
        tables.append(table.assign(ideal=found["Perrin"]["ideal"]))
    return pd.concat(tables, ignore_index=True).round(4)


def _at_steps(table: pd.DataFrame) -> pd.DataFrame:
    """Take the frames that are :data:`_INTERVAL` apart, and forget the movies."""
    calibration: Calibration = table.attrs["calibration"]
    every = round(_INTERVAL / calibration.time_scale)
    part = table[table["frame"] % every == 0].drop(columns="movie")
    part["frame"] //= every
    part.attrs["calibration"] = calibration.model_copy(update={"frame_interval": _INTERVAL})
    return part


def _made(
    run: _Run, given: pd.DataFrame, real: pd.DataFrame, training: GeneratorTraining
) -> pd.DataFrame:
    learnt = learn_generator([given], training, progress=run.progress)
    made = generate_tracks(learnt.network, n_tracks=real["particle"].nunique(), seed=run.seed)
    return resemblance(real, made, _JUDGE, progress=run.progress)
