"""A movie: frames that are read when asked for, and their calibration."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from perrin.errors import InputError
from perrin.io._lazy import Selected, stored_ends
from perrin.tracks import Calibration

__all__ = ["Movie", "as_movie", "check_movie"]

CHUNK_BYTES = 64 * 2**20
"""How much of a movie is held in memory at a time."""
STORED_BYTES = 512 * 2**20
"""How large a part that is stored as one piece may be to be read as one."""


@dataclass(frozen=True, eq=False)
class Movie:
    """A time-lapse recording of one channel.

    Attributes
    ----------
    frames
        ``(T, Y, X)`` or ``(T, Z, Y, X)``; anything with ``shape``, ``dtype`` and slicing along the
        first axis. Only the frames that are asked for are read.
    calibration
        Pixel size and frame interval, as far as the file says them.
    name
        How to call the movie in tables and messages.
    path
        The file it came from.
    notes
        Sentences about what had to be assumed when the file was read; worth showing to the user.
    """

    frames: Any = field(repr=False)
    calibration: Calibration = field(default_factory=Calibration)
    name: str = "movie"
    path: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """``(T, Y, X)`` or ``(T, Z, Y, X)``."""
        return tuple(int(n) for n in self.frames.shape)

    @property
    def n_frames(self) -> int:
        """Number of time points."""
        return self.shape[0]

    @property
    def is_3d(self) -> bool:
        """Whether each frame is a stack of planes."""
        return len(self.shape) == 4

    def frame(self, index: int) -> npt.NDArray[Any]:
        """Read one frame, ``(Y, X)`` or ``(Z, Y, X)``, in the machine's own byte order.

        Raises
        ------
        InputError
            If there is no such frame, or it cannot be read.
        """
        if not 0 <= index < self.n_frames:
            raise InputError(
                f"{self.name} has no frame {index}; its frames are 0 to {self.n_frames - 1}."
            )
        return _native(self.frames[index])

    def chunks(
        self, limit: int = CHUNK_BYTES, start: int = 0
    ) -> Iterator[tuple[int, npt.NDArray[Any]]]:
        """Read the movie in order, a bounded part at a time.

        Parts end where those end in which the file, or the dask array, keeps its frames, so that
        none of those is decoded twice.

        Parameters
        ----------
        limit
            Bytes to hold at most; one frame is read in any case, and a stored part of up to 512
            MiB is read whole.
        start
            Frame to begin with. Later parts are the same wherever it is.

        Yields
        ------
        first : int
            Number of the first frame of the part.
        part : numpy.ndarray
            ``(t, Y, X)`` or ``(t, Z, Y, X)``.
        """
        frame_bytes = math.prod(self.shape[1:]) * np.dtype(self.frames.dtype).itemsize
        step = max(1, limit // max(1, frame_bytes))
        longest = max(step, STORED_BYTES // max(1, frame_bytes))
        ends = stored_ends(self.frames)
        stop = 0
        while stop < self.n_frames:
            first, stop = stop, min(stop + step, self.n_frames)
            if ends is not None:
                later = ends[ends > first]
                whole = later[later <= stop]
                if whole.size:
                    stop = int(whole[-1])
                elif later[0] - first <= longest:
                    stop = int(later[0])
            if stop > start:
                yield max(first, start), _native(self.frames[max(first, start) : stop])


def as_movie(array: Any, calibration: Calibration | None = None, name: str = "movie") -> Movie:
    """Make a :class:`Movie` of an array, or return a movie as it is.

    Parameters
    ----------
    array
        ``(T, Y, X)`` or ``(T, Z, Y, X)``: numpy, dask, zarr or anything else that has ``shape`` and
        ``dtype`` and can be sliced; a list of equal frames; or a :class:`Movie`. A Z axis of
        length one is dropped.
    calibration
        Pixel size and frame interval. For a :class:`Movie`, replaces its own.
    name
        How to call the movie in messages.

    Raises
    ------
    InputError
        If the array is no movie of one channel: wrong number of axes, a single frame, RGB, complex
        or text values, or the same value in every pixel of every frame. NaN is looked for when
        the frames are localized.
    """
    if isinstance(array, Movie):
        if calibration is None:
            return array
        return Movie(array.frames, calibration, array.name, array.path, array.notes)
    if isinstance(array, list | tuple):
        try:
            array = np.stack([np.asarray(frame) for frame in array])
        except ValueError:
            raise InputError(
                f"The frames of {name} cannot be stacked: they must be at least one, and all of "
                "the same size."
            ) from None
    if not (hasattr(array, "shape") and hasattr(array, "dtype") and hasattr(array, "__getitem__")):
        raise InputError(
            f"{name} is a {type(array).__name__}; give an array with the axes (time, y, x) or "
            "(time, z, y, x), or read the file with perrin.read_movie."
        )
    movie = Movie(array, calibration or Calibration(), name)
    if len(movie.shape) == 4 and movie.shape[1] == 1:
        picks = (slice(None), 0, slice(None), slice(None))
        movie = Movie(Selected(array, picks, (0, 1, 2), name), movie.calibration, name)
    check_movie(movie)
    return movie


def check_movie(movie: Movie) -> None:
    """Raise :class:`InputError` unless ``movie`` is a time series of one channel with content.

    Frames are read only until one of them shows two different values, so that for any ordinary
    movie this costs the reading of one part.
    """
    name, shape = movie.name, movie.shape
    size = " × ".join(map(str, shape))
    if len(shape) == 2:
        raise InputError(
            f"{name} is a single image ({size}); a movie needs at least two frames along a first "
            "axis, time."
        )
    if len(shape) not in (3, 4):
        raise InputError(
            f"{name} has {len(shape)} axes ({size}); a movie has the axes (time, y, x) or (time, "
            "z, y, x). Select one channel and one position first."
        )
    if 0 in shape:
        raise InputError(f"{name} is empty ({size}): there are no pixels to look at.")
    if shape[-1] in (3, 4):
        raise InputError(
            f"{name} ({size}) looks like a colour image: its last axis has {shape[-1]} values "
            "(RGB). Convert it to greyscale, or select one of the channels."
        )
    if shape[0] == 1:
        raise InputError(
            f"{name} has a single frame ({size}); tracking needs at least two. If the time axis is "
            "not the first one, move it there."
        )
    dtype = np.dtype(movie.frames.dtype)
    if dtype.kind not in "buif":
        raise InputError(f"{name} holds values of type {dtype}; give integers or real numbers.")
    value: Any = None
    for _, part in movie.chunks(CHUNK_BYTES // 8):
        value = part.flat[0] if value is None else value
        if (part != value).any():
            return
    what = "only zeros" if value == 0 else f"the value {value} in every pixel"
    raise InputError(
        f"{name} has {what} in all {shape[0]} frames: there is nothing to find. Check that the "
        "right channel was saved and that the shutter was open."
    )


def _native(values: Any) -> npt.NDArray[Any]:
    array = np.asarray(values)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
