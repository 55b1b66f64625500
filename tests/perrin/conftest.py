"""A small movie of diffusing spots, as a file with a calibration and as a camera would see it."""

from __future__ import annotations

from pathlib import Path

import pytest
import tifffile

from perrin.simulate.movie import Camera, render_movie
from perrin.simulate.switching import simulate_switching
from perrin.tracks import Calibration

SPOTS_CALIBRATION = Calibration(pixel_size=0.1, frame_interval=0.05)


@pytest.fixture(scope="session")
def spots_movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six Brownian particles, D = 0.3 px²/frame, in 40 frames of 80 × 96 pixels (ImageJ TIFF)."""
    tracks = simulate_switching([0.3], n_tracks=6, n_points=40, box=(64, 80), seed=1)
    tracks[["y", "x"]] += 8  # away from the border, where spots are not whole
    frames = render_movie(tracks, (80, 96), 40, Camera(photons=2000), seed=6)
    path = tmp_path_factory.mktemp("movie") / "spots.tif"
    pixels_per_um = 1 / SPOTS_CALIBRATION.pixel_size
    tifffile.imwrite(
        path,
        frames,
        imagej=True,
        resolution=(pixels_per_um, pixels_per_um),
        metadata={"axes": "TYX", "unit": "um", "finterval": SPOTS_CALIBRATION.frame_interval},
    )
    return path
