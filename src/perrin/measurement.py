"""Statistics of tracks, of one or two conditions: measured, said in words, and saved in a folder.

The command ``perrin stats`` and the window's *Statistics of tracks* do both what is written here.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from pydantic import Field

import perrin
from perrin.errors import InputError, Progress
from perrin.io import write_together
from perrin.parameters import Parameters
from perrin.results import TableFormat
from perrin.statistics import (
    Comparison,
    StateArray,
    Survey,
    SurveyParameters,
    compare_conditions,
    join_movies,
    survey_tracks,
)
from perrin.tracks import Calibration, in_even_pixels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "Measurement",
    "MeasurementPlan",
    "common_calibration",
    "join_named",
    "measure_tracks",
    "measurement_files",
]

_SETTINGS = "statistics.yaml"
_TABLES = (
    "diffusivity", "msd", "mean_msd", "msd_fits", "ergodicity", "population", "states",
    "displacements", "non_gaussian", "velocity_autocorrelation",
)  # fmt: skip
_COMPARISON = ("comparison", "comparison_movies", "comparison_states")


class MeasurementPlan(Parameters):
    """Everything that can be chosen."""

    calibration: Calibration = Field(default=Calibration(), title="Calibration")
    statistics: SurveyParameters = Field(default=SurveyParameters(), title="Statistics")
    population: StateArray = Field(default=StateArray(), title="Population")


@dataclass(frozen=True, repr=False)
class Measurement:
    """What :func:`measure_tracks` found.

    Attributes
    ----------
    plan
        What was chosen.
    surveys
        The statistics of each condition, by its name.
    comparison
        The comparison of two conditions, in the calibration's units; ``None`` of one.
    refusal
        Why two conditions were not compared; empty if they were, or there is one.
    """

    plan: MeasurementPlan
    surveys: Mapping[str, Survey]
    comparison: Comparison | None
    refusal: str

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        source: str,
        overwrite: bool = False,
        table_format: TableFormat = "csv",
    ) -> list[Path]:
        """Write tables, figures and ``statistics.yaml`` into a folder, all of them or none.

        Parameters
        ----------
        folder
            Where to; made if it does not exist.
        source
            Where the tracks come from, for the first line of the settings.
        overwrite
            Whether earlier results may be replaced.
        table_format
            ``"csv"`` or ``"parquet"``.

        Raises
        ------
        OutputError
            If the folder holds earlier results (and ``overwrite`` is false) or cannot be written
            to. Nothing that was there has then been changed.
        """
        settings = f"# Statistics of Perrin {perrin.__version__}, of {source}\n"
        files: dict[str, pd.DataFrame | str | bytes] = {
            f"{name}.{table_format}": table for name, table in self._tables().items()
        }
        files |= {name: _png(figure) for name, figure in self._figures().items()}
        files[_SETTINGS] = settings + self.plan.to_yaml()
        return write_together(files, Path(folder), overwrite=overwrite)

    def _tables(self) -> dict[str, pd.DataFrame]:
        tables = {name: self._of_conditions(name) for name in _TABLES}
        comparison = self.comparison
        if comparison is not None:
            named = comparison.table.copy()
            named.insert(0, "first_name", comparison.names[0])
            named.insert(1, "second_name", comparison.names[1])
            movies = comparison.movies.assign(
                condition=[comparison.names[number] for number in comparison.movies["condition"]]
            )
            tables |= dict(zip(_COMPARISON, (named, movies, comparison.states), strict=True))
        return tables

    def _of_conditions(self, table: str) -> pd.DataFrame:
        parts = [survey.tables[table] for survey in self.surveys.values()]
        if len(parts) == 1:
            return parts[0]
        named = [
            pd.concat([pd.Series(name, part.index, name="condition"), part], axis=1)
            for name, part in zip(self.surveys, parts, strict=True)
        ]
        return pd.concat(named, ignore_index=True)

    def _figures(self) -> dict[str, Figure]:
        from perrin.statistics.figures import comparison_figure, survey_figure

        pictures = _pictures(len(self.surveys))
        figures = {
            picture: survey_figure(survey, name)
            for picture, (name, survey) in zip(pictures, self.surveys.items(), strict=True)
        }
        if self.comparison is not None:
            figures["comparison.png"] = comparison_figure(self.comparison)
        return figures


def measure_tracks(
    conditions: Mapping[str, pd.DataFrame],
    plan: MeasurementPlan | None = None,
    *,
    must_compare: bool = True,
    progress: Progress | None = None,
) -> Measurement:
    """Compute the statistics of one condition, or of two and compare them.

    Parameters
    ----------
    conditions
        The track table of each condition by its name, with a column ``movie``; see
        :func:`join_named`.
    plan
        What is computed, and how; the defaults if not given.
    must_compare
        Whether two conditions that cannot be compared are an error. If not, they are measured side
        by side.
    progress
        Called as ``progress(what, done, total)``; may raise :class:`perrin.Cancelled`.

    Raises
    ------
    InputError
        As :func:`perrin.statistics.survey_tracks` does, and
        :func:`perrin.statistics.compare_conditions` if ``must_compare``; or if there are more than
        two conditions, or none.
    """
    plan = plan or MeasurementPlan()
    if not 0 < len(conditions) <= 2:
        raise InputError(f"There are {len(conditions)} conditions; give one, or two to compare.")
    comparison, refusal = None, ""
    if len(conditions) == 2:
        try:
            # First, since it is what refuses too few movies.
            comparison = _compared(conditions, plan, progress)
        except InputError as error:
            if must_compare:
                raise
            refusal = str(error)
    surveys = {
        name: survey_tracks(
            table, plan.calibration, plan.statistics, plan.population, progress=progress
        )
        for name, table in conditions.items()
    }
    return Measurement(plan, surveys, comparison, refusal)


def join_named(movies: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Make one table of the movies of a condition.

    A single movie stays as it is, numbers of particles included. A table with a column ``movie``
    counts as several movies.
    """
    parts: dict[str, pd.DataFrame] = {}
    for name, table in movies.items():
        if "movie" not in table:
            parts[name] = table
            continue
        for movie, part in table.groupby("movie"):
            parts[str(movie) if len(movies) == 1 else f"{name}: {movie}"] = part
    if len(parts) == 1:
        ((name, table),) = parts.items()
        return table.assign(movie=name)
    return join_movies(parts)


def common_calibration(found: Mapping[str, Calibration], remedy: str) -> Calibration:
    """Return the calibration of several movies.

    Parameters
    ----------
    found
        That of each movie, by its name.
    remedy
        What to do where they are of the same microscope after all: the end of a sentence.

    Raises
    ------
    InputError
        If they differ.
    """
    (first, calibration), *others = found.items()
    for name, other in others:
        if other != calibration:
            raise InputError(
                f"{first} and {name} have different calibrations ({_shown(calibration)}; "
                f"{_shown(other)}). Measure them apart; or, if it is the same microscope, {remedy}."
            )
    return calibration


def measurement_files(n_conditions: int, table_format: TableFormat) -> list[str]:
    """Name the files that :meth:`Measurement.save` writes if it compares two conditions."""
    compared = n_conditions > 1
    tables = (*_TABLES, *(_COMPARISON if compared else ()))
    pictures = [*_pictures(n_conditions), *(["comparison.png"] if compared else [])]
    return [*(f"{name}.{table_format}" for name in tables), *pictures, _SETTINGS]


def _compared(
    conditions: Mapping[str, pd.DataFrame], plan: MeasurementPlan, progress: Progress | None
) -> Comparison:
    (first, one), (second, other) = conditions.items()
    calibration = plan.calibration
    return compare_conditions(
        in_even_pixels(one, calibration),
        in_even_pixels(other, calibration),
        names=(first, second),
        exposure=calibration.exposure,
        n_states=plan.statistics.n_states,
        max_states=plan.statistics.max_states,
        focal_depth=plan.population.focal_depth,
        progress=progress,
    ).in_units(calibration)


def _pictures(n_conditions: int) -> list[str]:
    if n_conditions == 1:
        return ["statistics.png"]
    return [f"statistics_{number + 1}.png" for number in range(n_conditions)]


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _shown(calibration: Calibration) -> str:
    known = calibration.model_dump(exclude_none=True)
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in known.items())
