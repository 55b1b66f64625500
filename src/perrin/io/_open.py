"""Opening a movie: which reader serves which file."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from perrin.errors import InputError
from perrin.io._movie import Movie, check_movie

__all__ = ["is_movie", "read_movie"]

_Reader = Callable[[Path, int | None, str | None, int | None], Movie]

# Each is imported when a file asks for it: its module, and what to install for it.
_READERS = {
    ".tif": ("_tiff:read_tiff", None),
    ".tiff": ("_tiff:read_tiff", None),
    ".zarr": ("_zarr:read_zarr", "zarr"),
    ".nd2": ("_nd2:read_nd2", "nd2"),
    ".czi": ("_czi:read_czi", "czi"),
    ".lif": ("_lif:read_lif", "lif"),
}
_ZARR_FILES = (".zattrs", ".zgroup", ".zarray", "zarr.json")


def read_movie(
    path: str | os.PathLike[str],
    *,
    channel: int | None = None,
    axes: str | None = None,
    series: int | None = None,
) -> Movie:
    """Open a movie; its frames are read only when they are asked for.

    Frames are read plane by plane or part by part, so that a movie may be larger than the memory.
    Pixel size and frame interval are taken from what the file says of itself.

    Parameters
    ----------
    path
        A TIFF file (ImageJ stack or hyperstack, OME-TIFF, plain multi-page file), an OME-Zarr
        folder (version 0.4 or 0.5), or a file of Nikon (``.nd2``), Zeiss (``.czi``) or Leica
        (``.lif``). All but TIFF need an extra package, which the error names if it is not there.
    channel
        Which channel to take, counting from 0, if there are several.
    axes
        What the axes of the file are, for instance ``"TYX"`` or ``"TZYX"``, if the file does not
        say so, or says it wrongly. ``S`` is a colour axis.
    series
        Which image to take, counting from 0, if the file holds several: positions of the stage,
        scenes, series. The first, with a note, if not given.

    Returns
    -------
    Movie
        ``(T, Y, X)`` or ``(T, Z, Y, X)``, with the calibration that the file states, and notes on
        what had to be assumed.

    Raises
    ------
    InputError
        If the file is missing, empty, truncated, of no known kind, or no time series of one
        channel.

    Notes
    -----
    A stack with slices (Z) but no time points is read as a time series, each slice a frame: this
    is how many programs save a time-lapse. So is a stack of eight or more channels and nothing
    else. The movie's ``notes`` say so. Only a file that has both Z and T is a 3D movie.
    """
    path = Path(path)
    _check_file(path)
    kind, extra = _READERS[".zarr" if path.is_dir() else _suffix(path)]
    module, _, name = kind.partition(":")
    try:
        reader: _Reader = getattr(import_module(f"perrin.io.{module}"), name)
    except ModuleNotFoundError as error:
        raise InputError(
            f"{path.name} needs one more package ({error.name}); install it with "
            f"'pip install napari-perrin[{extra}]', or export the movie as TIFF."
        ) from error
    movie = reader(path, channel, axes, series)
    check_movie(movie)
    return movie


def is_movie(path: Path) -> bool:
    """Say whether a path looks like a movie, from its name or, for a Zarr folder, its content."""
    if path.is_dir():
        return any((path / name).is_file() for name in _ZARR_FILES)
    return path.suffix.lower() in _READERS and path.is_file()


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in (".csv", ".parquet", ".xml", ".geff"):
        raise InputError(
            f"{path} is no movie. If it is a table of tracks, analyse it with 'perrin analyze', or "
            "read it with perrin.read_tracks."
        )
    # Files of microscopes are TIFF under many names.
    return suffix if suffix in _READERS else ".tif"


def _check_file(path: Path) -> None:
    if path.is_dir():
        if not is_movie(path):
            raise InputError(
                f"{path} is a folder, and no OME-Zarr movie. Give the file of one movie itself; "
                "'perrin run' takes a folder of movies."
            )
        return
    if not path.exists():
        raise InputError(f"There is no file {path}. Check its name and folder.")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes). Copy or export it again from the original.")
