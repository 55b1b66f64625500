"""Suggested recipes against simulated movies whose spots and steps are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from perrin import Camera, GaussianDetector, Recipe, render_movie, track_movie
from perrin.io import Movie, as_movie
from perrin.linking import NearestLinker
from perrin.suggestion import suggest_recipe

SIGMA, STEP, SIDE, MARGIN, N, N_FRAMES = 1.5, 0.8, 112, 8, 12, 70


@pytest.fixture(scope="module")
def movie() -> Movie:
    """Brownian particles in a box whose walls reflect them, well inside the frame."""
    rng = np.random.default_rng(5)
    box = SIDE - 2 * MARGIN
    path = rng.normal(0, STEP, (N_FRAMES, N, 2)).cumsum(0) + rng.uniform(0, box, (N, 2))
    inside = MARGIN + box - np.abs(path % (2 * box) - box)
    table = pd.DataFrame(inside.reshape(-1, 2), columns=["y", "x"]).assign(
        particle=np.tile(np.arange(N), N_FRAMES), frame=np.repeat(np.arange(N_FRAMES), N)
    )
    camera = Camera(psf_sigma=SIGMA, photons=900, background=15)
    return as_movie(render_movie(table, (SIDE, SIDE), camera=camera, seed=6))


@pytest.mark.parametrize("kind", ["trackpy", "gaussian"])
def test_a_suggested_recipe_tracks_the_movie(movie: Movie, kind: str) -> None:
    before = Recipe(detector={"kind": kind}, linker=NearestLinker(memory=1, min_length=5))
    calls: list[tuple[str, int, int]] = []
    recipe, reasons = suggest_recipe(
        movie, before, device="cpu", progress=lambda *call: calls.append(call)
    )
    detector = recipe.detector
    if isinstance(detector, GaussianDetector):
        assert detector.sigma == pytest.approx(SIGMA, rel=0.08)
        assert "0.5 maxima" in reasons[-2]
    else:
        assert detector.diameter == 9  # the odd number from 5 widths on
        assert "let 0.0 false spots per frame pass" in reasons[-2]
    # 99 % of a Rayleigh distribution are below sqrt(-2 log 0.01) of its parameter.
    assert recipe.linker.search_range == pytest.approx(3.03 * STEP, rel=0.25)
    assert "expected to be wrong" in reasons[-1]
    assert (recipe.linker.memory, recipe.linker.min_length) == (1, 5)
    assert recipe.analysis == before.analysis
    tracks = track_movie(movie, recipe, device="cpu")
    # trackpy keeps spots a diameter apart.
    fewest = 0.6 * N if kind == "trackpy" else 0.93 * N
    assert fewest < tracks.groupby("frame").size().mean() <= 1.02 * N
    assert {what for what, _, _ in calls} == {
        "Looking for the width of the spots", "Following spots"
    }  # fmt: skip
    assert all(done <= total for _, done, total in calls)
    assert calls[-1][1] == calls[-1][2] == 60
