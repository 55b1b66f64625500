"""``perrin learn generate``: new tracks that look like given ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from pydantic import Field

from perrin.cli._learn import check_weights, weights_option
from perrin.cli._options import SectionedCommand, add_options, changes_in
from perrin.cli._shell import note, progress_bars, quiet_option
from perrin.cli._tracks import read_counted
from perrin.io import check_table, with_calibration, write_table
from perrin.learn.generate import (
    Generation,
    GeneratorTraining,
    generate_tracks,
    learn_generator,
    load_generator,
    save_generator,
)
from perrin.parameters import Parameters
from perrin.tracks import Calibration

__all__ = ["generate_command"]


class _Plan(Parameters):
    """Everything that can be chosen for a training."""

    calibration: Calibration = Field(default=Calibration(), title="Calibration")
    training: GeneratorTraining = Field(default=GeneratorTraining(), title="Training")


@click.group("generate")
def generate_command() -> None:
    """Learn to make new tracks that look like given ones."""


@generate_command.command("train", cls=SectionedCommand)
@click.argument(
    "tables", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="TABLE..."
)
@weights_option
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@quiet_option
@add_options(_Plan)
def train_command(
    tables: tuple[Path, ...], out: Path, overwrite: bool, quiet: bool, **options: Any
) -> None:
    """Train a network on tracks of one kind of motion.

    Each TABLE is one as for `perrin stats`: tracks that were rejected or filtered are left out, and
    the calibration is that of the options, of a recipe.yaml beside it, or of the table.

    \b
    Example:
      perrin learn generate train day1.csv day2.csv --out cells.safetensors
    """
    check_weights(out, overwrite=overwrite)
    changes = changes_in(options)
    training = GeneratorTraining.checked(**changes.get("training", {}))
    read = [read_counted(path, changes, quiet=quiet) for path in tables]
    with progress_bars(quiet=quiet) as progress:
        learnt = learn_generator(read, training, progress=progress)
    save_generator(out, learnt, training)
    best = learnt.curve["validation_loss"].min()
    click.echo(
        f"{len(learnt.curve)} epochs; negative log-likelihood per step of tracks held out: "
        f"{best:.3f}"
    )
    note(f"Written: {out} and its card {out.with_suffix('.yaml').name}", quiet=quiet)


@generate_command.command("sample", cls=SectionedCommand)
@click.argument("network", type=click.Path(path_type=Path, dir_okay=False), metavar="NETWORK")
@click.option(
    "--out",
    "-o",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Track table to write, .csv or .parquet.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@quiet_option
@add_options(Generation)
def sample_command(network: Path, out: Path, overwrite: bool, quiet: bool, **options: Any) -> None:
    """Make tracks with a network that `perrin learn generate train` wrote.

    \b
    Example:
      perrin learn generate sample cells.safetensors --n-tracks 500 --out made.csv
    """
    generation = Generation.checked(**changes_in(options).get("", {}))
    check_table(out, overwrite=overwrite)
    tracks = generate_tracks(load_generator(network), generation)
    write_table(with_calibration(tracks), out, overwrite=overwrite)
    click.echo(f"{tracks['particle'].nunique()} tracks of {tracks['frame'].max() + 1} points")
    note(f"Written: {out}", quiet=quiet)
