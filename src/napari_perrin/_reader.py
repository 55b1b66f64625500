"""Open tracks by drag and drop: CSV and Parquet in trackpy's columns, TrackMate XML, GEFF."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_error

from napari_perrin._layers import tracks_layer_data
from perrin.errors import PerrinError

__all__ = ["get_reader", "looks_like_tracks"]

LayerData = tuple[Any, dict[str, Any], str]

_PEEK_BYTES = 4096
_NUMBERS = {"particle", "trajectory", "track_id", "track", "trackid", "particle_id"}
# Where a folder says of itself that it is a GEFF, in version 2 and 3 of Zarr.
_GEFF_FILES = (".zattrs", "zarr.json")
_TRACKMATE = re.compile(rb"<(TrackMate|Tracks)\b")


def get_reader(path: str | Sequence[str]) -> Callable[[Any], list[LayerData]] | None:
    """Return a reader if the file is a track table, else ``None`` so that others may try.

    Parameters
    ----------
    path
        One path, or several, each of which must be a track table.
    """
    paths = [path] if isinstance(path, str) else list(path)
    if not paths or not all(looks_like_tracks(Path(one)) for one in paths):
        return None
    return _read


def looks_like_tracks(path: Path) -> bool:
    """Say whether a file is a track table, from its first bytes."""
    suffix = path.suffix.lower()
    if suffix == ".geff":
        return any((path / name).is_file() for name in _GEFF_FILES)
    try:
        with path.open("rb") as file:
            head = file.read(_PEEK_BYTES)
    except OSError:
        return False
    if suffix == ".xml":
        return _TRACKMATE.search(head) is not None
    if suffix == ".parquet":
        return _parquet_columns_fit(path)
    return suffix == ".csv" and _columns_fit(_header(head))


def _read(path: str | Sequence[str]) -> list[LayerData]:
    from perrin.io import read_tracks

    paths = [path] if isinstance(path, str) else list(path)
    try:
        return [tracks_layer_data(read_tracks(one), name=Path(one).stem) for one in paths]
    except PerrinError as error:
        # All that napari itself says is that opening failed.
        show_error(str(error))
        raise


def _header(head: bytes) -> set[str]:
    line = head.split(b"\n", 1)[0].decode("utf-8-sig", errors="replace")
    separator = max(",;\t", key=line.count)
    return {name.strip().strip('"') for name in line.split(separator)}


def _columns_fit(columns: set[str]) -> bool:
    lower = {name.lower() for name in columns}
    # Without track numbers a table holds localizations or measurements: not ours to open. One
    # that lacks only the frames is ours, so that the user is told what is missing.
    return bool(lower & _NUMBERS) and bool(lower & {"frame", "x", "position_x"})


def _parquet_columns_fit(path: Path) -> bool:
    try:
        parquet = import_module("pyarrow.parquet")
        return _columns_fit(set(parquet.read_schema(path).names))
    except (ImportError, OSError, ValueError):
        return False
