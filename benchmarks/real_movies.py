"""What detectors and linkers make of real movies, side by side. There is no truth to score.

    OMP_NUM_THREADS=1 python benchmarks/real_movies.py [FOLDER]

FOLDER (that of the real recordings if not given: CONTRIBUTING.md) holds ``bulk_water.tif``, spheres
of 1 µm in water, and ``lipid_bilayer.tif``, single molecules.
trackpy's detector is set as ``docs/recipes/beads_in_water.yaml`` says for the spheres and has its
defaults for the molecules; Perrin's has what ``suggest_detector`` finds. All linkers have the
search range that ``suggest_search_range`` finds, and a memory of 2. Tracks have 5 localizations at
least. D is the median over tracks of the covariance-based estimate, with its standard error.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd

from _data import DATA
from perrin import GaussianDetector, Movie, Recipe, TrackpyDetector, localize, read_movie
from perrin.linking import LapLinker, MotionLinker, NearestLinker, link
from perrin.localization import Detector, suggest_detector
from perrin.statistics import estimate_diffusivity

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "docs" / "recipes" / "beads_in_water.yaml"
MIN_LENGTH = 5


def compare(movie: Movie, detectors: dict[str, Detector]) -> pd.DataFrame:
    """Count spots and tracks of each detector and linker, and measure D."""
    rows = []
    for name, detector in detectors.items():
        spots = localize(movie, detector, device="cpu")
        for kind in (MotionLinker, NearestLinker, LapLinker):
            linker = kind(search_range=None, memory=2, min_length=MIN_LENGTH)
            tracks = link(spots, linker)
            lengths = tracks.groupby("particle").size()
            found = estimate_diffusivity(tracks)["diffusivity"].dropna()
            found *= movie.calibration.diffusivity_scale
            rows.append(
                {
                    "detector": name,
                    "linker": linker.kind,
                    "spots": len(spots),
                    "tracks": len(lengths),
                    "in tracks": len(tracks) / len(spots),
                    "median length": lengths.median(),
                    "longest": lengths.max(),
                    f"D ({movie.calibration.diffusivity_unit})": found.median(),
                    "error": 1.2533 * found.sem(),
                }
            )
    return pd.DataFrame(rows).round(3)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=DATA)
    folder = parser.parse_args().folder
    settings = {
        "bulk_water.tif": (Recipe.read(RECIPE).detector, GaussianDetector(invert=True)),
        "lipid_bilayer.tif": (TrackpyDetector(), GaussianDetector()),
    }
    for name, (theirs, ours) in settings.items():
        movie = read_movie(folder / name)
        suggested = suggest_detector(movie, ours, device="cpu").detector
        print(f"{name}\n{compare(movie, {'trackpy': theirs, 'gaussian': suggested}).to_string()}\n")


if __name__ == "__main__":
    main()
