"""``perrin learn property``: mobility or mass of particles in a known potential."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pandas as pd
from pydantic import Field

import perrin
from perrin.cli._movies import say_units, say_written, track_line
from perrin.cli._options import SectionedCommand, add_options, changes_in
from perrin.cli._shell import note, progress_bars, quiet_option
from perrin.cli._tracks import calibrated
from perrin.io import read_tracks, write_together
from perrin.learn.property.fit import FLAGS, PotentialFit, fit_in_potential, units_of
from perrin.learn.property.image import read_potential
from perrin.parameters import Parameters
from perrin.pipeline import Recipe
from perrin.results import check_files
from perrin.tracks import Calibration

__all__ = ["property_command"]

_TABLE, _SETTINGS = "property.csv", "property.yaml"


class _Plan(Parameters):
    """Everything that can be chosen."""

    calibration: Calibration = Field(default=Calibration(), title="Calibration")
    fit: PotentialFit = Field(default=PotentialFit(), title="Fit")


@click.command("property", cls=SectionedCommand)
@click.argument("tracks", type=click.Path(path_type=Path))
@click.option(
    "--potential",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="IMAGE",
    help="TIFF image of the potential energy, on the pixels of the tracks.",
)
@click.option(
    "--out",
    "-o",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for the results; made if it does not exist.",
)
@click.option("--overwrite", is_flag=True, help="Replace earlier results in the folder.")
@quiet_option
@add_options(_Plan)
def property_command(
    tracks: Path, potential: Path, out: Path, overwrite: bool, quiet: bool, **options: Any
) -> None:
    """Measure what each particle of TRACKS hides: its mobility or its mass.

    The potential in which the particles move must be known as an image. Overdamped particles tell
    their mobility (and diffusivity), inertial ones their mass, each with the interval that holds
    90 %. Writes property.csv, one row for each particle, and property.yaml.

    \b
    Examples:
      perrin learn property tracks.csv --potential trap.tif --out results \\
          --energy-unit kT --pixel-size 0.1 --frame-interval 0.02
      perrin learn property tracks.csv --potential trap.tif --out results --motion inertial
    """
    changes = changes_in(options)
    how = PotentialFit.checked(**changes.get("fit", {}))
    check_files(out, (_TABLE, _SETTINGS), overwrite=overwrite)
    table, field = read_tracks(tracks), read_potential(potential)
    chosen = {step: values for step, values in changes.items() if step == "calibration"}
    own = table.attrs.get("calibration")
    recipe = calibrated(Recipe().with_values(chosen), own, tracks.name, quiet=quiet)
    plan = _Plan(calibration=recipe.calibration, fit=how)
    say_units(plan.calibration, quiet)
    if "energy_unit" not in changes.get("fit", {}):
        note(
            "The unit of the potential is not known: energies are in levels of the image. Give "
            "--energy-unit, and --energy-per-level where a level is not 1.",
            quiet=quiet,
        )
    with progress_bars(quiet=quiet) as progress:
        found = fit_in_potential(table, field, how, plan.calibration, progress=progress)
    header = f"# Perrin {perrin.__version__}: {tracks.name} in {potential.name}\n"
    files: dict[str, pd.DataFrame | str] = {_TABLE: found, _SETTINGS: header + plan.to_yaml()}
    paths = write_together(files, out, overwrite=overwrite)
    click.echo(track_line(table))
    click.echo(_said(found, how, units_of(how, plan.calibration)[how.quantity]))
    say_written(paths, quiet)


def _said(found: pd.DataFrame, how: PotentialFit, unit: str) -> str:
    """Write the median over particles, and what went wrong with how many."""
    values = found[how.quantity].dropna()
    lines = [f"{how.quantity.replace('_', ' ')} of {len(values)} particles"]
    if len(values):
        low, middle, high = values.quantile([0.25, 0.5, 0.75])
        lines[0] += f": median {middle:.3g} {unit} (half of them {low:.3g} to {high:.3g})"
    for flag in FLAGS:
        if n := int((found["flags"] == flag).sum()):
            lines.append(f"{flag.replace('_', ' ')}: {n}")
    return "\n  ".join(lines)
