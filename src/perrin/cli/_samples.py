"""``perrin samples``: the movies that come with Perrin."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from perrin.errors import OutputError
from perrin.io import atomic_write
from perrin.samples import SAMPLES, sample_path

__all__ = ["samples_command"]


@click.command("samples")
@click.argument("name", required=False, type=click.Choice(sorted(SAMPLES)), metavar="[NAME]")
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to copy the movie to; a file of its own name in this folder if not given.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
def samples_command(name: str | None, out: Path | None, overwrite: bool) -> None:
    """List the sample movies, or copy the one called NAME to a file.

    \b
    Examples:
      perrin samples
      perrin samples free_beads --out beads.tif
    """
    if name is None:
        width = max(map(len, SAMPLES))
        for sample, description in SAMPLES.items():
            click.echo(f"{sample:{width}}  {description}")
        return
    source = sample_path(name)
    target = out or Path(source.name)
    if target.is_dir():
        target /= source.name
    with atomic_write(target, overwrite=overwrite) as temporary:
        try:
            shutil.copyfile(source, temporary)
        except OSError as error:
            raise OutputError(f"{target} cannot be written: {error.strerror}.") from error
    click.echo(target)
