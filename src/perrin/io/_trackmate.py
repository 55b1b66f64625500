"""Tracks from TrackMate: its own files, its simple XML export, and its table of spots.

The formats are described at https://imagej.net/plugins/trackmate/ (Tinevez et al., Methods 115, 80,
2017; Ershov et al., Nature Methods 19, 829, 2022).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from perrin.errors import InputError
from perrin.io._calibration import in_micrometres, in_seconds
from perrin.io._lineage import unbranched
from perrin.tracks import Calibration

__all__ = ["read_trackmate_csv", "read_trackmate_xml"]

_POSITIONS = {"POSITION_X": "x", "POSITION_Y": "y", "POSITION_Z": "z"}
_KEPT = {"QUALITY": "quality", "RADIUS": "radius"}
_HEADER_ROWS = 3  # of the table of spots, below the names of its columns


class _Read(NamedTuple):
    tracks: pd.DataFrame
    calibration: Calibration


def read_trackmate_xml(path: Path) -> tuple[pd.DataFrame, Calibration]:
    """Read TrackMate's own file (``<TrackMate>``) or its "Export tracks" (``<Tracks>``).

    In TrackMate's own file the visible tracks are taken. Where a track splits or merges, each
    unbranched piece becomes a track of its own.

    Returns
    -------
    tracks
        Columns ``particle``, ``frame``, ``z``, ``y``, ``x``, and what is known of each spot, in
        pixels (one length unit of the file if it does not give the pixel size).
    calibration
        What the file states.

    Raises
    ------
    InputError
        If the file is not XML, not from TrackMate, or has no tracks.
    """
    try:
        events = ElementTree.iterparse(path, events=("start", "end"))
        _, root = next(events)
        if root.tag == "TrackMate":
            tracks, calibration = _read_model(events, path.name)
        elif root.tag == "Tracks":
            tracks, calibration = _read_export(root, events, path.name)
        else:
            raise InputError(
                f"{path.name} is not from TrackMate (its first element is <{root.tag}>). Save the "
                "session in TrackMate, or use 'Export tracks to XML file'."
            )
    except (ElementTree.ParseError, StopIteration) as error:
        raise InputError(
            f"{path.name} is not complete XML ({error}); it may be truncated. Export it again."
        ) from error
    except (KeyError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path.name} is not as TrackMate writes it: {error} is missing or not a number."
        ) from error
    if tracks.empty:
        raise InputError(
            f"{path.name} holds no tracks. In TrackMate, go on until tracks are shown, then save."
        )
    return tracks, calibration


def read_trackmate_csv(table: pd.DataFrame, name: str) -> tuple[pd.DataFrame, Calibration]:
    """Read TrackMate's table of spots, as :func:`perrin.io.read_table` returned it.

    Raises
    ------
    InputError
        If no spot belongs to a track, or a column is missing.
    """
    missing = [column for column in ("FRAME", "POSITION_Y") if column not in table.columns]
    if missing:
        raise InputError(
            f"{name} looks like TrackMate's table of spots but lacks the column {missing[0]!r}. "
            "Export it again with all columns."
        )
    # Below the header, TrackMate repeats the names twice and gives the units in brackets.
    no_number = pd.to_numeric(table["POSITION_X"], errors="coerce").isna().to_numpy()
    is_header = no_number & (np.arange(len(table)) < _HEADER_ROWS)
    headers, table = table[is_header], table[~is_header & table["TRACK_ID"].notna()]
    if table.empty:
        raise InputError(
            f"No spot of {name} belongs to a track. Link the spots in TrackMate first."
        )
    names = {"TRACK_ID": "particle", "FRAME": "frame", **_POSITIONS, **_KEPT}
    tracks = table[[column for column in names if column in table.columns]].rename(columns=names)
    for column in tracks.columns:
        numbers = pd.to_numeric(tracks[column], errors="coerce")
        if numbers.notna().all():  # text is left for the check of the table to name
            tracks[column] = numbers
    interval = None
    if "POSITION_T" in table.columns:
        times = pd.to_numeric(table["POSITION_T"], errors="coerce")
        frames = pd.to_numeric(table["FRAME"], errors="coerce")
        later = (frames > 0).to_numpy()
        if later.any():
            step = float(np.median(times[later] / frames[later]))
            interval = in_seconds(step, _unit_of(headers, "POSITION_T"))
    calibration = Calibration(
        pixel_size=in_micrometres(1.0, _unit_of(headers, "POSITION_X")),
        frame_interval=interval,
    )
    return tracks, calibration


def _unit_of(headers: pd.DataFrame, column: str) -> str | None:
    """Return the unit that the rows below the header give for a column, if they give one."""
    units = {
        match[1]
        for value in headers[column].astype(str)
        if (match := re.fullmatch(r"\((.+)\)", value.strip()))
    }
    return units.pop() if len(units) == 1 else None


def _read_export(
    root: ElementTree.Element, events: Iterator[tuple[str, ElementTree.Element]], name: str
) -> _Read:
    particle, rows = -1, []
    for event, element in events:
        if event == "start" and element.tag == "particle":
            particle += 1
        elif event == "end" and element.tag == "detection":
            rows.append((particle, *(float(element.attrib[key]) for key in ("t", "z", "y", "x"))))
            element.clear()
    tracks = pd.DataFrame(rows, columns=["particle", "frame", "z", "y", "x"])
    if tracks.duplicated(["particle", "frame"]).any():
        raise InputError(
            f"{name} has tracks that split or merge, and this export does not say how. Save the "
            "TrackMate session itself and open that file."
        )
    calibration = Calibration(
        pixel_size=in_micrometres(1.0, root.get("spaceUnits")),
        frame_interval=in_seconds(_float(root.get("frameInterval")), root.get("timeUnits")),
    )
    return _Read(tracks, calibration)


def _read_model(events: Iterator[tuple[str, ElementTree.Element]], name: str) -> _Read:
    spots: dict[int, tuple[float, ...]] = {}
    edges: list[tuple[int, int, int]] = []
    visible: set[int] | None = None
    track = -1
    units: dict[str, str] = {}
    image: dict[str, str] = {}
    for event, element in events:
        if event == "start":
            if element.tag == "Model":
                units = dict(element.attrib)
            elif element.tag == "Track":
                track = int(element.attrib["TRACK_ID"])
            elif element.tag == "FilteredTracks":
                visible = set()
        elif element.tag == "Spot":
            spots[int(element.attrib["ID"])] = (
                float(element.attrib["FRAME"]),
                float(element.get("POSITION_Z", 0)),
                float(element.attrib["POSITION_Y"]),
                float(element.attrib["POSITION_X"]),
                *(float(element.get(key, "nan")) for key in _KEPT),
            )
            element.clear()
        elif element.tag == "Edge":
            source = int(element.attrib["SPOT_SOURCE_ID"])
            edges.append((track, source, int(element.attrib["SPOT_TARGET_ID"])))
            element.clear()
        elif element.tag == "TrackID" and visible is not None:
            visible.add(int(element.attrib["TRACK_ID"]))
        elif element.tag == "ImageData":
            image = dict(element.attrib)
    if visible is not None:
        edges = [edge for edge in edges if edge[0] in visible]
    columns = ["frame", "z", "y", "x", *_KEPT.values()]
    if not edges:
        return _Read(pd.DataFrame(columns=["particle", *columns]), Calibration())
    unknown = {spot for _, *ends in edges for spot in ends} - spots.keys()
    if unknown:
        raise InputError(
            f"{name} links a spot that it does not hold (spot {min(unknown)}); save it again in "
            "TrackMate."
        )
    linked = np.array(edges, np.int64)
    used, ends = np.unique(linked[:, 1:], return_inverse=True)
    ends = ends.reshape(-1, 2)
    tracks = pd.DataFrame([spots[int(spot)] for spot in used], columns=columns)
    track_of_spot = np.empty(len(used), np.int64)
    track_of_spot[ends.ravel()] = np.repeat(linked[:, 0], 2)
    particle = unbranched(ends, tracks["frame"].to_numpy(np.float64), track_of_spot)
    tracks.insert(0, "particle", particle)
    for column in _KEPT.values():
        if tracks[column].isna().all():
            tracks = tracks.drop(columns=column)
    sizes = [_float(image.get(key)) or 1.0 for key in ("pixelwidth", "pixelheight", "voxeldepth")]
    for axis, size in zip("xyz", sizes, strict=True):
        tracks[axis] /= size
    if "radius" in tracks:
        tracks["radius"] /= sizes[0]
    unit = units.get("spatialunits")
    calibration = Calibration(
        pixel_size=in_micrometres(sizes[0], unit),
        frame_interval=in_seconds(_float(image.get("timeinterval")), units.get("timeunits")),
        z_step=in_micrometres(sizes[2], unit) if "voxeldepth" in image else None,
    )
    return _Read(tracks, calibration)


def _float(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
