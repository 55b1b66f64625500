"""Movies of Leica's LAS X (LIF), by the package ``liffile``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import liffile
import numpy as np
import numpy.typing as npt

from perrin.errors import InputError
from perrin.io._axes import check_axes, choose_series, select, select_planes
from perrin.io._calibration import in_micrometres, in_seconds, square_pixels
from perrin.io._lazy import BROKEN
from perrin.io._movie import Movie
from perrin.tracks import Calibration

__all__ = ["read_lif"]


def read_lif(path: Path, channel: int | None, axes: str | None, series: int | None) -> Movie:
    """Open a LIF file; its images are its series. See :func:`perrin.read_movie`.

    Without ``series``, the first image with more than one point in time is read.
    """
    try:
        file = liffile.LifFile(path)
    except (*BROKEN, ParseError) as error:
        raise _damaged(path, error) from error
    try:
        return _open(file, path, channel, axes, series)
    except BaseException as error:
        file.close()
        if isinstance(error, BROKEN) and not isinstance(error, InputError):
            raise _damaged(path, error) from error
        raise


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path.name} is not a readable LIF file ({error}). Copy it again from the original."
    )


def _open(
    file: Any, path: Path, channel: int | None, given_axes: str | None, series: int | None
) -> Movie:
    notes: list[str] = []
    images = list(file.images)
    if not images:
        raise InputError(f"{path.name} holds no images.")
    if series is None and len(images) > 1:
        series = next((n for n, image in enumerate(images) if image.sizes.get("T", 1) > 1), 0)
        notes.append(
            f"{path.name} holds {len(images)} images, of which number {series} "
            f"({images[series].name}) is read; choose another with series=0 to {len(images) - 1}."
        )
    image = images[choose_series(len(images), series, path.name, notes)]
    sizes = dict(image.sizes)
    leading = [axis for axis in sizes if axis not in "YXS"]
    counts = tuple(sizes[axis] for axis in leading)
    shape = (*counts, sizes["Y"], sizes["X"])
    found = "".join(leading) + "YX" + ("S" if "S" in sizes else "")
    selection = select(check_axes(given_axes, found, shape, path.name), shape, channel, path.name)

    def read(number: int) -> npt.NDArray[Any]:
        places = (int(place) for place in np.unravel_index(number, counts))
        return np.asarray(image.frame(**dict(zip(leading, places, strict=True))))

    numbers = np.arange(math.prod(counts)).reshape(counts)
    frames = select_planes(read, numbers, selection, shape[-2:], image.dtype, path.name, file.close)
    calibration = _calibration(image, notes, path.name)
    return Movie(frames, calibration, path.stem, path, (*notes, *selection.notes))


def _calibration(image: Any, notes: list[str], name: str) -> Calibration:
    """Read the spacing of the axes, of which LIF states the whole length (metres, seconds)."""
    step = {
        axis: float(abs(places[-1] - places[0]) / (len(places) - 1))
        for axis, places in image.coords.items()
        if len(places) > 1
    }
    return Calibration.checked(
        pixel_size=square_pixels(
            in_micrometres(step.get("X"), "m"), in_micrometres(step.get("Y"), "m"), notes, name
        ),
        frame_interval=in_seconds(step.get("T"), "s"),
        z_step=in_micrometres(step.get("Z"), "m"),
    )
