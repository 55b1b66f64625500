"""TIFF movies, read lazily, with the calibration of ImageJ and OME metadata."""

from __future__ import annotations

import logging
import math
import os
import re
import struct
import threading
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from perrin.errors import InputError
from perrin.io._calibration import imagej_calibration, ome_calibration
from perrin.io._movie import Movie, check_movie
from perrin.tracks import Calibration

__all__ = ["read_movie"]

_MANY_CHANNELS = 8  # no microscope records so many colours; a stack saved in haste has them
_TIME_LIKE = "TIQ"  # I and Q are what TIFF readers call a sequence without a name
_DAMAGE = re.compile(
    r"invalid (page )?offset|invalid value offset|corrupted|expected \d+ segments", re.IGNORECASE
)
# What tifffile runs into where bytes are missing or changed; tests try both everywhere.
_BROKEN = (
    tifffile.TiffFileError,
    ArithmeticError,
    AssertionError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def read_movie(
    path: str | os.PathLike[str], *, channel: int | None = None, axes: str | None = None
) -> Movie:
    """Open a TIFF movie; its frames are read only when they are asked for.

    Uncompressed files are memory-mapped, others are read page by page, so that a movie may be
    larger than the memory. Pixel size and frame interval are taken from ImageJ or OME metadata.

    Parameters
    ----------
    path
        A TIFF file: ImageJ stack or hyperstack, OME-TIFF, or a plain multi-page file.
    channel
        Which channel to take, counting from 0, if there are several.
    axes
        What the axes of the file are, for instance ``"TYX"`` or ``"TZYX"``, if the file does not
        say so, or says it wrongly. ``S`` is a colour axis.

    Returns
    -------
    Movie
        ``(T, Y, X)`` or ``(T, Z, Y, X)``, with the calibration that the file states, and notes on
        what had to be assumed.

    Raises
    ------
    InputError
        If the file is missing, empty, truncated, no TIFF, or no time series of one channel.

    Notes
    -----
    A stack with slices (Z) but no time points is read as a time series, each slice a frame: this
    is how many programs save a time-lapse. So is a stack of eight or more channels and nothing
    else. The movie's ``notes`` say so. Only a file that has both Z and T is a 3D movie.
    """
    path = Path(path)
    _check_file(path)
    with _log_of_tifffile() as log:
        try:
            tiff = tifffile.TiffFile(path)
        except PermissionError:
            raise InputError(f"{path} cannot be read: you lack the permission.") from None
        except _BROKEN as error:
            raise _not_readable(path, error) from error
        keep_open = False
        try:
            movie = _open(path, tiff, log, channel, axes)
            keep_open = isinstance(movie.frames, _Pages)
        except InputError:
            raise
        except _BROKEN as error:
            raise _not_readable(path, error) from error
        finally:
            if not keep_open:
                tiff.close()
    check_movie(movie)
    return movie


def _open(
    path: Path, tiff: Any, log: list[str], channel: int | None, given_axes: str | None
) -> Movie:
    n_pages = len(tiff.pages)  # walks the whole file, so that damage is seen now
    all_series = tiff.series
    if not all_series or 0 in all_series[0].shape or len(all_series[0].shape) < 2:
        raise InputError(f"{path} is a TIFF file without images; save the movie again.")
    series = all_series[0]
    size = int(path.stat().st_size)
    if _is_damaged(tiff, series, log, size):
        raise InputError(
            f"{path.name} is damaged or truncated: it ends before its last frame ({n_pages} pages "
            f"found, {size:,} bytes). Copy or export it again from the original."
        )
    shape = tuple(int(n) for n in series.shape)
    axes = _check_axes(given_axes, series.axes, shape, path.name)
    notes = []
    if len(all_series) > 1:
        sizes = {tuple(s.shape) for s in all_series}
        what = "positions" if len(sizes) == 1 else "parts of different sizes"
        notes.append(
            f"{path.name} holds {len(all_series)} image series ({what}); the first is read."
        )
    picks, axes, note = _select(axes, shape, channel, path.name)
    notes += note
    frames: Any
    if series.dataoffset is not None:
        dtype = np.dtype(f"{tiff.byteorder}{series.dtype.char}")
        data = np.memmap(path, dtype, "r", int(series.dataoffset), shape)
        frames = data[picks].transpose([axes.index(a) for a in "TZYX" if a in axes])
    elif tuple(series.keyframe.shape) == shape[-2:] and len(series.pages) == math.prod(shape[:-2]):
        pages = np.arange(len(series.pages)).reshape(shape[:-2])[picks[:-2]]
        pages = pages.transpose([axes.index(a) for a in "TZ" if a in axes])
        frames = _Pages(tiff, pages, shape[-2:], series.dtype, path.name)
    else:  # pages that are volumes or that hold their channels one after the other: rare
        data = series.asarray()
        frames = data[picks].transpose([axes.index(a) for a in "TZYX" if a in axes])
    calibration = _calibration(tiff, notes, path.name)
    return Movie(frames, calibration, path.stem.removesuffix(".ome"), path, tuple(notes))


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the TIFF file itself.")
    if not path.exists():
        raise InputError(f"There is no file {path}. Check its name and folder.")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes). Copy or export it again from the original.")


def _not_readable(path: Path, error: Exception) -> InputError:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError:
        return InputError(f"{path} cannot be read: {error}.")
    if path.suffix.lower() in (".csv", ".parquet", ".xml"):
        return InputError(
            f"{path} is no movie. If it is a table of tracks, analyse it with 'perrin analyze', or "
            "read it with perrin.read_tracks."
        )
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


def _check_axes(given: str | None, found: str, shape: tuple[int, ...], name: str) -> str:
    """Return one letter per axis, given by the user or found in the file."""
    size = " × ".join(map(str, shape))
    if given is not None:
        axes = given.upper()
        if len(axes) != len(shape) or len(set(axes)) != len(axes) or not set(axes) <= set("TZCYXS"):
            raise InputError(
                f"The axes {given!r} do not fit {name}: it has {len(shape)} axes ({size}). Give "
                "one letter of T, Z, C, Y, X for each."
            )
    else:
        axes = str(found)
    if "S" in axes:
        raise InputError(
            f"{name} is a colour (RGB) image ({size}). Convert it to greyscale, in Fiji with "
            "Image > Type > 16-bit, and save it again."
        )
    if len(shape) == 2:
        raise InputError(
            f"{name} has a single frame ({size}); tracking needs a movie of at least two. If each "
            "frame is a file of its own, save them as one stack."
        )
    if axes[-2:] != "YX":
        raise InputError(
            f"{name} has the axes {axes} ({size}); the last two must be Y and X. Save it as an "
            "ImageJ hyperstack or OME-TIFF, or say what the axes are (for instance axes='TYX')."
        )
    return axes


def _select(
    axes: str, shape: tuple[int, ...], channel: int | None, name: str
) -> tuple[tuple[Any, ...], str, list[str]]:
    """Choose the channel, name the rest T and Z; return an index per axis, the axes left, notes."""
    notes = []
    if axes == "CYX" and shape[0] >= _MANY_CHANNELS and channel is None:
        notes.append(
            f"{name} has {shape[0]} channels and no time points; each is read as a frame in time."
        )
        axes = "TYX"
    n_channels = shape[axes.index("C")] if "C" in axes else 1
    if channel is None and n_channels > 1:
        raise InputError(
            f"{name} has {n_channels} channels; particles are tracked in one. Choose it (channel=0 "
            f"to {n_channels - 1}), or split the channels, in Fiji with Image > Color > Split "
            "Channels."
            + ("" if "T" in axes else " If these are points in time instead, say axes='TYX'.")
        )
    channel = channel or 0
    if not 0 <= channel < n_channels:
        raise InputError(
            f"{name} has no channel {channel}; its channels are 0 to {n_channels - 1}."
        )
    # Axes of length one carry nothing, except time, whose length is judged later.
    picks = tuple(
        channel if a == "C" else 0 if n == 1 and a not in "TYX" else slice(None)
        for a, n in zip(axes, shape, strict=True)
    )
    left = "".join(a for a, pick in zip(axes, picks, strict=True) if isinstance(pick, slice))
    leading = left[:-2]
    if leading == "Z":
        n = shape[axes.index("Z")]
        notes.append(
            f"{name} has {n} slices (Z) and no time points; each slice is read as a frame in time."
        )
        leading = "T"
    elif len(leading) == 1 and leading in _TIME_LIKE:
        leading = "T"
    elif "T" not in leading and "Z" in leading and len(leading) == 2:
        leading = re.sub("[IQ]", "T", leading)
    if leading not in ("T", "TZ", "ZT"):
        size = " × ".join(map(str, shape))
        raise InputError(
            f"{name} has the axes {axes} ({size}), of which Perrin can use time, Z, Y and X. "
            + (
                "It has a single frame; tracking needs at least two."
                if not leading
                else "Save one position and channel as an ImageJ hyperstack or OME-TIFF, or say "
                "what the axes are (for instance axes='TZYX')."
            )
        )
    return picks, leading + "YX", notes


def _calibration(tiff: Any, notes: list[str], name: str) -> Calibration:
    if tiff.is_ome:
        return ome_calibration(tiff.ome_metadata, notes, name)
    if tiff.is_imagej:
        tags = tiff.pages[0].tags
        resolution = [
            tags[key].value if key in tags else None for key in ("XResolution", "YResolution")
        ]
        return imagej_calibration(tiff.imagej_metadata or {}, resolution, notes, name)
    return Calibration()


class _Pages:
    """Frames of a compressed TIFF: an array that decodes a page when it is asked for."""

    def __init__(
        self,
        tiff: Any,
        pages: npt.NDArray[np.intp],
        page_shape: tuple[int, ...],
        dtype: Any,
        name: str,
    ) -> None:
        self._tiff, self._pages, self._page_shape, self._name = tiff, pages, page_shape, name
        self._lock = threading.Lock()
        self.dtype = np.dtype(dtype).newbyteorder("=")
        self.shape = (*pages.shape, *page_shape)
        self.ndim = len(self.shape)
        # Close the file with the last reference, without a warning that it was left open.
        weakref.finalize(self, tiff.close)

    def __len__(self) -> int:
        return len(self._pages)

    def __getitem__(self, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            keys = keys[:at] + (slice(None),) * (self.ndim - len(keys) + 1) + keys[at + 1 :]
        n_leading = self._pages.ndim
        pages = self._pages[keys[:n_leading]]
        rest = keys[n_leading:]
        wanted = np.atleast_1d(pages).ravel()
        try:
            planes = np.empty((wanted.size, *self._page_shape), self.dtype)
        except MemoryError as error:
            size = " × ".join(map(str, self._page_shape))
            raise InputError(
                f"{wanted.size} images of {self._name} ({size} pixels each) do not fit in the "
                "memory. Read fewer at a time; if they should be smaller, the file is damaged."
            ) from error
        for plane, page in zip(planes, wanted, strict=True):
            plane[...] = self._read(int(page))
        planes = planes.reshape(*np.shape(pages), *self._page_shape)
        return planes[(slice(None),) * np.ndim(pages) + rest] if rest else planes

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)

    def _read(self, page: int) -> npt.NDArray[Any]:
        try:
            with self._lock, _log_of_tifffile() as log:
                plane = np.asarray(self._tiff.asarray(key=page, series=0))
            if damage := [line for line in log if _DAMAGE.search(line)]:
                raise tifffile.TiffFileError(damage[0])
        except _BROKEN as error:
            if "imagecodecs" in str(error):
                raise InputError(
                    f"{self._name} is compressed in a way that needs one more package: install it "
                    "with 'pip install imagecodecs', or save the movie uncompressed."
                ) from error
            raise InputError(
                f"Image {page} of {self._name} cannot be read ({error}); the file is damaged. Copy "
                "or export it again from the original."
            ) from error
        return plane


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
