"""``perrin learn environments``: telling in which environment tracks were recorded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import Field

from perrin.cli._learn import check_weights, weights_option
from perrin.cli._options import SectionedCommand, add_options, changes_in
from perrin.cli._shell import device_option, note, progress_bars, quiet_option
from perrin.cli._tracks import read_counted
from perrin.errors import InputError
from perrin.io import check_table, write_table
from perrin.learn.environments import (
    EnvironmentTraining,
    apply_environments,
    learn_environments,
    load_environments,
    save_environments,
)
from perrin.learn.labelled import LABEL, by_column
from perrin.parameters import Parameters
from perrin.tracks import Calibration

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["environments_command"]

_WHOLE = "whole tracks"


class _Plan(Parameters):
    """Everything that can be chosen for a training."""

    calibration: Calibration = Field(default=Calibration(), title="Calibration")
    training: EnvironmentTraining = Field(default=EnvironmentTraining(), title="Training")


@click.group("environments")
def environments_command() -> None:
    """Learn to tell in which environment a cell or a particle was recorded."""


@environments_command.command("train", cls=SectionedCommand)
@click.argument("tables", nargs=-1, required=True, metavar="CLASS=TABLE...")
@click.option(
    "--label",
    "column",
    default=LABEL,
    show_default=True,
    metavar="COLUMN",
    help="Column with the class of each track, for tables given without CLASS=.",
)
@weights_option
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@quiet_option
@add_options(_Plan)
def train_command(
    tables: tuple[str, ...], column: str, out: Path, overwrite: bool, quiet: bool, **options: Any
) -> None:
    """Train a network on tracks of two or more classes, and test it on tracks held out.

    Each table is one recording: give the class before it (collagen=day1.csv), or have the class
    in a column. Recordings, or the movies that a column movie names, are never divided between
    training and test. Tracks that were rejected or filtered are left out, as `perrin stats` does;
    the calibration is that of the options, of a recipe.yaml beside the table, or of the table.

    \b
    Examples:
      perrin learn environments train soft=gel1.csv soft=gel2.csv stiff=glass1.csv \\
          stiff=glass2.csv --out substrate.safetensors
      perrin learn environments train curated.csv --label label --out mine.safetensors
    """
    check_weights(out, overwrite=overwrite)
    changes = changes_in(options)
    training = EnvironmentTraining.checked(**changes.get("training", {}))
    recordings = _recordings(tables, column, changes, quiet)
    with progress_bars(quiet=quiet) as progress:
        learnt = learn_environments(recordings, training, progress=progress)
    save_environments(out, learnt, training)
    accuracy = learnt.report.accuracy().rename(columns={"accuracy_se": "standard error"})
    accuracy["n_steps"] = accuracy["n_steps"].astype(str).replace("0", _WHOLE)
    click.echo(accuracy.rename(columns={"n_steps": "steps"}).round(3).to_string(index=False))
    click.echo("\nWhole tracks held out: class (rows) and what the network called them")
    click.echo(learnt.report.confusion().to_string())
    for caveat in learnt.report.caveats():
        note(f"Note: {caveat}", quiet=quiet)
    note(f"Written: {out} and its card {out.with_suffix('.yaml').name}", quiet=quiet)


@environments_command.command("apply", cls=SectionedCommand)
@click.argument("tracks", type=click.Path(path_type=Path, dir_okay=False), metavar="TABLE")
@click.option(
    "--network",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A .safetensors file that `perrin learn environments train` wrote.",
)
@click.option(
    "--out",
    "-o",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Table to write, .csv or .parquet: one row per track.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@device_option
@quiet_option
@add_options(_Plan, "calibration")
def apply_command(
    tracks: Path,
    network: Path,
    out: Path,
    overwrite: bool,
    device: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Say for every track of TABLE in which environment it was recorded.

    Tracks that were rejected or filtered are left out, as `perrin stats` does.

    \b
    Example:
      perrin learn environments apply new.csv --network mine.safetensors --out called.csv
    """
    check_table(out, overwrite=overwrite)
    learnt = load_environments(network)
    table = read_counted(tracks, changes_in(options), quiet=quiet)
    with progress_bars(quiet=quiet) as progress:
        called = apply_environments(table, learnt, device=device, progress=progress)
    write_table(called, out, overwrite=overwrite)
    counts = called["environment"].fillna("too short").value_counts()
    click.echo(counts.to_string(header=False))
    note(f"Written: {out}", quiet=quiet)


def _recordings(
    tables: tuple[str, ...], column: str, changes: dict[str, dict[str, Any]], quiet: bool
) -> list[tuple[str, pd.DataFrame]]:
    recordings: list[tuple[str, pd.DataFrame]] = []
    for given in tables:
        name, separator, path = given.partition("=")
        if separator and not name:
            raise InputError(f"{given} names no class before '='. Write CLASS=TABLE.")
        path = path if separator else given
        table = read_counted(Path(path), changes, quiet=quiet)
        if len(tables) > 1 and "movie" not in table:
            table["movie"] = path
        recordings += [(name, table)] if separator else by_column(table, column)
    return recordings
