"""The analysis of tracks as features of their Tracks layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from napari.layers import Tracks

from napari_perrin._calibration import METADATA_KEY
from napari_perrin._colors import UNKNOWN, codes_of, colormap_for, state_colormap
from napari_perrin._layers import rows_of_table
from perrin.analysis import FLAGS, Analysis
from perrin.models import STATES
from perrin.quantities import MODEL, MOTION, PER_FRAME, PER_TRACK
from perrin.tracks import Calibration

__all__ = ["add_features", "analysis_features", "color_by", "color_over"]


def analysis_features(table: pd.DataFrame, analysis: Analysis) -> pd.DataFrame:
    """Spread an analysis over the rows of the track table it was made from.

    Returns
    -------
    pandas.DataFrame
        One row per row of ``table``, numbers only: models as codes (:data:`UNKNOWN` where none is
        called), flags as 0 and 1, and NaN for what cannot be said.
    """
    tracks = pd.Index(analysis.per_track["particle"])
    rows = tracks.get_indexer(pd.Index(table["particle"]))
    columns: dict[str, npt.NDArray[Any]] = {}
    for name in PER_TRACK:
        if name == MODEL:
            columns[name] = _take(codes_of(analysis.per_track[name]), rows, UNKNOWN)
        elif name in analysis.per_track:
            values = analysis.per_track[name].to_numpy(np.float64, na_value=np.nan)
            columns[name] = _take(values, rows, np.nan)
    flags = analysis.per_track["flags"].fillna("").astype(str).str.split(";")
    for flag in FLAGS:
        columns[flag] = _take(np.array([int(flag in given) for given in flags]), rows, 0)
    rows = _rows_of(table, analysis.per_frame)
    for name, (feature, _) in PER_FRAME.items():
        if name == MOTION:
            columns[MOTION] = _take(codes_of(analysis.per_frame[MOTION], STATES), rows, UNKNOWN)
        elif name in analysis.per_frame:
            values = analysis.per_frame[name].to_numpy(np.float64, na_value=np.nan)
            columns[feature] = _take(values, rows, np.nan)
    return pd.DataFrame(columns)


def add_features(
    layer: Tracks,
    features: pd.DataFrame,
    calibration: Calibration,
    names: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> None:
    """Write the features of an analysis into a Tracks layer, each with its colormap.

    Parameters
    ----------
    features
        One row per row of :func:`napari_perrin._layers.table_of_layer` of this layer. Those of an
        earlier analysis stay, unless they have the same name.
    calibration
        That of the analysis.
    names
        Of features that are codes, what each code stands for.
    """
    order = rows_of_table(layer)
    place = np.empty(len(order), np.intp)
    place[order] = np.arange(len(order))
    # Assigning ``layer.features`` would sort the rows once more and scramble layers whose data
    # came unsorted; the table behind it is in the layer's order and may be written to.
    for name in features:
        layer.features[name] = features[name].to_numpy()[place]
    maps = {str(name): colormap_for(str(name), layer.features[name]) for name in features}
    maps |= {name: state_colormap(len(meant)) for name, meant in names.items()}
    layer.colormaps_dict = {**layer.colormaps_dict, **maps}
    noted = dict(layer.metadata.get(METADATA_KEY, {}))
    noted["analysis"] = tuple(dict.fromkeys([*noted.get("analysis", ()), *features.columns]))
    noted["names"] = {**noted.get("names", {}), **names}
    noted["calibration"] = calibration.model_dump(exclude_none=True)
    noted["scale"] = tuple(layer.scale)
    layer.metadata = {**layer.metadata, METADATA_KEY: noted}
    layer.events.properties()


def color_by(layer: Tracks, feature: str) -> None:
    """Colour a Tracks layer by one feature, in a colormap that keeps unknown values visible."""
    if feature not in layer.colormaps_dict:
        maps = {feature: colormap_for(feature, layer.features[feature])}
        layer.colormaps_dict = {**layer.colormaps_dict, **maps}
    layer.color_by = feature


def color_over(layer: Tracks, feature: str, limits: tuple[float, float] | None) -> None:
    """Colour a Tracks layer by a number over another range.

    Parameters
    ----------
    limits
        Values with the first and the last colour; the range that fits the values if ``None``.
    """
    colormap = colormap_for(feature, layer.features[feature], limits)
    layer.colormaps_dict = {**layer.colormaps_dict, feature: colormap}
    layer.color_by = feature


def _rows_of(table: pd.DataFrame, per_frame: pd.DataFrame) -> npt.NDArray[np.intp]:
    keys = ["particle", "frame"]
    if (
        len(table) == len(per_frame)
        and (table[keys].to_numpy() == per_frame[keys].to_numpy()).all()
    ):
        return np.arange(len(table), dtype=np.intp)
    wanted = pd.MultiIndex.from_frame(table[keys])
    found = pd.MultiIndex.from_frame(per_frame[keys]).get_indexer(wanted)
    return np.asarray(found, dtype=np.intp)


def _take(values: npt.NDArray[Any], rows: npt.NDArray[np.intp], missing: float) -> npt.NDArray[Any]:
    if len(values) == 0:
        return np.full(len(rows), missing)
    return np.where(rows >= 0, values[rows], missing)
