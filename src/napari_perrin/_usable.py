"""What a step needs of the Tracks layer that it works on, and what is said where that is not so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Tracks

from napari_perrin._session import Session
from perrin.errors import InputError

__all__ = ["NO_TRACKS", "counted_rows", "gone_meanwhile", "missing_tracks"]

NO_TRACKS = "Track particles first, or open a track table: File → Open Files."


def missing_tracks(layer: Tracks | None) -> str:
    """Say what a layer lacks before anything can be done with its tracks, or return nothing."""
    if layer is None:
        return NO_TRACKS
    return "" if len(layer.data) else f"The layer '{layer.name}' is empty: it holds no tracks."


def gone_meanwhile(viewer: Any, layer: Tracks, data: Any, again: str) -> str:
    """Say that a layer was removed while something was computed of it, or return nothing.

    Parameters
    ----------
    viewer
        The viewer that showed the layer.
    layer
        The Tracks layer.
    data
        What its data were.
    again
        What to do if it was edited, as ``"Measure it again."``.

    Raises
    ------
    InputError
        If it was edited.
    """
    if layer not in viewer.layers:
        return f"The layer '{layer.name}' was removed meanwhile, and what was found of it with it."
    if layer.data is not data:
        raise InputError(f"The layer '{layer.name}' was edited meanwhile. {again}")
    return ""


def counted_rows(session: Session, layer: Tracks, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a layer's track table that are neither rejected nor hidden by a filter.

    Raises
    ------
    InputError
        If none is left.
    """
    counted = session.record(layer).counts(table["particle"].to_numpy(np.int64))
    if not counted.any():
        raise InputError(
            f"All tracks of the layer '{layer.name}' are rejected or hidden by a filter. Clear "
            "the filters in Table of tracks, or undo what rejected them."
        )
    return table[counted].reset_index(drop=True)
