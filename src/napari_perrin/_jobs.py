"""Long work off the window's thread, with progress and a cancel that works."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Signal

from perrin.errors import Cancelled, Progress

__all__ = ["Job"]

_REPORTS_PER_SECOND = 20


class Job(QObject):
    """One piece of long work: started once, reports progress, ends in exactly one of three ways.

    Parameters
    ----------
    work
        Called in another thread with a :data:`perrin.errors.Progress` callback. It must neither
        touch layers nor widgets: everything it needs is handed to it when it is made.
    quiet
        Whether napari's own list of what is going on leaves it out.

    Notes
    -----
    Perrin's functions call their progress callback once per chunk; the callback raises
    :class:`perrin.Cancelled` after :meth:`cancel`, so the work stops at the next chunk and has
    written nothing. Signals arrive in the thread of the object that is connected.
    """

    progressed = Signal(str, int, int)
    succeeded = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    finished = Signal()

    def __init__(self, work: Callable[[Progress], Any], *, quiet: bool = False) -> None:
        super().__init__()
        self._work, self._quiet = work, quiet
        self._stop = threading.Event()
        self._last_report = ("", 0.0)
        self._worker: Any = None
        self._outcome: tuple[str, Any] = ("cancelled", None)

    def start(self) -> None:
        """Start the work in a thread of napari's pool."""
        from napari.qt.threading import thread_worker

        self._worker = thread_worker(self._run, progress=not self._quiet)()
        self._worker.finished.connect(self._settle)
        self._worker.start()

    def cancel(self) -> None:
        """Ask the work to stop at its next chunk."""
        self._stop.set()

    def _run(self) -> None:
        try:
            result = self._work(self._report)
        except Cancelled:
            return
        except Exception as error:
            # The outcome is shown by the widget: a sentence for errors raised on purpose.
            self._outcome = ("failed", error)
        else:
            self._outcome = ("succeeded", result)

    def _report(self, what: str, done: int, total: int) -> None:
        # napari asks its own workers to quit when the window closes.
        if self._stop.is_set() or (self._worker is not None and self._worker.abort_requested):
            raise Cancelled
        now = time.monotonic()
        last_what, last_time = self._last_report
        if what == last_what and done < total and now - last_time < 1 / _REPORTS_PER_SECOND:
            return
        self._last_report = (what, now)
        self.progressed.emit(what, done, total)

    def _settle(self) -> None:
        how, value = self._outcome
        self._worker = None
        if self._stop.is_set() or how == "cancelled":
            self.cancelled.emit()
        elif how == "failed":
            self.failed.emit(value)
        else:
            self.succeeded.emit(value)
        self.finished.emit()
