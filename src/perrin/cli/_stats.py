"""``perrin stats``: statistics of tracks, of populations, and of two conditions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pandas as pd

from perrin.cli._movies import say_units, say_written, track_line
from perrin.cli._options import SectionedCommand, add_options, changes_in
from perrin.cli._shell import out_options, progress_bars
from perrin.cli._tracks import read_counted
from perrin.measurement import (
    MeasurementPlan,
    common_calibration,
    join_named,
    measure_tracks,
    measurement_files,
)
from perrin.results import TableFormat, check_files
from perrin.statistics.words import comparison_lines, survey_lines

__all__ = ["stats_command"]


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
@add_options(MeasurementPlan)
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
    is used; a recipe.yaml beside a tracks.csv of Perrin's own is, unless another is given. Tracks
    that the per_track.csv beside it says were rejected or filtered are left out.

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
    check_files(out, measurement_files(len(groups), table_format), overwrite=overwrite)
    read = {
        path: read_counted(path, changes, recipe_file=recipe_file, quiet=quiet)
        for path in (*tracks, *against)
    }
    calibration = common_calibration(
        {str(path): table.attrs["calibration"] for path, table in read.items()},
        "give --pixel-size and --frame-interval",
    )
    plan = MeasurementPlan.checked(**{**changes, "calibration": calibration})
    say_units(calibration, quiet)
    titles = list(names) if against else [_title(tracks)]
    conditions = {
        title: _joined({path: read[path] for path in paths})
        for title, paths in zip(titles, groups, strict=True)
    }
    with progress_bars(quiet=quiet) as progress:
        found = measure_tracks(conditions, plan, progress=progress)
    source = ", ".join(path.name for path in read)
    paths = found.save(out, source=source, overwrite=overwrite, table_format=table_format)
    for title, survey in found.surveys.items():
        click.echo(f"{title}: {track_line(conditions[title])}")
        _say(survey_lines(survey))
    if found.comparison is not None:
        first, *rest = comparison_lines(found.comparison)
        click.echo(first)
        _say(rest)
    say_written(paths, quiet)


def _say(lines: list[str]) -> None:
    for line in lines:
        click.echo(f"  {line}")


def _joined(tables: dict[Path, pd.DataFrame]) -> pd.DataFrame:
    stems = [path.stem for path in tables]
    # Perrin's own tables are all called tracks; then the folder tells movies apart.
    named = {
        path.stem if stems.count(path.stem) == 1 else str(path): table
        for path, table in tables.items()
    }
    return join_named(named)


def _title(paths: tuple[Path, ...]) -> str:
    return paths[0].name if len(paths) == 1 else f"{len(paths)} movies"
