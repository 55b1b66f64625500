"""What every command shares: options, notes, progress bars, and how a run ends."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from tqdm import tqdm

from perrin.errors import Cancelled, PerrinError, Progress

__all__ = ["device_option", "exit_code_of", "note", "out_options", "progress_bars"]

Command = TypeVar("Command", bound=Callable[..., Any])


_COUNTED_IN_FRAMES = ("Localizing", "Linking")


def out_options(command: Command) -> Command:
    """Add the options of commands that write a folder of results."""
    options = (
        click.option(
            "--out",
            "-o",
            required=True,
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Folder for the results; made if it does not exist.",
        ),
        click.option(
            "--recipe",
            "recipe_file",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Take the parameters from this recipe.yaml; options given here go before it.",
        ),
        click.option(
            "--format",
            "table_format",
            type=click.Choice(["csv", "parquet"]),
            default="csv",
            show_default=True,
            help="How tables are written.",
        ),
        click.option("--overwrite", is_flag=True, help="Replace earlier results in the folder."),
        quiet_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


quiet_option = click.option(
    "--quiet", "-q", is_flag=True, help="No progress and no notes: only the result, and errors."
)
device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="DEVICE",
    help="Where the networks run: auto, cpu, cuda or mps.",
)


def note(text: str, *, quiet: bool = False) -> None:
    """Say something on the side: standard error, so that standard output is the result alone."""
    if not quiet:
        click.echo(text, err=True)


@contextmanager
def progress_bars(*, quiet: bool = False) -> Iterator[Progress | None]:
    """Show the progress of each step as a bar on a terminal; nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    bar: tqdm[NoReturn] | None = None

    def show(what: str, done: int, total: int) -> None:
        nonlocal bar
        if bar is None or bar.desc != what or bar.total != total:
            if bar is not None:
                bar.close()
            # What was there before this run says nothing of its speed.
            bar = tqdm(
                total=total,
                initial=done,
                desc=what,
                unit=" frames" if what in _COUNTED_IN_FRAMES else " steps",
                file=sys.stderr,
                dynamic_ncols=True,
            )
        bar.update(done - bar.n)

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()


def exit_code_of(command: click.Command, arguments: list[str] | None = None) -> int:
    """Run a command and say with which code the program ends.

    0 for success, 1 for an error that Perrin expects (the message on standard error), 2 for a
    command that was not understood, 130 after Ctrl-C.
    """
    try:
        code = command.main(arguments, prog_name="perrin", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt, Cancelled):
        click.echo("\nStopped before the end.", err=True)
        return 130
    except PerrinError as error:
        click.echo(f"Error: {error}", err=True)
        return 1
    except MemoryError:
        click.echo("Error: there is not enough memory for this.", err=True)
        return 1
    return code if isinstance(code, int) else 0
