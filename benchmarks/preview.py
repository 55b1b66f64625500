"""How long the preview of *Track particles* takes on frames of 512 x 512 px with 200 spots.

Needs a display, real or virtual: ``sh scripts/with-display.sh python benchmarks/preview.py``. Each
time is that from a change to the picture that shows it, waiting for further changes included.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pandas as pd
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication

from perrin.simulate.movie import render_movie

SIDE, N_SPOTS, N_FRAMES = 512, 200, 10
REPEATS = 12
PAUSE_MS = 300
RESULTS = Path(__file__).resolve().parent / "results" / "preview.csv"


def main() -> None:
    """Measure, print the table and write it."""
    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.window.resize(1600, 1000)
    viewer.add_image(movie())
    preview = viewer.window.add_plugin_dock_widget("napari-perrin", "Track particles")[1].preview
    pause(10 * PAUSE_MS)
    changes: dict[str, Callable[[int], Any]] = {
        "another frame": lambda k: viewer.dims.set_current_step(0, (k + 1) % N_FRAMES),
        "another threshold": lambda k: preview.threshold_dragged.emit(60.0 + k),
    }
    rows = []
    for what, change in changes.items():
        times = [timed(preview, lambda k=k, change=change: change(k)) for k in range(REPEATS)]
        middle, longest = np.median(times), max(times)
        rows.append({"change": what, "median_ms": middle, "longest_ms": longest, "n": REPEATS})
    viewer.close()
    table = pd.DataFrame(rows).round(0)
    print(table.to_string(index=False))
    table.to_csv(RESULTS, index=False)


def movie() -> np.ndarray:
    """Return frames with spots in random places."""
    rng = np.random.default_rng(1)
    places = rng.uniform(8, SIDE - 8, (N_FRAMES * N_SPOTS, 2))
    spots = pd.DataFrame(places, columns=["y", "x"])
    spots["frame"] = np.repeat(np.arange(N_FRAMES), N_SPOTS)
    spots["particle"] = np.arange(len(spots))
    return render_movie(spots, (SIDE, SIDE), seed=2)


def timed(preview: Any, change: Callable[[], Any]) -> float:
    """Return the milliseconds from a change until the preview is drawn."""
    loop = QEventLoop()
    preview.shown.connect(loop.quit)
    began = time.perf_counter()
    change()
    loop.exec()
    QApplication.processEvents()
    taken = 1000 * (time.perf_counter() - began)
    preview.shown.disconnect(loop.quit)
    pause(PAUSE_MS)
    return taken


def pause(milliseconds: int) -> None:
    """Let the window come to rest."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


if __name__ == "__main__":
    main()
