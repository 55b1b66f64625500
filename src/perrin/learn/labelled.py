"""Labelled tracks as a network sees them, and the refusal of what nothing can be learnt from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.errors import InputError
from perrin.learn.sampling import Sampling, Stretch, common_sampling, stretches_of
from perrin.tracks import index_tracks, validate_tracks

__all__ = [
    "LABEL", "Labelled", "by_column", "collect", "folds_of", "some_held_out",
]  # fmt: skip

Ints = npt.NDArray[np.int64]

_PARTS = 5
LABEL = "label"
"""Column with the class of each track, as given while curating."""


@dataclass(frozen=True)
class Labelled:
    """Tracks with their classes.

    Attributes
    ----------
    names
        The classes.
    label
        Class of each track, as a position in ``names``.
    group
        What is never divided between training and test: the movie of each track where movies are
        known, else the track itself.
    stretches
        The tracks' steps.
    sampling
        How they are measured.
    movies_known
        Whether groups are movies.
    """

    names: tuple[str, ...]
    label: Ints
    group: Ints
    stretches: tuple[Stretch, ...]
    sampling: Sampling
    movies_known: bool

    @property
    def counts(self) -> Ints:
        """Number of tracks of each class."""
        return np.bincount(self.label, minlength=len(self.names))

    def of_tracks(self, chosen: Ints) -> Labelled:
        """Return some of the tracks, under new numbers."""
        place = np.full(self.label.size, -1)
        place[chosen] = np.arange(chosen.size)
        stretches = tuple(
            Stretch(int(place[s.track]), s.steps) for s in self.stretches if place[s.track] >= 0
        )
        return replace(
            self, label=self.label[chosen], group=self.group[chosen], stretches=stretches
        )


def by_column(table: pd.DataFrame, column: str = LABEL) -> list[tuple[str, pd.DataFrame]]:
    """Divide a table by a column that says the class of each track; rows without one are left out.

    Raises
    ------
    InputError
        If the column is missing, or a track has two classes.
    """
    table = validate_tracks(table)
    if column not in table.columns:
        raise InputError(
            f"The table has no column '{column}'. Give one table per class, or add the column: "
            "the class of each track."
        )
    known = table[table[column].notna() & (table[column].astype(str) != "")]
    classes = known.groupby("particle")[column].nunique()
    if (classes > 1).any():
        raise InputError(
            f"Track {classes.idxmax()} has more than one value in the column '{column}'. "
            "Give each track one class."
        )
    parts = []
    for name, part in known.groupby(known[column].map(_name_of), sort=True):
        part.attrs = dict(table.attrs)
        parts.append((str(name), part))
    return parts


def collect(
    recordings: Iterable[tuple[str, pd.DataFrame]],
    *,
    in_plane: bool = False,
    least_tracks: int = 10,
    least_steps: int = 5,
    least_classes: int = 2,
) -> Labelled:
    """Bring recordings of several classes into one form.

    Lengths are in µm if every recording has its calibration. Recordings of unequal frame
    intervals are brought to the shortest time that is a whole multiple of each.
    Where a frame is missing a track is cut into two stretches.

    Parameters
    ----------
    recordings
        The class and the track table of each recording. Several recordings of a class, or a
        column ``movie``, say which tracks come from one movie.
    in_plane
        Leave out z, which by itself would tell a flat recording from one in 3D.
    least_tracks, least_steps, least_classes
        Fewer tracks of a class, or fewer classes, are refused; shorter stretches are left out.

    Raises
    ------
    InputError
        If there is too little to learn from, or recordings cannot be compared.
    """
    given = [(name, validate_tracks(t, source=f"the tracks of '{name}'")) for name, t in recordings]
    names = tuple(dict.fromkeys(name for name, _ in given))
    if len(names) < least_classes:
        have = f"one class only ('{names[0]}')" if names else "no tracks"
        raise InputError(
            f"There is {have}: to tell classes apart, a network needs tracks of at least two."
        )
    sampling = common_sampling(given, in_plane)
    known = _movies_known(given, names)
    labels: list[int] = []
    movies: list[str] = []
    stretches: list[Stretch] = []
    for number, (name, table) in enumerate(given):
        found = stretches_of(table, sampling, least_steps, source=f"the tracks of '{name}'")
        tracks = sorted({s.track for s in found})
        place = {track: len(labels) + i for i, track in enumerate(tracks)}
        stretches += [Stretch(place[s.track], s.steps) for s in found]
        labels += [names.index(name)] * len(tracks)
        if "movie" in table.columns:
            of_track = table["movie"].iloc[index_tracks(table).starts].to_numpy()
            movies += [str(of_track[track]) for track in tracks]
        else:
            movies += [f"{number}/{name}"] * len(tracks)
    label = np.array(labels, np.int64)
    counts = np.bincount(label, minlength=len(names))
    if (counts < least_tracks).any():
        few = int(counts.argmin())
        raise InputError(
            f"The class '{names[few]}' has {counts[few]} tracks of {least_steps} or more steps in "
            f"a row; at least {least_tracks} are needed. Add tracks, or leave the class out."
        )
    _refuse_repeated(stretches)
    if known:
        group = np.unique(movies, return_inverse=True)[1].astype(np.int64)
    else:
        group = np.arange(label.size)
    return Labelled(names, label, group, tuple(stretches), sampling, known)


def folds_of(labelled: Labelled, n_folds: int, seed: int) -> Ints:
    """Deal the groups to folds, so that each class is spread evenly and no group is divided.

    Returns
    -------
    array of int, shape (n_tracks,)
        Fold of each track.

    Raises
    ------
    InputError
        If a class has fewer groups than there are folds.
    """
    n_groups = int(labelled.group.max()) + 1
    table = np.zeros((n_groups, len(labelled.names)))
    np.add.at(table, (labelled.group, labelled.label), 1)
    per_class = (table > 0).sum(0)
    if per_class.min() < n_folds:
        few = int(per_class.argmin())
        what = "movies" if labelled.movies_known else "tracks"
        raise InputError(
            f"The class '{labelled.names[few]}' comes from {per_class[few]} {what}, too few to "
            f"hold some out {n_folds} times. Add {what}, or test fewer times (folds)."
        )
    table /= table.sum(0)
    rng = np.random.default_rng(seed)
    order = rng.permutation(n_groups)
    order = order[np.argsort(-table[order].sum(1), kind="stable")]
    load = np.zeros((n_folds, len(labelled.names)))
    fold = np.empty(n_groups, np.int64)
    for group in order:
        # Where the group fits best: least squares of the shares of the classes.
        after = ((load + table[group]) ** 2).sum(1) - (load**2).sum(1)
        best = np.flatnonzero(np.isclose(after, after.min()))
        fold[group] = rng.choice(best)
        load[fold[group]] += table[group]
    return np.asarray(fold[labelled.group])


def some_held_out(labelled: Labelled, seed: int) -> npt.NDArray[np.bool_]:
    """Choose about one track in five of each class to say when a training should stop.

    Of a class with one movie, tracks are chosen: how good the network is, others say.
    """
    pairs = np.unique(np.stack((labelled.label, labelled.group)), axis=1)
    fewest = int(np.bincount(pairs[0]).min())
    if fewest < 2:
        labelled = replace(labelled, group=np.arange(labelled.label.size))
        fewest = int(labelled.counts.min())
    return np.asarray(folds_of(labelled, min(_PARTS, fewest), seed) == 0)


def _refuse_repeated(stretches: Sequence[Stretch]) -> None:
    moving = [s.steps.tobytes() for s in stretches if s.steps.any()]
    repeated = len(moving) - len(set(moving))
    if repeated:
        raise InputError(
            f"{repeated} tracks are there more than once. In training and test at once they would "
            "make the network look better than it is: give each recording once."
        )


def _name_of(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _movies_known(given: Sequence[tuple[str, pd.DataFrame]], names: tuple[str, ...]) -> bool:
    """Whether every class comes from two or more movies that are told apart."""
    movies: dict[str, set[object]] = {name: set() for name in names}
    for number, (name, table) in enumerate(given):
        movies[name] |= set(table["movie"]) if "movie" in table.columns else {number}
    return all(len(found) > 1 for found in movies.values())
