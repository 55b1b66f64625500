"""Movies of Zeiss's ZEN (CZI), by Zeiss's own package ``pylibCZIrw``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
from pylibCZIrw.czi import CziReader, ReaderFileInputTypes

from perrin.errors import InputError
from perrin.io._axes import check_axes, choose_series, select, select_planes
from perrin.io._calibration import in_micrometres, in_seconds, square_pixels
from perrin.io._lazy import BROKEN
from perrin.io._movie import Movie
from perrin.tracks import Calibration

__all__ = ["read_czi"]

_TYPES = {"Gray8": np.uint8, "Gray16": np.uint16, "Gray32Float": np.float32}
_LEADING = "TZC"


def read_czi(path: Path, channel: int | None, axes: str | None, series: int | None) -> Movie:
    """Open a CZI file; its scenes are its series. See :func:`perrin.read_movie`."""
    try:
        file = CziReader(str(path), ReaderFileInputTypes.Standard)
        return _open(file, path, channel, axes, series)
    except BROKEN as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path.name} is not a readable CZI file ({error}). Copy it again from the original."
        ) from error


def _open(
    file: Any, path: Path, channel: int | None, given_axes: str | None, series: int | None
) -> Movie:
    notes: list[str] = []
    box = file.total_bounding_box
    scenes = file.scenes_bounding_rectangle_no_pyramid
    scene = choose_series(max(1, len(scenes)), series, path.name, notes)
    key = sorted(scenes)[scene] if scenes else None
    area = file.total_bounding_rectangle_no_pyramid if key is None else scenes[key]
    others = [axis for axis, (_, n) in box.items() if axis not in "TZCXYS" and n > 1]
    if others:
        notes.append(
            f"{path.name} has the axes {', '.join(others)} too; the first of each is read."
        )
    counts = tuple(int(box[axis][1]) for axis in _LEADING)
    shape = (*counts, area.h, area.w)
    kinds = set(file.pixel_types.values())
    found = f"{_LEADING}YX" + ("S" if any(kind.startswith("Bgr") for kind in kinds) else "")
    selection = select(check_axes(given_axes, found, shape, path.name), shape, channel, path.name)
    kind = file.pixel_types[channel or 0]
    if kind not in _TYPES:
        raise InputError(f"{path.name} holds pixels of type {kind}; export it as TIFF.")

    def read(number: int) -> npt.NDArray[Any]:
        places = (int(place) for place in np.unravel_index(number, counts))
        plane = dict(zip(_LEADING, places, strict=True))
        return np.asarray(file.read(roi=area, plane=plane, scene=key))[..., 0]

    numbers = np.arange(math.prod(counts)).reshape(counts)
    frames = select_planes(
        read, numbers, selection, shape[-2:], _TYPES[kind], path.name, file.close
    )
    calibration = _calibration(file.raw_metadata, notes, path.name)
    return Movie(frames, calibration, path.stem, path, (*notes, *selection.notes))


def _calibration(xml: str, notes: list[str], name: str) -> Calibration:
    """Read ``Scaling`` (metres), and the increment of the time axis (seconds) where it is said."""
    root = ElementTree.fromstring(xml)
    size = {
        distance.get("Id"): in_micrometres(_number(distance.findtext("Value")), "m")
        for distance in root.iterfind(".//Scaling/Items/Distance")
    }
    return Calibration.checked(
        pixel_size=square_pixels(size.get("X"), size.get("Y"), notes, name),
        frame_interval=in_seconds(
            _number(root.findtext(".//Image/Dimensions/T/Positions/Interval/Increment")), "s"
        ),
        z_step=size.get("Z"),
    )


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
