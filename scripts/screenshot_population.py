"""Make docs/images/population.png and truth.png: a sample's tracks together, and beside the truth.

Needs a display, as ``screenshot.py`` does: ``sh scripts/with-display.sh python`` and this script.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from qtpy.QtCore import QEventLoop
from qtpy.QtWidgets import QScrollArea

from napari_perrin._session import Session
from screenshot import opened, run, settle, take

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "images"


def main() -> None:
    """Open the window, do what a user would, and save the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=PICTURES)
    folder: Path = parser.parse_args().folder

    viewer, movie = opened("two_state_receptors")
    open_widget = viewer.window.add_plugin_dock_widget
    run(open_widget("napari-perrin", "Track particles")[1])
    analyze = open_widget("napari-perrin", "Analyze tracks")[1]
    run(analyze)
    tracks = Session.of(viewer).current
    tracks.tail_width = 3
    population = open_widget("napari-perrin", "Population")[1]
    viewer.dims.set_current_step(0, 2 * movie.data.shape[0] // 3)
    loop = QEventLoop()
    population.looked.connect(loop.quit)
    loop.exec()
    # The tracks that move most, as a drag over the upper part of their histogram selects them.
    fast = population.numbers["diffusivity"].astype(float) > 0.15
    Session.of(viewer).select(tracks, population.numbers.loc[fast, "particle"].tolist())
    settle()
    viewer.reset_view(margin=0.02)
    settle()
    take(viewer, folder / "population.png")

    # Something to find: three tracks are gone, and one ends early.
    track, frame = tracks.data[:, 0], tracks.data[:, 1]
    tracks.data = tracks.data[(track > 2) & ((track != 5) | (frame < 90))]
    run(analyze)
    Session.of(viewer).select(tracks, ())
    population.parent().raise_()
    population.truth.sample_button.click()
    population.truth.parent().button.setChecked(True)
    population.choose("true_n_switches", "n_switches")
    settle()
    page = population.findChild(QScrollArea)
    page.verticalScrollBar().setValue(page.verticalScrollBar().maximum())
    settle()
    take(viewer, folder / "truth.png")
    viewer.close()


if __name__ == "__main__":
    main()
