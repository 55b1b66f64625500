"""``perrin simulate``: tracks of the diffusion models, and movies of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from pydantic import Field

from perrin.cli._options import SectionedCommand, YamlValue, add_options, changes_in
from perrin.cli._shell import note, progress_bars, quiet_option
from perrin.errors import InputError
from perrin.io import atomic_files, check_table, with_calibration, write_table
from perrin.parameters import Parameters
from perrin.simulate import Camera, Simulation, render_movie, simulate_tracks
from perrin.tracks import Calibration, axes_of

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

__all__ = ["simulate_command"]

_MOVIES = (".tif", ".tiff")


class _Plan(Parameters):
    """Everything that can be chosen."""

    motion: Simulation = Field(default=Simulation(), title="Motion")
    camera: Camera = Field(default=Camera(), title="Camera")
    calibration: Calibration = Field(default=Calibration(), title="Calibration")


@click.command("simulate", cls=SectionedCommand)
@click.option(
    "--out",
    "-o",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Table to write, .csv or .parquet: the tracks, with their model and alpha.",
)
@click.option(
    "--movie",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write a movie (.tif) of the tracks, as the camera below would record it.",
)
@click.option(
    "--size",
    type=YamlValue(),
    default="128",
    show_default=True,
    metavar="PIXELS",
    help="Size of the movie's frames: one number, or Y,X, or Z,Y,X.",
)
@click.option("--overwrite", is_flag=True, help="Replace the files if they exist.")
@quiet_option
@add_options(_Plan)
def simulate_command(
    out: Path, movie: Path | None, size: Any, overwrite: bool, quiet: bool, **options: Any
) -> None:
    """Simulate tracks of one of five diffusion models, and a movie of them.

    The table is a track table like any other: positions in pixels, the truth in the columns model
    and alpha. Without a movie, localization errors are added to the positions. With one, the
    table holds the true positions, particles begin anywhere in the frame, and errors come
    from the camera.

    \b
    Examples:
      perrin simulate --model CTRW --alpha 0.6 --n-tracks 500 --out ctrw.csv
      perrin simulate --n-tracks 20 --out beads.csv --movie beads.tif --size 128 --photons 500
    """
    changes = changes_in(options)
    motion = Simulation.checked(**changes.get("motion", {}))
    camera = Camera.checked(**changes.get("camera", {}))
    calibration = Calibration.checked(**changes.get("calibration", {}))
    if movie is not None:
        if "noise" in changes.get("motion", {}):
            raise click.UsageError("--noise is for tables alone; in a movie, the camera makes it.")
        motion = motion.model_copy(update={"noise": 0.0})
    check_table(out, overwrite=overwrite)
    if movie is not None and movie.suffix.lower() not in _MOVIES:
        raise InputError(f"{movie.name} must end in {' or '.join(_MOVIES)}: movies are TIFF files.")
    targets = [out] if movie is None else [out, movie]
    with atomic_files(targets, overwrite=overwrite) as temporaries:
        tracks = simulate_tracks(motion).assign(model=motion.model, alpha=motion.alpha)
        tracks.attrs["calibration"] = calibration
        if movie is not None:
            shape = _shape(size, motion.dim)
            tracks = _placed(tracks, shape, motion.seed)
            with progress_bars(quiet=quiet) as progress:
                frames = render_movie(
                    tracks, shape, motion.n_points, camera, motion.seed, progress=progress
                )
            _write_movie(temporaries[1], frames, calibration)
        write_table(with_calibration(tracks), temporaries[0], overwrite=True)
    click.echo(
        f"{motion.n_tracks} tracks of {motion.n_points} points: {motion.model}, "
        f"alpha {motion.alpha:g}"
    )
    note(f"Written: {', '.join(map(str, targets))}", quiet=quiet)


def _shape(size: Any, dim: int) -> tuple[int, ...]:
    sizes = size if isinstance(size, list) else [size] * dim
    if not all(isinstance(n, int) and n > 0 for n in sizes) or len(sizes) != dim:
        raise InputError(
            f"--size {size} is no size of a frame in {dim}D: give one whole number, or {dim} with "
            "commas between them."
        )
    return tuple(sizes)


def _placed(tracks: pd.DataFrame, shape: tuple[int, ...], seed: int) -> pd.DataFrame:
    """Let each particle begin anywhere in the frame."""
    # Not the seed itself: the camera's noise is drawn from that.
    rng = np.random.default_rng([seed, 1])
    starts = rng.uniform(0, shape, (tracks["particle"].nunique(), len(shape)))
    placed = tracks.copy()
    placed[list(axes_of(tracks))] += starts[tracks["particle"]]
    return placed


def _write_movie(path: Path, frames: npt.NDArray[np.uint16], calibration: Calibration) -> None:
    import tifffile

    metadata: dict[str, Any] = {"axes": "TZYX" if frames.ndim == 4 else "TYX"}
    resolution = None
    if calibration.pixel_size is not None:
        resolution = (1 / calibration.pixel_size,) * 2
        metadata["unit"] = "um"
        if calibration.z_step is not None:
            metadata["spacing"] = calibration.z_step
    if calibration.frame_interval is not None:
        metadata["finterval"] = calibration.frame_interval
    tifffile.imwrite(path, frames, imagej=True, resolution=resolution, metadata=metadata)
