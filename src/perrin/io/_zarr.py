"""Movies as Zarr: OME-Zarr (OME-NGFF) 0.4 and 0.5, and plain arrays.

The metadata are those of https://ngff.openmicroscopy.org: Moore et al., Histochem. Cell Biol. 160,
223 (2023).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from perrin.errors import InputError
from perrin.io._axes import check_axes, choose_series, select
from perrin.io._calibration import in_micrometres, in_seconds, square_pixels
from perrin.io._lazy import BROKEN, Selected
from perrin.io._movie import Movie
from perrin.tracks import Calibration

__all__ = ["read_zarr"]

_PLAIN = {3: "TYX", 4: "TZYX"}


def read_zarr(path: Path, channel: int | None, axes: str | None, series: int | None) -> Movie:
    """Open an OME-Zarr folder at full resolution, or an array. See :func:`perrin.read_movie`.

    Without names of axes, an array is taken to be ``TYX`` or ``TZYX``. By the rules of Zarr, parts
    that are missing are empty: whether any was lost cannot be told.
    """
    try:
        return _open(path, channel, axes, series)
    except (*BROKEN, json.JSONDecodeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path.name} is not a readable Zarr folder ({error}). Copy it again from the original."
        ) from error


def _open(path: Path, channel: int | None, given_axes: str | None, series: int | None) -> Movie:
    notes: list[str] = []
    node = zarr.open(str(path), mode="r")
    multiscale: Mapping[str, Any] = {}
    if isinstance(node, zarr.Array):
        array, found = node, _PLAIN.get(node.ndim, "?" * node.ndim)
    else:
        array, multiscale = _full_resolution(node, path.name, series, notes)
        found = "".join(
            (axis if isinstance(axis, str) else str(axis["name"])).upper()
            for axis in multiscale.get("axes", "tczyx")
        )
    shape = tuple(int(n) for n in array.shape)
    selection = select(check_axes(given_axes, found, shape, path.name), shape, channel, path.name)
    frames = Selected(array, selection.picks, selection.order, path.name)
    calibration = _calibration(multiscale, notes, path.name)
    name = path.stem.removesuffix(".ome")
    return Movie(frames, calibration, name, path, (*notes, *selection.notes))


def _full_resolution(
    group: zarr.Group, name: str, series: int | None, notes: list[str]
) -> tuple[zarr.Array[Any], Mapping[str, Any]]:
    attributes = _ome(group)
    if "plate" in attributes or "well" in attributes:
        raise InputError(
            f"{name} is a plate or a well of many images. Give the folder of one of them, such as "
            f"{name}/A/1/0."
        )
    if "bioformats2raw.layout" in attributes:
        images = sorted((key for key in group.group_keys() if key.isdigit()), key=int)
        chosen = choose_series(len(images), series, name, notes)
        group = _child(group, images[chosen], name)
        attributes = _ome(group)
    multiscales: Sequence[Mapping[str, Any]] = attributes.get("multiscales", ())
    if not multiscales:
        raise InputError(
            f"{name} is a Zarr folder without the metadata of an image ('multiscales'). Give the "
            "folder of the array itself, and say what its axes are."
        )
    array = group[multiscales[0]["datasets"][0]["path"]]
    if not isinstance(array, zarr.Array):
        raise InputError(f"{name} does not hold the array that its metadata name.")
    return array, multiscales[0]


def _ome(group: zarr.Group) -> Mapping[str, Any]:
    """Return the metadata of OME, which version 0.5 keeps under a name of their own."""
    attributes = dict(group.attrs)
    own = attributes.get("ome", attributes)
    return own if isinstance(own, Mapping) else {}


def _child(group: zarr.Group, key: str, name: str) -> zarr.Group:
    child = group[key]
    if not isinstance(child, zarr.Group):
        raise InputError(f"{name} does not hold the images that its metadata name.")
    return child


def _calibration(multiscale: Mapping[str, Any], notes: list[str], name: str) -> Calibration:
    """Multiply the scales of the image at full resolution and of all resolutions."""
    axes = [axis for axis in multiscale.get("axes", ()) if isinstance(axis, Mapping)]
    if not axes:
        return Calibration()
    scale = np.ones(len(axes))
    for level in (multiscale["datasets"][0], multiscale):
        for transformation in level.get("coordinateTransformations", ()):
            if transformation.get("type") == "scale" and "scale" in transformation:
                scale *= np.asarray(transformation["scale"], float)
    size = {
        str(axis["name"]).lower(): (float(step), axis.get("unit"))
        for axis, step in zip(axes, scale, strict=True)
    }
    nothing = (None, None)
    return Calibration.checked(
        pixel_size=square_pixels(
            in_micrometres(*size.get("x", nothing)),
            in_micrometres(*size.get("y", nothing)),
            notes,
            name,
        ),
        frame_interval=in_seconds(*size.get("t", nothing)),
        z_step=in_micrometres(*size.get("z", nothing)),
    )
