"""Does to the tracks of a layer what is asked for by hand, and keeps everything else in step."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any, ClassVar
from weakref import WeakKeyDictionary, ref

import numpy as np
import numpy.typing as npt
import pandas as pd
from napari.layers import Tracks
from napari.utils.notifications import show_error
from qtpy.QtCore import QTimer

from napari_perrin._layers import table_of_layer
from napari_perrin._session import Session
from napari_perrin._switch_layer import show_switches
from napari_perrin.curate._edited import (
    hide_tracks,
    mark_edited,
    replace_rows,
    show_analysis,
    show_labels,
)
from napari_perrin.curate._reanalysis import Reanalysis
from napari_perrin.inspect._layer_tracks import COUNTED, LayerTracks
from perrin.analysis import Analysis
from perrin.curation import (
    CURATED_COLUMNS,
    Change,
    Delete,
    Filter,
    History,
    Join,
    Judge,
    Label,
    Operation,
    with_notes,
)
from perrin.errors import InputError
from perrin.filters import NO_FILTERS, TrackFilters
from perrin.pipeline import Recipe
from perrin.quantities import MODEL

__all__ = ["Curator", "noted_by"]

# Filters are dragged; what they keep is noted in the analysis once they rest.
_REST_MS = 300


class Curator:
    """Accepts, rejects, labels, splits, joins and shortens the tracks of layers, and undoes it.

    Use :meth:`of`: there is one for each viewer.

    Notes
    -----
    Rows of the layer are replaced at once, and tracks that changed are analysed anew meanwhile, in
    another thread; until that has ended they are not known.
    """

    _known: ClassVar[WeakKeyDictionary[Any, Curator]] = WeakKeyDictionary()

    def __init__(self, viewer: Any) -> None:
        self._session = Session.of(viewer)
        # The rows that a history stands for: others may have changed the layer since.
        self._rows: WeakKeyDictionary[Tracks, Any] = WeakKeyDictionary()
        self._reanalysis = Reanalysis(
            self._session, lambda layer: self.history(layer).now.table(), self._accept
        )
        self._rest = QTimer()
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._on_rest)
        self._filtered: ref[Tracks] | None = None

    @classmethod
    def of(cls, viewer: Any) -> Curator:
        """Return the one of a viewer."""
        viewer = Session.of(viewer).viewer
        if viewer not in cls._known:
            cls._known[viewer] = cls(viewer)
        return cls._known[viewer]

    @property
    def is_busy(self) -> bool:
        """Whether tracks are being analysed anew."""
        return self._reanalysis.is_busy

    def history(self, layer: Tracks) -> History:
        """Return what was done to a layer; nothing yet if its rows came from elsewhere since.

        Raises
        ------
        InputError
            If the layer holds no track table.
        """
        record = self._session.record(layer)
        if record.history is None or self._rows.get(layer) is not layer.data:
            filters = NO_FILTERS if record.history is None else record.history.now.filters
            record.history = History(table_of_layer(layer), filters)
            self._rows[layer] = layer.data
        return record.history

    def open(self, layer: Tracks, history: History) -> None:
        """Take over what was done to a layer before; its rows are those of the history."""
        self._session.record(layer).history = history
        self._rows[layer] = layer.data
        self._show(layer)

    def add_analysis(
        self, layer: Tracks, analysis: Analysis, recipe: Recipe, device: str = "auto"
    ) -> None:
        """Note the analysis of a whole layer, mark its switches and show what filters keep."""
        self._session.record(layer).device = device
        self._session.add_analysis(layer, self.noted(layer, analysis), recipe)
        self._mark_switches(layer)
        self.show_kept(layer)

    def judge(self, layer: Tracks, particles: Collection[int], *, accept: bool) -> None:
        """Accept tracks, or reject them."""
        kind = "accept" if accept else "reject"
        self._do(layer, Judge.checked(kind=kind, particles=sorted(particles)))

    def label(self, layer: Tracks, particles: Collection[int], label: str) -> None:
        """Give tracks a label, or take it away with an empty one."""
        self._do(layer, Label.checked(particles=sorted(particles), label=label))

    def split(self, layer: Tracks, particle: int, frames: Collection[int]) -> None:
        """Split a track into pieces that begin at some frames, and select them."""
        try:
            change = self.history(layer).split(particle, tuple(sorted(frames)))
        except InputError as error:
            show_error(str(error))
            return
        self._follow(layer, change)
        self._session.select(layer, change.particles)

    def switches(self, layer: Tracks, particle: int) -> list[int]:
        """Return the frames at which a track switches."""
        analysis = self._session.record(layer).analysis
        if analysis is None:
            return []
        mine = analysis.switches["particle"] == particle
        return [int(frame) for frame in analysis.switches.loc[mine, "frame"]]

    def join(self, layer: Tracks, particles: Collection[int]) -> None:
        """Make two tracks one, under the number of the one that begins first."""
        first, second = sorted(particles, key=lambda each: self.history(layer).now.frames(each)[0])
        if self._do(layer, Join(particle=first, other=second)):
            self._session.select(layer, [first])

    def delete(self, layer: Tracks, particle: int, frame: int) -> None:
        """Delete the localization of a track in a frame."""
        self._do(layer, Delete(particle=particle, frame=frame))

    def filter(self, layer: Tracks, filters: TrackFilters) -> None:
        """Set the filters of a layer anew."""
        record = self._session.record(layer)
        if filters != self.filters(layer):
            self.history(layer).do(Filter(filters=filters))
            record.unsaved = record.unsaved or record.analysis is not None
            self.show_kept(layer)
            self._filtered = ref(layer)
            self._rest.start()

    def filters(self, layer: Tracks) -> TrackFilters:
        """Return the filters of a layer."""
        history = self._session.record(layer).history
        return NO_FILTERS if history is None else history.now.filters

    def kept(self, layer: Tracks) -> npt.NDArray[np.bool_]:
        """Say which tracks of a layer are shown: those that every filter keeps, none rejected.

        Of tracks that are being analysed anew only what can be counted is filtered.

        Returns
        -------
        array of bool, shape (n_tracks,)
            In the order of their numbers.

        Raises
        ------
        InputError
            If the layer holds no track table.
        """
        record, tracks = self._session.record(layer), LayerTracks.of(layer)
        kept = np.ones(tracks.particles.size, np.bool_)
        if (filters := self.filters(layer)) != NO_FILTERS:
            numbers = tracks.numbers(record.analysis)
            known = [*numbers.select_dtypes("number"), MODEL]
            kept = filters.of_columns([name for name in known if name in numbers]).kept(numbers)
            if record.analysis is not None:
                lacking = ~np.isin(tracks.particles, record.analysis.per_track["particle"])
                kept[lacking] = filters.of_columns(COUNTED).kept(numbers)[lacking]
        if not record.show_rejected:
            kept &= ~tracks.are(record.rejected)
        return kept

    def show_kept(self, layer: Tracks) -> None:
        """Show the tracks of a layer that :meth:`kept` says, in the order of the table."""
        record, tracks = self._session.record(layer), LayerTracks.of(layer)
        kept, order = self.kept(layer), tracks.particles
        if record.order is not None:
            here = record.order[np.isin(record.order, order)]
            order = np.concatenate((here, np.setdiff1d(order, here)))
        plain = record.order is None and bool(kept.all())
        shown = None if plain else order[np.isin(order, tracks.particles[kept])]
        self._session.show_tracks(layer, shown)

    def not_analysed(self, layer: Tracks) -> int:
        """Return how many tracks of a layer its analysis does not know, if there is one."""
        analysis = self._session.record(layer).analysis
        if analysis is None:
            return 0
        known = np.isin(LayerTracks.of(layer).particles, analysis.per_track["particle"])
        return int((~known).sum())

    def undo(self, layer: Tracks) -> None:
        """Take back what was done last."""
        self._again(layer, self.history(layer).undo())

    def redo(self, layer: Tracks) -> None:
        """Do again what was taken back last."""
        self._again(layer, self.history(layer).redo())

    def show_rejected(self, layer: Tracks, shown: bool) -> None:
        """Show tracks that were rejected, or hide them again."""
        self._session.record(layer).show_rejected = shown
        self._show(layer)

    def noted(self, layer: Tracks, analysis: Analysis) -> Analysis:
        """Return an analysis of a layer with what was said of its tracks by hand."""
        if self._session.record(layer).history is None:
            return analysis
        return noted_by(self.history(layer), analysis)

    def _do(self, layer: Tracks, operation: Operation) -> bool:
        try:
            change = self.history(layer).do(operation)
        except InputError as error:
            show_error(str(error))
            return False
        self._follow(layer, change)
        return True

    def _again(self, layer: Tracks, change: Change | None) -> None:
        if change is None:
            return
        self._follow(layer, change)
        here = set(self.history(layer).now.owner.tolist())
        noted = getattr(change.operation, "particles", ())
        if concerned := {*change.particles, *noted} & here:
            self._session.select(layer, concerned)

    def _follow(self, layer: Tracks, change: Change) -> None:
        """Let the layer and the analysis follow a change, or its way back."""
        record, history = self._session.record(layer), self.history(layer)
        record.unsaved = True
        if change.rows.size:
            self._replace(layer, change.particles)
        elif record.analysis is not None:
            record.analysis = self.noted(layer, record.analysis)
            if isinstance(change.operation, Judge):
                self._mark_switches(layer)
            self._reanalysis.retry(layer)
        mark_edited(layer, bool(history.curation.operations))
        self._show(layer)

    def _replace(self, layer: Tracks, changed: frozenset[int]) -> None:
        record, history = self._session.record(layer), self.history(layer)
        table = history.now.table()
        if record.analysis is not None:
            known = record.analysis
            kept = {
                name: rows[~rows["particle"].isin(changed)].reset_index(drop=True)
                for name in ("per_track", "per_frame", "switches")
                for rows in (getattr(known, name),)
            }
            record.analysis = replace(known, **kept)
        replace_rows(layer, table, changed)
        self._rows[layer] = layer.data
        self.show_kept(layer)
        layer.events.data(value=layer.data)
        if record.analysis is not None:
            self._mark_switches(layer)
            self._reanalysis.add(layer, changed)

    def _mark_switches(self, layer: Tracks) -> None:
        """Mark the switches of all tracks but those that were rejected."""
        record = self._session.record(layer)
        if (analysis := record.analysis) is None:
            return
        if record.history is None:
            show_switches(self._session.viewer, layer, table_of_layer(layer), analysis)
            return
        now = self.history(layer).now
        rejected = analysis.switches["particle"].isin(now.rejected)
        seen = replace(analysis, switches=analysis.switches[~rejected])
        show_switches(self._session.viewer, layer, now.table(), seen)

    def _show(self, layer: Tracks) -> None:
        record, history = self._session.record(layer), self.history(layer)
        show_labels(layer, history.now)
        hide_tracks(layer, frozenset() if record.show_rejected else history.now.rejected)
        self.show_kept(layer)
        self._session.curated.emit(layer)

    def _on_rest(self) -> None:
        layer = None if self._filtered is None else self._filtered()
        if layer is None or not self._is_open(layer) or self._reanalysis.waits(layer):
            return
        record = self._session.record(layer)
        if record.analysis is not None:
            record.analysis = self.noted(layer, record.analysis)
            self._session.curated.emit(layer)

    def _is_open(self, layer: Tracks) -> bool:
        viewer = self._session.viewer
        return viewer is not None and layer in viewer.layers

    def _accept(self, layer: Tracks, table: pd.DataFrame, fresh: Analysis) -> None:
        record = self._session.record(layer)
        record.analysis = self.noted(layer, fresh)
        show_analysis(layer, table, record.analysis)
        self._mark_switches(layer)
        self.show_kept(layer)
        self._session.analyzed.emit(layer)


def noted_by(history: History, analysis: Analysis) -> Analysis:
    """Return an analysis with what was said of its tracks by hand, and nothing else of the kind.

    Raises
    ------
    InputError
        If there is a filter of something that is not known of tracks.
    """
    if history.done or history.now.filters != NO_FILTERS:
        return with_notes(analysis, history.now)
    # What was said before may have been undone.
    before = analysis.per_track.drop(columns=list(CURATED_COLUMNS), errors="ignore")
    return replace(analysis, per_track=before)
