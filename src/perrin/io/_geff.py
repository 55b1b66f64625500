"""Tracks as GEFF, the graph exchange file format, by its reference package ``geff``.

The format: https://live-image-tracking-tools.github.io/geff.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from geff.core_io import read_to_memory, write_arrays
from geff_spec import Axis, GeffMetadata

import perrin
from perrin.errors import InputError
from perrin.io._calibration import in_micrometres, in_seconds
from perrin.io._lazy import BROKEN
from perrin.io._lineage import components, unbranched
from perrin.tracks import AXES, Calibration, axes_of, index_tracks, without_flat_z

__all__ = ["read_geff", "write_geff"]

_TIME = "t"


def write_geff(tracks: pd.DataFrame, folder: Path) -> None:
    """Write a checked track table into an empty folder.

    A localization is a node and the way to the next one an edge; every column is a property of
    the nodes, ``frame`` as ``t``. Positions are in pixels and times in frames, with the calibration
    in ``attrs["calibration"]`` as the scale of the axes.
    """
    calibration = tracks.attrs.get("calibration", Calibration())
    rows = np.arange(len(tracks), dtype=np.uint64)
    follows = np.ones(len(tracks), bool)
    follows[index_tracks(tracks).starts] = False
    edges = np.stack((rows[follows] - 1, rows[follows]), 1) if follows.any() else rows[:0, None]
    properties = {
        _TIME if name == "frame" else str(name): _property(tracks[name]) for name in tracks.columns
    }
    metadata = GeffMetadata(
        directed=True,
        axes=_axes(tracks, calibration),
        node_props_metadata={},
        edge_props_metadata={},
        track_node_props={"tracklet": "particle"},
        extra={"perrin": {"version": perrin.__version__, "exposure": calibration.exposure}},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what Zarr 3 does not promise to keep
        write_arrays(
            folder, rows, properties, edges.reshape(-1, 2), {}, metadata, zarr_format=2,
            overwrite=True,
        )  # fmt: skip


def read_geff(path: Path) -> tuple[pd.DataFrame, Calibration]:
    """Read a GEFF folder.

    Tracks are the tracklets that the file names; nodes of none are left out. If it names none,
    they are the connected parts of the graph, cut where they split or merge. Physical positions are
    taken as they are where the file does not say how large a pixel is, one unit of length becoming
    one pixel.

    Returns
    -------
    tracks
        Columns ``particle``, ``frame``, ``[z, y,] x`` and every other property of the nodes that
        has one value for each.
    calibration
        What the file states.

    Raises
    ------
    InputError
        If the folder is no GEFF, lacks positions or times, or holds no tracks.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = read_to_memory(path)
    except (*BROKEN, json.JSONDecodeError) as error:
        raise InputError(
            f"{path.name} is not a readable GEFF folder ({error}). Export it again."
        ) from error
    nodes = np.asarray(graph["node_ids"])
    if nodes.size == 0:
        raise _without_tracks(path)
    properties = {
        str(name): _values(entry)
        for name, entry in graph["node_props"].items()
        if np.ndim(entry["values"]) == 1 and entry["values"].dtype != object
    }
    found = _find_axes(graph["metadata"], properties, path.name)
    table = pd.DataFrame({axis: properties[name] for axis, name in found.names.items()})
    frame, interval = _frames(properties[found.time], found, path.name)
    table.insert(0, "frame", frame)
    table.insert(0, "particle", _particles(graph, properties, nodes, frame))
    used = {found.time, "particle", *found.names.values()}
    for name, values in properties.items():
        if name not in used and name not in table:
            table[name] = values
    table = table[table["particle"].notna()].astype({"particle": np.int64})
    if table.empty:
        raise _without_tracks(path)
    ours = graph["metadata"].extra.get("perrin", {})
    if not ours:
        table = without_flat_z(table)
    size, depth = found.steps.get("x"), found.steps.get("z")
    calibration = Calibration.checked(
        pixel_size=size,
        frame_interval=interval,
        z_step=None if depth == size else depth,
        exposure=ours.get("exposure", 1.0),
    )
    return table, calibration


def _without_tracks(path: Path) -> InputError:
    return InputError(f"{path.name} holds no tracks. Export it again after linking.")


class _Found(NamedTuple):
    names: dict[str, str]  # the property that holds each of z, y, x
    steps: dict[str, float]  # µm per pixel
    time: str
    axis_of_time: Axis | None


def _property(column: pd.Series[Any]) -> Any:
    if pd.api.types.is_float_dtype(column.dtype) and isinstance(column.dtype, np.dtype):
        return {"values": column.to_numpy(), "missing": None}
    missing = column.isna().to_numpy()
    if pd.api.types.is_bool_dtype(column.dtype):
        values = column.fillna(False).to_numpy(np.bool_)
    elif pd.api.types.is_integer_dtype(column.dtype):
        values = column.fillna(0).to_numpy(np.int64)
    elif pd.api.types.is_float_dtype(column.dtype):
        values = column.fillna(0).to_numpy(np.float64)
    else:
        values = column.fillna("").astype(str).to_numpy(np.str_)
    return {"values": values, "missing": missing if missing.any() else None}


def _values(entry: Any) -> npt.NDArray[Any] | pd.Series[Any]:
    values = np.asarray(entry["values"])
    missing = entry.get("missing")
    if missing is None or not np.any(missing):
        return values
    return pd.Series(values).mask(np.asarray(missing, bool))


def _axes(tracks: pd.DataFrame, calibration: Calibration) -> list[Axis]:
    def axis(name: str, kind: Any, unit: str, scale: float | None, scaled_unit: str) -> Axis:
        return Axis(
            name=name, type=kind, unit=unit, scale=scale,
            scaled_unit=None if scale is None else scaled_unit,
        )  # fmt: skip

    size, depth = calibration.pixel_size, calibration.z_step or calibration.pixel_size
    return [
        axis(_TIME, "time", "frame", calibration.frame_interval, "second"),
        *(
            axis(name, "space", "pixel", depth if name == "z" else size, "micrometer")
            for name in axes_of(tracks)
        ),
    ]


def _find_axes(metadata: GeffMetadata, properties: dict[str, Any], name: str) -> _Found:
    axes = list(metadata.axes or ())
    space = _named_space([axis for axis in axes if axis.type == "space"])
    time = next((axis for axis in axes if axis.type == "time"), None)
    names = {letter: axis.name for letter, axis in space.items()} or {
        letter: letter for letter in AXES if letter in properties
    }
    if time is not None:
        of_time = time.name
    else:
        guesses = (_TIME, "frame", "time")
        of_time = next((guess for guess in guesses if guess in properties), "")
    if not names or not {of_time, *names.values()} <= set(properties):
        raise InputError(
            f"{name} does not say when and where its nodes are: it needs axes of time and space. "
            f"Its nodes have {', '.join(properties) or 'no properties'}."
        )
    steps = {}
    for letter, axis in space.items():
        # In pixels with a scale, or in units of length.
        scaled = in_micrometres(axis.scale, axis.scaled_unit)
        step = scaled if scaled is not None else in_micrometres(1.0, axis.unit)
        if step is not None:
            steps[letter] = step
    return _Found(names, steps, of_time, time)


def _named_space(space: list[Axis]) -> dict[str, Axis]:
    """Say which axis is z, y and x, by the end of its name or else by the order, x being last."""
    by_name = {axis.name[-1:].lower(): axis for axis in space}
    if len(by_name) == len(space) and set(by_name) <= set(AXES):
        return {letter: by_name[letter] for letter in AXES if letter in by_name}
    return dict(zip(AXES[-len(space) :], space, strict=False)) if space else {}


def _frames(times: Any, found: _Found, name: str) -> tuple[npt.NDArray[np.int64], float | None]:
    """Return frames and the interval between them in seconds; times may be in either."""
    axis = found.axis_of_time
    values = np.asarray(times, np.float64)
    unit = None if axis is None else axis.unit
    if in_seconds(1.0, unit) is None:
        interval = None if axis is None else in_seconds(axis.scale, axis.scaled_unit)
    else:
        steps = np.diff(np.unique(values))
        step = float(steps.min()) if steps.size else 1.0
        values, interval = values / step, in_seconds(step, unit)
    frame = np.rint(values)
    if not np.isfinite(values).all() or np.abs(frame - values).max(initial=0.0) > 0.01:
        raise InputError(
            f"The times of {name} are no whole frames, and are not evenly spaced either. Export it "
            "with frames as the axis of time."
        )
    return frame.astype(np.int64), interval


def _particles(
    graph: Any, properties: dict[str, Any], nodes: npt.NDArray[Any], frame: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64] | pd.Series[Any]:
    """Return the track of each node, which is missing where the file names tracks but not its."""
    tracklet = (graph["metadata"].track_node_props or {}).get("tracklet")
    if tracklet in properties:
        return pd.Series(properties[tracklet])
    order = np.argsort(nodes)
    edges = np.asarray(graph["edge_ids"]).reshape(-1, 2)
    ends = order[np.searchsorted(nodes, edges, sorter=order)].astype(np.int64)
    return unbranched(ends, frame.astype(np.float64), components(ends, len(nodes)))
