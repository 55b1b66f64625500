"""``perrin suggest``: parameters from the movie itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from perrin.cli._movies import movie_options, open_movie
from perrin.cli._options import SectionedCommand, add_options, changes_in
from perrin.cli._shell import device_option, note, progress_bars, quiet_option
from perrin.io import atomic_files
from perrin.pipeline import Recipe
from perrin.results import check_files
from perrin.suggestion import suggest_recipe

__all__ = ["suggest_command"]


@click.command("suggest", cls=SectionedCommand)
@movie_options
@click.option(
    "--recipe",
    "recipe_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a recipe with the suggested parameters, for --recipe of run and track.",
)
@click.option("--overwrite", is_flag=True, help="Replace the recipe if it exists.")
@quiet_option
@device_option
@add_options(Recipe, "calibration", "detector", "linker")
def suggest_command(
    movie: Path,
    recipe_file: Path | None,
    overwrite: bool,
    quiet: bool,
    channel: int | None,
    axes: str | None,
    series: int | None,
    device: str,
    **options: Any,
) -> None:
    """Suggest size of the spots, threshold and search range for MOVIE (a TIFF file).

    Says how each was found, how many false spots to expect and how many wrong links. Whatever else
    is given is left as it is. With --recipe FILE the parameters are written to run them.

    \b
    Examples:
      perrin suggest movie.tif
      perrin suggest movie.tif --detector gaussian --gain 2 --offset 100 --recipe movie.yaml
      perrin run movie.tif --recipe movie.yaml --out results
    """
    recipe = Recipe().with_values(changes_in(options))
    if recipe_file is not None:
        check_files(recipe_file.parent, [recipe_file.name], overwrite=overwrite)
    opened = open_movie(movie, channel, axes, quiet, series)
    with progress_bars(quiet=quiet) as progress:
        suggested, reasons = suggest_recipe(opened, recipe, device=device, progress=progress)
    click.echo("\n".join(reasons))
    if recipe_file is not None:
        with atomic_files([recipe_file], overwrite=overwrite, make_folders=True) as (path,):
            path.write_text(
                suggested.to_yaml(comment=f"suggested from {movie.name}"), encoding="utf-8"
            )
        note(f"Written to {recipe_file}.", quiet=quiet)
