"""What the canvas does for those who look at tracks: clicks and keys select, selected stand out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar
from weakref import WeakKeyDictionary, WeakSet, ref

import numpy as np
from napari.layers import Tracks
from qtpy.QtCore import QTimer

from napari_perrin._movie_layer import shown_frame
from napari_perrin._session import Session
from napari_perrin.inspect._highlight import FAINT, Highlight
from napari_perrin.inspect._hit_test import Pointer, data_to_world, vertex_at
from napari_perrin.inspect._layer_tracks import LayerTracks
from perrin.errors import InputError

__all__ = ["NEXT_KEY", "PREVIOUS_KEY", "Canvas"]

PREVIOUS_KEY, NEXT_KEY = ",", "."

# A hand is never quite still: less than this between press and release is a click, no drag.
_STILL_PIXELS = 4


class Canvas:
    """Selects the tracks that are clicked and shows which are selected, while anybody looks.

    Use :meth:`of`: there is one for each viewer. A view that needs it calls :meth:`watch` when it
    is opened and :meth:`leave` when it is closed; with the last of them, the canvas is as before.
    """

    _known: ClassVar[WeakKeyDictionary[Session, ref[Canvas]]] = WeakKeyDictionary()

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._session = Session.of(viewer)
        self._watchers: WeakSet[Any] = WeakSet()
        self._layer: Tracks | None = None
        # Drawing all tracks anew can take long; what is said of the selected ones comes first.
        self._later = QTimer()
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._highlight)
        # napari itself binds neither key.
        self._keys: dict[str, Callable[[Any], None]] = {
            PREVIOUS_KEY: self._on_previous,
            NEXT_KEY: self._on_next,
        }

    @classmethod
    def of(cls, viewer: Any) -> Canvas:
        """Return the one of a viewer, which lives as long as a view keeps it."""
        session = Session.of(viewer)
        known = cls._known.get(session)
        canvas = None if known is None else known()
        if canvas is None:
            canvas = cls(session.viewer)
            cls._known[session] = ref(canvas)
        return canvas

    def add_keys(self, keys: Mapping[str, Callable[[Any], None]]) -> None:
        """Bind more keys as long as anybody watches; the last who binds one has it."""
        self._keys |= keys
        for key, function in keys.items() if self._watchers else ():
            self._viewer.bind_key(key, function, overwrite=True)

    def watch(self, view: Any) -> None:
        """Begin to select by clicks and keys, if nobody asked for it before."""
        first = not self._watchers
        self._watchers.add(view)
        if not first:
            return
        self._viewer.mouse_drag_callbacks.append(self._on_press)
        for key, function in self._keys.items():
            self._viewer.bind_key(key, function, overwrite=True)
        self._session.current_changed.connect(self._on_current)
        self._session.selection_changed.connect(self._on_changed)
        self._session.shown_changed.connect(self._on_changed)
        if self._session.current is None:
            self._session.current = self._topmost()
        self._on_current(self._session.current)

    def leave(self, view: Any) -> None:
        """Stop, if nobody else is there."""
        self._watchers.discard(view)
        if self._watchers or self._on_press not in self._viewer.mouse_drag_callbacks:
            return
        self._viewer.mouse_drag_callbacks.remove(self._on_press)
        for key in self._keys:
            self._viewer.bind_key(key, None)
        self._session.current_changed.disconnect(self._on_current)
        self._session.selection_changed.disconnect(self._on_changed)
        self._session.shown_changed.disconnect(self._on_changed)
        self._on_current(None)

    def step(self, by: int) -> None:
        """Select the next track (``by`` 1) or the previous one (-1), and see that it is drawn."""
        layer = self._session.current
        if layer is None:
            return
        record, tracks = self._session.record(layer), LayerTracks.of(layer)
        order = tracks.particles if record.shown is None else record.shown
        if record.shown is None:
            order = order[record.counts(order)]
        # Others may have changed the layer's rows.
        order = order[np.isin(order, tracks.particles)]
        if order.size == 0:
            return
        here = np.flatnonzero(np.isin(order, list(record.selection)))
        if here.size == 0:
            place = 0 if by > 0 else order.size - 1
        else:
            place = (int(here[-1] if by > 0 else here[0]) + by) % order.size
        particle = int(order[place])
        self._session.select(layer, [particle])
        first, last = tracks.frames(particle)
        now = self.frame(layer)
        if not first < now < last + layer.tail_length:
            self.go_to(layer, particle, last)
        else:
            self._look_at(layer, particle)

    def frame(self, layer: Tracks) -> float:
        """Return the frame of a layer that the viewer shows."""
        return shown_frame(self._viewer, layer)

    def show_frame(self, layer: Tracks, frame: float) -> None:
        """Move the time slider to a frame of a layer."""
        matrix, offset = data_to_world(layer)
        axis = self._viewer.dims.ndim - layer.ndim
        if axis >= 0:
            self._viewer.dims.set_point(axis, float(offset[0] + matrix[0, 0] * frame))

    def go_to(self, layer: Tracks, particle: int, frame: int) -> None:
        """Show a track at a frame: move the time slider, and the camera where that is needed."""
        self.show_frame(layer, frame)
        self._look_at(layer, particle)

    def _look_at(self, layer: Tracks, particle: int) -> None:
        if self._viewer.dims.ndisplay != 2:
            return
        rows = LayerTracks.of(layer).vertices(particle)
        middle = layer.data[rows, 1:].mean(axis=0)
        corners = layer.corner_pixels[:, -2:]
        if ((middle[-2:] < corners[0]) | (middle[-2:] > corners[1])).any():
            # From napari 0.9 on the camera belongs to the scene.
            camera = getattr(self._viewer, "scene", self._viewer).camera
            camera.center = (camera.center[0], *layer.data_to_world(middle)[-2:])

    def _topmost(self) -> Tracks | None:
        return next((x for x in reversed(self._viewer.layers) if isinstance(x, Tracks)), None)

    def _on_press(self, _viewer: Any, event: Any) -> Iterator[None]:
        # Selecting, drawing and moving belong to the layer that does them.
        active = self._viewer.layers.selection.active
        if event.button != 1 or str(getattr(active, "mode", "pan_zoom")) != "pan_zoom":
            return
        pressed = np.asarray(event.pos)
        yield
        moved = False
        while event.type == "mouse_move":
            moved = moved or bool(np.abs(np.asarray(event.pos) - pressed).max() > _STILL_PIXELS)
            yield
        if not moved:
            self._click(Pointer.of_event(event), bool({"Shift", "Control"} & _names(event)))

    def _click(self, pointer: Pointer, add: bool) -> None:
        hits = [
            (hit.distance, place, layer, hit.vertex)
            for place, layer in enumerate(reversed(self._viewer.layers))
            if isinstance(layer, Tracks) and (hit := vertex_at(layer, pointer)) is not None
        ]
        if not hits:
            if not add and self._session.current is not None:
                self._session.select(self._session.current, ())
            return
        _, _, layer, vertex = min(hits, key=lambda hit: hit[:2])
        try:
            tracks = LayerTracks.of(layer)
        except InputError:
            # The views say what is wrong with the layer once it is the current one.
            self._session.current = layer
            return
        self._session.current = layer
        clicked = {int(tracks.particles[tracks.vertex_track[vertex]])}
        # With a key held down a click adds a track, or takes it out again.
        before = self._session.record(layer).selection
        self._session.select(layer, before ^ clicked if add else clicked)

    def _on_previous(self, _viewer: Any) -> None:
        self.step(-1)

    def _on_next(self, _viewer: Any) -> None:
        self.step(1)

    def _on_current(self, layer: Tracks | None) -> None:
        if self._layer is not None:
            self._layer.events.data.disconnect(self._on_data)
            Highlight.of(self._layer).show(None)
        self._layer = layer
        if layer is not None:
            layer.events.data.connect(self._on_data)
            self._highlight()

    def _on_data(self, _event: Any = None) -> None:
        self._highlight()

    def _on_changed(self, layer: Tracks) -> None:
        if layer is self._layer:
            self._later.start(0)

    def _highlight(self) -> None:
        layer = self._layer
        if layer is None:
            return
        highlight, record = Highlight.of(layer), self._session.record(layer)
        if record.shown is None and not record.selection and not record.only_selected:
            highlight.show(None)
            return
        try:
            tracks = LayerTracks.of(layer)
        except InputError:
            highlight.show(None)
            return
        opacity = np.ones(tracks.particles.size)
        selected = tracks.are(record.selection)
        if selected.any() or record.only_selected:
            opacity[~selected] = 0 if record.only_selected else FAINT
        if record.shown is not None:
            opacity[~tracks.are(record.shown)] = 0
        # Sorting the table changes the order alone.
        highlight.show(None if (opacity == 1).all() else opacity[tracks.vertex_track])


def _names(event: Any) -> set[str]:
    return {str(getattr(key, "name", key)) for key in event.modifiers}
