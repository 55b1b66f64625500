from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba

import perrin
from perrin import Calibration, Movie, Recipe
from perrin.figures import overview
from perrin.linking import NearestLinker
from perrin.models import MODEL_COLORS, UNKNOWN_COLOR
from perrin.summary import describe, summarize

RECIPE = Recipe(linker=NearestLinker(search_range=4))


@pytest.fixture(scope="module")
def movie(spots_movie: Path) -> Movie:
    return perrin.read_movie(spots_movie)


def test_every_track_is_drawn_in_the_colour_of_its_model(movie: Movie, tmp_path: Path) -> None:
    result = perrin.run(movie, RECIPE, device="cpu")
    figure = overview(movie, result.tracks, result.analysis)
    picture, scatter, counts = figure.axes
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
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_tracks_that_cannot_be_judged_make_a_figure_too(movie: Movie, tmp_path: Path) -> None:
    tracks = perrin.track_movie(movie, RECIPE).query("frame < 4")
    analysis = perrin.analyze(tracks, Calibration(), device="cpu")
    figure = overview(movie, tracks, analysis)
    assert "no track could be judged" in [text.get_text() for text in figure.axes[1].texts]
    figure.savefig(tmp_path / "figure.png")
    summary = summarize(analysis)
    assert summary["model"].tolist() == ["not judged", "all"]
    assert summary["alpha"].isna().all()
    assert "median D (px²/frame)" in describe(analysis)
    assert "–" in describe(analysis)
