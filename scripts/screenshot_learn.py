"""Make docs/images/learn.png: a network that learnt to tell simulated cells apart, in the window.

Needs a display, as ``screenshot.py`` does: ``sh scripts/with-display.sh python`` and this script.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import napari
import numpy as np
from napari.layers import Layer

from napari_perrin._layers import tracks_layer_data
from perrin.simulate.superstatistics import simulate_cells
from screenshot import SIZE, run, settle, take

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "learn.png"
FIELD = 400  # px


def main() -> None:
    """Open the window, do what a user would, and save the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", nargs="?", type=Path, default=PICTURE)
    picture: Path = parser.parse_args().picture

    viewer = napari.Viewer(title="napari: Perrin", show_welcome_screen=False)
    viewer.window.resize(*SIZE)
    rng = np.random.default_rng(1)
    for name, table in simulate_cells(5, share=0.35).items():
        calibration = table.attrs["calibration"]
        table = table.drop(columns="z")
        begins = rng.uniform(0, FIELD, (table["particle"].max() + 1, 2))
        table[["y", "x"]] += begins[table["particle"]]
        data = tracks_layer_data(table, name=name, calibration=calibration)
        viewer.add_layer(Layer.create(*data))
    viewer.dims.set_current_step(0, viewer.dims.nsteps[0] - 1)
    widget = viewer.window.add_plugin_dock_widget("napari-perrin", "Learn from tracks")[1]
    page = widget.pages["Environments"]
    page.parameter_form.fields["epochs"].value = 10
    page.parameter_form.fields["folds"].value = 3
    settle()
    run(page)
    viewer.reset_view(margin=0.02)
    settle()
    take(viewer, picture)
    viewer.close()


if __name__ == "__main__":
    main()
