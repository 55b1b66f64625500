"""Faults of localizations and tracks as layers beside the tracks, each with its eye to hide it."""

from __future__ import annotations

from typing import Any

import pandas as pd
from napari.layers import Layer, Tracks
from napari.utils.colormaps import Colormap

from napari_perrin._calibration import METADATA_KEY
from napari_perrin._layers import points_layer_data, tracks_layer_data
from napari_perrin._movie_layer import geometry_of
from napari_perrin.curate._edited import name_before_edits
from perrin.tracks import axes_of
from perrin.truth import TruthComparison

__all__ = ["faults_of", "is_of_faults", "remove_faults", "show_faults"]

_OF = "faults_of"
# Of Okabe and Ito; crosses and squares tell them apart without colours too.
_MISSED, _FALSE = "#F0E442", "#D55E00"
_SIZE = 9


def show_faults(viewer: Any, layer: Tracks, comparison: TruthComparison) -> list[Layer]:
    """Mark what was missed and what is false, in place of what was marked of the layer before.

    Parameters
    ----------
    viewer
        The viewer that shows the tracks.
    layer
        The Tracks layer.
    comparison
        Of its tracks with the truth.

    Returns
    -------
    list of napari.layers.Layer
        Points *missed localizations* and *false localizations*, and Tracks *missed tracks*;
        kinds of faults that there are none of have no layer.
    """
    hidden = {each.name for each in remove_faults(viewer, layer) if not each.visible}
    truth = comparison.truth.tracks
    position = ["particle", "frame", *axes_of(truth)]
    missed, false = truth[comparison.missed], comparison.tracks[comparison.false]
    gone = truth[truth["particle"].isin(comparison.missed_particles)]
    marks = [
        _marks(layer, missed[position], "missed localizations", "square", _MISSED),
        _marks(layer, false[position], "false localizations", "x", _FALSE),
        _paths(layer, gone[position], "missed tracks"),
    ]
    selected = viewer.layers.selection.copy()
    made = [viewer.add_layer(mark) for mark in marks if mark is not None]
    for each in made:
        each.visible = each.name not in hidden
    # The tracks stay what the widgets and their menus are about.
    viewer.layers.selection = selected
    return made


def faults_of(viewer: Any, layer: Tracks) -> list[Layer]:
    """Return the layers with what was marked of a layer."""
    return [each for each in viewer.layers if _marked(each) == id(layer)]


def remove_faults(viewer: Any, layer: Tracks) -> list[Layer]:
    """Remove what was marked of a layer, and return it."""
    earlier = faults_of(viewer, layer)
    for each in earlier:
        viewer.layers.remove(each)
    return earlier


def is_of_faults(layer: Layer) -> bool:
    """Say whether a layer marks faults of another."""
    return _marked(layer) is not None


def _marked(layer: Layer) -> Any:
    return layer.metadata.get(METADATA_KEY, {}).get(_OF)


def _marks(layer: Tracks, table: pd.DataFrame, what: str, symbol: str, color: str) -> Layer | None:
    if table.empty:
        return None
    data, attributes, kind = points_layer_data(
        table,
        name=_name(layer, what),
        geometry=geometry_of(layer),
        ndim=layer.ndim,
    )
    attributes |= {"symbol": symbol, "border_color": color, "size": _SIZE, "visible": True}
    return _noted(layer, data, attributes, kind)


def _paths(layer: Tracks, table: pd.DataFrame, what: str) -> Layer | None:
    if table.empty:
        return None
    data, attributes, kind = tracks_layer_data(
        table.reset_index(drop=True), name=_name(layer, what), geometry=geometry_of(layer),
        ndim=layer.ndim,
    )  # fmt: skip
    attributes |= {"tail_width": layer.tail_width, "tail_length": layer.tail_length}
    made = _noted(layer, data, attributes, kind)
    one = Colormap([_MISSED, _MISSED], name="perrin-missed")
    made.colormaps_dict = {**made.colormaps_dict, "track_id": one}
    made.color_by = "track_id"
    return made


def _noted(layer: Tracks, data: Any, attributes: dict[str, Any], kind: str) -> Layer:
    noted = {**attributes.get("metadata", {}).get(METADATA_KEY, {}), _OF: id(layer)}
    return Layer.create(data, {**attributes, "metadata": {METADATA_KEY: noted}}, kind)


def _name(layer: Tracks, what: str) -> str:
    return f"{name_before_edits(layer)}: {what}"
