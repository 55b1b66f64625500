"""``perrin train`` and ``perrin benchmark``: the engine's own chores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from perrin.cli._options import SectionedCommand, add_options, changes_in
from perrin.cli._shell import device_option, note, progress_bars, quiet_option
from perrin.engine.train import Training, train
from perrin.io import write_table

__all__ = ["benchmark_command", "train_command"]

_BENCHMARKS = ("andi1",)
"""Functions of :mod:`perrin.engine.benchmark`."""


@click.command("train", cls=SectionedCommand)
@click.option(
    "--out",
    "-o",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for the weights, their model card and the state from which to resume.",
)
@click.option(
    "--resume/--restart",
    default=True,
    show_default=True,
    help="Go on from the state in the folder, if there is one, or begin anew.",
)
@quiet_option
@add_options(Training)
def train_command(out: Path, resume: bool, quiet: bool, **options: Any) -> None:
    """Train the engine's network on tracks simulated on the fly.

    Stop it with Ctrl-C and it resumes from its last saved state when called again with the same
    folder.

    \b
    Example:
      perrin train --out runs/mine --minutes 60
    """
    changes = changes_in(options)
    parameters = Training.checked(**changes.pop("", {}), **changes)
    with progress_bars(quiet=quiet) as progress:
        train(parameters, out, resume=resume, progress=progress)
    note(f"Written to {out}", quiet=quiet)


@click.command("benchmark")
@click.argument("name", type=click.Choice(_BENCHMARKS))
@click.option(
    "--tracks",
    default=2000,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of tracks to measure on.",
)
@click.option(
    "--weights",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Weights that `perrin train` wrote; the bundled ones if not given.",
)
@click.option("--seed", default=0, show_default=True, metavar="N", help="Seed of the tracks.")
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write the table to this CSV file.",
)
@device_option
@quiet_option
def benchmark_command(
    name: str,
    tracks: int,
    weights: Path | None,
    seed: int,
    out: Path | None,
    device: str,
    quiet: bool,
) -> None:
    """Measure the engine on the benchmark NAME and print the table.

    \b
    andi1   AnDi challenge 1, on tracks simulated afresh by its rules: error of alpha and
            F1 score of the model in 1D, 2D and 3D, beside the best published figures

    \b
    Example:
      perrin benchmark andi1 --tracks 2000
    """
    from perrin.engine import benchmark

    measure = getattr(benchmark, name)
    with progress_bars(quiet=quiet) as progress:
        table = measure(tracks, device=device, seed=seed, weights=weights, progress=progress)
    if out is not None:
        write_table(table, out)
    click.echo(table.to_string(index=False, na_rep="–"))
