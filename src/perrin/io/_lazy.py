"""Arrays of frames that are read when they are asked for, each from another kind of source."""

from __future__ import annotations

import math
import struct
import threading
import weakref
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from perrin.errors import InputError

__all__ = ["BROKEN", "Mapped", "Planes", "Selected", "stored_ends"]

BROKEN = (
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
"""What readers run into where bytes of a file are missing or changed."""


class _Frames:
    """What the arrays of this module share; each has ``shape`` and ``dtype`` and can be sliced."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        raise NotImplementedError

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)


class Planes(_Frames):
    """Frames of a file that holds plane after plane, compressed or not.

    Parameters
    ----------
    read
        Reads plane ``number``, ``(Y, X)``. It is never called by two threads at once.
    numbers
        ``(T,)`` or ``(T, Z)``: the number that ``read`` wants for each plane.
    plane_shape, dtype
        Of a plane.
    name
        How to call the file in messages.
    close
        Called with the last reference to the frames.
    """

    def __init__(
        self,
        read: Callable[[int], npt.NDArray[Any]],
        numbers: npt.NDArray[np.intp],
        plane_shape: tuple[int, ...],
        dtype: Any,
        name: str,
        close: Callable[[], None],
    ) -> None:
        self._read, self._numbers, self._plane_shape = read, numbers, tuple(plane_shape)
        self._name, self._lock = name, threading.Lock()
        self.dtype = np.dtype(dtype).newbyteorder("=")
        self.shape = (*numbers.shape, *self._plane_shape)
        weakref.finalize(self, close)

    def __getitem__(self, key: Any) -> Any:
        keys = _full(key, self.ndim)
        n_leading = self._numbers.ndim
        numbers = self._numbers[keys[:n_leading]]
        rest = keys[n_leading:]
        wanted = np.atleast_1d(numbers).ravel()
        try:
            planes = np.empty((wanted.size, *self._plane_shape), self.dtype)
        except MemoryError as error:
            size = " × ".join(map(str, self._plane_shape))
            raise InputError(
                f"{wanted.size} images of {self._name} ({size} pixels each) do not fit in the "
                "memory. Read fewer at a time; if they should be smaller, the file is damaged."
            ) from error
        for plane, number in zip(planes, wanted, strict=True):
            plane[...] = self._plane(int(number))
        planes = planes.reshape(*np.shape(numbers), *self._plane_shape)
        return planes[(slice(None),) * np.ndim(numbers) + rest] if rest else planes

    def _plane(self, number: int) -> npt.NDArray[Any]:
        try:
            with self._lock:
                plane = self._read(number)
        except InputError:
            raise
        except BROKEN as error:
            raise InputError(
                f"Image {number} of {self._name} cannot be read ({error}); the file is damaged. "
                "Copy or export it again from the original."
            ) from error
        if plane.shape != self._plane_shape:
            raise InputError(
                f"Image {number} of {self._name} has the size {plane.shape}, others have "
                f"{self._plane_shape}; the file is damaged. Copy or export it again."
            )
        return plane


class Mapped(_Frames):
    """Frames that lie in a file as they are, one after the other.

    The file is mapped anew for each part that is copied out of it: pages of a mapping that stays
    open count as memory in use, and reading one whose file has become shorter ends the program.

    Parameters
    ----------
    path, dtype, offset, shape
        Where the array lies.
    picks
        Index of each axis: a whole slice, or one number where the axis is dropped.
    order
        Axes left, in the order in which they are wanted.
    """

    def __init__(
        self,
        path: Path,
        dtype: npt.DTypeLike,
        offset: int,
        shape: tuple[int, ...],
        picks: tuple[Any, ...],
        order: Sequence[int],
    ) -> None:
        self._path, self._offset, self._file_shape = path, offset, shape
        self._picks, self._order = picks, order
        self.dtype = np.dtype(dtype)
        self.shape = self._open().shape

    def _open(self) -> npt.NDArray[Any]:
        try:
            data = np.memmap(self._path, self.dtype, "r", self._offset, self._file_shape)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self._path} cannot be read any more ({error}): it was moved or deleted, has "
                "become shorter, or its disk is gone."
            ) from error
        return np.transpose(data[self._picks], self._order)

    def __getitem__(self, key: Any) -> Any:
        return np.array(self._open()[key])


class Selected(_Frames):
    """Frames of an array with more axes, such as one of Zarr or dask.

    Parameters
    ----------
    array
        Anything with ``shape`` and ``dtype`` that can be sliced along each axis.
    picks
        Index of each axis: a whole slice, or one number where the axis is dropped.
    order
        Axes left, in the order in which they are wanted, time first.
    name
        How to call the array in messages.
    """

    def __init__(
        self, array: Any, picks: Sequence[Any], order: Sequence[int], name: str = "the movie"
    ) -> None:
        self._array, self._picks, self._order, self._name = array, list(picks), list(order), name
        left = [axis for axis, pick in enumerate(self._picks) if isinstance(pick, slice)]
        self._time = left[self._order[0]]
        self.dtype = np.dtype(array.dtype)
        self.shape = tuple(int(array.shape[left[place]]) for place in self._order)
        chunks = getattr(array, "chunks", None)
        self.chunks = None if chunks is None else (chunks[self._time],)

    def __getitem__(self, key: Any) -> Any:
        keys = _full(key, self.ndim)
        time = keys[0]
        is_one = isinstance(time, int | np.integer)
        if is_one:
            number = range(self.shape[0])[int(time)]
            time = slice(number, number + 1)
        elif not isinstance(time, slice):  # lists of numbers are not for every kind of array
            return np.stack(
                [self[(int(number), *keys[1:])] for number in np.arange(len(self))[time]]
            )
        index = list(self._picks)
        index[self._time] = time
        try:
            part = np.asarray(self._array[tuple(index)]).transpose(self._order)
        except BROKEN as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"Frames of {self._name} cannot be read ({error}); a part of it is damaged or "
                "gone. Copy or export it again from the original."
            ) from error
        return part[(0 if is_one else slice(None), *keys[1:])]


def stored_ends(frames: Any) -> npt.NDArray[np.intp] | None:
    """Return where the parts in which an array is stored or computed end along time.

    Parameters
    ----------
    frames
        Anything; arrays of dask and Zarr say what their parts are in ``chunks``.
    """
    chunks = getattr(frames, "chunks", None)
    if not chunks or math.prod(frames.shape) == 0:
        return None
    along_time = chunks[0]
    if isinstance(along_time, tuple):
        return np.cumsum(along_time)
    n = int(frames.shape[0])
    return np.minimum(np.arange(along_time, n + along_time, along_time), n)


def _full(key: Any, ndim: int) -> tuple[Any, ...]:
    """Return an index with one entry for each axis up to the last that it speaks of."""
    keys = key if isinstance(key, tuple) else (key,)
    if any(one is Ellipsis for one in keys):
        at = next(place for place, one in enumerate(keys) if one is Ellipsis)
        keys = keys[:at] + (slice(None),) * (ndim - len(keys) + 1) + keys[at + 1 :]
    return keys
