"""What can be done to the selected tracks, by buttons and by keys alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from napari.layers import Tracks

from napari_perrin._session import Session
from napari_perrin.curate._curator import Curator
from napari_perrin.inspect._canvas import Canvas
from napari_perrin.inspect._layer_tracks import LayerTracks
from perrin.errors import InputError

__all__ = ["ACTIONS", "Action", "CurationActions"]


class Action(NamedTuple):
    """Something that is done to selected tracks.

    Attributes
    ----------
    text, words
        What the button and its tooltip say.
    key
        napari itself uses none of the letters. Ctrl+Z is that of Labels layers too, and theirs
        while one of them is active.
    least, most
        How many tracks must be selected.
    """

    text: str
    words: str
    key: str
    least: int = 0
    most: int | None = None

    @property
    def tooltip(self) -> str:
        """What it does, and its key."""
        return f"{self.words} Key: {self.key}."


ACTIONS = {
    "accept": Action("Accept", "Accept the selected tracks.", "K", 1),
    "reject": Action(
        "Reject", "Reject the selected tracks: hidden and not counted, never deleted.", "N", 1
    ),
    "undo": Action("Undo", "Take back what was done last, filters included.", "Ctrl+Z"),
    "redo": Action("Redo", "Do again what was taken back.", "Ctrl+Shift+Z"),
    "split": Action(
        "Split here", "Cut the selected track: a new one begins at the frame shown.", "H", 1, 1
    ),
    "split_at_switches": Action(
        "Split at switches", "Cut the selected track wherever it switches.", "Shift+H", 1, 1
    ),
    "join": Action("Join", "Make the two selected tracks one.", "J", 2, 2),
    "delete": Action(
        "Delete point",
        "Delete the localization of the selected track in the frame shown.",
        "W",
        1,
        1,
    ),
}
"""What can be done, in the order of the buttons."""


class CurationActions:
    """Does what is asked for to the selected tracks of the current layer.

    Parameters
    ----------
    viewer
        The viewer.
    canvas
        Its canvas; the keys are bound as long as somebody watches it.
    """

    def __init__(self, viewer: Any, canvas: Canvas) -> None:
        self.curator = Curator.of(viewer)
        self._session, self._canvas = Session.of(viewer), canvas
        canvas.add_keys({action.key: self._by_key(name) for name, action in ACTIONS.items()})

    @property
    def selected(self) -> list[int]:
        """Numbers of the tracks that are selected, and neither gone nor hidden."""
        layer = self._session.current
        if layer is None:
            return []
        try:
            tracks = LayerTracks.of(layer)
        except InputError:
            return []
        record = self._session.record(layer)
        here = tracks.among(record.selection)
        if record.shown is not None:
            here = here[np.isin(here, record.shown)]
        return [int(x) for x in here]

    def is_possible(self, name: str) -> bool:
        """Say whether something can be done now."""
        layer, action = self._session.current, ACTIONS[name]
        if layer is None:
            return False
        history = self._session.record(layer).history
        if name in ("undo", "redo"):
            return history is not None and bool(history.done if name == "undo" else history.undone)
        selected = self.selected
        if not action.least <= len(selected) <= (action.most or len(selected)):
            return False
        return name != "split_at_switches" or bool(self.curator.switches(layer, selected[0]))

    def run(self, name: str) -> None:
        """Do something to the selected tracks; nothing where it is not possible."""
        layer = self._session.current
        if layer is None or not self.is_possible(name):
            return
        selected, curator = self.selected, self.curator
        match name:
            case "accept" | "reject":
                if len(selected) == 1:
                    # Looked through one by one, the next is at hand.
                    self._canvas.step(1)
                curator.judge(layer, selected, accept=name == "accept")
            case "undo":
                curator.undo(layer)
            case "redo":
                curator.redo(layer)
            case "split":
                curator.split(layer, selected[0], [self._frame(layer)])
            case "split_at_switches":
                curator.split(layer, selected[0], curator.switches(layer, selected[0]))
            case "join":
                curator.join(layer, selected)
            case "delete":
                curator.delete(layer, selected[0], self._frame(layer))

    def label(self, text: str) -> None:
        """Give the selected tracks a label, or take it away with an empty one."""
        if (layer := self._session.current) is not None and (selected := self.selected):
            self.curator.label(layer, selected, text)

    def _frame(self, layer: Tracks) -> int:
        return round(self._canvas.frame(layer))

    def _by_key(self, name: str) -> Callable[[Any], None]:
        return lambda _viewer: self.run(name)
