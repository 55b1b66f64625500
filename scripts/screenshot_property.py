"""Make docs/images/property.png: mobilities of simulated particles in a potential, in the window.

Needs a display, as ``screenshot.py`` does: ``sh scripts/with-display.sh python`` and this script.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import napari
import numpy as np
import pandas as pd
from napari.layers import Layer

from napari_perrin._layers import tracks_layer_data
from perrin.simulate.potential import Potential, perlin_noise, simulate_brownian
from perrin.tracks import Calibration, validate_tracks
from screenshot import SIZE, run, settle, take

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "property.png"
CALIBRATION = Calibration(pixel_size=0.1, frame_interval=0.02)
N_PARTICLES, N_FRAMES = 24, 200


def main() -> None:
    """Open the window, do what a user would, and save the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", nargs="?", type=Path, default=PICTURE)
    picture: Path = parser.parse_args().picture

    rng = np.random.default_rng(4)
    energy = 12 * perlin_noise(1, 200, rng, cells=3)[0]
    mobility = np.where(np.arange(N_PARTICLES) % 2, 0.3, 1.2)
    start = rng.uniform(25, 175, (N_PARTICLES, 2))
    paths = simulate_brownian(Potential(energy), mobility, mobility, start, rng, n_frames=N_FRAMES)
    paths += rng.normal(0, 0.15, paths.shape)
    particle, frame = (grid.ravel() for grid in np.mgrid[:N_PARTICLES, :N_FRAMES])
    columns = {"particle": particle, "frame": frame}
    columns |= {"y": paths[:, 0].ravel(), "x": paths[:, 1].ravel()}
    table = validate_tracks(pd.DataFrame(columns).dropna())

    viewer = napari.Viewer(title="napari: Perrin", show_welcome_screen=False)
    viewer.window.resize(*SIZE)
    scale = (CALIBRATION.pixel_size,) * 2
    viewer.add_image(energy, name="potential (kT)", scale=scale, units=("um", "um"))
    data = tracks_layer_data(table, name="particles", calibration=CALIBRATION)
    tracks = viewer.add_layer(Layer.create(*data))
    tracks.tail_width = 3
    viewer.dims.set_current_step(0, N_FRAMES - 1)
    widget = viewer.window.add_plugin_dock_widget("napari-perrin", "Learn from tracks")[1]
    page = widget.pages["In a potential"]
    widget.tabs.setCurrentWidget(page)
    page.parameter_form.fields["energy_unit"].value = "kT"
    page.parameter_form.fields["thermal_energy"].value = 1.0
    settle()
    run(page)
    viewer.reset_view(margin=0.02)
    settle()
    take(viewer, picture)
    viewer.close()


if __name__ == "__main__":
    main()
