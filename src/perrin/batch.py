"""One recipe over many movies: what became of each, and all of them together."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd

from perrin.errors import OutputError, PerrinError
from perrin.io import Checkpoint, read_movie, read_table
from perrin.pipeline import Recipe, run
from perrin.results import (
    ANALYSIS_TABLES,
    RECIPE_FILE,
    TRACKS_TABLE,
    Source,
    TableFormat,
    check_folder,
    save_results,
)
from perrin.summary import kept_rows, summarize_movie
from perrin.workers import WorkerDied, on_cluster, on_this_machine

__all__ = [
    "MovieJob",
    "Outcome",
    "read_per_track",
    "run_movies",
    "summary_table",
]


@dataclass(frozen=True)
class MovieJob:
    """A movie, what to do to it, and where the results go; every process can be handed one.

    Attributes
    ----------
    movie
        The file.
    out
        Folder for its results.
    recipe
        Of which empty fields of the calibration are taken from the movie's file.
    channel, axes, series
        As for :func:`perrin.read_movie`.
    device
        Where networks and detector run.
    table_format
        How tables are written.
    overwrite
        Whether earlier results, of another recipe, may be replaced.
    """

    movie: Path
    out: Path
    recipe: Recipe
    channel: int | None = None
    axes: str | None = None
    series: int | None = None
    device: str = "auto"
    table_format: TableFormat = "csv"
    overwrite: bool = False

    def recipe_text(self, recipe: Recipe) -> str:
        """Write the recipe as it is saved, with where its results come from."""
        chosen = [
            f"{name} {value}"
            for name in ("series", "channel", "axes")
            if (value := getattr(self, name)) is not None
        ]
        return recipe.to_yaml(comment=", ".join([f"made from {self.movie.name}", *chosen]))


class Outcome(NamedTuple):
    """What became of a movie.

    Attributes
    ----------
    job
        The movie.
    status
        ``"done"``, ``"skipped"`` (finished before, with the same recipe) or ``"failed"``.
    reason
        Why it failed, in a sentence.
    n_frames
        How long the movie is, if it could be opened.
    seconds
        How long it took.
    notes
        Sentences about what was assumed.
    """

    job: MovieJob
    status: Literal["done", "skipped", "failed"]
    reason: str = ""
    n_frames: int | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


def run_movies(
    jobs: Sequence[MovieJob], *, workers: int = 1, scheduler: str | None = None
) -> Generator[Outcome]:
    """Track and analyse movies, and yield what became of each as soon as it is known.

    A movie that is finished with the same recipe is skipped; one that was stopped goes on where it
    was; one that fails does not stop the others.

    Parameters
    ----------
    jobs
        One for each movie.
    workers
        How many processes of this machine to use.
    scheduler
        The scheduler of a Dask cluster to use instead; see :func:`perrin.workers.on_cluster`.

    Raises
    ------
    InputError
        If the cluster cannot be used.
    """
    if scheduler is None:
        answers = on_this_machine(run_movie, jobs, workers)
    else:
        answers = on_cluster(run_movie, jobs, scheduler)
    for job, outcome in answers:
        if isinstance(outcome, WorkerDied):
            outcome = Outcome(
                job,
                "failed",
                "The process that worked on it was ended from outside, which is what happens when "
                "the memory is full. Use fewer workers, or do this movie alone.",
            )
        yield outcome


def run_movie(job: MovieJob) -> Outcome:
    """Track and analyse one movie, unless that is done, and save the results.

    Whatever goes wrong becomes the reason of the outcome.
    """
    begun = time.monotonic()
    n_frames: int | None = None
    notes: tuple[str, ...] = ()
    try:
        movie = read_movie(job.movie, channel=job.channel, axes=job.axes, series=job.series)
        n_frames = movie.n_frames
        notes = (*movie.notes, *job.recipe.overruled(movie.calibration, job.movie.name))
        recipe = job.recipe.calibrated(movie.calibration)
        text = job.recipe_text(recipe)
        if _is_finished(job, text):
            return Outcome(job, "skipped", n_frames=n_frames, notes=notes)
        check_folder(job.out, overwrite=job.overwrite)
        try:
            with Checkpoint.beside(job.out) as checkpoint:
                result = run(movie, recipe, device=job.device, checkpoint=checkpoint)
                save_results(
                    job.out,
                    recipe=text,
                    tracks=result.tracks,
                    analysis=result.analysis,
                    source=Source(movie=str(job.movie)),
                    overwrite=job.overwrite,
                    table_format=job.table_format,
                )
        except OutputError:
            # Of a worker that was taken for dead, and of the one that was given its work.
            if not _is_finished(job, text):
                raise
    except PerrinError as error:
        reason = str(error)
    except MemoryError:
        reason = "There is not enough memory for this movie. Use fewer workers."
    except Exception as error:  # the other movies go on
        reason = f"Perrin itself failed ({type(error).__name__}: {error}); please report this."
    else:
        return Outcome(job, "done", "", n_frames, time.monotonic() - begun, notes)
    return Outcome(job, "failed", reason, n_frames, time.monotonic() - begun, notes)


def _is_finished(job: MovieJob, recipe_text: str) -> bool:
    """Whether the folder holds the results of this recipe, and the movie is not newer."""
    tables = [job.out / f"{name}.{job.table_format}" for name in (TRACKS_TABLE, *ANALYSIS_TABLES)]
    recipe = job.out / RECIPE_FILE
    try:
        return (
            recipe.read_text(encoding="utf-8") == recipe_text
            and all(table.is_file() for table in tables)
            and recipe.stat().st_mtime_ns >= job.movie.stat().st_mtime_ns
        )
    except (OSError, UnicodeDecodeError):
        return False


def read_per_track(job: MovieJob) -> pd.DataFrame:
    """Read the table of tracks that the results of a movie hold, without those filtered out."""
    return kept_rows(read_table(job.out / f"per_track.{job.table_format}"))


def summary_table(outcomes: Sequence[Outcome], per_track: dict[Path, pd.DataFrame]) -> pd.DataFrame:
    """Put all movies in one table.

    Parameters
    ----------
    outcomes
        One for each movie.
    per_track
        Table of tracks of each movie that is finished, by its folder of results.

    Returns
    -------
    pandas.DataFrame
        One row per movie, sorted by name: ``movie``, ``results``, ``status``, ``reason``,
        ``notes``, ``seconds``, ``n_frames``, and what :func:`perrin.summary.summarize_movie` says;
        empty where it failed.
    """
    rows = []
    for outcome in outcomes:
        row: dict[str, object] = {
            "movie": str(outcome.job.movie),
            "results": str(outcome.job.out),
            "status": outcome.status,
            "reason": outcome.reason,
            "notes": " ".join(outcome.notes),
            "seconds": round(outcome.seconds, 1) if outcome.status == "done" else None,
            "n_frames": outcome.n_frames,
        }
        if (table := per_track.get(outcome.job.out)) is not None:
            row |= summarize_movie(table)
        rows.append(row)
    table = pd.DataFrame(rows).sort_values("results", ignore_index=True)
    whole = [name for name in table.columns if name.startswith("n_")]
    return table.astype(dict.fromkeys(whole, "Int64"))
