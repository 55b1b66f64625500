"""``perrin run`` over many movies."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import click
from tqdm import tqdm

from perrin.batch import (
    MovieJob,
    Outcome,
    read_per_track,
    run_movies,
    summary_table,
)
from perrin.cli._shell import note, progress_bars
from perrin.errors import OutputError
from perrin.io import find_movies, write_together
from perrin.pipeline import Recipe
from perrin.report import REPORT_BEGINS, movies_report
from perrin.results import check_files
from perrin.workers import default_workers

__all__ = ["run_batch"]

_SUMMARY, _REPORT = "summary.csv", "report.html"
_OF_OURS = {_SUMMARY: "movie,results,status", _REPORT: REPORT_BEGINS}


def run_batch(
    sources: Sequence[Path],
    out: Path,
    template: MovieJob,
    *,
    workers: int | None,
    scheduler: str | None,
    quiet: bool,
) -> int:
    """Run many movies, say what became of each, and write the summary and the report.

    Parameters
    ----------
    sources
        Movies, folders and patterns, as they were given.
    out
        Folder for the folders of results, the summary and the report.
    template
        A job with all that is the same for every movie.
    workers
        Processes to use; one per processor, if not given.
    scheduler
        Of a cluster to use instead.
    quiet
        Whether to say nothing but the result.

    Returns
    -------
    int
        Exit code: 1 if a movie failed.
    """
    jobs = _jobs(sources, out, template)
    _check_out(out)
    n_workers = min(workers or default_workers(), len(jobs))
    place = f"the cluster at {scheduler}" if scheduler else f"{n_workers} processes"
    note(f"{len(jobs)} movies on {place}.", quiet=quiet)
    outcomes: list[Outcome] = []
    running = run_movies(jobs, workers=n_workers, scheduler=scheduler)
    try:
        with closing(running), progress_bars(quiet=quiet) as progress:
            if progress is not None:
                progress("Movies", 0, len(jobs))
            for outcome in running:
                outcomes.append(outcome)
                if not quiet:
                    # Above the bar, if there is one.
                    tqdm.write(_line(outcome, len(outcomes), len(jobs)), file=sys.stderr)
                if progress is not None:
                    progress("Movies", len(outcomes), len(jobs))
    except BaseException:
        n_finished = sum(outcome.status != "failed" for outcome in outcomes)
        note(
            f"\n{n_finished} of {len(jobs)} movies are finished, each in its folder in {out}; the "
            "same command goes on with the others.",
            quiet=quiet,
        )
        raise
    _write(outcomes, out, template.recipe)
    return _conclude(outcomes, out, quiet)


def _jobs(sources: Sequence[Path], out: Path, template: MovieJob) -> list[MovieJob]:
    return [
        replace(template, movie=path.resolve(), out=out.resolve() / name)
        for name, path in find_movies(sources, out).items()
    ]


def _check_out(out: Path) -> None:
    """Refuse, before the work, to write over a summary or a report of somebody else's."""
    check_files(out, [])
    for name, beginning in _OF_OURS.items():
        path = out / name
        if path.exists() and not path.read_text("utf-8", "replace").startswith(beginning):
            raise OutputError(
                f"{path} is not from Perrin and was left as it is. Choose another folder."
            )


def _line(outcome: Outcome, n_done: int, n_all: int) -> str:
    said = {
        "done": f"done in {outcome.seconds:.1f} s",
        "skipped": "finished before with this recipe, skipped",
        "failed": f"failed: {outcome.reason}",
    }[outcome.status]
    line = f"[{n_done}/{n_all}] {outcome.job.movie.name}: {said}"
    return "\n".join([line, *(f"  Note: {sentence}" for sentence in outcome.notes)])


def _write(outcomes: Sequence[Outcome], out: Path, recipe: Recipe) -> None:
    per_track = {
        outcome.job.out: read_per_track(outcome.job)
        for outcome in outcomes
        if outcome.status != "failed"
    }
    summary = summary_table(outcomes, per_track)
    report = movies_report(summary, per_track, out.resolve(), recipe.to_yaml())
    write_together({_SUMMARY: summary, _REPORT: report}, out, overwrite=True)


def _conclude(outcomes: Sequence[Outcome], out: Path, quiet: bool) -> int:
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    n_skipped = sum(outcome.status == "skipped" for outcome in outcomes)
    click.echo(
        f"{len(outcomes)} movies: {len(outcomes) - len(failed) - n_skipped} done, {n_skipped} "
        f"finished before, {len(failed)} failed"
    )
    for outcome in failed:
        click.echo(f"Error: {outcome.job.movie}: {outcome.reason}", err=True)
    note(f"Written to {out}: {_SUMMARY}, {_REPORT}, and a folder for each movie", quiet=quiet)
    return 1 if failed else 0
