"""How good a classifier is on tracks it never saw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.learn.classifier import Member
from perrin.learn.labelled import Labelled
from perrin.learn.pieces import ask, cut, whole_tracks

__all__ = ["STEPS", "WHOLE", "Report", "answers_about"]

Ints = npt.NDArray[np.int64]

STEPS = (5, 10, 15, 20, 30, 100)
"""Lengths of the pieces that accuracy is measured on."""

WHOLE = 0
"""Stands in the column ``n_steps`` for whole tracks."""


@dataclass(frozen=True)
class Report:
    """Answers about held-out tracks.

    Attributes
    ----------
    names
        The classes.
    answers
        One row for each piece or whole track (``n_steps`` 0): ``fold``, ``n_steps``, ``track``,
        ``label`` and ``called`` as positions in ``names``.
    curve
        The learning curves of all folds.
    by_movie
        Whether movies were held out whole, or only tracks.
    """

    names: tuple[str, ...]
    answers: pd.DataFrame
    curve: pd.DataFrame
    by_movie: bool

    def accuracy(self) -> pd.DataFrame:
        """Accuracy by number of steps.

        Returns
        -------
        pandas.DataFrame
            ``n_steps`` (0 for whole tracks), ``accuracy`` and its standard error over folds
            ``accuracy_se``, ``balanced`` (mean over classes), one column per class, ``n_pieces``.
        """
        rows = []
        for n_steps, part in self.answers.groupby("n_steps"):
            right = part["label"] == part["called"]
            by_fold = right.groupby(part["fold"]).mean()
            by_class = right.groupby(part["label"]).mean()
            rows.append(
                {
                    "n_steps": n_steps,
                    "accuracy": right.mean(),
                    "accuracy_se": by_fold.std() / np.sqrt(len(by_fold)),
                    "balanced": by_class.mean(),
                    **{name: by_class.get(i, np.nan) for i, name in enumerate(self.names)},
                    "n_pieces": len(part),
                }
            )
        return pd.DataFrame(rows)

    def confusion(self, n_steps: int = WHOLE) -> pd.DataFrame:
        """Count of tracks (or pieces of ``n_steps``) of each class (rows) by class called."""
        part = self.answers[self.answers["n_steps"] == n_steps]
        counts = np.zeros((len(self.names),) * 2, np.int64)
        np.add.at(counts, (part["label"].to_numpy(), part["called"].to_numpy()), 1)
        return pd.DataFrame(counts, index=list(self.names), columns=list(self.names))

    def caveats(self) -> list[str]:
        """Sentences on what the figures do not show."""
        if self.by_movie:
            return []
        return [
            "Tracks of one movie may be in training and in test, because movies are not known or a "
            "class has one only: what tells the classes apart may be the movie. Give each movie as "
            "a table of its own, or add a column 'movie'."
        ]


def answers_about(member: Member, labelled: Labelled, held_out: Ints) -> pd.DataFrame:
    """Ask a network about held-out tracks, whole and in pieces.

    Returns
    -------
    pandas.DataFrame
        ``n_steps``, ``track``, ``label`` and ``called``; see :class:`Report`.
    """
    chosen = set(held_out.tolist())
    stretches = [s for s in labelled.stretches if s.track in chosen]
    parts = []
    for n_steps in STEPS:
        tracks, steps = cut(stretches, n_steps, n_steps)
        if len(steps):
            parts.append((n_steps, tracks, ask(member, steps).argmax(1)))
    share = whole_tracks(member, stretches, labelled.label.size)
    parts.append((WHOLE, held_out, share[held_out].argmax(1)))
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "n_steps": n_steps,
                    "track": tracks,
                    "label": labelled.label[tracks],
                    "called": called,
                }
            )
            for n_steps, tracks, called in parts
        ],
        ignore_index=True,
    )
