"""Switches as a Points layer beside the tracks they were found in."""

from __future__ import annotations

from typing import Any

import pandas as pd
from napari.layers import Layer, Points, Tracks

from napari_perrin._calibration import METADATA_KEY
from napari_perrin._layers import points_layer_data
from perrin.analysis import Analysis
from perrin.tracks import axes_of

__all__ = ["GEOMETRY", "show_switches"]

_OF = "switches_of"
_COLOR = "#f5f5f5"
_SIZE = 7
GEOMETRY = ("scale", "translate", "units", "axis_labels")
"""What layers that lie on each other have in common."""


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
    for earlier in [each for each in viewer.layers if _is_of(each, layer)]:
        viewer.layers.remove(earlier)
    if analysis.switches.empty:
        return
    where = ["particle", "frame", *axes_of(table)]
    marks = analysis.switches.merge(table[where], on=where[:2], how="left")
    data, attributes, kind = points_layer_data(
        marks,
        name=f"{layer.name}: switches",
        geometry={name: getattr(layer, name) for name in GEOMETRY},
        ndim=layer.ndim,
    )
    attributes |= {
        "symbol": "diamond",
        "border_color": _COLOR,
        "size": _SIZE,
        "visible": True,
        "metadata": {METADATA_KEY: {_OF: id(layer)}},
    }
    selected = viewer.layers.selection.copy()
    viewer.add_layer(Layer.create(data, attributes, kind))
    # The tracks stay what the widgets and their menus are about.
    viewer.layers.selection = selected


def _is_of(each: Layer, layer: Tracks) -> bool:
    return isinstance(each, Points) and each.metadata.get(METADATA_KEY, {}).get(_OF) == id(layer)
