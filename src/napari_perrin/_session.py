"""One session for each viewer: what belongs to which layer, and what everyone should know.

Widgets subscribe to the session and tell it what they made; they never talk to each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary, ref

import numpy as np
from psygnal import Signal

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd
    from napari.layers import Layer, Tracks

    from perrin.analysis import Analysis
    from perrin.curation import History
    from perrin.io import Movie
    from perrin.pipeline import Recipe
    from perrin.results import Source

__all__ = ["Record", "Session"]


@dataclass
class Record:
    """What the session knows of one Tracks layer.

    Attributes
    ----------
    movie
        The movie the tracks were found in, if they were found here.
    localizations
        Every spot that was found in that movie, linked or not.
    recipe
        The recipe that made the tracks and, once analysed, the analysis.
    analysis
        The newest analysis of the layer.
    selection
        Track numbers that are selected, in every view at once.
    shown
        Track numbers that are not hidden by a filter, in the order in which one steps through
        them; all of them if ``None``.
    only_selected
        Whether the tracks that are not selected are hidden as well.
    order
        All track numbers in the order that the table sorts them in; by number if ``None``.
    history
        What was done to the tracks by hand, once anything was.
    show_rejected
        Whether tracks that were rejected are shown all the same.
    source
        Where the tracks came from, as far as that is known.
    device
        Where the networks ran in the analysis.
    unsaved
        Whether there is an analysis or a curation that no folder holds.
    """

    movie: Movie | None = None
    localizations: pd.DataFrame | None = None
    recipe: Recipe | None = None
    analysis: Analysis | None = None
    selection: frozenset[int] = field(default_factory=frozenset)
    shown: npt.NDArray[np.int64] | None = None
    only_selected: bool = False
    order: npt.NDArray[np.int64] | None = None
    history: History | None = None
    show_rejected: bool = False
    source: Source | None = None
    device: str = "auto"
    unsaved: bool = False

    @property
    def rejected(self) -> frozenset[int]:
        """Track numbers that were rejected by hand."""
        return frozenset() if self.history is None else frozenset(self.history.now.rejected)

    def counts(self, particles: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Say of each track number whether it is neither rejected nor hidden by a filter."""
        counted = ~np.isin(particles, list(self.rejected))
        return counted if self.shown is None else counted & np.isin(particles, self.shown)


class Session:
    """The state that Perrin's widgets in one viewer share.

    Use :meth:`of`: there is one session for each viewer, and it ends with the viewer.
    """

    analyzed = Signal(object)
    """A Tracks layer was analysed; its record holds the analysis."""
    current_changed = Signal(object)
    """Another Tracks layer (or ``None``) is now the one that is worked on."""
    selection_changed = Signal(object)
    """Other tracks of a layer are selected; its record says which."""
    shown_changed = Signal(object)
    """Other tracks of a layer are shown or hidden; its record says which."""
    curated = Signal(object)
    """Something was done to a layer's tracks by hand, or undone; its record says what."""

    _sessions: ClassVar[WeakKeyDictionary[Any, Session]] = WeakKeyDictionary()

    def __init__(self, viewer: Any) -> None:
        self._viewer = ref(viewer)
        self._records: WeakKeyDictionary[Layer, Record] = WeakKeyDictionary()
        self._current: ref[Tracks] | None = None
        viewer.layers.events.removed.connect(self._on_removed)

    @classmethod
    def of(cls, viewer: Any) -> Session:
        """Return the session of a viewer; the first call makes it."""
        # Plugins are handed a proxy that lives shorter than the viewer.
        viewer = getattr(viewer, "__wrapped__", viewer)
        if viewer not in cls._sessions:
            cls._sessions[viewer] = cls(viewer)
        return cls._sessions[viewer]

    @property
    def viewer(self) -> Any:
        """The viewer, or ``None`` once it is closed."""
        return self._viewer()

    @property
    def current(self) -> Tracks | None:
        """The Tracks layer that is worked on."""
        return self._current() if self._current is not None else None

    @current.setter
    def current(self, layer: Tracks | None) -> None:
        if layer is self.current:
            return
        self._current = None if layer is None else ref(layer)
        self.current_changed.emit(layer)

    def record(self, layer: Layer) -> Record:
        """Return what is known of a layer; an empty record the first time."""
        return self._records.setdefault(layer, Record())

    def add_tracks(
        self,
        layer: Tracks,
        movie: Movie,
        localizations: pd.DataFrame,
        recipe: Recipe,
        source: Source | None = None,
    ) -> None:
        """Note that a layer holds the tracks found in a movie, and make it the current one."""
        record = self.record(layer)
        record.movie, record.localizations, record.recipe = movie, localizations, recipe
        record.source = source
        self.current = layer

    def add_analysis(self, layer: Tracks, analysis: Analysis, recipe: Recipe) -> None:
        """Note the analysis of a layer and the recipe it was made with."""
        record = self.record(layer)
        record.analysis, record.recipe, record.unsaved = analysis, recipe, True
        self.analyzed.emit(layer)

    @property
    def unsaved(self) -> list[Tracks]:
        """The layers with an analysis or a curation that no folder holds."""
        viewer = self.viewer
        layers = [] if viewer is None else list(viewer.layers)
        return [x for x in layers if x in self._records and self._records[x].unsaved]

    def select(self, layer: Tracks, particles: Iterable[int]) -> None:
        """Select tracks of a layer by their numbers."""
        record = self.record(layer)
        selection = frozenset(particles)
        if selection != record.selection:
            record.selection = selection
            self.selection_changed.emit(layer)

    def show_tracks(self, layer: Tracks, particles: npt.NDArray[np.int64] | None) -> None:
        """Show some tracks of a layer, in the order given, and hide the others; or show all."""
        record = self.record(layer)
        if not _same(particles, record.shown):
            record.shown = particles
            self.shown_changed.emit(layer)

    def show_only_selected(self, layer: Tracks, only: bool) -> None:
        """Hide the tracks of a layer that are not selected, or show them again."""
        record = self.record(layer)
        if only != record.only_selected:
            record.only_selected = only
            self.shown_changed.emit(layer)

    def _on_removed(self, event: Any) -> None:
        if event.value is self.current:
            self.current = None


def _same(one: npt.NDArray[Any] | None, other: npt.NDArray[Any] | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)
