"""``perrin track``, ``perrin analyze`` and ``perrin run``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from perrin.analysis import Analysis
from perrin.batch import MovieJob
from perrin.cli._batch import run_batch
from perrin.cli._options import SectionedCommand, add_options, changes_in
from perrin.cli._shell import device_option, note, out_options, progress_bars
from perrin.cli._tracks import calibrated
from perrin.curation import Curation
from perrin.engine.engines import ENGINES
from perrin.io import Checkpoint, Movie, is_one_movie, read_movie, read_tracks
from perrin.pipeline import FINDING_STEPS, Recipe, analyze_curated, run, track_movie
from perrin.results import (
    Source,
    TableFormat,
    check_folder,
    recipe_beside,
    save_results,
    source_of_tracks,
)
from perrin.summary import describe
from perrin.tracks import Calibration, index_tracks

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "analyze_command", "movie_options", "open_movie", "run_command", "say_units", "say_written",
    "track_command", "track_line",
]  # fmt: skip

_SCRAPS = 5

_curation_option = click.option(
    "--curation",
    "curation_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Do to the tracks what was done by hand before: the curation.yaml of a folder of results.",
)


def movie_options(command: Any) -> Any:
    """Add the argument and the options that say what movie to open."""
    return click.argument("movie", type=click.Path(path_type=Path))(_part_options(command))


def _part_options(command: Any) -> Any:
    command = click.option(
        "--axes",
        metavar="LETTERS",
        help="What the axes of the file are, e.g. TYX or TZYX, if the file does not say.",
    )(command)
    command = click.option(
        "--channel",
        type=click.IntRange(min=0),
        metavar="N",
        help="Which channel of the movie to take, counting from 0.",
    )(command)
    return click.option(
        "--series",
        type=click.IntRange(min=0),
        metavar="N",
        help="Which image to take, counting from 0, of a file with several (positions, scenes).",
    )(command)


@click.command("track", cls=SectionedCommand)
@movie_options
@out_options
@device_option
@add_options(Recipe, "calibration", *FINDING_STEPS)
def track_command(
    movie: Path,
    out: Path,
    recipe_file: Path | None,
    table_format: TableFormat,
    overwrite: bool,
    quiet: bool,
    channel: int | None,
    axes: str | None,
    series: int | None,
    device: str,
    **options: Any,
) -> None:
    """Find particles in MOVIE (TIFF, OME-Zarr, ND2, CZI, LIF) and link them to tracks.

    Writes tracks.csv (positions in pixels, times in frames) and recipe.yaml.

    \b
    Example:
      perrin track beads.tif --out beads --diameter 11 --search-range 6
    """
    recipe = _recipe(recipe_file, options)
    check_folder(out, analysis=False, overwrite=overwrite)
    opened = open_movie(movie, channel, axes, quiet, series)
    recipe = calibrated(recipe, opened.calibration, movie.name, quiet=quiet)
    say_units(recipe.calibration, quiet)
    with _resumable(out, quiet) as checkpoint, progress_bars(quiet=quiet) as progress:
        tracks = track_movie(
            opened, recipe, device=device, progress=progress, checkpoint=checkpoint
        )
        paths = save_results(
            out,
            recipe=_recipe_text(recipe, movie),
            tracks=tracks,
            source=Source(movie=str(movie.resolve())),
            overwrite=overwrite,
            table_format=table_format,
        )
    click.echo(track_line(tracks))
    _warn_of_scraps(tracks, quiet)
    say_written(paths, quiet)


@click.command("run", cls=SectionedCommand)
@click.argument("movies", type=click.Path(path_type=Path), nargs=-1, required=True)
@_part_options
@out_options
@device_option
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many movies to do at a time, each in a process of its own.  [default: one per "
    "processor]",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Do the movies on the Dask cluster of this scheduler (its address, or its file).",
)
@_curation_option
@add_options(Recipe)
def run_command(
    movies: tuple[Path, ...],
    out: Path,
    recipe_file: Path | None,
    table_format: TableFormat,
    overwrite: bool,
    quiet: bool,
    channel: int | None,
    axes: str | None,
    series: int | None,
    device: str,
    workers: int | None,
    scheduler: str | None,
    curation_file: Path | None,
    **options: Any,
) -> int:
    """Track the particles of MOVIES and analyse their tracks.

    A movie is a TIFF, ND2, CZI or LIF file or an OME-Zarr folder. Writes tracks.csv, per_track.csv
    (model, alpha, diffusivity, ... of each track), per_frame.csv, switches.csv, overview.png and
    recipe.yaml.

    Several movies, a folder of them or a pattern are done with one recipe, each with a folder of
    results of its own; summary.csv and report.html are about all of them. Movies that are finished
    are skipped, so that the same command goes on after it was stopped.

    \b
    Examples:
      perrin run beads.tif --out beads
      perrin run beads.tif --out beads --diameter 9 --minmass 300
      perrin run recordings --out results --recipe beads/recipe.yaml --workers 4
    """
    recipe = _recipe(recipe_file, options)
    job = MovieJob(movies[0], out, recipe, channel, axes, series, device, table_format, overwrite)
    if scheduler is not None or not is_one_movie(movies):
        if curation_file is not None:
            raise click.UsageError("--curation is of one movie; it cannot be done to several.")
        return run_batch(movies, out, job, workers=workers, scheduler=scheduler, quiet=quiet)
    (movie,) = movies
    curation = None if curation_file is None else Curation.read(curation_file)
    check_folder(out, overwrite=overwrite)
    opened = open_movie(movie, channel, axes, quiet, series)
    recipe = calibrated(recipe, opened.calibration, movie.name, quiet=quiet)
    say_units(recipe.calibration, quiet)
    with _resumable(out, quiet) as checkpoint, progress_bars(quiet=quiet) as progress:
        result = run(
            opened,
            recipe,
            curation=curation,
            device=device,
            progress=progress,
            checkpoint=checkpoint,
        )
        paths = save_results(
            out,
            recipe=job.recipe_text(result.recipe),
            tracks=result.tracks,
            analysis=result.analysis,
            curation=result.curation,
            uncurated=result.uncurated,
            source=Source(movie=str(movie.resolve())),
            overwrite=overwrite,
            table_format=table_format,
        )
    click.echo(track_line(result.tracks))
    _warn_of_scraps(result.tracks, quiet)
    _say_kept(result.analysis)
    click.echo(describe(result.analysis))
    _warn_of_engine(result.analysis, quiet)
    say_written(paths, quiet)
    return 0


@click.command("analyze", cls=SectionedCommand)
@click.argument("tracks", type=click.Path(path_type=Path))
@out_options
@device_option
@_curation_option
@add_options(Recipe, "calibration", "analysis", "filters")
def analyze_command(
    tracks: Path,
    out: Path,
    recipe_file: Path | None,
    table_format: TableFormat,
    overwrite: bool,
    quiet: bool,
    device: str,
    curation_file: Path | None,
    **options: Any,
) -> None:
    """Analyse TRACKS: which motion, how anomalous, how fast, and where it changes.

    TRACKS is a CSV or Parquet table with the columns particle, frame, y, x (pixels; z too in 3D),
    as trackpy makes it, or a TrackMate XML file. Writes per_track.csv, per_frame.csv, switches.csv,
    overview.png and recipe.yaml. A recipe.yaml beside a tracks.csv of Perrin's own is used unless
    another is given. A curation is done to the tracks that it was made on (tracks_uncurated.csv),
    and writes tracks.csv too.

    \b
    Examples:
      perrin analyze results/tracks.csv --out analysis
      perrin analyze spots.csv --out analysis --pixel-size 0.16 --frame-interval 0.00748
    """
    if recipe_file is None and (beside := recipe_beside(tracks)) is not None:
        note(f"Using the parameters and the calibration in {beside}.", quiet=quiet)
        recipe_file = beside
    recipe = _recipe(recipe_file, options)
    curation = None if curation_file is None else Curation.read(curation_file)
    check_folder(out, tracks=curation is not None, overwrite=overwrite)
    table = read_tracks(tracks)
    recipe = calibrated(recipe, table.attrs.get("calibration"), tracks.name, quiet=quiet)
    say_units(recipe.calibration, quiet)
    with progress_bars(quiet=quiet) as progress:
        curated, analysis = analyze_curated(
            table, recipe, curation, device=device, progress=progress
        )
    # How foreign tracks were made is not known, and their recipe does not pretend to.
    text = _recipe_text(recipe, tracks, leave_out=() if recipe_file else FINDING_STEPS)
    paths = save_results(
        out,
        recipe=text,
        tracks=None if curation is None else curated.table(),
        analysis=analysis,
        curation=curation,
        uncurated=None if curation is None else table,
        source=source_of_tracks(tracks),
        overwrite=overwrite,
        table_format=table_format,
    )
    click.echo(track_line(curated.table()))
    _say_kept(analysis)
    click.echo(describe(analysis))
    _warn_of_engine(analysis, quiet)
    say_written(paths, quiet)


def _recipe(file: Path | None, options: dict[str, Any]) -> Recipe:
    recipe = Recipe() if file is None else Recipe.read(file)
    return recipe.with_values(changes_in(options))


@contextmanager
def _resumable(out: Path, quiet: bool) -> Iterator[Checkpoint]:
    """Keep what is done beside the results if the work ends before them, and say so."""
    checkpoint = Checkpoint.beside(out)
    try:
        with checkpoint:
            yield checkpoint
    except BaseException:
        if checkpoint.n_frames:
            note(
                f"\nThe spots of {checkpoint.n_frames} frames are kept in {checkpoint.folder}; the "
                "same command goes on from there.",
                quiet=quiet,
            )
        raise


def open_movie(
    path: Path, channel: int | None, axes: str | None, quiet: bool, series: int | None
) -> Movie:
    """Open a movie, and note what had to be assumed."""
    movie = read_movie(path, channel=channel, axes=axes, series=series)
    for sentence in movie.notes:
        note(f"Note: {sentence}", quiet=quiet)
    return movie


def say_units(calibration: Calibration, quiet: bool) -> None:
    """Note the calibration, or which option is missing for one."""
    if calibration.is_physical:
        note(
            f"Pixel size {calibration.pixel_size:.4g} µm, frame interval "
            f"{calibration.frame_interval:.4g} s.",
            quiet=quiet,
        )
        return
    known = {"--pixel-size": calibration.pixel_size, "--frame-interval": calibration.frame_interval}
    missing = " and ".join(option for option, value in known.items() if value is None)
    note(
        f"Note: without {missing} the results are in pixels and frames, not in µm and s.",
        quiet=quiet,
    )


def _recipe_text(recipe: Recipe, source: Path, leave_out: tuple[str, ...] = ()) -> str:
    return recipe.to_yaml(comment=f"made from {source.name}", leave_out=leave_out)


def track_line(tracks: pd.DataFrame) -> str:
    """Say how many tracks there are, and how long."""
    return (
        f"{len(index_tracks(tracks).lengths)} tracks, {len(tracks)} localizations, "
        f"median length {_median_length(tracks)} points"
    )


def _median_length(tracks: pd.DataFrame) -> int:
    lengths = sorted(index_tracks(tracks).lengths)
    return int(lengths[len(lengths) // 2]) if lengths else 0


def _warn_of_scraps(tracks: pd.DataFrame, quiet: bool) -> None:
    median = _median_length(tracks)
    if 0 < median < _SCRAPS:
        note(
            f"Note: half of the tracks have at most {median} points. If that is not what the movie "
            "shows, change --diameter, --minmass or --search-range, or raise --min-length.",
            quiet=quiet,
        )


def _say_kept(analysis: Analysis) -> None:
    if "kept" in analysis.per_track:
        kept = analysis.per_track["kept"]
        click.echo(f"{int(kept.sum())} of them kept by filters and curation:")


def _warn_of_engine(analysis: Analysis, quiet: bool) -> None:
    name, fewest = analysis.parameters.engine, analysis.parameters.min_points
    shortest = ENGINES[name].shortest
    lengths = analysis.per_track["n_points"]
    n_unanswered = int(((lengths >= fewest) & (lengths < shortest)).sum())
    if n_unanswered:
        note(
            f"Note: the engine {name} answers for tracks of at least {shortest} points; "
            f"{n_unanswered} are shorter.",
            quiet=quiet,
        )


def say_written(paths: list[Path], quiet: bool) -> None:
    """Note what was written where."""
    names = ", ".join(path.name for path in paths)
    note(f"Written to {paths[0].parent}: {names}", quiet=quiet)
