"""Two conditions side by side, with intervals from the differences between movies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import t as student

from perrin.errors import InputError, Progress
from perrin.statistics._arrays import check_exposure
from perrin.statistics._conditions import (
    UNIT,
    Condition,
    Measure,
    measures_of_results,
    measures_of_tracks,
    ratio_of,
)
from perrin.tracks import Calibration

__all__ = ["Comparison", "compare_conditions"]

Array = npt.NDArray[np.float64]

_BLOCK = 100  # sets of movies in memory at once
_SHARES = ("not_seen_moving", "switching", "share_", "occupancy_")


@dataclass(frozen=True)
class Comparison:
    """What :func:`compare_conditions` found.

    Attributes
    ----------
    table
        One row per quantity: ``quantity``, ``unit``; for each condition its value ``first``,
        ``second`` and the ends ``first_lo``, ``first_hi``, ``second_lo``, ``second_hi`` of its
        interval; ``difference`` (second less first), ``difference_lo``, ``difference_hi``; for
        diffusivities also ``ratio`` (second over first), ``ratio_lo``, ``ratio_hi``.
    movies
        One row per condition and movie: ``condition``, ``movie``, ``n_tracks``, and what each
        quantity is in this movie alone.
    states
        The states common to both conditions, slowest first, whose occupancies are compared:
        ``state``, ``diffusivity``, ``noise`` and their units. Empty where no states were fitted.
    names
        What the two conditions are called.
    level
        Probability within the intervals.
    """

    table: pd.DataFrame
    movies: pd.DataFrame
    states: pd.DataFrame
    names: tuple[str, str]
    level: float

    def in_units(self, calibration: Calibration) -> Comparison:
        """Return the comparison with px and frames converted to the units of a calibration."""
        table, movies = self.table.copy(), self.movies.copy()
        rows = table["unit"] == UNIT
        lengths = table.columns[2:].difference(["ratio", "ratio_lo", "ratio_hi"])
        table.loc[rows, lengths] *= calibration.diffusivity_scale
        table.loc[rows, "unit"] = calibration.diffusivity_unit
        movies[list(table.loc[rows, "quantity"])] *= calibration.diffusivity_scale
        states = self.states.assign(
            diffusivity=self.states["diffusivity"] * calibration.diffusivity_scale,
            noise=self.states["noise"] * calibration.noise_scale,
            diffusivity_unit=calibration.diffusivity_unit,
            noise_unit=calibration.noise_unit,
        )
        return replace(self, table=table, movies=movies, states=states)


def compare_conditions(
    first: pd.DataFrame,
    second: pd.DataFrame,
    *,
    names: tuple[str, str] = ("first", "second"),
    exposure: float = 1.0,
    n_states: int | None = None,
    max_states: int = 3,
    focal_depth: float | None = None,
    level: float = 0.95,
    n_bootstrap: int = 500,
    seed: int = 0,
    progress: Progress | None = None,
) -> Comparison:
    r"""Compare the motion under two conditions, movie by movie.

    Parameters
    ----------
    first, second
        The tracks of each condition (positions in px) with a further column ``movie`` (numbers or
        names; the numbers of particles need be unique within a movie only; see
        :func:`join_movies`). Or, of each, a table of results with a column ``movie`` and one row
        per track, as ``per_track`` of :func:`perrin.analyze`.
    names
        What to call the conditions.
    exposure
        Share of the frame interval during which the shutter is open, 0 to 1.
    n_states
        Number of diffusive states whose occupancies are compared; chosen by BIC
        (:func:`perrin.statistics.fit_states`) up to ``max_states`` if not given.
    max_states
        Largest number to try.
    focal_depth
        Depth in px of the slab in which particles are seen; corrects the occupancies.
    level
        Probability within the intervals.
    n_bootstrap
        How often movies are drawn again.
    seed
        Seed of these draws.
    progress
        Called as ``progress("Comparing", done, total)``, and by what is used.

    Raises
    ------
    InputError
        If a table has no column ``movie`` or just one movie: how much movies of one condition
        differ is what a difference between conditions is measured by. Or if a table is neither of
        tracks nor of results, or an argument is out of range.

    Notes
    -----
    Of tracks are compared

    - ``alpha``: of the time-ensemble averaged MSD (:func:`fit_ensemble_msd`, the lags and their
      weights the same for both conditions); left out where tracks are too short for a fit;
    - ``diffusivity``: the covariance-based estimate without clipping at 0
      (:func:`estimate_diffusivity`), tracks weighted with their displacements;
    - ``not_seen_moving``: the share of tracks (of five points and more) whose ``p_immobile`` is
      at least 0.05 (:func:`immobility`); it holds slow particles too, more of them the shorter the
      tracks;
    - ``occupancy_0``, ...: shares of displacements in each of a few states, slowest first, which
      are fitted to both conditions together.

    Of results: the medians of ``alpha`` and ``diffusivity`` over tracks, the share of tracks that
    switch (``n_switches``) among those of 20 localizations and more (of shorter ones Perrin's
    network does not say whether they do), ``not_seen_moving`` where there is ``p_immobile``, and
    the share of each model among the tracks for which one is called.

    *Intervals.* Tracks of one movie have the cell, the day and the focus in common. Drawing tracks
    again, as if they were independent, would call chance a difference, so movies are drawn:
    n - 1 of the n of a condition, with replacement, which makes the variance over draws unbiased
    [1]_. Intervals are the estimate plus or minus the standard deviation over draws times the
    quantile of Student's t, with Welch's degrees of freedom [2]_ for the difference, since few
    movies say little of their own spread; those of ratios are made on logarithms.

    Checked on 500 simulated pairs of conditions without a difference, with 40 tracks per movie and
    movies that differ by a factor of 1.5 (one standard deviation): the 95 % interval of the ratio
    of median diffusivities holds 1 in 97 % of pairs with two movies each, 97 % with three, 95 %
    with three and six, 97 % with eight. Had tracks been drawn, it would in 40 % (100 pairs of three
    movies each; ``benchmarks/conditions.py``).

    References
    ----------
    .. [1] Rao, Wu (1988), J. Am. Stat. Assoc. 83, 231.
    .. [2] Welch (1947), Biometrika 34, 28.
    """
    if not 0 < level < 1 or n_bootstrap < 2:
        raise InputError(
            f"The level is {level:g} and n_bootstrap {n_bootstrap}; they must lie between 0 and 1, "
            "and be at least 2."
        )
    check_exposure(exposure)
    conditions = [Condition.of(t, n) for t, n in zip((first, second), names, strict=True)]
    if conditions[0].are_tracks != conditions[1].are_tracks:
        raise InputError(
            f"One of {names[0]!r} and {names[1]!r} is a table of tracks, the other one of results; "
            "give two tables of one kind."
        )
    states = pd.DataFrame(columns=["state", "diffusivity", "noise"], dtype=np.float64)
    if conditions[0].are_tracks:
        measures, states = measures_of_tracks(
            conditions, exposure, n_states, max_states, focal_depth, seed, progress
        )
    else:
        measures = measures_of_results(conditions)
    rng = np.random.default_rng(seed)
    values: list[dict[str, Array]] = []
    for condition, measure in zip(conditions, measures, strict=True):
        n = len(condition.movies)
        draws = rng.multinomial(n - 1, np.full(n, 1 / n), n_bootstrap).astype(np.float64)
        sets = np.concatenate([np.ones((1, n)), np.eye(n), draws])
        values.append({name: _in_blocks(of, sets) for name, of in measure.items()})
        if progress is not None:
            progress("Comparing", len(values), 2)
    sizes = (len(conditions[0].movies), len(conditions[1].movies))
    unit = conditions[0].unit
    rows = [_row(name, unit, [v[name] for v in values], sizes, level) for name in measures[0]]
    states = states.assign(diffusivity_unit=unit, noise_unit="px")
    return Comparison(pd.DataFrame(rows), _movies(conditions, values), states, names, level)


def _in_blocks(of: Measure, sets: Array) -> Array:
    return np.concatenate([of(sets[i : i + _BLOCK]) for i in range(0, len(sets), _BLOCK)])


def _row(
    name: str, unit: str, values: list[Array], sizes: tuple[int, int], level: float
) -> dict[str, object]:
    """Intervals from the values of the whole (first), of each movie, and of the draws (rest)."""
    whole = [float(value[0]) for value in values]
    draws = [value[1 + n :] for value, n in zip(values, sizes, strict=True)]
    row: dict[str, object] = {"quantity": name, "unit": unit if name == "diffusivity" else ""}
    least, most = (0, 1) if name.startswith(_SHARES) else (-np.inf, np.inf)
    errors = [_spread(draw) for draw in draws]
    for label, value, error, n in zip(("first", "second"), whole, errors, sizes, strict=True):
        reach = student.ppf((1 + level) / 2, n - 1) * error
        row |= {
            label: value,
            f"{label}_lo": np.maximum(value - reach, least),
            f"{label}_hi": np.minimum(value + reach, most),
        }
    difference, reach = whole[1] - whole[0], _reach(errors, sizes, level)
    row |= {
        "difference": difference,
        "difference_lo": np.maximum(difference - reach, -most),
        "difference_hi": np.minimum(difference + reach, most),
    }
    if name == "diffusivity":
        ratio, factor = float(ratio_of(whole[1], whole[0])), np.nan
        if min(whole) > 0 and all((draw > 0).all() for draw in draws):
            factor = np.exp(_reach([_spread(np.log(draw)) for draw in draws], sizes, level))
        row |= {"ratio": ratio, "ratio_lo": ratio / factor, "ratio_hi": ratio * factor}
    return row


def _spread(draws: Array) -> float:
    """Return the standard deviation over draws; NaN if in one of them nothing is known."""
    return float(np.std(draws)) if np.isfinite(draws).all() else float("nan")


def _reach(errors: list[float], sizes: tuple[int, int], level: float) -> float:
    """Half the width of Welch's interval."""
    squares = [error**2 for error in errors]
    total = sum(squares)
    if not total > 0:
        return total
    freedom = total**2 / sum(s**2 / (n - 1) for s, n in zip(squares, sizes, strict=True))
    return float(student.ppf((1 + level) / 2, freedom) * np.sqrt(total))


def _movies(conditions: list[Condition], values: list[dict[str, Array]]) -> pd.DataFrame:
    parts = []
    for number, (condition, found) in enumerate(zip(conditions, values, strict=True)):
        n = len(condition.movies)
        parts.append(
            pd.DataFrame(
                {
                    "condition": number,
                    "movie": condition.movies,
                    "n_tracks": np.bincount(condition.movie_of, minlength=n),
                    **{name: value[1 : 1 + n] for name, value in found.items()},
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
