"""Which axis of a file is time, depth or channel, and which part of it is the movie."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from perrin.errors import InputError
from perrin.io._lazy import Planes

__all__ = ["Selection", "check_axes", "choose_series", "select", "select_planes"]

_MANY_CHANNELS = 8  # no microscope records so many colours; a stack saved in haste has them
_TIME_LIKE = "TIQ"  # I and Q are what TIFF readers call a sequence without a name


class Selection(NamedTuple):
    """The movie within an array.

    Attributes
    ----------
    picks
        Index of each axis: a whole slice, or one number where the axis is dropped.
    order
        Axes left, in the order time, depth, y, x.
    notes
        What had to be assumed.
    """

    picks: tuple[Any, ...]
    order: tuple[int, ...]
    notes: list[str]


def check_axes(given: str | None, found: str, shape: tuple[int, ...], name: str) -> str:
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


def choose_series(n: int, series: int | None, name: str, notes: list[str]) -> int:
    """Return which image of a file to read, and note if there are others that nobody spoke of."""
    if series is None and n > 1:
        notes.append(
            f"{name} holds {n} images (positions or series), of which the first is read; choose "
            f"another with series=1 to {n - 1}."
        )
    chosen = series or 0
    if not 0 <= chosen < n:
        raise InputError(f"{name} has no series {chosen}; its series are 0 to {n - 1}.")
    return chosen


def select(axes: str, shape: tuple[int, ...], channel: int | None, name: str) -> Selection:
    """Choose the channel, and name the axes left T and Z.

    Parameters
    ----------
    axes
        One letter per axis, as :func:`check_axes` returned it.
    shape
        Of the whole array.
    channel
        As for :func:`perrin.read_movie`.
    name
        How to call the file in messages.

    Raises
    ------
    InputError
        If the channel has to be chosen, does not exist, or what is left is no time series.
    """
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
    named = leading + "YX"
    return Selection(picks, tuple(named.index(a) for a in "TZYX" if a in named), notes)


def select_planes(
    read: Callable[[int], npt.NDArray[Any]],
    numbers: npt.NDArray[np.intp],
    selection: Selection,
    plane_shape: tuple[int, ...],
    dtype: Any,
    name: str,
    close: Callable[[], None],
) -> Planes:
    """Make frames of a file of which planes are read one at a time.

    Parameters
    ----------
    read
        Reads a plane by its number.
    numbers
        The number of each plane, over the axes before Y and X.
    selection
        What :func:`select` returned for these axes.
    plane_shape, dtype, name, close
        As for :class:`Planes`.
    """
    chosen = numbers[selection.picks[:-2]].transpose(selection.order[:-2])
    return Planes(read, chosen, plane_shape, dtype, name, close)
