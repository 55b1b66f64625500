"""Switches as a Points layer beside the tracks they were found in."""

from __future__ import annotations

from typing import Any

import pandas as pd
from napari.layers import Layer, Points, Tracks

from napari_perrin._calibration import METADATA_KEY
from napari_perrin._layers import points_layer_data
from napari_perrin._movie_layer import geometry_of
from napari_perrin.curate._edited import name_before_edits
from perrin.analysis import Analysis
from perrin.tracks import axes_of

__all__ = ["show_switches"]

_OF = "switches_of"
_COLOR = "#f5f5f5"
_SIZE = 7


def show_switches(viewer: Any, layer: Tracks, table: pd.DataFrame, analysis: Analysis) -> None:
    """Mark where tracks switch, in place of what an earlier analysis of the layer marked.

    A mark is seen in the first frame of the new state. Without switches there is no layer.

    Parameters
    ----------
    viewer
        The viewer that shows the tracks.
    layer
        The Tracks layer.
    table
        Its track table.
    analysis
        What was found.
    """
    visible = True
    for earlier in [each for each in viewer.layers if _is_of(each, layer)]:
        visible = earlier.visible
        viewer.layers.remove(earlier)
    if analysis.switches.empty:
        return
    where = ["particle", "frame", *axes_of(table)]
    said = analysis.switches.dropna(axis="columns", how="all")
    marks = said.merge(table[where], on=where[:2], how="left")
    data, attributes, kind = points_layer_data(
        marks,
        name=f"{name_before_edits(layer)}: switches",
        geometry=geometry_of(layer),
        ndim=layer.ndim,
    )
    attributes |= {
        "symbol": "diamond",
        "border_color": _COLOR,
        "size": _SIZE,
        "visible": visible,
        "metadata": {METADATA_KEY: {_OF: id(layer)}},
    }
    selected = viewer.layers.selection.copy()
    viewer.add_layer(Layer.create(data, attributes, kind))
    # The tracks stay what the widgets and their menus are about.
    viewer.layers.selection = selected


def _is_of(each: Layer, layer: Tracks) -> bool:
    return isinstance(each, Points) and each.metadata.get(METADATA_KEY, {}).get(_OF) == id(layer)
