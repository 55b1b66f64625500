"""Make docs/images/statistics.png: statistics of the tracks of a sample, as plots in the window.

Needs a display, as ``screenshot.py`` does: ``sh scripts/with-display.sh python`` and this script.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from qtpy.QtWidgets import QDockWidget

from napari_perrin._session import Session
from screenshot import opened, run, settle, take

SAMPLE = "two_state_receptors"
PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "statistics.png"


def main() -> None:
    """Open the window, do what a user would, and save the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", nargs="?", type=Path, default=PICTURE)
    parser.add_argument("--page", default="MSD", help="Title of the page to show.")
    options = parser.parse_args()
    picture: Path = options.picture

    viewer, movie = opened(SAMPLE)
    dock, track = viewer.window.add_plugin_dock_widget("napari-perrin", "Track particles")
    run(track)
    viewer.window.remove_dock_widget(dock)
    tracks = Session.of(viewer).current
    tracks.tail_width = 3
    viewer.dims.set_current_step(0, movie.data.shape[0] - 1)
    statistics = viewer.window.add_plugin_dock_widget("napari-perrin", "Statistics of tracks")[1]
    run(statistics)
    statistics.pages.setCurrentWidget(statistics.pages.pages[options.page])
    panel = statistics.parent()
    if isinstance(panel, QDockWidget):
        panel.setMinimumWidth(480)
    settle()
    viewer.reset_view(margin=0.02)
    settle()
    take(viewer, picture)
    viewer.close()


if __name__ == "__main__":
    main()
