"""``perrin stats``: statistics of tracks, of populations, and of two conditions."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pandas as pd
from pydantic import Field

import perrin
from perrin.cli._movies import say_units, say_written, track_line
from perrin.cli._options import SectionedCommand, add_options, changes_in
from perrin.cli._shell import note, out_options, progress_bars
from perrin.errors import InputError
from perrin.io import read_tracks, write_together
from perrin.parameters import Parameters
from perrin.pipeline import Recipe
from perrin.results import TableFormat, check_files, recipe_beside
from perrin.statistics import (
    LEVEL_OF_REST,
    MIN_POINTS_AT_REST,
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

__all__ = ["stats_command"]

_SETTINGS = "statistics.yaml"
_TABLES = (
    "diffusivity", "msd", "mean_msd", "msd_fits", "ergodicity", "population", "states",
    "displacements", "velocity_autocorrelation",
)  # fmt: skip
_COMPARISON = ("comparison", "comparison_movies", "comparison_states")


class _Plan(Parameters):
    """Everything that can be chosen."""

    calibration: Calibration = Field(default=Calibration(), title="Calibration")
    statistics: SurveyParameters = Field(default=SurveyParameters(), title="Statistics")
    population: StateArray = Field(default=StateArray(), title="Population")


def _two_names(_context: click.Context, option: click.Parameter, given: str) -> tuple[str, str]:
    first, _, second = (part.strip() for part in given.partition(","))
    if not first or not second or "," in second or first == second:
        raise click.BadParameter("give two different names with a comma between.", param=option)
    return first, second


@click.command("stats", cls=SectionedCommand)
@click.argument("tracks", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="TRACKS",
    help="Tracks of a second condition, to compare with; again for each movie.",
)
@click.option(
    "--names",
    default="first,second",
    show_default=True,
    callback=_two_names,
    metavar="A,B",
    help="What to call the two conditions.",
)
@out_options
@add_options(_Plan)
def stats_command(
    tracks: tuple[Path, ...],
    against: tuple[Path, ...],
    names: tuple[str, str],
    out: Path,
    recipe_file: Path | None,
    table_format: TableFormat,
    overwrite: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Measure TRACKS: MSD, diffusivity, ergodicity, and the states of the population.

    Each of TRACKS is a table as for `perrin analyze`, and a movie of its own unless it has a column
    movie. Writes tables (diffusivity.csv, msd.csv, mean_msd.csv, msd_fits.csv, ergodicity.csv,
    population.csv, states.csv, ...), figures and statistics.yaml. Of a recipe only the calibration
    is used; a recipe.yaml beside a tracks.csv of Perrin's own is, unless another is given.

    With --against, both conditions are measured, and compared movie by movie: comparison.csv, with
    intervals of the differences, and comparison.png. That needs two movies or more of each.

    \b
    Examples:
      perrin stats beads/tracks.csv --out statistics
      perrin stats spots.csv --out statistics --pixel-size 0.16 --frame-interval 0.00748
      perrin stats control*.csv --against drug1.csv --against drug2.csv --against drug3.csv \\
          --names control,drug --out comparison
    """
    changes = changes_in(options)
    groups = (tracks, against) if against else (tracks,)
    check_files(out, _file_names(len(groups), table_format), overwrite=overwrite)
    read = {path: _read(path, recipe_file, changes, quiet) for path in (*tracks, *against)}
    calibration = _common_calibration(read)
    plan = _Plan.checked(**{**changes, "calibration": calibration})
    say_units(calibration, quiet)
    tables = [_joined({path: read[path][0] for path in paths}) for paths in groups]
    comparison = None
    with progress_bars(quiet=quiet) as progress:
        if against:
            # First, since it is what refuses too few movies.
            comparison = compare_conditions(
                *(in_even_pixels(table, calibration) for table in tables),
                names=names,
                exposure=calibration.exposure,
                n_states=plan.statistics.n_states,
                max_states=plan.statistics.max_states,
                focal_depth=plan.population.focal_depth,
                progress=progress,
            ).in_units(calibration)
        surveys = [
            survey_tracks(table, calibration, plan.statistics, plan.population, progress=progress)
            for table in tables
        ]
    titles = list(names) if against else [_title(tracks)]
    files = _files(surveys, titles, comparison, table_format)
    source = ", ".join(path.name for path in read)
    settings = f"# Statistics of Perrin {perrin.__version__}, of {source}\n{plan.to_yaml()}"
    paths = write_together({**files, _SETTINGS: settings}, out, overwrite=overwrite)
    for title, table, survey in zip(titles, tables, surveys, strict=True):
        click.echo(f"{title}: {track_line(table)}")
        click.echo(_said(survey))
    if comparison is not None:
        click.echo(_compared(comparison))
    say_written(paths, quiet)


def _read(
    path: Path, recipe_file: Path | None, changes: dict[str, dict[str, Any]], quiet: bool
) -> tuple[pd.DataFrame, Calibration]:
    if recipe_file is None and (beside := recipe_beside(path)) is not None:
        note(f"Using the calibration in {beside}.", quiet=quiet)
        recipe_file = beside
    recipe = Recipe() if recipe_file is None else Recipe.read(recipe_file)
    table = read_tracks(path)
    chosen = {step: values for step, values in changes.items() if step == "calibration"}
    recipe = recipe.with_values(chosen).calibrated(table.attrs.get("calibration"))
    return table, recipe.calibration


def _common_calibration(read: dict[Path, tuple[pd.DataFrame, Calibration]]) -> Calibration:
    first, *others = read
    for path in others:
        if read[path][1] != read[first][1]:
            raise InputError(
                f"{first} and {path} have different calibrations ({_shown(read[first][1])}; "
                f"{_shown(read[path][1])}). Measure them apart; or, if it is the same microscope, "
                "give --pixel-size and --frame-interval."
            )
    return read[first][1]


def _shown(calibration: Calibration) -> str:
    known = calibration.model_dump(exclude_none=True)
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in known.items())


def _joined(tables: dict[Path, pd.DataFrame]) -> pd.DataFrame:
    """Make one table of several movies; a single file stays as it is, numbers included."""
    stems = [path.stem for path in tables]
    movies: dict[str, pd.DataFrame] = {}
    for path, table in tables.items():
        # Perrin's own tables are all called tracks; then the folder tells movies apart.
        name = path.stem if stems.count(path.stem) == 1 else str(path)
        if "movie" not in table:
            movies[name] = table
            continue
        for movie, part in table.groupby("movie"):
            movies[str(movie) if len(tables) == 1 else f"{name}: {movie}"] = part
    if len(movies) == 1 and len(tables) == 1:
        ((name, table),) = movies.items()
        return table.assign(movie=name)
    return join_movies(movies)


def _file_names(n_groups: int, table_format: TableFormat) -> list[str]:
    tables = (*_TABLES, *(_COMPARISON if n_groups > 1 else ()))
    return [*(f"{name}.{table_format}" for name in tables), *_pictures(n_groups), _SETTINGS]


def _pictures(n_groups: int) -> list[str]:
    if n_groups == 1:
        return ["statistics.png"]
    return ["statistics_1.png", "statistics_2.png", "comparison.png"]


def _files(
    surveys: list[Survey],
    titles: list[str],
    comparison: Comparison | None,
    table_format: TableFormat,
) -> dict[str, pd.DataFrame | str | bytes]:
    from perrin.statistics.figures import comparison_figure, survey_figure

    tables: dict[str, pd.DataFrame] = {}
    for name in _TABLES:
        parts = [survey.tables[name] for survey in surveys]
        if comparison is not None:
            parts = [
                pd.concat([pd.Series(title, part.index, name="condition"), part], axis=1)
                for title, part in zip(titles, parts, strict=True)
            ]
        tables[name] = pd.concat(parts, ignore_index=True)
    figures = [survey_figure(s, title) for s, title in zip(surveys, titles, strict=True)]
    if comparison is not None:
        named = comparison.table.copy()
        named.insert(0, "first_name", titles[0])
        named.insert(1, "second_name", titles[1])
        movies = comparison.movies.assign(
            condition=[titles[number] for number in comparison.movies["condition"]]
        )
        tables |= dict(zip(_COMPARISON, (named, movies, comparison.states), strict=True))
        figures.append(comparison_figure(comparison))
    pictures = zip(_pictures(len(surveys)), map(_png, figures), strict=True)
    return {**{f"{name}.{table_format}": table for name, table in tables.items()}, **dict(pictures)}


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _title(paths: tuple[Path, ...]) -> str:
    return paths[0].name if len(paths) == 1 else f"{len(paths)} movies"


def _said(survey: Survey) -> str:
    """Write the most asked-for numbers as text with units."""
    lines = []
    for fit in _records(survey.tables["msd_fits"]):
        if fit["n_lags"]:
            lines.append(
                "MSD, {average} average: alpha {alpha:.2f} ± {alpha_se:.2f}, "
                "K {coefficient:.3g} ± {coefficient_se:.2g} {coefficient_unit}, "
                "noise {noise:.3g} {noise_unit} ({n_lags} lags)".format(**fit)
            )
    for state in _records(survey.tables["states"]):
        lines.append(
            "State {state}: D {diffusivity:.3g} ({diffusivity_lo:.3g} to {diffusivity_hi:.3g}) "
            "{diffusivity_unit}, {occupancy:.2f} ({occupancy_lo:.2f} to {occupancy_hi:.2f}) of "
            "displacements".format(**state)
        )
    rest = survey.tables["diffusivity"]["p_immobile"].dropna()
    if len(rest):
        lines.append(
            f"{int((rest >= LEVEL_OF_REST).sum())} of {len(rest)} tracks of "
            f"{MIN_POINTS_AT_REST} points and more are not seen to move"
        )
    return "\n".join(f"  {line}" for line in lines)


def _compared(comparison: Comparison) -> str:
    first, second = comparison.names
    lines = [f"{second} less {first}, with {comparison.level:.0%} intervals by movie:"]
    for row in _records(comparison.table):
        lines.append(
            "  {quantity}: {difference:+.3g} ({difference_lo:+.3g} to {difference_hi:+.3g}) "
            "{unit}".format(**row).rstrip()
        )
    return "\n".join(lines)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
