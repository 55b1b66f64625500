"""Open napari with Perrin's widget and a sample movie: `make napari`."""

from __future__ import annotations

import os
import sys

import napari

SAMPLE = "free_beads"


def main() -> None:
    """Open the window and stay until it is closed."""
    on_linux = sys.platform.startswith("linux")
    if on_linux and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        sys.exit("There is no display here to open a window on (DISPLAY is not set).")
    viewer = napari.Viewer(title="napari: Perrin")
    viewer.open_sample("napari-perrin", SAMPLE)
    viewer.window.add_plugin_dock_widget("napari-perrin", "Track particles")
    napari.run()


if __name__ == "__main__":
    main()
