"""Between track tables and napari's Tracks layers, without losing a number.

A Tracks layer keeps its rows sorted by track and time; Perrin's checked tables have the same
order, and each row carries its number in the feature ``row`` so that nothing depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from napari.layers import Tracks

from napari_perrin._calibration import METADATA_KEY, find_calibration, layer_geometry
from napari_perrin._colors import codes_of, colormap_for, names_of
from perrin.analysis import FLAGS
from perrin.linking import track_graph
from perrin.models import MODELS, STATES
from perrin.quantities import MODEL, MOTION, PER_FRAME, PER_TRACK
from perrin.tracks import AXES, Calibration, axes_of, validate_tracks

__all__ = [
    "ROW",
    "export_table",
    "points_layer_data",
    "rows_of_table",
    "table_of_layer",
    "tracks_layer_data",
]

ROW = "row"
"""Feature that holds the row of each vertex in the track table the layer was made from."""

_OWN = (ROW, "particle", "track_id")
# napari indexes tracks by their number: a few huge numbers would cost gigabytes.
_LARGEST_SPARSE_NUMBER = 10_000_000
_LONGEST_TAIL = 300
_ANALYSIS = {*PER_TRACK, *FLAGS, *(feature for feature, _ in PER_FRAME.values())}


def tracks_layer_data(
    tracks: pd.DataFrame,
    *,
    name: str,
    calibration: Calibration | None = None,
    geometry: Mapping[str, Any] | None = None,
    ndim: int | None = None,
) -> tuple[npt.NDArray[np.float64], dict[str, Any], str]:
    """Turn a checked track table into what napari's readers return for a Tracks layer.

    Parameters
    ----------
    tracks
        As returned by :func:`perrin.tracks.validate_tracks`; every numeric column becomes a
        feature.
    name
        Name of the layer.
    calibration
        Kept in the layer's metadata.
    geometry
        ``scale``, ``translate``, ``units``... of the image the tracks lie on; taken from the
        calibration if not given.
    ndim
        Number of axes of that image; planar tracks over a stack of one plane get ``z = 0``.

    Returns
    -------
    data : array, shape (N, ndim + 1)
        Track number, frame and position in pixels.
    attributes : dict
    layer_type : str
    """
    calibration = calibration or tracks.attrs.get("calibration") or Calibration()
    axes = axes_of(tracks)
    if ndim is None:
        ndim = max(3, len(axes) + 1)
    positions = np.zeros((len(tracks), ndim - 1))
    for axis in axes:
        positions[:, AXES.index(axis) - len(AXES)] = tracks[axis].to_numpy(np.float64)
    numbers = _numbers_for_napari(tracks["particle"])
    data = np.column_stack([numbers, tracks["frame"].to_numpy(), positions]).astype(np.float64)
    features = _features_of(tracks)
    span = int(np.ptp(data[:, 1])) + 1 if len(data) else 1
    geometry = layer_geometry(calibration, ndim) if geometry is None else geometry
    noted: dict[str, Any] = {
        "calibration": calibration.model_dump(exclude_none=True),
        "scale": tuple(geometry.get("scale", (1.0,) * ndim)),
        "axes": axes,
    }
    if MODEL in features:
        # A table that was analysed before: what was found is no part of the track table.
        noted["analysis"] = tuple(name for name in features if name in _ANALYSIS)
    attributes = {
        "name": name,
        "features": features,
        "graph": _graph(tracks, numbers),
        "colormaps_dict": {str(key): colormap_for(str(key), features[key]) for key in features},
        "metadata": {METADATA_KEY: noted},
        "tail_length": min(span, _LONGEST_TAIL),
        "tail_width": 2,
        "blending": "translucent",
        **geometry,
    }
    return data, attributes, "tracks"


def points_layer_data(
    localizations: pd.DataFrame, *, name: str, geometry: Mapping[str, Any], ndim: int
) -> tuple[npt.NDArray[np.float64], dict[str, Any], str]:
    """Turn localizations into what napari's readers return for a Points layer of open rings."""
    data = np.zeros((len(localizations), ndim))
    data[:, 0] = localizations["frame"].to_numpy(np.float64)
    axes = axes_of(localizations)
    for axis in axes:
        data[:, AXES.index(axis) - len(AXES)] = localizations[axis].to_numpy(np.float64)
    features = localizations.drop(columns=["frame", *axes]).reset_index(drop=True)
    attributes = {
        "name": name,
        "features": features,
        "face_color": "transparent",
        "border_color": "white",
        "border_width": 0.08,
        "size": 9,
        "visible": False,
        **geometry,
    }
    return data, attributes, "points"


def table_of_layer(layer: Tracks) -> pd.DataFrame:
    """Return the track table of a Tracks layer, with its calibration in ``attrs``.

    Works for layers made by Perrin and by anything else. Positions are the layer's data
    coordinates, which are pixels; features of the original table come back as columns.

    Raises
    ------
    InputError
        If the layer is no track table, for example with times that are no whole frames.
    """
    noted = layer.metadata.get(METADATA_KEY, {})
    features = layer.features
    data = np.asarray(layer.data, dtype=np.float64)
    particle = features["particle"] if "particle" in features else data[:, 0].astype(np.int64)
    axes = tuple(noted.get("axes", AXES[-(data.shape[1] - 2) :]))
    columns: dict[str, Any] = {"particle": np.asarray(particle), "frame": data[:, 1]}
    for axis in axes:
        columns[axis] = data[:, AXES.index(axis) - len(AXES)]
    analysed = set(noted.get("analysis", ()))
    for key in features:
        if key not in (*_OWN, *columns) and key not in analysed:
            columns[str(key)] = features[key].to_numpy()
    table = validate_tracks(pd.DataFrame(columns), source=f"The layer '{layer.name}'")
    calibration = find_calibration(layer).calibration
    if calibration != Calibration():
        table.attrs["calibration"] = calibration
    return table


def export_table(layer: Tracks) -> pd.DataFrame:
    """Return the track table of a layer with the analysis beside it, codes by their names."""
    table = table_of_layer(layer)
    noted = layer.metadata.get(METADATA_KEY, {})
    order = rows_of_table(layer)
    for key in noted.get("analysis", ()):
        if key in layer.features:
            values = layer.features[key].to_numpy()[order]
            names = {MODEL: MODELS, MOTION: STATES, **noted.get("names", {})}.get(key)
            table[key] = values if names is None else names_of(values, names)
    return table


def rows_of_table(layer: Tracks) -> npt.NDArray[np.intp]:
    """Return which vertex of a layer each row of its track table is.

    Both are sorted by track and frame, but track numbers may differ from particles.
    """
    numbers = layer.features.get("particle", layer.data[:, 0])
    return np.lexsort((layer.data[:, 1], numbers))


def _features_of(tracks: pd.DataFrame) -> pd.DataFrame:
    features: dict[str, Any] = {
        ROW: np.arange(len(tracks)),
        "particle": tracks["particle"].to_numpy(),
    }
    for name in tracks.columns:
        if name in ("frame", *AXES, *features):
            continue
        if name == MODEL:
            features[MODEL] = codes_of(tracks[name])
        elif pd.api.types.is_numeric_dtype(tracks[name].dtype):
            # Text cannot be coloured by, and napari's own menu would offer it all the same.
            features[str(name)] = tracks[name].to_numpy()
    return pd.DataFrame(features)


def _graph(tracks: pd.DataFrame, numbers: npt.NDArray[np.int64]) -> dict[int, list[int]]:
    """Return which tracks split or merged into which, by the numbers that napari knows."""
    graph = track_graph(tracks)
    if not graph:
        return {}
    number = pd.Series(numbers, index=tracks["particle"]).groupby(level=0).first()
    return {int(number[particle]): number[parents].tolist() for particle, parents in graph.items()}


def _numbers_for_napari(particle: pd.Series[Any]) -> npt.NDArray[np.int64]:
    numbers = particle.to_numpy(np.int64)
    if numbers.size and (numbers.min() < 0 or numbers.max() > _LARGEST_SPARSE_NUMBER):
        return np.unique(numbers, return_inverse=True)[1].astype(np.int64)
    return numbers
