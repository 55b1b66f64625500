"""Make docs/images/inspect.png: a track of a sample in the inspector, above the table of tracks.

Needs a display, as ``screenshot.py`` does: ``sh scripts/with-display.sh python`` and this script.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from qtpy.QtCore import Qt

from napari_perrin._session import Session
from screenshot import opened, run, settle, take

SAMPLE = "two_state_receptors"
PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "inspect.png"


def main() -> None:
    """Open the window, do what a user would, and save the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", nargs="?", type=Path, default=PICTURE)
    picture: Path = parser.parse_args().picture

    viewer, movie = opened(SAMPLE)
    for name in ("Track particles", "Analyze tracks"):
        run(viewer.window.add_plugin_dock_widget("napari-perrin", name)[1])
    session = Session.of(viewer)
    tracks = session.current
    tracks.tail_width = 3
    analysis = session.record(tracks).analysis
    viewer.window.add_plugin_dock_widget("napari-perrin", "Inspect tracks")
    settle()
    table = viewer.window.add_plugin_dock_widget("napari-perrin", "Table of tracks")[1]
    settle()
    # Of the tracks seen longest that have several states, the one that switches most.
    known = analysis.per_track.set_index("particle")
    states = analysis.per_frame.groupby("particle")["state"].nunique()
    several = known[(states > 1) & (known["n_points"] == known["n_points"].max())]
    particle = int(several["n_switches"].idxmax())
    viewer.dims.set_current_step(0, 2 * movie.data.shape[0] // 3)
    session.select(tracks, [particle])
    column = table.model.columns.index("diffusivity")
    table.table.sortByColumn(column, Qt.SortOrder.DescendingOrder)
    settle()
    viewer.reset_view(margin=0.02)
    settle()
    take(viewer, picture)
    viewer.close()


if __name__ == "__main__":
    main()
