"""What is measured on answers, each with its standard error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = [
    "Sets",
    "accuracy",
    "calibration",
    "mean_and_error",
    "ratio_of_means",
    "reliability",
]

Array = npt.NDArray[np.float64]

_N_BINS = 15
_RESAMPLES = 200


class Sets(NamedTuple):
    """Answers on three sets of tracks, as :func:`~.records.answer_set` returns them.

    Attributes
    ----------
    alpha
        Every exponent is as frequent (the challenge's task 1).
    model
        Every model is as frequent (task 2).
    spread
        As ``alpha``, with exponents anywhere between the challenge's values; only against such
        can an interval's coverage be measured.
    """

    alpha: pd.DataFrame
    model: pd.DataFrame
    spread: pd.DataFrame


def mean_and_error(values: npt.ArrayLike) -> tuple[float, float]:
    """Mean and its standard error; NaN without values, and of a single one no error."""
    x = np.asarray(values, np.float64)
    mean = float(x.mean()) if x.size else float("nan")
    return mean, float(x.std() / x.size**0.5) if x.size > 1 else float("nan")


def root_mean_square(errors: npt.ArrayLike) -> tuple[float, float]:
    """Root of the mean square of errors, and its standard error."""
    squared, se = mean_and_error(np.square(np.asarray(errors, np.float64)))
    root = squared**0.5
    return root, se / (2 * root)


def ratio_of_means(
    numerator: npt.ArrayLike, denominator: npt.ArrayLike, *, seed: int = 0
) -> tuple[float, float]:
    """Ratio of the means of paired values and its standard error, by bootstrap over the pairs."""
    pairs = np.stack((np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)))
    n = pairs.shape[1]
    rng = np.random.default_rng(seed)
    means = np.array([pairs[:, rng.integers(n, size=n)].mean(1) for _ in range(_RESAMPLES)])
    top, bottom = pairs.mean(1)
    return float(top / bottom), float((means[:, 0] / means[:, 1]).std(ddof=1))


def accuracy(sets: Sets) -> dict[str, float]:
    """Error, bias and coverage of alpha, and F1 score of the model.

    With one answer per track the micro-averaged F1 score is the share of right answers; among the
    tracks of one model it is the recall of that model.

    Returns
    -------
    dict
        ``alpha_mae``, ``alpha_bias`` (answer minus truth), ``alpha_coverage`` (share of the true
        exponents within the 90 % interval) and ``model_f1``, each with its standard error under
        the same name and ``_se``; ``n_alpha``, ``n_spread`` and ``n_model`` tracks.
    """
    error = sets.alpha["answer"] - sets.alpha["alpha"]
    covered = sets.spread["alpha"].between(sets.spread["low"], sets.spread["high"])
    measured = {
        "alpha_mae": error.abs(),
        "alpha_bias": error,
        "alpha_coverage": covered,
        "model_f1": sets.model["called"] == sets.model["model"],
    }
    figures: dict[str, float] = {f"n_{name}": len(table) for name, table in sets._asdict().items()}
    for name, values in measured.items():
        figures[name], figures[f"{name}_se"] = mean_and_error(values)
    return figures


def calibration(answers: pd.DataFrame, *, seed: int = 0) -> dict[str, float]:
    """Calibration error of the model probabilities.

    Parameters
    ----------
    answers
        With columns ``confidence`` (probability of the model that was called), ``called`` and
        ``model``.
    seed
        Seed of the resampling.

    Returns
    -------
    dict
        ``ece``, the expected calibration error over 15 bins of equal width (Guo et al., ICML
        2017), and ``ace``, the same over 15 bins of equally many tracks, each with its standard
        error (bootstrap over tracks) under ``_se``, and under ``_floor`` the value that perfectly
        calibrated probabilities would show: with finitely many tracks it is not 0.
    """
    confidence = answers["confidence"].to_numpy(np.float64)
    right = (answers["called"] == answers["model"]).to_numpy(np.bool_)
    n = confidence.size
    rng = np.random.default_rng(seed)
    resamples = [rng.integers(n, size=n) for _ in range(_RESAMPLES)]
    perfect = [rng.random(n) < confidence for _ in range(_RESAMPLES)]
    figures = {}
    for name, edges in (("ece", _even_edges()), ("ace", _adaptive_edges(confidence))):
        bin_ = _bin_of(confidence, edges)
        figures[name] = _calibration_error(bin_, confidence, right)
        again = [_calibration_error(bin_[i], confidence[i], right[i]) for i in resamples]
        figures[f"{name}_se"] = float(np.std(again, ddof=1))
        chance = [_calibration_error(bin_, confidence, hits) for hits in perfect]
        figures[f"{name}_floor"] = float(np.mean(chance))
    return figures


def reliability(answers: pd.DataFrame) -> pd.DataFrame:
    """How often the called model is right, by the probability it was called with.

    Returns
    -------
    pandas.DataFrame
        One row per bin of equal width that holds tracks: ``low`` and ``high`` edge, ``n_tracks``,
        mean ``confidence``, share ``right`` and its standard error ``right_se``.
    """
    edges = _even_edges()
    right = answers["called"] == answers["model"]
    bin_ = _bin_of(answers["confidence"].to_numpy(np.float64), edges)
    rows = []
    for i in np.unique(bin_):
        inside = bin_ == i
        share, error = mean_and_error(right[inside])
        rows.append(
            {
                "low": edges[i],
                "high": edges[i + 1],
                "n_tracks": int(inside.sum()),
                "confidence": float(answers["confidence"][inside].mean()),
                "right": share,
                "right_se": error,
            }
        )
    return pd.DataFrame(rows)


def _even_edges() -> Array:
    return np.linspace(0, 1, _N_BINS + 1)


def _adaptive_edges(confidence: Array) -> Array:
    return np.asarray(np.quantile(confidence, _even_edges()))


def _bin_of(confidence: Array, edges: Array) -> npt.NDArray[np.intp]:
    return np.searchsorted(edges[1:-1], confidence, side="left")


def _calibration_error(
    bin_: npt.NDArray[np.intp], confidence: Array, right: npt.NDArray[np.bool_]
) -> float:
    excess = np.bincount(bin_, confidence - right, minlength=_N_BINS)
    return float(np.abs(excess).sum() / bin_.size)
