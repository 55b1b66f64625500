"""Which track is under the mouse, measured in pixels of the screen."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from napari.layers import Tracks

__all__ = ["REACH", "Hit", "Pointer", "data_to_world", "vertex_at"]

Array = npt.NDArray[np.float64]

REACH = 8.0
"""How far from a track one may click, in pixels of the screen."""

# Of tracks this close to each other under the mouse, the one that is drawn strongest is meant.
_SAME_PLACE = 1.0


class Pointer(NamedTuple):
    """Where the mouse points.

    Attributes
    ----------
    position
        In world coordinates; in 3D any point of the ray under the mouse.
    displayed
        Axes of the world that the canvas shows, two or three.
    zoom
        Pixels of the screen per world unit.
    direction
        Direction of the ray in world coordinates, in 3D.
    """

    position: Array
    displayed: tuple[int, ...]
    zoom: float
    direction: Array | None

    @classmethod
    def of_event(cls, event: Any) -> Pointer:
        """Return where the mouse points in one of napari's mouse events."""
        direction = event.view_direction
        return cls(
            np.asarray(event.position, dtype=np.float64),
            tuple(event.dims_displayed),
            float(event.camera_zoom),
            None if direction is None else np.asarray(direction, dtype=np.float64),
        )


class Hit(NamedTuple):
    """A vertex of a layer, and how far the mouse is from its track in pixels of the screen."""

    vertex: int
    distance: float


def data_to_world(layer: Tracks) -> tuple[Array, Array]:
    """Return the matrix and the offset that lead from a layer's data coordinates to the world.

    Returns
    -------
    matrix : array, shape (ndim, ndim)
    offset : array, shape (ndim,)
    """
    offset = np.asarray(layer.data_to_world(np.zeros(layer.ndim)))
    images = [np.asarray(layer.data_to_world(axis)) for axis in np.eye(layer.ndim)]
    return np.column_stack(images) - offset[:, None], offset


def vertex_at(layer: Tracks, pointer: Pointer, reach: float = REACH) -> Hit | None:
    """Find the track of a layer that is drawn nearest to the mouse.

    Parameters
    ----------
    layer
        Only what it draws counts: tracks near the current frame (its tail and head), those that
        its colours do not hide, and, if it hides completed tracks, those that go on.
    pointer
        Where the mouse points.
    reach
        How far away a track may be, in pixels of the screen.

    Returns
    -------
    Hit or None
        A vertex of the nearest track. Where several tracks cross under the mouse, that of the one
        seen there last, which napari draws strongest.
    """
    data = layer.data
    if len(data) < 2 or not layer.visible or not layer.display_tail:
        return None
    across, upward = _screen(layer, pointer)
    # Most tracks are ruled out by one coordinate; all the rest is for the few that remain.
    horizontal = _project(data, across)
    left, right = horizontal[:-1], horizontal[1:]
    rows = np.flatnonzero((np.minimum(left, right) <= reach) & (np.maximum(left, right) >= -reach))
    rows = rows[_drawn(layer, rows)]
    if rows.size == 0:
        return None
    start = np.column_stack((horizontal[rows], _project(data[rows], upward)))
    stop = np.column_stack((horizontal[rows + 1], _project(data[rows + 1], upward)))
    distance = _distance_from_origin(start, stop)
    nearest = float(distance.min())
    if nearest > reach:
        return None
    rows = rows[distance <= nearest + _SAME_PLACE]
    return Hit(int(rows[np.argmax(data[rows + 1, 1])]), nearest)


def _screen(layer: Tracks, pointer: Pointer) -> tuple[Array, Array]:
    """Return the two rows that take ``(1, *data coordinates)`` to pixels from the mouse."""
    matrix, offset = data_to_world(layer)
    # Axes that the viewer has in addition come first.
    extra = len(pointer.position) - layer.ndim
    displayed = [axis - extra for axis in pointer.displayed if axis >= extra]
    away = (offset - pointer.position[extra:])[displayed]
    rows = np.zeros((len(displayed), 1 + layer.ndim))
    rows[:, 0] = away
    rows[:, [1 + axis for axis in displayed]] = matrix[np.ix_(displayed, displayed)]
    rows *= pointer.zoom
    if len(displayed) == 2 or pointer.direction is None:
        return rows[-1], rows[0]
    ray = pointer.direction[extra:][displayed]
    # Any two directions at right angles to the ray and to each other span the screen.
    side = np.cross(ray, np.eye(3)[np.argmin(np.abs(ray))])
    side /= np.linalg.norm(side)
    top = np.cross(ray / np.linalg.norm(ray), side)
    return side @ rows, top @ rows


def _project(data: Array, row: Array) -> Array:
    """Apply a row of :func:`_screen` to the positions (and frames) of vertices."""
    result = np.full(len(data), row[0])
    for axis in np.flatnonzero(row[1:]):
        # The first column is the track's number.
        result += row[1 + axis] * data[:, 1 + axis]
    return result


def _drawn(layer: Tracks, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Say of the steps that begin at some vertices whether the layer draws them."""
    data, colors = layer.data, layer.track_colors
    drawn: npt.NDArray[np.bool_] = data[rows, 0] == data[rows + 1, 0]
    drawn &= colors[rows, 3] > 0
    if layer.use_fade:
        now = float(layer.current_time)
        begin, end = data[rows, 1], data[rows + 1, 1]
        # Without a head a step is cut off as a whole, with one it fades.
        drawn &= (begin if layer.head_length else end) <= now + layer.head_length
        drawn &= end > now - layer.tail_length
    if layer.hide_completed_tracks:
        last = np.searchsorted(data[:, 0], data[rows, 0], side="right") - 1
        drawn &= data[last, 1] >= layer.current_time
    return drawn


def _distance_from_origin(start: Array, stop: Array) -> Array:
    """Distance of the origin from each of many line segments, shape (n,)."""
    along = stop - start
    length = np.einsum("ij,ij->i", along, along)
    share = -np.einsum("ij,ij->i", start, along) / np.where(length > 0, length, 1)
    nearest = start + np.clip(share, 0, 1)[:, None] * along
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", nearest, nearest)))
