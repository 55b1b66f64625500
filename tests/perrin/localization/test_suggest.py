"""Suggested parameters against movies and tables whose parameters are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from perrin import Camera, GaussianDetector, InputError, render_movie
from perrin.localization import localize_frame, suggest_detector, suggest_search_range


def scattered(n: int, n_frames: int, side: float, seed: int = 0) -> pd.DataFrame:
    """Place particles anywhere, anew in each frame."""
    rng = np.random.default_rng(seed)
    at = rng.uniform(0, side, (n * n_frames, 2))
    return pd.DataFrame(at, columns=["y", "x"]).assign(
        particle=np.tile(np.arange(n), n_frames), frame=np.repeat(np.arange(n_frames), n)
    )


def walkers(n: int, n_frames: int, side: float, step: float, seed: int = 0) -> pd.DataFrame:
    """Let Brownian particles walk in a box without walls that they leave and enter again."""
    rng = np.random.default_rng(seed)
    path = rng.normal(0, step, (n_frames, n, 2)).cumsum(0) + rng.uniform(0, side, (n, 2))
    table = pd.DataFrame((path % side).reshape(-1, 2), columns=["y", "x"])
    return table.assign(frame=np.repeat(np.arange(n_frames), n), truth=np.tile(range(n), n_frames))


@pytest.mark.parametrize("sigma", [0.9, 1.3, 3.0])
def test_width_of_the_spots(sigma: float) -> None:
    camera = Camera(psf_sigma=sigma, photons=600 * sigma**2, background=20, read_noise=0)
    movie = render_movie(scattered(20, 2, 128), (128, 128), camera=camera, seed=1)
    detector, reasons = suggest_detector(movie, GaussianDetector(gain=2.0, offset=100.0))
    assert detector.sigma == pytest.approx(sigma, rel=0.08)
    assert detector.gain == 2.0
    assert f"{detector.sigma:g} px" in reasons[0]
    assert "0.5 maxima" in reasons[1]


def test_threshold_keeps_noise_out() -> None:
    movie = render_movie(scattered(10, 2, 128), (128, 128), camera=Camera(), seed=1)
    detector, _ = suggest_detector(movie, GaussianDetector(false_spots=2))
    rng = np.random.default_rng(0)
    noise = rng.normal(100, 5, (20, 128, 128))
    n_false = np.mean([len(localize_frame(image, detector)) for image in noise])
    assert 0.3 * 2 < n_false < 1.3 * 2


def test_nothing_to_suggest_from_noise() -> None:
    noise = np.random.default_rng(0).normal(100, 5, (4, 64, 64))
    with pytest.raises(InputError, match=r"No spot stands out.*invert"):
        suggest_detector(noise, GaussianDetector(false_spots=1e-6))


@pytest.mark.parametrize(("n", "step"), [(20, 1.0), (100, 2.0), (200, 3.0)])
def test_search_range_and_wrong_links(n: int, step: float) -> None:
    table = walkers(n, 40, 128, step)
    suggested = suggest_search_range(table)
    assert suggested.spread == pytest.approx(step * np.sqrt(2), rel=0.15)
    # 99 % of a Rayleigh distribution are below sqrt(-2 log 0.01) of its parameter.
    assert suggested.search_range == pytest.approx(step * 3.03, rel=0.25)
    assert suggested.found > 0.85
    wrong = []
    for number in range(39):
        here, there = (table[table["frame"] == f] for f in (number, number + 1))
        offset = here[["y", "x"]].to_numpy()[:, None] - there[["y", "x"]].to_numpy()
        distance = np.hypot(*np.moveaxis((offset + 64) % 128 - 64, 2, 0))
        nearest = distance.argmin(1)
        linked = distance.min(1) < suggested.search_range
        wrong.append((here["truth"].to_numpy() != there["truth"].to_numpy()[nearest])[linked])
    assert suggested.wrong == pytest.approx(np.concatenate(wrong).mean(), rel=0.25, abs=0.005)
    assert f"{suggested.search_range:g} px" in suggested.reason


def test_particles_that_vanish_are_noticed() -> None:
    table = walkers(60, 40, 128, 1.0)
    seen = table[np.random.default_rng(1).random(len(table)) < 0.7]
    assert suggest_search_range(seen).found == pytest.approx(0.7, abs=0.06)


def test_too_few_spots() -> None:
    with pytest.raises(InputError, match="Only 0 spots have others in the next frame"):
        suggest_search_range(walkers(20, 1, 64, 1.0))
    with pytest.raises(InputError, match="Only 0 spots"):
        suggest_search_range(walkers(20, 1, 64, 1.0).iloc[:0])
