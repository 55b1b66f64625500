"""Movies of Nikon's NIS-Elements (ND2), by the package ``nd2``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import nd2
import numpy as np
import numpy.typing as npt

from perrin.errors import InputError
from perrin.io._axes import check_axes, choose_series, select, select_planes
from perrin.io._calibration import in_micrometres, in_seconds, square_pixels
from perrin.io._lazy import BROKEN
from perrin.io._movie import Movie
from perrin.tracks import Calibration

__all__ = ["read_nd2"]

_OF_A_FRAME = "CYXS"
_UNEVEN = 0.1


def read_nd2(path: Path, channel: int | None, axes: str | None, series: int | None) -> Movie:
    """Open an ND2 file; its positions are its series. See :func:`perrin.read_movie`."""
    try:
        file = nd2.ND2File(path)
    except (*BROKEN, KeyError) as error:
        raise InputError(
            f"{path.name} is not a readable ND2 file ({error}). Copy it again from the original."
        ) from error
    try:
        return _open(file, path, channel, axes, series)
    except BaseException as error:
        file.close()
        if isinstance(error, BROKEN) and not isinstance(error, InputError):
            raise InputError(
                f"{path.name} is damaged ({error}). Copy it again from the original."
            ) from error
        raise


def _open(
    file: Any, path: Path, channel: int | None, given_axes: str | None, series: int | None
) -> Movie:
    notes: list[str] = []
    sizes = dict(file.sizes)
    loops = [axis for axis in sizes if axis not in _OF_A_FRAME]
    n_channels = sizes.get("C", 1)
    numbers = np.arange(math.prod(sizes[axis] for axis in loops) * n_channels)
    numbers = numbers.reshape(*(sizes[axis] for axis in loops), n_channels)
    position = choose_series(sizes.get("P", 1), series, path.name, notes)
    if "P" in loops:
        numbers = numbers.take(position, axis=loops.index("P"))
        loops.remove("P")
    plane_shape = (sizes["Y"], sizes["X"])
    shape = (*numbers.shape, *plane_shape)
    found = "".join(loops) + "CYX" + ("S" if "S" in sizes else "")
    selection = select(check_axes(given_axes, found, shape, path.name), shape, channel, path.name)

    def read(number: int) -> npt.NDArray[Any]:
        sequence, of_channel = divmod(number, n_channels)
        frame = np.asarray(file.read_frame(sequence)).reshape(n_channels, *plane_shape)
        return np.asarray(frame[of_channel])

    frames = select_planes(read, numbers, selection, plane_shape, file.dtype, path.name, file.close)
    calibration = _calibration(file, notes, path.name)
    return Movie(frames, calibration, path.stem, path, (*notes, *selection.notes))


def _calibration(file: Any, notes: list[str], name: str) -> Calibration:
    size = file.voxel_size()
    has_z = any(loop.type == "ZStackLoop" for loop in file.experiment)
    return Calibration.checked(
        pixel_size=square_pixels(
            in_micrometres(size.x, "µm"), in_micrometres(size.y, "µm"), notes, name
        ),
        frame_interval=in_seconds(_interval(file, notes, name), "ms"),
        z_step=in_micrometres(size.z, "µm") if has_z else None,
    )


def _interval(file: Any, notes: list[str], name: str) -> float | None:
    """Return the time between frames in ms: as measured where the file says so, else as set."""
    for loop in file.experiment:
        periods = getattr(loop.parameters, "periods", [loop.parameters])
        if loop.type not in ("TimeLoop", "NETimeLoop") or not periods:
            continue
        if len(periods) > 1:
            notes.append(
                f"{name} was recorded in {len(periods)} phases, each with an interval of its own; "
                "that of the first is used."
            )
        measured = getattr(periods[0], "periodDiff", None)
        if measured is not None and measured.avg > 0:
            if measured.max - measured.min > _UNEVEN * measured.avg:
                notes.append(
                    f"The frames of {name} are not evenly spaced in time ({measured.min:.4g} to "
                    f"{measured.max:.4g} ms apart); the mean, {measured.avg:.4g} ms, is used."
                )
            return float(measured.avg)
        return float(periods[0].periodMs)
    return None
