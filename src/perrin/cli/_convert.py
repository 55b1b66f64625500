"""``perrin convert``: tracks from one format to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from perrin.cli._movies import say_units, track_line
from perrin.cli._options import SectionedCommand, add_options, changes_in
from perrin.cli._shell import note, quiet_option
from perrin.io import read_tracks, write_tracks
from perrin.pipeline import Recipe

__all__ = ["convert_command"]


@click.command("convert", cls=SectionedCommand)
@click.argument("tracks", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace TARGET if it exists.")
@quiet_option
@add_options(Recipe, "calibration")
def convert_command(
    tracks: Path, target: Path, overwrite: bool, quiet: bool, **options: Any
) -> None:
    """Write TRACKS in another format, which the suffix of TARGET says.

    Both may be CSV (.csv, .tsv), Parquet (.parquet), TrackMate XML (.xml) or GEFF (.geff). The
    calibration goes along; options go before what TRACKS says of it.

    \b
    Examples:
      perrin convert results/tracks.csv tracks.xml
      perrin convert trackmate.xml tracks.geff
    """
    table = read_tracks(tracks)
    recipe = Recipe().with_values(changes_in(options)).calibrated(table.attrs.get("calibration"))
    table.attrs["calibration"] = recipe.calibration
    say_units(recipe.calibration, quiet)
    write_tracks(table, target, overwrite=overwrite)
    click.echo(track_line(table))
    note(f"Written: {target}", quiet=quiet)
