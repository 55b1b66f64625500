"""Pixel size and frame interval from what files say of themselves, in µm and s."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

import numpy as np

from perrin.tracks import Calibration

__all__ = [
    "imagej_calibration", "in_micrometres", "in_seconds", "ome_calibration", "square_pixels",
]  # fmt: skip

_MICROMETRES = {
    "pm": 1e-6, "picometer": 1e-6, "å": 1e-4, "angstrom": 1e-4, "nm": 1e-3, "nanometer": 1e-3,
    "nanometre": 1e-3, "um": 1.0, "µm": 1.0, "μm": 1.0, "\\u00b5m": 1.0, "micron": 1.0,
    "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0, "mm": 1e3, "millimeter": 1e3, "cm": 1e4,
    "centimeter": 1e4, "m": 1e6, "meter": 1e6,
}  # fmt: skip
_SECONDS = {
    "ns": 1e-9, "nanosecond": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "microsecond": 1e-6,
    "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3, "s": 1.0, "sec": 1.0, "second": 1.0,
    "seconds": 1.0, "min": 60.0, "minute": 60.0, "h": 3600.0, "hour": 3600.0,
}  # fmt: skip


def in_micrometres(value: float | None, unit: str | None) -> float | None:
    """Convert a length; ``None`` if it is not a length above zero in a known unit."""
    return _converted(value, _MICROMETRES.get((unit or "").strip().lower()))


def in_seconds(value: float | None, unit: str | None) -> float | None:
    """Convert a duration; ``None`` if it is not a duration above zero in a known unit."""
    return _converted(value, _SECONDS.get((unit or "").strip().lower()))


def imagej_calibration(
    metadata: Mapping[str, Any], resolution: Sequence[Any], notes: list[str], name: str
) -> Calibration:
    """Read ImageJ's description and resolution tags.

    ``XResolution`` counts pixels per ``unit``; ``finterval`` is the time between frames in
    ``tunit`` (seconds if absent). ImageJ's ``fps`` is how fast to play the movie, not how fast it
    was recorded, and is not used.
    """
    unit = metadata.get("unit")
    sizes = [
        in_micrometres(value[1] / value[0], unit) if value is not None and value[0] else None
        for value in resolution
    ]
    return Calibration.checked(
        pixel_size=square_pixels(sizes[0], sizes[1], notes, name),
        frame_interval=in_seconds(_number(metadata.get("finterval")), metadata.get("tunit", "s")),
        z_step=in_micrometres(_number(metadata.get("spacing")), unit),
    )


def ome_calibration(xml: str, notes: list[str], name: str, series: int = 0) -> Calibration:
    """Read a ``Pixels`` element of OME-XML; without ``TimeIncrement``, the planes' ``DeltaT``.

    Parameters
    ----------
    xml
        What the file says of itself.
    notes
        Where to say what was assumed, or could not be read.
    name
        How to call the file.
    series
        Which of the images, counting from 0.
    """
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        notes.append(f"The OME metadata of {name} cannot be read; give the calibration yourself.")
        return Calibration()
    images = root.findall(".//{*}Pixels")
    if not images:
        return Calibration()
    if series >= len(images):
        notes.append(
            f"The OME metadata of {name} tells of {len(images)} images only, not of series "
            f"{series}; give the calibration yourself."
        )
        return Calibration()
    pixels = images[series]
    size = {
        axis: in_micrometres(
            _number(pixels.get(f"PhysicalSize{axis}")), pixels.get(f"PhysicalSize{axis}Unit", "µm")
        )
        for axis in "XYZ"
    }
    interval = in_seconds(
        _number(pixels.get("TimeIncrement")), pixels.get("TimeIncrementUnit", "s")
    )
    if interval is None:
        interval = _interval_of_planes(pixels, notes, name)
    return Calibration.checked(
        pixel_size=square_pixels(size["X"], size["Y"], notes, name),
        frame_interval=interval,
        z_step=size["Z"],
    )


def _interval_of_planes(pixels: ElementTree.Element, notes: list[str], name: str) -> float | None:
    times: dict[int, float] = {}
    for plane in pixels.iterfind("{*}Plane"):
        time = _delta_t(plane)
        if time is not None and plane.get("TheC", "0") == "0" and plane.get("TheZ", "0") == "0":
            times[int(plane.get("TheT", "0"))] = time
    if len(times) < 2:
        return None
    frames = np.array(sorted(times))
    steps = np.diff([times[int(frame)] for frame in frames]) / np.diff(frames)
    interval = float(np.median(steps))
    if not interval > 0:
        return None
    if np.abs(steps - interval).max() > 0.1 * interval:
        notes.append(
            f"The frames of {name} are not evenly spaced in time ({steps.min():.4g} to "
            f"{steps.max():.4g} s apart); the median, {interval:.4g} s, is used."
        )
    return interval


def _delta_t(plane: ElementTree.Element) -> float | None:
    """Return a plane's ``DeltaT`` in seconds, which may be zero or negative, or ``None``."""
    value = _number(plane.get("DeltaT"))
    scale = _SECONDS.get(plane.get("DeltaTUnit", "s").lower())
    return None if value is None or scale is None else value * scale


def square_pixels(x: float | None, y: float | None, notes: list[str], name: str) -> float | None:
    """Return the one size of pixels that are square; if they are not, that in x, with a note."""
    if x is not None and y is not None and abs(x - y) > 0.01 * x:
        notes.append(
            f"The pixels of {name} are not square ({x:.4g} × {y:.4g} µm); {x:.4g} µm is used for "
            "both directions."
        )
    return x if x is not None else y


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _converted(value: float | None, scale: float | None) -> float | None:
    if value is None or scale is None or not math.isfinite(value) or value <= 0:
        return None
    # Twelve digits keep 0.1 what it is after a division such as 1 / 10.
    return float(f"{value * scale:.12g}")
