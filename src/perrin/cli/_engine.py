"""``perrin train`` and ``perrin benchmark``: the engine's own chores."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import click

from perrin.cli._options import SectionedCommand, add_options, changes_in
from perrin.cli._shell import device_option, note, progress_bars, quiet_option
from perrin.engine.engines import ENGINES, PARTS, TRAINABLE, EngineName, train
from perrin.engine.train import Training

__all__ = ["benchmark_command", "train_command"]

_LEARN = {
    "learn": "perrin.learn.benchmark:learn",
    "property": "perrin.learn.property.benchmark:benchmark",
}
"""Benchmarks of :mod:`perrin.learn`, and where they are defined."""

_BENCHMARKS = ("andi1", "andi2", "switches", *_LEARN)
"""Functions of :mod:`perrin.engine.benchmarks`, and those of :mod:`perrin.learn`."""


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
@click.option(
    "--engine",
    type=click.Choice([*ENGINES, *PARTS]),
    default="perrin",
    show_default=True,
    metavar="NAME",
    help=f"Whose network to train, out of {TRAINABLE}.",
)
@quiet_option
@add_options(Training)
def train_command(out: Path, resume: bool, engine: EngineName, quiet: bool, **options: Any) -> None:
    """Train the engine's network on tracks simulated on the fly.

    Stop it with Ctrl-C and it resumes from its last saved state when called again with the same
    folder. A network to compare with (--engine) is not resumed, and knows of the options below
    only --minutes, --learning-rate, --batch-points, --seed, --save-every and --device.

    \b
    Examples:
      perrin train --out runs/mine --minutes 60
      perrin train --engine switches --out runs/switches --minutes 60
      perrin train --engine convtransformer --out runs/published --minutes 60
    """
    changes = changes_in(options)
    parameters = Training.checked(**changes.pop("", {}), **changes)
    with progress_bars(quiet=quiet) as progress:
        train(parameters, out, engine=engine, resume=resume, progress=progress)
    note(f"Written to {out}", quiet=quiet)


def _engine_names(
    _context: click.Context, option: click.Parameter, given: str | None
) -> list[EngineName]:
    """Read names of engines, separated by commas."""
    names = [name.strip() for name in given.split(",")] if given else []
    known = [name for name in ENGINES if name in names]
    for name in names:
        if name not in known:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(ENGINES)}.", param=option)
    return known


@click.command("benchmark")
@click.argument("name", type=click.Choice(_BENCHMARKS))
@click.option(
    "--tracks",
    default=2000,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="Tracks for each of the main figures; of andi2, roughly all tracks together; of learn "
    "and property, always the same.",
)
@click.option(
    "--full",
    is_flag=True,
    help="Also measure by length, with missing frames and motion blur, beside exact maximum "
    "likelihood, and on tracks unlike any model.",
)
@click.option(
    "--engines",
    callback=_engine_names,
    metavar="NAME,...",
    help=f"Compare these on the same tracks: {', '.join(ENGINES)}.",
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
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also write the tables (CSV) and plots (PNG) to this folder.",
)
@click.option("--overwrite", is_flag=True, help="Replace earlier results in the folder.")
@device_option
@quiet_option
def benchmark_command(
    name: str,
    tracks: int,
    full: bool,
    engines: list[EngineName],
    weights: Path | None,
    seed: int,
    out: Path | None,
    overwrite: bool,
    device: str,
    quiet: bool,
) -> None:
    """Measure the engine on the benchmark NAME and print the tables.

    \b
    andi1     AnDi challenge 1, on tracks simulated afresh by its rules: error of alpha and
              F1 score of the model in 1D, 2D and 3D, beside the published figures
    andi2     AnDi challenge 2, its nine experiments simulated afresh: switches, and what
              the motion is between them, by its official scores
    switches  how large, whether, when and how often (van Velzen 2020); one switch of model
              or exponent; false alarms
    learn     networks trained on cells of three classes (Rieke 2016): environments told
              apart, tracks made
    property  the hidden mass of a particle in a trap (Schirmer et al. 2020), beside networks of
              their kinds; mobility and mass of simulated particles in a known potential

    \b
    Examples:
      perrin benchmark andi1
          the main figures, in some minutes
      perrin benchmark andi1 --full --tracks 10000 --out results
          everything, with tables and plots in the folder results
      perrin benchmark andi1 --engines perrin,msd,fbm
          the same tracks given to other engines too
      perrin benchmark andi2
          switches, beside classical methods
    """
    from perrin.engine import benchmarks

    if name in _LEARN:
        if full or engines or weights is not None:
            raise click.UsageError(f"--full, --engines and --weights do not belong to {name}.")
        _benchmark_learn(name, seed, out, overwrite, quiet)
        return
    measure = getattr(benchmarks, name)
    options: dict[str, Any] = {"device": device, "seed": seed, "weights": weights}
    if name == "andi1":
        options |= {"full": full, "engines": engines}
    elif full or engines:
        raise click.UsageError(f"--full and --engines belong to andi1, not to {name}.")
    if out is not None and name == "andi1":
        benchmarks.check(out, full=full, engines=engines, weights=weights, overwrite=overwrite)
    elif out is not None:
        benchmarks.check_tables(out, benchmarks.SWITCH_TABLES[name], overwrite=overwrite)
    with progress_bars(quiet=quiet) as progress:
        tables = measure(tracks, **options, progress=progress)
    click.echo(benchmarks.as_text(tables))
    if out is not None:
        benchmarks.save(tables, out, overwrite=overwrite)
        note(f"Written to {out}", quiet=quiet)


def _benchmark_learn(name: str, seed: int, out: Path | None, overwrite: bool, quiet: bool) -> None:
    from perrin.engine import benchmarks

    place, _, function = _LEARN[name].partition(":")
    module = import_module(place)
    if out is not None:
        benchmarks.check_tables(out, list(module.TITLES), overwrite=overwrite)
    with progress_bars(quiet=quiet) as progress:
        tables = getattr(module, function)(seed=seed, progress=progress)
    click.echo(benchmarks.as_text(tables, module.TITLES))
    if out is not None:
        benchmarks.save(tables, out, overwrite=overwrite)
        note(f"Written to {out}", quiet=quiet)
