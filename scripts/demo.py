"""Run the whole of Perrin on a sample movie: `make demo`."""

from __future__ import annotations

import time
from pathlib import Path

from perrin import load_sample, run
from perrin.figures import save_figure
from perrin.population_figure import population_figure
from perrin.summary import describe

SAMPLE = "five_models"
FOLDER = Path("demo_output")


def main() -> None:
    """Analyse the sample, save tables and figure, and say where they are."""
    began = time.perf_counter()
    sample = load_sample(SAMPLE)
    movie = sample.movie
    height, width = movie.shape[-2:]
    print(f"Sample movie '{SAMPLE}': {movie.n_frames} frames of {height} × {width} pixels")
    result = run(movie, progress=None)
    paths = result.save(FOLDER, overwrite=True)
    figure = FOLDER / "movie.png"
    picture = population_figure(result.analysis, tracks=result.tracks, movie=movie)
    save_figure(picture, figure, overwrite=True)
    print(f"\n{describe(result.analysis)}\n")
    print(f"Tables and figure, made in {time.perf_counter() - began:.0f} s:")
    for path in (*paths, figure):
        print(f"  {path}")


if __name__ == "__main__":
    main()
