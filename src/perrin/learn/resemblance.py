"""How much made tracks look like given ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import ks_2samp

from perrin.errors import Progress
from perrin.learn.environments import cross_validated
from perrin.learn.labelled import Labelled, collect
from perrin.learn.parameters import EnvironmentTraining
from perrin.learn.sampling import Stretch

__all__ = ["resemblance"]

Array = npt.NDArray[np.float64]

_LAGS = (1, 4, 16, 64)
_CORRELATED = (1, 4, 16)
_RARE = 0.999
_JUDGED_BY = (30, 0)


def resemblance(
    real: pd.DataFrame,
    made: pd.DataFrame,
    judge: EnvironmentTraining | None = None,
    *,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Compare made tracks with real ones.

    Parameters
    ----------
    real, made
        Track tables, measured in the same way and cut to similar lengths.
    judge
        How a network is trained to tell them apart; none is if not given.
    progress
        Called with every batch of that training.

    Returns
    -------
    pandas.DataFrame
        One row per ``measure``, with its ``value`` and the value of perfect resemblance
        ``ideal``: largest distance between the cumulative distributions of speed and of turning
        angle (Kolmogorov–Smirnov); mean squared displacement over that of the real tracks at lags
        of 1, 4, 16 and 64 steps; velocity autocorrelation minus that of the real tracks; share of
        steps longer than all but one in 1,000 of the real ones (‰); spread among tracks of the
        logarithm of their speed and of their persistence, over that of the real tracks; motion
        along z over motion in the plane, minus that of the real tracks; distance from beginning
        to end of all tracks, one behind the other, over that of tracks without a preferred
        direction; and the accuracy of the judge on tracks that it never saw.

    Raises
    ------
    InputError
        If there are too few tracks, or they cannot be compared.
    """
    both = collect([("real", real), ("made", made)], least_tracks=2)
    ours, theirs = ([s for s in both.stretches if both.label[s.track] == label] for label in (1, 0))
    rows = [*_distributions(ours, theirs), *_means(ours, theirs), *_faults(ours, theirs, both)]
    if judge is not None:
        report = cross_validated(both, judge, progress=progress).report.accuracy()
        accuracy = report.set_index("n_steps")["balanced"]
        for n_steps in sorted(set(_JUDGED_BY) & set(accuracy.index), reverse=True):
            what = f"{n_steps} steps" if n_steps else "whole tracks"
            rows.append((f"judge's accuracy, {what}", float(accuracy[n_steps]), 0.5))
    return pd.DataFrame(rows, columns=["measure", "value", "ideal"])


Row = tuple[str, float, float]


def _distributions(made: Sequence[Stretch], real: Sequence[Stretch]) -> list[Row]:
    return [
        ("speed, largest distance", _distance(_speeds(made), _speeds(real)), 0.0),
        ("turning angle, largest distance", _distance(_turns(made), _turns(real)), 0.0),
    ]


def _means(made: Sequence[Stretch], real: Sequence[Stretch]) -> list[Row]:
    rows = [
        (f"MSD ratio, lag {lag}", _msd(made, lag) / _msd(real, lag), 1.0)
        for lag in _LAGS
        if lag < min(_longest(made), _longest(real))
    ]
    rows += [
        (f"velocity correlation, lag {lag}", _correlated(made, lag) - _correlated(real, lag), 0.0)
        for lag in _CORRELATED
        if lag < min(_longest(made), _longest(real)) - 1
    ]
    return rows


def _faults(made: Sequence[Stretch], real: Sequence[Stretch], both: Labelled) -> list[Row]:
    """Compute what went wrong in Rieke (2016)."""
    rare = float(np.quantile(_speeds(real), _RARE))
    rows = [("outliers (‰)", 1000 * float((_speeds(made) > rare).mean()), 1000 * (1 - _RARE))]
    for name, of_track in (("speed", _log_speed), ("persistence", _persistence)):
        spreads = [np.std([of_track(s.steps) for s in which]) for which in (made, real)]
        rows.append((f"spread of {name} among tracks", float(spreads[0] / spreads[1]), 1.0))
    if "z" in both.sampling.axes:
        rows.append(("motion along z", _share_of_z(made) - _share_of_z(real), 0.0))
    ends = np.array([s.steps.sum(0) for s in made])
    # The sum of independent vectors without a preferred direction has this mean square.
    drift = np.sqrt((ends.sum(0) ** 2).sum() / (ends**2).sum())
    rows.append(("preferred direction", float(drift), 1.0))
    return rows


def _distance(a: Array, b: Array) -> float:
    return float(ks_2samp(a, b).statistic)


def _speeds(stretches: Sequence[Stretch]) -> Array:
    return np.concatenate([np.sqrt((s.steps**2).sum(1)) for s in stretches])


def _turns(stretches: Sequence[Stretch]) -> Array:
    """Angles between consecutive steps, those of no length left out."""
    angles = []
    for s in stretches:
        size = np.sqrt((s.steps**2).sum(1))
        norm = size[1:] * size[:-1]
        product = (s.steps[1:] * s.steps[:-1]).sum(1)
        angles.append(np.arccos(np.clip(product[norm > 0] / norm[norm > 0], -1, 1)))
    return np.concatenate(angles)


def _msd(stretches: Sequence[Stretch], lag: int) -> float:
    squares = []
    for s in stretches:
        path = np.cumsum(s.steps, axis=0)
        squares.append(((path[lag:] - path[:-lag]) ** 2).sum(1))
    return float(np.concatenate(squares).mean())


def _correlated(stretches: Sequence[Stretch], lag: int) -> float:
    products = np.concatenate([(s.steps[lag:] * s.steps[:-lag]).sum(1) for s in stretches])
    squares = np.concatenate([(s.steps**2).sum(1) for s in stretches])
    return float(products.mean() / squares.mean())


def _log_speed(steps: Array) -> float:
    return float(np.log(np.sqrt((steps**2).sum(1).mean())))


def _persistence(steps: Array) -> float:
    return float((steps[1:] * steps[:-1]).sum() / (steps**2).sum())


def _share_of_z(stretches: Sequence[Stretch]) -> float:
    squares = np.concatenate([s.steps**2 for s in stretches]).mean(0)
    return float(np.sqrt(squares[0] / squares[1:].mean()))


def _longest(stretches: Sequence[Stretch]) -> int:
    return max(len(s.steps) for s in stretches)
