"""From real frames to tracks, and the physics that must come out of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from perrin import NearestLinker, Recipe, TrackpyDetector, link, localize, read_movie
from perrin.linking import estimate_drift, remove_drift
from perrin.statistics import estimate_diffusivity

RECIPES = Path(__file__).resolve().parents[3] / "docs" / "recipes"
STOKES_EINSTEIN = 0.44  # µm²/s: a sphere of 1 µm in water at 20 to 22 °C has 0.43 to 0.45


@pytest.fixture(scope="module")
def beads(shared_data: Path) -> pd.DataFrame:
    movie = read_movie(shared_data / "bulk_water.tif")
    recipe = Recipe.read(RECIPES / "beads_in_water.yaml")
    return link(localize(movie, recipe.detector), recipe.linker)


def test_beads_in_water_diffuse_after_stokes_and_einstein(beads: pd.DataFrame) -> None:
    assert beads["particle"].nunique() > 200
    diffusivity = estimate_diffusivity(beads)["diffusivity"]
    median = diffusivity.median() * beads.attrs["calibration"].diffusivity_scale
    assert median == pytest.approx(STOKES_EINSTEIN, rel=0.15)


def test_their_msd_grows_linearly_once_compression_is_forgotten(beads: pd.DataFrame) -> None:
    """MSD(8) - MSD(3) = 4 D * 5 frames.

    The recording went through a video codec that carries parts of a frame over to the next few:
    displacements of neighbouring frames are correlated up to the third, which lowers the MSD at
    short lags, and nothing beyond.
    """
    steady = remove_drift(beads, estimate_drift(beads))

    def msd(lag: int) -> float:
        later = steady.assign(frame=steady["frame"] - lag)
        pairs = steady.merge(later, on=["particle", "frame"])
        return float(
            np.mean((pairs["y_y"] - pairs["y_x"]) ** 2 + (pairs["x_y"] - pairs["x_x"]) ** 2)
        )

    slope = (msd(8) - msd(3)) / (4 * 5) * beads.attrs["calibration"].diffusivity_scale
    assert slope == pytest.approx(STOKES_EINSTEIN, rel=0.15)


def test_dim_single_molecules_on_a_bilayer(shared_data: Path) -> None:
    """Float frames with negative values; a few molecules in each, found without any parameter."""
    found = localize(read_movie(shared_data / "lipid_bilayer.tif"))
    per_frame = found.groupby("frame").size()
    assert len(per_frame) == 30
    assert 2 <= per_frame.median() <= 8
    # What is kept stands clear of the noise, of which there are five times as many maxima.
    everything = localize(read_movie(shared_data / "lipid_bilayer.tif"), TrackpyDetector(minmass=0))
    assert len(everything) > 4 * len(found)
    assert found["mass"].min() > 2 * everything["mass"].median()
    tracks = link(found, NearestLinker(search_range=4, memory=1))
    assert tracks["particle"].value_counts().max() >= 10
