"""Save a Tracks layer as a track table."""

from __future__ import annotations

from typing import Any

from napari.layers import Layer

from napari_perrin._layers import export_table

__all__ = ["write_tracks_layer"]


def write_tracks_layer(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write one Tracks layer as CSV, Parquet, TrackMate XML or GEFF, by suffix.

    Features become columns where the format has a place for them; see
    :func:`perrin.write_tracks`.

    Napari has asked before whether a file of this name may be replaced.

    Returns
    -------
    list of str
        The file written.
    """
    from perrin.io import write_tracks

    layer = Layer.create(data, attributes, "tracks")
    return [str(write_tracks(export_table(layer), path, overwrite=True))]
