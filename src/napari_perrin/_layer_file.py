"""The movie file that a layer was opened from: what it says of itself."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from perrin.errors import InputError, PerrinError
from perrin.tracks import Calibration

__all__ = ["LayerFile", "file_of"]

# Of a folder, those change when the movie in it does.
_ZARR_FILES = (".zattrs", ".zgroup", ".zarray", "zarr.json")


class LayerFile(NamedTuple):
    """What a movie file says of itself.

    Attributes
    ----------
    calibration
        Its pixel size and frame interval.
    has_channels
        Whether it holds more than one channel.
    ndim
        Number of axes of one channel of it.
    """

    calibration: Calibration
    has_channels: bool
    ndim: int


def file_of(layer: Any) -> LayerFile | None:
    """Return what the file or Zarr folder of a layer says; nothing if Perrin cannot read it."""
    path = layer.source.path
    if path is None or not Path(path).exists():
        return None
    return _read(str(path), _modified(Path(path)))


def _modified(path: Path) -> int:
    inside = [path / name for name in _ZARR_FILES] if path.is_dir() else []
    return max(each.stat().st_mtime_ns for each in [path, *inside] if each.exists())


@lru_cache(maxsize=32)
def _read(path: str, _modified: int) -> LayerFile | None:
    from perrin.io import read_movie

    # One of several channels has to be chosen: all of them have one calibration.
    for channel in (None, 0):
        try:
            movie = read_movie(path, channel=channel)
        except InputError:
            continue
        except (PerrinError, OSError):
            break
        return LayerFile(movie.calibration, channel is not None, len(movie.shape))
    # Not a movie that Perrin reads by itself; napari opened it through another reader.
    return None
