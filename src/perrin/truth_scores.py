"""How good tracks and their analysis are, in numbers: the scores of a comparison with the truth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import binomtest, norm

from perrin.analysis import Analysis
from perrin.models import MODELS
from perrin.population import LEVEL, numbers_of
from perrin.scores import score_tracks
from perrin.truth import TruthComparison

__all__ = ["Score", "confusion", "describe_scores", "score_table", "scores_in"]

Array = npt.NDArray[np.float64]

_SHARE, _RATIO = "share", "×"


class Score(NamedTuple):
    """One row of :func:`score_table`."""

    group: str
    score: str
    value: float
    lo: float
    hi: float
    n: int
    unit: str

    @property
    def text(self) -> str:
        """The value with its interval and unit."""
        numbers, unit = (self.value, self.lo, self.hi), self.unit
        if unit == _SHARE:
            unit, texts = "%", [f"{100 * number:.1f}" for number in numbers]
        else:
            texts = [f"{number:.3g}" for number in numbers]
        between = f" ({texts[1]} to {texts[2]})" if np.isfinite(self.lo) else ""
        return f"{texts[0]}{between} {unit}".rstrip()


def score_table(comparison: TruthComparison, analysis: Analysis | None = None) -> pd.DataFrame:
    """Say how good tracks, and their analysis, are.

    Parameters
    ----------
    comparison
        What :func:`perrin.truth.compare_with_truth` returned.
    analysis
        The analysis of the same tracks.

    Returns
    -------
    pandas.DataFrame
        One row per score: ``group``, ``score``, ``value``, ``lo`` and ``hi`` (its 90 % interval
        where tracks are independent answers: Wilson's of shares, normal of means), ``n`` (of how
        many), and ``unit``. Scores of which the truth says nothing are left out.
    """
    scores = [*_localizations(comparison), *_links(comparison), *_tracks(comparison)]
    if analysis is not None:
        rows = comparison.per_track.merge(analysis.per_track, on="particle")
        scores += [*_alpha(rows), *_models(rows), *_diffusivity(rows), *_switches(comparison)]
    return pd.DataFrame([score for score in scores if score.n > 0], columns=Score._fields)


def confusion(comparison: TruthComparison, analysis: Analysis) -> pd.DataFrame | None:
    """Count the tracks of each true model (rows) that are called each model (columns).

    ``None`` if nothing is known of true models.
    """
    if "true_model" not in comparison.per_track:
        return None
    rows = comparison.per_track.merge(analysis.per_track, on="particle")
    rows = rows[rows["true_model"].isin(MODELS) & rows["model"].isin(MODELS)]
    counts = pd.crosstab(rows["true_model"], rows["model"])
    return counts.reindex(index=list(MODELS), columns=list(MODELS), fill_value=0)


def describe_scores(scores: pd.DataFrame) -> str:
    """Write what :func:`score_table` returned as text, one line per score."""
    cells = [(score.group, score.score, score.text, f"of {score.n}") for score in scores_in(scores)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines, before = [], ""
    for group, *rest in cells:
        head = "" if group == before else group
        before = group
        words = (head, *rest)
        padded = [cell.ljust(width) for cell, width in zip(words, widths, strict=True)]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def scores_in(scores: pd.DataFrame) -> list[Score]:
    """Return the rows of what :func:`score_table` returned."""
    return [Score(*row) for row in scores.itertuples(index=False)]


def _share(group: str, score: str, hits: int, n: int, *, independent: bool = False) -> Score:
    lo, hi = np.nan, np.nan
    if n and independent:
        lo, hi = binomtest(hits, n).proportion_ci(LEVEL, method="wilson")
    return Score(group, score, hits / n if n else np.nan, lo, hi, n, _SHARE)


def _mean(group: str, score: str, values: Array, unit: str = "") -> Score:
    n = values.size
    if n < 2:
        return Score(group, score, float(values.sum()), np.nan, np.nan, n, unit)
    reach = norm.ppf(0.5 + LEVEL / 2) * float(values.std(ddof=1)) / n**0.5
    middle = float(values.mean())
    return Score(group, score, middle, middle - reach, middle + reach, n, unit)


def _localizations(comparison: TruthComparison) -> Iterable[Score]:
    group, calibration = "Localizations", comparison.calibration
    distance = comparison.distance[~comparison.false]
    yield _share(group, "found (recall)", distance.size, len(comparison.truth.tracks))
    yield _share(group, "right (precision)", distance.size, len(comparison.tracks))
    error = float(np.sqrt(np.square(distance).mean())) if distance.size else np.nan
    yield Score(
        group, "error (root mean square)", error * calibration.noise_scale, np.nan, np.nan,
        distance.size, calibration.noise_unit,
    )  # fmt: skip


def _links(comparison: TruthComparison) -> Iterable[Score]:
    links = comparison.links
    yield _share(
        "Links",
        "found, where both ends are",
        int(links["whole"].sum()),
        comparison.n_links_seen,
    )
    yield _share("Links", "right (precision)", int(links["right"].sum()), len(links))


def _tracks(comparison: TruthComparison) -> Iterable[Score]:
    group, truth = "Tracks", comparison.truth
    n_true = len(truth.per_track)
    owned = comparison.per_track["true_particle"].dropna()
    n_found = n_true - comparison.missed_particles.size
    yield _share(group, "found (recall)", n_found, n_true, independent=True)
    yield _share(
        group, "right (precision)", len(owned), len(comparison.per_track), independent=True
    )
    pieces = np.asarray(owned.value_counts(), np.float64)
    yield _mean(group, "pieces of a true one", pieces)
    scores = score_tracks(truth.tracks, comparison.tracks)
    for name, value in (
        ("alpha", scores.alpha),
        ("beta", scores.beta),
        ("JSC", scores.jaccard),
        ("JSC of tracks", scores.jaccard_tracks),
    ):
        yield Score("ISBI 2012 challenge", name, value, np.nan, np.nan, n_true, "")


def _alpha(rows: pd.DataFrame) -> Iterable[Score]:
    if "true_alpha" not in rows:
        return
    true, said, low, high = (
        numbers_of(rows, name) for name in ("true_alpha", "alpha", "alpha_lo", "alpha_hi")
    )
    known = np.isfinite(true) & np.isfinite(said)
    error = (said - true)[known]
    yield _mean("Exponent α", "mean absolute error", np.abs(error))
    yield _mean("Exponent α", "mean error", error)
    inside = ((low <= true) & (true <= high))[known]
    yield _share(
        "Exponent α", "true one within 5 to 95 %", int(inside.sum()), inside.size, independent=True
    )


def _models(rows: pd.DataFrame) -> Iterable[Score]:
    if "true_model" not in rows:
        return
    known = rows[rows["true_model"].isin(MODELS) & rows["model"].isin(MODELS)]
    right = int((known["true_model"] == known["model"]).sum())
    yield _share("Model", "right", right, len(known), independent=True)


def _diffusivity(rows: pd.DataFrame) -> Iterable[Score]:
    if "true_diffusivity" not in rows:
        return
    true, said = numbers_of(rows, "true_diffusivity"), numbers_of(rows, "diffusivity")
    known = (true > 0) & (said > 0)
    ratio = np.log(said[known] / true[known])
    mean = _mean("Diffusivity D", "said by true, geometric mean", ratio, _RATIO)
    value, lo, hi = (float(np.exp(number)) for number in (mean.value, mean.lo, mean.hi))
    yield mean._replace(value=value, lo=lo, hi=hi)
    yield _mean("Diffusivity D", "mean absolute error of ln D", np.abs(ratio))


def _switches(comparison: TruthComparison) -> Iterable[Score]:
    switches = comparison.switches
    if switches is None:
        return
    true, said = switches["true_frame"].notna(), switches["frame"].notna()
    hits = int((true & said).sum())
    yield _share("Switches", "found (recall)", hits, int(true.sum()))
    yield _share("Switches", "right (precision)", hits, int(said.sum()))
    apart = (switches["frame"] - switches["true_frame"])[true & said].to_numpy(np.float64)
    error = float(np.sqrt(np.square(apart).mean())) if hits else np.nan
    yield Score("Switches", "error (root mean square)", error, np.nan, np.nan, hits, "frames")
