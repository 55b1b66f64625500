"""TIFF movies, read lazily, with the calibration of ImageJ and OME metadata."""

from __future__ import annotations

import logging
import math
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from perrin.errors import InputError
from perrin.io._axes import check_axes, choose_series, select, select_planes
from perrin.io._calibration import imagej_calibration, ome_calibration
from perrin.io._lazy import BROKEN, Mapped, Planes
from perrin.io._movie import Movie
from perrin.tracks import Calibration

__all__ = ["read_tiff"]

_DAMAGE = re.compile(
    r"invalid (page )?offset|invalid value offset|corrupted|expected \d+ segments", re.IGNORECASE
)
_BROKEN = (tifffile.TiffFileError, *BROKEN)


def read_tiff(path: Path, channel: int | None, axes: str | None, series: int | None) -> Movie:
    """Open a TIFF file: ImageJ stack or hyperstack, OME-TIFF, or a plain multi-page file.

    Uncompressed files are mapped, others are read page by page; see :func:`perrin.read_movie`.
    """
    with _log_of_tifffile() as log:
        try:
            tiff = tifffile.TiffFile(path)
        except PermissionError:
            raise InputError(f"{path} cannot be read: you lack the permission.") from None
        except _BROKEN as error:
            raise _not_readable(path, error) from error
        keep_open = False
        try:
            movie = _open(path, tiff, log, channel, axes, series)
            keep_open = isinstance(movie.frames, Planes)
        except InputError:
            raise
        except _BROKEN as error:
            raise _not_readable(path, error) from error
        finally:
            if not keep_open:
                tiff.close()
    return movie


def _open(
    path: Path,
    tiff: Any,
    log: list[str],
    channel: int | None,
    given_axes: str | None,
    given_series: int | None,
) -> Movie:
    n_pages = len(tiff.pages)  # walks the whole file, so that damage is seen now
    all_series = tiff.series
    if not all_series or 0 in all_series[0].shape or len(all_series[0].shape) < 2:
        raise InputError(f"{path} is a TIFF file without images; save the movie again.")
    notes: list[str] = []
    number = choose_series(len(all_series), given_series, path.name, notes)
    series = all_series[number]
    size = int(path.stat().st_size)
    if _is_damaged(tiff, series, log, size):
        raise InputError(
            f"{path.name} is damaged or truncated: it ends before its last frame ({n_pages} pages "
            f"found, {size:,} bytes). Copy or export it again from the original."
        )
    shape = tuple(int(n) for n in series.shape)
    selection = select(
        check_axes(given_axes, series.axes, shape, path.name), shape, channel, path.name
    )
    notes += selection.notes
    frames: Any
    if series.dataoffset is not None:
        dtype = np.dtype(f"{tiff.byteorder}{series.dtype.char}")
        offset = int(series.dataoffset)
        frames = Mapped(path, dtype, offset, shape, selection.picks, selection.order)
    elif tuple(series.keyframe.shape) == shape[-2:] and len(series.pages) == math.prod(shape[:-2]):
        read = partial(_read_page, tiff, number, path.name)
        numbers = np.arange(len(series.pages)).reshape(shape[:-2])
        frames = select_planes(
            read, numbers, selection, shape[-2:], series.dtype, path.name, tiff.close
        )
    else:  # pages that are volumes or that hold their channels one after the other: rare
        frames = series.asarray()[selection.picks].transpose(selection.order)
    calibration = _calibration(tiff, number, notes, path.name)
    return Movie(frames, calibration, path.stem.removesuffix(".ome"), path, tuple(notes))


def _not_readable(path: Path, error: Exception) -> InputError:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError:
        return InputError(f"{path} cannot be read: {error}.")
    if (needed := _codecs_needed(path.name, error)) is not None:
        return needed
    if magic[:2] not in (b"II", b"MM"):
        return InputError(
            f"{path} is not a TIFF file. Open it with napari's own readers, or export it as TIFF."
        )
    return InputError(
        f"{path.name} is damaged or truncated ({error}). Copy or export it again from the original."
    )


def _is_damaged(tiff: Any, series: Any, log: list[str], size: int) -> bool:
    if any(_DAMAGE.search(line) for line in log) or any(page is None for page in series.pages):
        return True
    if series.dataoffset is not None:
        return bool(series.dataoffset + series.size * series.dtype.itemsize > size)
    if getattr(series, "is_multifile", False):
        return False
    return any(
        offset + count > size
        for page in series.pages
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)
    )


def _calibration(tiff: Any, series: int, notes: list[str], name: str) -> Calibration:
    if tiff.is_ome:
        return ome_calibration(tiff.ome_metadata, notes, name, series)
    if tiff.is_imagej:
        tags = tiff.pages[0].tags
        resolution = [
            tags[key].value if key in tags else None for key in ("XResolution", "YResolution")
        ]
        return imagej_calibration(tiff.imagej_metadata or {}, resolution, notes, name)
    return Calibration()


def _read_page(tiff: Any, series: int, name: str, number: int) -> npt.NDArray[Any]:
    try:
        with _log_of_tifffile() as log:
            page = np.asarray(tiff.asarray(key=number, series=series))
    except _BROKEN as error:
        if (needed := _codecs_needed(name, error)) is not None:
            raise needed from error
        raise ValueError(str(error)) from error
    if damage := [line for line in log if _DAMAGE.search(line)]:
        raise ValueError(damage[0])
    return page


def _codecs_needed(name: str, error: Exception) -> InputError | None:
    if "imagecodecs" not in str(error):
        return None
    return InputError(
        f"{name} is compressed in a way that needs one more package: install it with "
        "'pip install napari-perrin[tiff]', or save the movie uncompressed."
    )


@contextmanager
def _log_of_tifffile() -> Iterator[list[str]]:
    """Collect what tifffile would print about damaged files, to say it in one sentence instead."""
    lines: list[str] = []
    thread = threading.get_ident()

    def keep(record: logging.LogRecord) -> bool:
        if record.thread == thread:
            lines.append(record.getMessage())
            return False
        return True

    logger = logging.getLogger("tifffile")
    logger.addFilter(keep)
    try:
        yield lines
    finally:
        logger.removeFilter(keep)
