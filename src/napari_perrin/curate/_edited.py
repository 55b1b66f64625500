"""Tracks layers that are edited: other rows, labels, hidden tracks, and the mark of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Tracks

from napari_perrin._calibration import METADATA_KEY, find_calibration
from napari_perrin._colors import UNKNOWN
from napari_perrin._features import add_features, analysis_features, color_by
from napari_perrin._layers import rows_of_table, tracks_layer_data
from napari_perrin._movie_layer import geometry_of
from napari_perrin.inspect._highlight import Highlight
from perrin.analysis import Analysis
from perrin.curation import CuratedTracks
from perrin.quantities import MODEL

__all__ = [
    "LABEL", "hide_tracks", "mark_edited", "name_before_edits", "replace_rows", "show_analysis",
    "show_labels",
]  # fmt: skip

LABEL = "label"
"""Feature that holds the label that a track was given, as a code."""

_MARK = " (edited)"


def replace_rows(layer: Tracks, table: pd.DataFrame, changed: frozenset[int]) -> None:
    """Give a layer the rows of another track table; whatever refers to the layer still does.

    The layer's event ``data``, by which others learn of it, is left to the caller.

    Parameters
    ----------
    layer
        Its colours, calibration and place stay as they are.
    table
        A checked track table.
    changed
        Numbers of the tracks that differ: what was found of them is no longer known.
    """
    calibration = find_calibration(layer).calibration
    data, attributes, _ = tracks_layer_data(
        table, name=layer.name, calibration=calibration, geometry=geometry_of(layer),
        ndim=layer.ndim,
    )  # fmt: skip
    features = attributes["features"].assign(**_found(layer, table, changed))
    colored_by = layer.color_by
    events = layer.events
    # Whoever follows the layer must not meet it without its features.
    with events.data.blocker(), events.properties.blocker(), events.color_by.blocker():
        layer.color_by = "track_id"
        layer.data = data
        layer.features = features
        # New data take it away.
        layer.graph = attributes["graph"]
    layer.color_by = colored_by if colored_by in layer.features else "track_id"


def _found(layer: Tracks, table: pd.DataFrame, changed: frozenset[int]) -> dict[str, Any]:
    """Return, for other rows, the features that analyses found, unknown where tracks changed."""
    noted: dict[str, Any] = layer.metadata.get(METADATA_KEY, {})
    names = [name for name in noted.get("analysis", ()) if name in layer.features]
    if not names:
        return {}
    order = rows_of_table(layer)
    frames = layer.data[order, 1].astype(np.int64)
    before = pd.MultiIndex.from_arrays([_owners(layer)[order], frames])
    rows = before.get_indexer(pd.MultiIndex.from_frame(table[["particle", "frame"]]))
    known = (rows >= 0) & ~table["particle"].isin(changed).to_numpy()
    codes = {MODEL, *noted.get("names", {})}
    return {
        name: np.where(
            known,
            layer.features[name].to_numpy()[order][rows],
            UNKNOWN if name in codes else np.nan,
        )
        for name in names
    }


def show_analysis(layer: Tracks, table: pd.DataFrame, analysis: Analysis) -> None:
    """Write an analysis into a layer, in the colours that it has."""
    add_features(layer, analysis_features(table, analysis), analysis.calibration)
    if layer.color_by in layer.features:
        color_by(layer, layer.color_by)


def show_labels(layer: Tracks, curated: CuratedTracks) -> None:
    """Write the labels into a layer, as codes: napari colours by numbers only."""
    names = sorted({note.label for note in curated.notes.values()} - {""})
    if not names and LABEL not in layer.features:
        return
    codes = {
        particle: names.index(note.label) for particle, note in curated.notes.items() if note.label
    }
    owners = pd.Series(_owners(layer)[rows_of_table(layer)])
    labels = owners.map(codes).fillna(UNKNOWN).astype(np.int64)
    calibration = find_calibration(layer).calibration
    add_features(layer, labels.to_frame(LABEL), calibration, {LABEL: names})
    if layer.color_by == LABEL:
        color_by(layer, LABEL)


def hide_tracks(layer: Tracks, hidden: frozenset[int]) -> None:
    """Hide tracks in the canvas, and show all others."""
    mask = np.isin(_owners(layer), list(hidden)) if hidden else None
    Highlight.of(layer).hide(mask)


def mark_edited(layer: Tracks, edited: bool) -> None:
    """Say in a layer's name and metadata whether it was edited."""
    noted = {**layer.metadata.get(METADATA_KEY, {}), "edited": edited}
    layer.metadata = {**layer.metadata, METADATA_KEY: noted}
    if edited and _MARK not in layer.name:
        layer.name = f"{layer.name}{_MARK}"
    elif not edited:
        layer.name = name_before_edits(layer)


def name_before_edits(layer: Tracks) -> str:
    """Return a layer's name without the mark that it was edited."""
    return str(layer.name).replace(_MARK, "")


def _owners(layer: Tracks) -> np.ndarray[Any, np.dtype[np.int64]]:
    numbers = layer.features.get("particle", layer.data[:, 0])
    return np.asarray(numbers, dtype=np.int64)
