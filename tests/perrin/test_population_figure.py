from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba

import perrin
from perrin import Calibration, Movie, Recipe
from perrin.linking import NearestLinker
from perrin.models import MODEL_COLORS, UNKNOWN_COLOR
from perrin.population import PopulationStates
from perrin.population_figure import population_figure
from perrin.summary import describe, summarize

RECIPE = Recipe(linker=NearestLinker(search_range=4))


@pytest.fixture(scope="module")
def movie(spots_movie: Path) -> Movie:
    return perrin.read_movie(spots_movie)


def test_every_track_is_drawn_in_the_colour_of_its_model(movie: Movie, tmp_path: Path) -> None:
    result = perrin.run(movie, RECIPE, device="cpu")
    figure = population_figure(result.analysis, tracks=result.tracks, movie=movie)
    picture, scatter, counts, *histograms = figure.axes
    (lines,) = (c for c in picture.collections if isinstance(c, LineCollection))
    models = result.analysis.per_track["model"].tolist()
    assert len(lines.get_segments()) == len(models)
    for drawn, model in zip(lines.get_colors(), models, strict=True):
        assert to_rgba(drawn)[:3] == to_rgba(MODEL_COLORS.get(model, UNKNOWN_COLOR))[:3]
    # In µm: a track lies where it was in the movie.
    first = result.tracks.query("particle == particle.min()")
    np.testing.assert_allclose(lines.get_segments()[0], first[["x", "y"]] * 0.1)
    assert "(µm)" in picture.get_xlabel()
    assert "(µm²/s)" in scatter.get_xlabel()
    assert sum(bar.get_height() for bar in counts.patches) == len(models)
    assert [axes.get_xlabel() for axes in histograms] == [
        scatter.get_xlabel(), scatter.get_ylabel()
    ]  # fmt: skip
    highest = [axes.dataLim.y1 for axes in histograms]
    assert all(0 < count <= len(models) for count in highest)
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_tracks_that_cannot_be_judged_make_a_figure_too(movie: Movie, tmp_path: Path) -> None:
    tracks = perrin.track_movie(movie, RECIPE).query("frame < 4")
    analysis = perrin.analyze(tracks, Calibration(), device="cpu")
    figure = population_figure(analysis)
    assert "no track could be judged" in [text.get_text() for text in figure.axes[0].texts]
    figure.savefig(tmp_path / "figure.png")
    summary = summarize(analysis)
    assert summary["model"].tolist() == ["not judged", "all"]
    assert summary["alpha"].isna().all()
    assert "median D (px²/frame)" in describe(analysis)
    assert "–" in describe(analysis)


def test_states_are_drawn_with_their_numbers(tmp_path: Path) -> None:
    analysis = perrin.analyze(_walk(), Calibration(), device="cpu")
    table = pd.DataFrame(
        {
            "state": [0, 1], "motion": ["immobile", "free"], "diffusivity": [0.0, 0.5],
            "diffusivity_se": [np.nan, 0.1], "alpha": [np.nan, 1.0], "alpha_se": [np.nan, 0.1],
            "occupancy": [0.25, 0.75], "occupancy_lo": [0.2, 0.7], "occupancy_hi": [0.3, 0.8],
            "dwell": [np.nan, 12.0], "dwell_lo": [np.nan, 10.0], "dwell_hi": [np.nan, 15.0],
        }
    )  # fmt: skip
    transition = np.array([[0.9, 0.1], [0.025, 0.975]])
    states = PopulationStates(table, transition, np.arange(7), np.full((7, 2), 0.5))
    figure = population_figure(analysis, x="n_points", y="noise", states=states)
    occupancy, transitions = figure.axes[-2:]
    said = [text.get_text() for text in occupancy.texts]
    assert "25%, stays not seen to end" in said[0]
    assert "75%, stays 12 (10 to 15) frame" in said[1]
    assert [text.get_text() for text in transitions.texts] == ["0.900", "0.100", "0.025", "0.975"]
    figure.savefig(tmp_path / "figure.svg")


def _walk() -> pd.DataFrame:
    steps = np.random.default_rng(1).normal(size=(2, 30))
    return pd.DataFrame(
        {
            "particle": np.repeat([3, 8], 30),
            "frame": np.tile(np.arange(30), 2),
            "x": steps.cumsum(axis=1).ravel(),
        }
    )
