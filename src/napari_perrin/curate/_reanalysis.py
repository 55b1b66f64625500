"""Tracks that were edited, analysed anew in the background, and those for which that failed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from weakref import WeakKeyDictionary

import pandas as pd
from napari.layers import Tracks
from napari.utils.notifications import show_error

from napari_perrin._jobs import Job
from napari_perrin._session import Session
from perrin.analysis import Analysis
from perrin.curation import reanalyze
from perrin.errors import PerrinError, Progress

__all__ = ["Reanalysis"]


class Reanalysis:
    """Analyses anew what changed, one layer after the other.

    Parameters
    ----------
    session
        Its records hold the analyses, and the devices they were made on.
    table_of
        Returns the track table of a layer as it is now.
    accept
        Given the layer, the table, and the analysis with the new answers.
    """

    def __init__(
        self,
        session: Session,
        table_of: Callable[[Tracks], pd.DataFrame],
        accept: Callable[[Tracks, pd.DataFrame, Analysis], None],
    ) -> None:
        self._session, self._table_of, self._accept = session, table_of, accept
        self._waiting: WeakKeyDictionary[Tracks, set[int]] = WeakKeyDictionary()
        self._failed: WeakKeyDictionary[Tracks, set[int]] = WeakKeyDictionary()
        self._job: Job | None = None

    @property
    def is_busy(self) -> bool:
        """Whether tracks are being analysed anew."""
        return self._job is not None

    def waits(self, layer: Tracks) -> bool:
        """Say whether tracks of a layer wait for their turn."""
        return bool(self._waiting.get(layer))

    def add(self, layer: Tracks, changed: Collection[int]) -> None:
        """Analyse tracks of a layer anew, together with those for which it failed before."""
        analysis, failed = self._session.record(layer).analysis, self._failed.pop(layer, set())
        if analysis is None:
            return
        # All may have been analysed since.
        lacking = failed - set(analysis.per_track["particle"].tolist()) if failed else failed
        self._waiting.setdefault(layer, set()).update(changed, lacking)
        self._start()

    def retry(self, layer: Tracks) -> None:
        """Try once more what failed, if anything did."""
        if self._failed.get(layer):
            self.add(layer, ())

    def _is_open(self, layer: Tracks) -> bool:
        viewer = self._session.viewer
        return viewer is not None and layer in viewer.layers

    def _start(self) -> None:
        if self._job is not None:
            return
        layer = next((x for x, numbers in self._waiting.items() if numbers), None)
        record = None if layer is None else self._session.record(layer)
        if layer is None or record is None or record.analysis is None:
            return
        changed, self._waiting[layer] = self._waiting[layer], set()
        analysis, device = record.analysis, record.device
        data, table = layer.data, self._table_of(layer)

        def work(progress: Progress) -> Analysis:
            return reanalyze(analysis, table, changed, device=device, progress=progress)

        def succeed(fresh: Analysis) -> None:
            if not self._is_open(layer):
                return
            if layer.data is not data:
                # Edited once more meanwhile: these tracks wait together with those.
                self._waiting[layer] |= changed
                return
            known = record.analysis
            if known is None or changed & set(known.per_track["particle"].tolist()):
                # Everything was analysed anew meanwhile.
                return
            self._accept(layer, table, fresh)

        def fail(error: Exception) -> None:
            self._failed.setdefault(layer, set()).update(changed)
            words = str(error) if isinstance(error, PerrinError) else repr(error)
            show_error(f"Tracks that were edited could not be analysed anew: {words}")

        def end() -> None:
            self._job = None
            self._start()

        self._job = Job(work, quiet=True)
        self._job.succeeded.connect(succeed)
        self._job.failed.connect(fail)
        self._job.finished.connect(end)
        self._job.start()
