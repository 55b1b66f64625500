"""Make docs/images/preview.png: the spots of a frame while their parameters are chosen.

Needs a display, as ``screenshot.py`` does: ``sh scripts/with-display.sh python`` and this script.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from qtpy.QtCore import QEventLoop

from screenshot import opened, run_button, settle, take

SAMPLE = "five_models"
PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "preview.png"


def main() -> None:
    """Open the window, do what a user would, and save the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", nargs="?", type=Path, default=PICTURE)
    picture: Path = parser.parse_args().picture

    viewer, movie = opened(SAMPLE)
    viewer.dims.set_current_step(0, movie.data.shape[0] // 3)
    track = viewer.window.add_plugin_dock_widget("napari-perrin", "Track particles")[1]
    run_button(track, track.suggest_button)
    loop = QEventLoop()
    track.preview.shown.connect(loop.quit)
    track.preview.refresh()
    loop.exec()
    settle()
    viewer.reset_view(margin=0.02)
    settle()
    take(viewer, picture)
    viewer.close()


if __name__ == "__main__":
    main()
