"""The simulated camera against photon statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from perrin import Camera, Cancelled, InputError, render_movie
from perrin.simulate.movie import expected_photons

SILENT = {"background": 0.0, "offset": 0.0, "read_noise": 0.0, "gain": 1.0}


def one_spot(y: float, x: float, n_frames: int = 1, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"particle": 0, "frame": range(n_frames), "y": y, "x": x, **columns})


@settings(max_examples=50, deadline=None)
@given(y=st.floats(15, 25), x=st.floats(15, 35), sigma=st.floats(0.2, 2.5))
def test_light_is_conserved_and_centred(y: float, x: float, sigma: float) -> None:
    """However narrow the spot, its light adds up, and its centroid is where the particle is."""
    image = expected_photons(
        np.array([[y, x]]), np.array([500.0]), (41, 51), Camera(psf_sigma=sigma)
    )
    assert image.sum() == pytest.approx(500, rel=1e-5)
    rows, columns = np.indices(image.shape)
    # Counting photons per pixel keeps the mean of a Gaussian only if it is not much narrower
    # than a pixel.
    if sigma > 0.5:
        assert (rows * image).sum() / image.sum() == pytest.approx(y, abs=0.01)
        assert (columns * image).sum() / image.sum() == pytest.approx(x, abs=0.01)


def test_the_spot_has_its_width() -> None:
    """Integrated over pixels, a Gaussian's variance grows by that of the pixel, 1/12."""
    camera = Camera(psf_sigma=1.3, psf_sigma_z=2.1)
    image = expected_photons(np.array([[20.0, 20.2, 19.9]]), np.ones(1), (41, 41, 41), camera)
    for axis, sigma in enumerate((2.1, 1.3, 1.3)):
        profile = image.sum(tuple(a for a in range(3) if a != axis))
        pixel = np.arange(41)
        mean = (pixel * profile).sum()
        variance = ((pixel - mean) ** 2 * profile).sum()
        assert variance == pytest.approx(sigma**2 + 1 / 12, rel=1e-3)


def test_a_spot_at_the_edge_keeps_what_is_inside() -> None:
    camera = Camera(psf_sigma=1.0)

    def light(y: float, x: float) -> float:
        return float(
            expected_photons(np.array([[y, x]]), np.array([100.0]), (30, 30), camera).sum()
        )

    assert light(-0.5, 15) == pytest.approx(50, rel=1e-6)  # the middle is on the image's border
    assert light(-0.5, 29.5) == pytest.approx(25, rel=1e-6)
    assert light(-100, 15) == 0


def test_photon_budget_in_counts() -> None:
    camera = Camera(photons=2000, background=5, offset=100, gain=2.5, read_noise=1.0)
    movie = render_movie(one_spot(20, 20, 200), (41, 41), camera=camera, seed=1)
    total = (movie.astype(float) - 100).sum((1, 2)) / 2.5 - 5 * 41 * 41
    n_noise = 2000 + 41 * 41 * (5 + 1)
    assert total.mean() == pytest.approx(2000, abs=4 * np.sqrt(n_noise / 200))
    assert total.var() == pytest.approx(n_noise, rel=0.45)


@pytest.mark.parametrize("gain", [0.5, 3.0])
@pytest.mark.parametrize("background", [2.0, 50.0])
def test_noise_of_a_camera(gain: float, background: float) -> None:
    """Mean = offset + gain * N, variance = gain² (N + read²) + 1/12 (rounding to whole counts)."""
    camera = Camera(photons=0, background=background, offset=100, gain=gain, read_noise=2)
    counts = render_movie(one_spot(5, 5), (400, 400), 1, camera, seed=2).astype(float)
    expected = gain**2 * (background + 4) + 1 / 12
    assert counts.mean() == pytest.approx(100 + gain * background, rel=2e-3)
    assert counts.var() == pytest.approx(expected, rel=0.02)


def test_excess_noise_of_an_em_register() -> None:
    """Electron multiplication doubles the variance of shot noise (Robbins & Hadwen 2003)."""
    camera = Camera(photons=0, background=20, offset=0, gain=1, read_noise=0, em_gain=100)
    counts = render_movie(one_spot(5, 5), (400, 400), 1, camera, seed=3).astype(float)
    assert camera.counts_per_photon == 100
    assert counts.mean() == pytest.approx(2000, rel=5e-3)
    assert counts.var() == pytest.approx(2 * 20 * 100**2, rel=0.03)


def test_the_dark_without_light() -> None:
    counts = render_movie(one_spot(5, 5), (9, 9), 1, Camera(**{**SILENT, "photons": 0}), seed=1)
    assert not counts.any()


def test_counts_saturate() -> None:
    camera = Camera(photons=1e8)
    assert render_movie(one_spot(5, 5), (11, 11), 1, camera, seed=1).max() == 65535


def test_seed_and_frames() -> None:
    tracks = pd.concat([one_spot(10, 10, 3), one_spot(20, 30, 2).assign(particle=1)])
    first, again, other = (render_movie(tracks, (40, 50), 5, seed=seed) for seed in (1, 1, 2))
    assert first.shape == (5, 40, 50)
    assert first.dtype == np.uint16
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert render_movie(tracks, (40, 50), seed=1).shape == (3, 40, 50)
    bright = first.max((1, 2)).astype(float) - 100
    assert (bright[:3] > 1.5 * bright[3:].max()).all()  # nobody is there in the last two frames


def test_brightness_row_by_row() -> None:
    tracks = one_spot(10, 10, 2, photons=[0.0, 5000.0])
    movie = render_movie(tracks, (21, 21), camera=Camera(**SILENT), seed=1)
    assert movie[0].sum() == 0
    assert int(movie[1].sum()) == pytest.approx(5000, abs=400)


def test_three_dimensions() -> None:
    tracks = one_spot(10, 12, 2).assign(z=[3.0, 6.0])
    movie = render_movie(tracks, (11, 21, 25), camera=Camera(**SILENT, photons=1e6), seed=1)
    assert movie.shape == (2, 11, 21, 25)
    peaks = [np.unravel_index(frame.argmax(), frame.shape) for frame in movie]
    assert np.abs(np.array(peaks) - [[3, 10, 12], [6, 10, 12]]).max() <= 1


@pytest.mark.parametrize(
    ("tracks", "arguments", "words"),
    [
        (one_spot(5, 5), {"shape": (9, 9, 9)}, "need a shape of 2 sizes"),
        (one_spot(5, 5), {"shape": (9,)}, "need a shape of 2 sizes"),
        (one_spot(5, 5).drop(columns="y"), {"shape": (9,)}, "need a shape of 1 sizes"),
        (one_spot(5, 5), {"shape": (0, 9)}, "need a shape"),
        (one_spot(5, 5), {"shape": (9, 9), "n_frames": 0}, "at least one frame"),
        (one_spot(5, 5).assign(frame=-1), {"shape": (9, 9)}, "count from 0"),
        (one_spot(5, 5).iloc[:0], {"shape": (9, 9)}, "at least one frame"),
        (one_spot(5, 5, photons=-1), {"shape": (9, 9)}, "'photons'.*row 0"),
        (one_spot(5, 5, photons="a"), {"shape": (9, 9)}, "'photons'.*'a'"),
        (one_spot(5, np.nan), {"shape": (9, 9)}, "column 'x'"),
    ],
)
def test_bad_input(tracks: pd.DataFrame, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        render_movie(tracks, **arguments)


def test_camera_limits() -> None:
    with pytest.raises(ValidationError):
        Camera(gain=0)
    with pytest.raises(InputError, match="saturate"):
        Camera.checked(offset=70000)


def test_rendering_can_be_cancelled() -> None:
    def stop(_: str, done: int, __: int) -> None:
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        render_movie(one_spot(5, 5, 4), (9, 9), progress=stop)
