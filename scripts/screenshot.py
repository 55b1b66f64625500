"""Make docs/images/window.png: the window after a sample has been tracked and analysed.

Needs a display; without one: ``make screenshot``, or this script under ``xvfb-run``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication

from napari_perrin._session import Session

SAMPLE = "five_models"
SIZE = (1600, 1000)
TIMEOUT_MS = 300_000
SETTLE_MS = 500
PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "window.png"


def opened(sample: str) -> tuple[Any, Any]:
    """Return a viewer with a sample, and its layer, in a contrast that shows spots and noise."""
    viewer = napari.Viewer(title="napari: Perrin", show_welcome_screen=False)
    viewer.window.resize(*SIZE)
    (movie,) = viewer.open_sample("napari-perrin", sample)
    low, high = np.percentile(movie.data[::10], (1, 99.8))
    movie.contrast_limits = (float(low), float(high) * 1.5)
    return viewer, movie


def take(viewer: Any, picture: Path) -> None:
    """Save a picture of the whole window."""
    picture.parent.mkdir(parents=True, exist_ok=True)
    viewer.screenshot(str(picture), canvas_only=False, flash=False)


def run(widget: Any) -> None:
    """Click a widget's run button and wait until its work has ended."""
    run_button(widget, widget.run_button)


def run_button(widget: Any, button: Any) -> None:
    """Click a button of a widget and wait until the work has ended."""
    loop = QEventLoop()
    widget.finished.connect(loop.quit)
    QTimer.singleShot(TIMEOUT_MS, loop.quit)
    button.click()
    loop.exec()
    if widget.is_running:
        sys.exit(f"'{button.text()}' did not end within {TIMEOUT_MS // 1000} s.")


def settle() -> None:
    """Let the window lay itself out and draw."""
    loop = QEventLoop()
    QTimer.singleShot(SETTLE_MS, loop.quit)
    loop.exec()
    QApplication.processEvents()


def main() -> None:
    """Open the window, do what a user would, and save the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", nargs="?", type=Path, default=PICTURE)
    picture: Path = parser.parse_args().picture

    viewer, movie = opened(SAMPLE)

    track = viewer.window.add_plugin_dock_widget("napari-perrin", "Track particles")[1]
    run(track)
    # The whole window is to be seen at once: fold what has been set.
    for part in track.recipe_form.parts.values():
        part.parent().button.setChecked(False)
    analyze = viewer.window.add_plugin_dock_widget("napari-perrin", "Analyze tracks")[1]
    run(analyze)
    tracks = Session.of(viewer).current
    tracks.tail_width = 3
    viewer.dims.set_current_step(0, movie.data.shape[0] - 1)
    settle()
    viewer.reset_view(margin=0.02)
    analyze.make_room()
    settle()
    take(viewer, picture)
    viewer.close()


if __name__ == "__main__":
    main()
