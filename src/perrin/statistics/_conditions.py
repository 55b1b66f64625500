"""Conditions: their movies, and what is measured of them as a function of the movies drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.errors import InputError, Progress
from perrin.models import MODELS
from perrin.statistics._arrays import TrackArrays, arrays_of, steps_of, sum_by_track
from perrin.statistics._diffusivity import covariance_fit
from perrin.statistics._ensemble_fit import Curves, PowerLaw, common_lags, of_tracks
from perrin.statistics._msd import time_averaged_msd
from perrin.statistics._population import Spectra
from perrin.statistics._rest import LEVEL_OF_REST, immobility
from perrin.statistics._states import Mixture, TracksInStates, fit_states
from perrin.statistics._switches import MIN_POINTS_TO_SWITCH
from perrin.tracks import index_tracks, validate_tracks

__all__ = [
    "UNIT",
    "Condition",
    "Measure",
    "join_movies",
    "measures_of_results",
    "measures_of_tracks",
    "ratio_of",
]

Array = npt.NDArray[np.float64]
Measure = Callable[[Array], Array]
"""Values ``(sets,)`` of sets of movies, from how often each movie counts ``(sets, movies)``."""

UNIT = "px²/frame"
"""Unit of diffusivities measured on tracks."""

_UNKNOWN = 3  # alpha, K and the noise


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


@dataclass(frozen=True)
class Condition:
    """One condition: its table, sorted, and which movie each row (or track) belongs to."""

    table: pd.DataFrame
    movies: list[object]
    movie_of: npt.NDArray[np.int64]
    are_tracks: bool
    unit: str = UNIT

    @classmethod
    def of(cls, table: pd.DataFrame, name: str) -> Condition:
        """Check a table of tracks or of results; ``name`` is for the messages of its errors."""
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
        units = table["diffusivity_unit"].unique() if "diffusivity_unit" in table else [UNIT]
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
            return ratio_of(weights @ above, weights @ below)

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


def measures_of_tracks(
    conditions: list[Condition],
    exposure: float,
    n_states: int | None,
    max_states: int,
    focal_depth: float | None,
    seed: int,
    progress: Progress | None,
) -> tuple[list[dict[str, Measure]], pd.DataFrame]:
    """Measure tracks: the quantities of each condition, and the states common to both."""
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
    conditions: list[Condition], arrays: list[TrackArrays], exposure: float
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
    condition: Condition, mixture: Mixture, exposure: float, focal_depth: float | None
) -> dict[str, Measure]:
    data = TracksInStates(Spectra.of(condition.table, None), exposure)
    movie = condition.movie_of[data.tracks]

    def measure(state: int) -> Measure:
        return lambda weights: data.occupancies(mixture, weights[:, movie], focal_depth)[:, state]

    return {f"occupancy_{state}": measure(state) for state in range(mixture.share.size)}


def measures_of_results(conditions: list[Condition]) -> list[dict[str, Measure]]:
    """Measure results: the quantities of each condition that both tables have."""
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
            found["switching"] = _switching(condition)
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


def _resting(condition: Condition, p_immobile: Array) -> Measure:
    known = np.isfinite(p_immobile)
    return condition.share(known & (p_immobile >= LEVEL_OF_REST), known)


def _switching(condition: Condition) -> Measure:
    table = condition.table
    known = table["n_switches"].notna().to_numpy()
    if "n_points" in table:
        known = known & (table["n_points"].to_numpy() >= MIN_POINTS_TO_SWITCH)
    counts = table["n_switches"].to_numpy(np.float64, na_value=np.nan)
    return condition.share(known & (counts > 0), known)


def ratio_of(above: npt.ArrayLike, below: npt.ArrayLike) -> Array:
    """Divide, with NaN where there is nothing to divide by."""
    above, below = np.asarray(above, np.float64), np.asarray(below, np.float64)
    return np.asarray(np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0))
