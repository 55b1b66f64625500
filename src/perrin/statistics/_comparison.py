"""Two conditions side by side, with intervals from the differences between movies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import t as student

from perrin.errors import InputError, Progress
from perrin.models import MODELS
from perrin.statistics._arrays import TrackArrays, arrays_of, check_exposure, steps_of, sum_by_track
from perrin.statistics._diffusivity import covariance_fit
from perrin.statistics._ensemble_fit import Curves, PowerLaw, common_lags, of_tracks
from perrin.statistics._msd import time_averaged_msd
from perrin.statistics._population import Spectra
from perrin.statistics._rest import LEVEL_OF_REST, immobility
from perrin.statistics._states import Mixture, TracksInStates, fit_states
from perrin.tracks import Calibration, index_tracks, validate_tracks

__all__ = ["Comparison", "compare_conditions", "join_movies"]

Array = npt.NDArray[np.float64]
Measure = Callable[[Array], Array]
"""Values ``(sets,)`` of sets of movies, from how often each movie counts ``(sets, movies)``."""

_UNKNOWN = 3  # alpha, K and the noise
_BLOCK = 100  # sets of movies in memory at once
_UNIT = "px²/frame"
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
        rows = table["unit"] == _UNIT
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


def join_movies(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Join the track tables of several movies into one, with new numbers for the particles.

    Parameters
    ----------
    tables
        The track table of each movie, by a name for the movie.

    Returns
    -------
    pandas.DataFrame
        A track table with the further columns ``movie`` and ``particle_in_movie``, the particle's
        number there.

    Raises
    ------
    InputError
        If a table is not a track table.
    """
    parts = []
    used = 0
    for name, tracks in tables.items():
        table = validate_tracks(tracks, source=f"the track table of movie {name!r}")
        number = np.repeat(np.arange(index_tracks(table).lengths.size), index_tracks(table).lengths)
        parts.append(
            table.assign(particle=used + number, movie=name, particle_in_movie=table["particle"])
        )
        used += int(number.max(initial=-1)) + 1
    if not parts:
        raise InputError("There are no movies to join.")
    return validate_tracks(pd.concat(parts, ignore_index=True))


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
    switch (``n_switches``), ``not_seen_moving`` where there is ``p_immobile``, and the share of
    each model among the tracks for which one is called.

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
    conditions = [_Condition.of(t, n) for t, n in zip((first, second), names, strict=True)]
    if conditions[0].are_tracks != conditions[1].are_tracks:
        raise InputError(
            f"One of {names[0]!r} and {names[1]!r} is a table of tracks, the other one of results; "
            "give two tables of one kind."
        )
    states = pd.DataFrame(columns=["state", "diffusivity", "noise"], dtype=np.float64)
    if conditions[0].are_tracks:
        measures, states = _of_tracks(
            conditions, exposure, n_states, max_states, focal_depth, seed, progress
        )
    else:
        measures = _of_results(conditions)
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


@dataclass(frozen=True)
class _Condition:
    """One condition: its table, sorted, and which movie each row (or track) belongs to."""

    table: pd.DataFrame
    movies: list[object]
    movie_of: npt.NDArray[np.int64]
    are_tracks: bool
    unit: str = _UNIT

    @classmethod
    def of(cls, table: pd.DataFrame, name: str) -> _Condition:
        if "movie" not in table.columns:
            raise InputError(
                f"The table of {name!r} lacks the column 'movie'. Add one that says which movie "
                "each row comes from, since it is movies that are compared."
            )
        if table["movie"].isna().any():
            raise InputError(f"The table of {name!r} has rows without a movie.")
        movies: list[object] = sorted(table["movie"].unique(), key=str)
        if len(movies) < 2:
            raise InputError(
                f"{name!r} has {len(movies) or 'no'} movie, and how much movies differ by chance "
                "cannot be seen in one. Give two or more of each condition; three make the "
                "intervals useful."
            )
        if "frame" in table.columns and "x" in table.columns:
            joined = join_movies({str(m): table[table["movie"] == m] for m in movies})
            of_track = joined["movie"].iloc[index_tracks(joined).starts]
            code = {str(movie): i for i, movie in enumerate(movies)}
            return cls(joined, movies, np.asarray(of_track.map(code), np.int64), True)
        code_of = {movie: i for i, movie in enumerate(movies)}
        units = table["diffusivity_unit"].unique() if "diffusivity_unit" in table else [_UNIT]
        if len(units) > 1:
            raise InputError(
                f"The diffusivities of {name!r} are in {' and '.join(units)}; analyse all movies "
                "with their calibration."
            )
        of_row = np.asarray(table["movie"].map(code_of), np.int64)
        return cls(table.reset_index(drop=True), movies, of_row, False, str(units[0]))

    def share(self, numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Measure:
        """Make the ratio of two sums over tracks a function of the movies."""
        above, below = (
            sum_by_track(np.asarray(values, np.float64), self.movie_of, len(self.movies))
            for values in (numerator, denominator)
        )

        def measure(weights: Array) -> Array:
            return _ratio(weights @ above, weights @ below)

        return measure

    def median(self, values: Array) -> Measure:
        """Make the median over tracks a function of the movies."""
        known = np.flatnonzero(np.isfinite(values))
        order = known[np.argsort(values[known], kind="stable")]
        ranked, movie = values[order], self.movie_of[order]

        def measure(weights: Array) -> Array:
            running = weights[:, movie].cumsum(axis=1)
            result = np.full(len(weights), np.nan)
            some = running[:, -1] > 0 if ranked.size else np.zeros(len(weights), np.bool_)
            half = running[some, -1:] / 2
            lower = (running[some] >= half).argmax(axis=1)
            upper = (running[some] > half).argmax(axis=1)
            result[some] = (ranked[lower] + ranked[upper]) / 2
            return result

        return measure


def _of_tracks(
    conditions: list[_Condition],
    exposure: float,
    n_states: int | None,
    max_states: int,
    focal_depth: float | None,
    seed: int,
    progress: Progress | None,
) -> tuple[list[dict[str, Measure]], pd.DataFrame]:
    arrays = [arrays_of(condition.table) for condition in conditions]
    if arrays[0].n_axes != arrays[1].n_axes:
        raise InputError(
            f"The tracks of one condition have {arrays[0].n_axes} axes, of the other "
            f"{arrays[1].n_axes}; compare tracks of as many."
        )
    exponents = _exponents(conditions, arrays, exposure)
    both = pd.concat([c.table.assign(movie=i) for i, c in enumerate(conditions)])
    fit = fit_states(
        join_movies({str(i): part for i, part in both.groupby("movie")}),
        n_states, max_states=max_states, exposure=exposure, focal_depth=focal_depth,
        n_bootstrap=0, seed=seed, progress=progress,
    )  # fmt: skip
    states = fit.table[["state", "diffusivity"]].assign(noise=fit.noise)
    mixture = Mixture(
        fit.table["diffusivity"].to_numpy(), fit.table["occupancy"].to_numpy(), fit.noise, -np.inf
    )
    measures: list[dict[str, Measure]] = []
    for condition, array, exponent in zip(conditions, arrays, exponents, strict=True):
        brownian = covariance_fit(steps_of(array), array.layout.particles.size, exposure / 6, None)
        long = brownian.n_steps > 1
        speed = np.where(long, brownian.diffusivity * brownian.n_steps, 0)
        rest = immobility(condition.table)["p_immobile"].to_numpy()
        measures.append(
            {
                **exponent,
                "diffusivity": condition.share(speed, brownian.n_steps * long),
                "not_seen_moving": _resting(condition, rest),
                **_occupancies(condition, mixture, exposure, focal_depth),
            }
        )
    return measures, states


def _exponents(
    conditions: list[_Condition], arrays: list[TrackArrays], exposure: float
) -> list[dict[str, Measure]]:
    """Make alpha a function of the movies, or nothing where the tracks are too short for it."""
    n_lags = max(common_lags(arrays, _UNKNOWN, exposure), 1)
    curves = [of_tracks(time_averaged_msd(c.table, n_lags), n_lags) for c in conditions]
    by_movie = [
        curve.grouped(condition.movie_of, len(condition.movies))
        for curve, condition in zip(curves, conditions, strict=True)
    ]
    try:
        n_lags = min(c.of_lags_known(_UNKNOWN).total.shape[1] for c in (*curves, *by_movie))
    except InputError:
        return [{}, {}]
    variance = sum(np.diagonal(curve.first(n_lags).covariance()) for curve in curves)
    law = PowerLaw(1 / np.asarray(variance), arrays[0].n_axes, None, None, exposure)

    def measure(curve: Curves) -> Measure:
        return lambda weights: law.fit(curve.first(n_lags).mean(weights))[0]

    return [{"alpha": measure(curve)} for curve in by_movie]


def _occupancies(
    condition: _Condition, mixture: Mixture, exposure: float, focal_depth: float | None
) -> dict[str, Measure]:
    data = TracksInStates(Spectra.of(condition.table, None), exposure)
    movie = condition.movie_of[data.tracks]

    def measure(state: int) -> Measure:
        return lambda weights: data.occupancies(mixture, weights[:, movie], focal_depth)[:, state]

    return {f"occupancy_{state}": measure(state) for state in range(mixture.share.size)}


def _of_results(conditions: list[_Condition]) -> list[dict[str, Measure]]:
    measures = []
    for condition in conditions:
        table = condition.table
        found: dict[str, Measure] = {}
        for name in ("alpha", "diffusivity"):
            if name in table:
                found[name] = condition.median(table[name].to_numpy(np.float64, na_value=np.nan))
        if "p_immobile" in table:
            found["not_seen_moving"] = _resting(condition, table["p_immobile"].to_numpy(np.float64))
        if "n_switches" in table:
            found["switching"] = condition.share(table["n_switches"] > 0, np.ones(len(table)))
        if "model" in table:
            called = table["model"].notna()
            for model in MODELS:
                found[f"share_{model}"] = condition.share(table["model"].eq(model) & called, called)
        measures.append(found)
    common = [name for name in measures[0] if name in measures[1]]
    if not common:
        raise InputError(
            "The tables are neither tracks (particle, frame, y, x) nor results with a column "
            "'alpha', 'diffusivity', 'p_immobile', 'n_switches' or 'model' in both."
        )
    if "diffusivity" in common and conditions[0].unit != conditions[1].unit:
        raise InputError(
            f"Diffusivities are in {conditions[0].unit} in one table and in {conditions[1].unit} "
            "in the other; analyse both with their calibration."
        )
    return [{name: found[name] for name in common} for found in measures]


def _resting(condition: _Condition, p_immobile: Array) -> Measure:
    known = np.isfinite(p_immobile)
    return condition.share(known & (p_immobile >= LEVEL_OF_REST), known)


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
        ratio, factor = float(_ratio(whole[1], whole[0])), np.nan
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


def _ratio(above: npt.ArrayLike, below: npt.ArrayLike) -> Array:
    above, below = np.asarray(above, np.float64), np.asarray(below, np.float64)
    return np.asarray(np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0))


def _movies(conditions: list[_Condition], values: list[dict[str, Array]]) -> pd.DataFrame:
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
