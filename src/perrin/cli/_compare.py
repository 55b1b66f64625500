"""``perrin compare``: tracks and their analysis beside the truth."""

from __future__ import annotations

from pathlib import Path

import click

from perrin.analysis import Analysis
from perrin.cli._movies import say_written, track_line
from perrin.cli._shell import note, quiet_option
from perrin.io import read_tracks, write_together
from perrin.results import check_files
from perrin.saved import open_saved
from perrin.scores import GATE
from perrin.truth import compare_with_truth, read_truth
from perrin.truth_scores import confusion, describe_scores, score_table

__all__ = ["compare_command"]

_FILES = ("scores.csv", "tracks_and_truth.csv", "switches_and_truth.csv", "confusion.csv")


@click.command("compare")
@click.argument("tracks", type=click.Path(path_type=Path))
@click.option(
    "--truth",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The true tracks: a track table, in its columns state, model, alpha and diffusivity how "
    "the particle moves. Beside NAME_tracks.csv a NAME_truth.csv may hold what is true of each "
    "particle.",
)
@click.option(
    "--gate",
    type=click.FloatRange(min=0, min_open=True),
    default=GATE,
    show_default=True,
    metavar="PX",
    help="Distance from which on a localization is another one, in pixels.",
)
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Also write the tables to this folder.",
)
@click.option("--overwrite", is_flag=True, help="Replace earlier tables in the folder.")
@quiet_option
def compare_command(
    tracks: Path, truth: Path, gate: float, out: Path | None, overwrite: bool, quiet: bool
) -> None:
    """Say how close TRACKS are to the truth, and how right their analysis is.

    TRACKS is a track table as for `perrin analyze`, or a folder of results. Of a folder with an
    analysis, exponents, models, diffusivities and switches are compared too.

    \b
    Example:
      perrin run sample_data/five_models.tif --out results
      perrin compare results --truth sample_data/five_models_tracks.csv
    """
    if out is not None:
        check_files(out, _FILES, overwrite=overwrite)
    true = read_truth(truth)
    analysis: Analysis | None = None
    if tracks.is_dir():
        saved = open_saved(tracks)
        table, analysis = saved.history.now.table(), saved.analysis
        for sentence in saved.missing:
            note(f"Note: {sentence}", quiet=quiet)
    else:
        table = read_tracks(tracks)
    comparison = compare_with_truth(true, table, analysis, gate=gate)
    scores = score_table(comparison, analysis)
    click.echo(f"Tracks: {track_line(table)}")
    click.echo(f"Truth:  {track_line(true.tracks)}")
    click.echo(describe_scores(scores))
    counts = None if analysis is None else confusion(comparison, analysis)
    if counts is not None and counts.to_numpy().any():
        click.echo("\nTracks of each true model (rows) that are called each model (columns):")
        click.echo(counts.rename_axis(index=None, columns=None).to_string())
    if out is not None:
        tables = (
            scores,
            comparison.per_track,
            comparison.switches,
            None if counts is None else counts.reset_index(),
        )
        files = {
            name: table for name, table in zip(_FILES, tables, strict=True) if table is not None
        }
        say_written(write_together(files, out, overwrite=overwrite), quiet)
