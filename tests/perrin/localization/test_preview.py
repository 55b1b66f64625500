"""A look at one frame is what localizing the movie finds there; positions that keep to pixels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from scipy.stats import kstest

from perrin import Camera, GaussianDetector, InputError, TrackpyDetector, localize, render_movie
from perrin.io import Movie, as_movie
from perrin.localization import Detector, MoviePreview, subpixel_bias


@pytest.fixture(scope="module")
def movie() -> Movie:
    rng = np.random.default_rng(2)
    spots = pd.DataFrame(rng.uniform(8, 88, (48, 2)), columns=["y", "x"])
    spots = spots.assign(particle=np.tile(np.arange(12), 4), frame=np.repeat(np.arange(4), 12))
    return as_movie(render_movie(spots, (96, 96), camera=Camera(photons=800), seed=3))


@pytest.mark.parametrize("detector", [TrackpyDetector(), GaussianDetector()])
def test_a_look_finds_what_localizing_finds(movie: Movie, detector: Detector) -> None:
    table = localize(movie, detector, device="cpu")
    preview = MoviePreview(movie)
    for number in (2, 0):
        look = preview.look(number, detector, device="cpu")
        expected = table[table["frame"] == number].drop(columns="frame").reset_index(drop=True)
        # Frames that are fitted together share their zero, which rounds the last digits.
        assert_frame_equal(look.spots, expected, rtol=1e-3)
        assert look.spots[detector.quality].min() >= look.threshold
        assert look.left_out.max() < look.threshold
        assert look.left_out.size


@pytest.mark.parametrize("detector", [TrackpyDetector(), GaussianDetector()])
def test_a_higher_threshold_moves_spots_to_what_is_left_out(
    movie: Movie, detector: Detector
) -> None:
    preview = MoviePreview(movie)
    before = preview.look(1, detector, device="cpu")
    median = float(before.spots[detector.quality].median())
    raised = detector.model_copy(update={detector.threshold_field: median})
    after = preview.look(1, raised, device="cpu")
    assert after.threshold == median
    assert 0 < len(after.spots) < len(before.spots)
    assert len(after.left_out) > len(before.left_out)
    # Looking back gives the same again.
    assert_frame_equal(preview.look(1, detector, device="cpu").spots, before.spots)


def test_a_frame_that_cannot_be_looked_at_is_named(movie: Movie) -> None:
    with pytest.raises(InputError, match="no frame 4"):
        MoviePreview(movie).look(4, TrackpyDetector())
    broken = movie.frames.astype(np.float32)
    broken[3, 5, 6] = np.nan
    with pytest.raises(InputError, match="Frame 3"):
        MoviePreview(as_movie(broken)).look(3, TrackpyDetector(minmass=1))


def test_even_positions_are_called_biased_as_often_as_p_says() -> None:
    """Under the null hypothesis p is uniform, whatever the number of spots."""
    rng = np.random.default_rng(0)
    for n in (8, 40):
        p = [subpixel_bias(rng.uniform(0, 100, n)).p for _ in range(800)]
        assert kstest(p, "uniform").pvalue > 0.01


@pytest.mark.parametrize("place", [0.0, 0.5, -0.2])
def test_positions_that_gather_are_noticed(place: float) -> None:
    rng = np.random.default_rng(1)
    spread = 0.12
    x = rng.integers(0, 100, 60) + place + rng.normal(0, spread, 60)
    bias = subpixel_bias(x)
    assert bias.p < 1e-6
    # The mean resultant length of a wrapped normal distribution (Mardia, Jupp 2000, eq. 3.5.63).
    assert bias.strength == pytest.approx(np.exp(-((2 * np.pi * spread) ** 2) / 2), abs=0.08)
    assert abs((bias.place - place + 0.5) % 1 - 0.5) < 0.06
    assert np.abs(bias.offset).max() <= 0.5


def test_no_positions_have_no_bias() -> None:
    assert np.isnan(subpixel_bias([]).p)
