"""Localization on simulated movies, where the truth is known."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

from perrin import (
    Calibration,
    Camera,
    Cancelled,
    InputError,
    Movie,
    TrackpyDetector,
    localize,
    render_movie,
)
from perrin._trackpy import quiet
from perrin.localization import localize_frame, resolve_detector

CAMERA = Camera(photons=800, background=8)


def grid(n_frames: int, side: int = 160, pitch: int = 16, seed: int = 0) -> pd.DataFrame:
    """Particles on a grid, each anywhere within its cell's middle pixel; a new draw per frame."""
    rng = np.random.default_rng(seed)
    at = np.arange(pitch, side - pitch + 1, pitch)
    y, x = (a.ravel() for a in np.meshgrid(at, at, indexing="ij"))
    parts = [
        pd.DataFrame(
            {"particle": np.arange(y.size), "frame": frame,
             "y": y + rng.uniform(-0.5, 0.5, y.size), "x": x + rng.uniform(-0.5, 0.5, y.size)}
        )
        for frame in range(n_frames)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def compare(found: pd.DataFrame, truth: pd.DataFrame) -> tuple[float, float, np.ndarray]:
    """Recall, precision (both within 1.5 px) and the errors of those found, ``(n, 2)``."""
    errors, n_hits = [], 0
    for frame, true in truth.groupby("frame"):
        here = found.loc[found["frame"] == frame, ["y", "x"]].to_numpy()
        distance, which = cKDTree(here).query(true[["y", "x"]].to_numpy())
        hit = distance < 1.5
        n_hits += len(np.unique(which[hit]))
        errors.append(here[which[hit]] - true[["y", "x"]].to_numpy()[hit])
    return n_hits / len(truth), n_hits / len(found), np.concatenate(errors)


def thompson(camera: Camera) -> float:
    """Thompson, Larson & Webb (2002), Biophys. J. 82, 2775, eq. 17, per axis, in pixels."""
    s2 = camera.psf_sigma**2 + 1 / 12
    n, b2 = camera.photons, camera.background + camera.read_noise**2
    return float(np.sqrt(s2 / n + 8 * np.pi * s2**2 * b2 / n**2))


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    return grid(12)


@pytest.fixture(scope="module")
def movie(truth: pd.DataFrame) -> np.ndarray:
    return render_movie(truth, (160, 160), camera=CAMERA, seed=1)


@pytest.mark.parametrize("photons", [300, 800, 5000])
def test_defaults_find_all_spots_and_nothing_else(truth: pd.DataFrame, photons: float) -> None:
    """With no parameter given: the least brightness comes from the noise of the movie."""
    camera = CAMERA.model_copy(update={"photons": photons})
    found = localize(render_movie(truth, (160, 160), camera=camera, seed=1))
    recall, precision, errors = compare(found, truth)
    assert recall > 0.99
    assert precision > 0.99
    # A centroid after a band-pass is not efficient: Thompson's limit is missed by a factor that
    # grows as pixelation, not light, comes to limit it.
    assert thompson(camera) < errors.std() < 2.5 * thompson(camera) + 0.03
    assert np.abs(errors.mean(0)).max() < 0.02


def test_precision_improves_with_light(truth: pd.DataFrame) -> None:
    spread = []
    for photons in (200, 800, 3200):
        camera = CAMERA.model_copy(update={"photons": photons, "background": 1})
        movie = render_movie(truth, (160, 160), camera=camera, seed=1)
        spread.append(compare(localize(movie), truth)[2].std())
    assert spread[0] > 1.6 * spread[1] > 1.6 * 1.2 * spread[2]


def test_pure_noise_has_hardly_any_spots() -> None:
    noise = np.random.default_rng(0).poisson(100, (10, 256, 256)).astype(np.uint16)
    assert len(localize(noise)) / 10 < 1


def test_the_table(movie: np.ndarray) -> None:
    calibration = Calibration(pixel_size=0.1, frame_interval=0.02)
    found = localize(Movie(movie, calibration, "grid"))
    assert found.columns.tolist() == [
        "frame", "y", "x", "mass", "size", "ecc", "signal", "raw_mass", "ep",
    ]  # fmt: skip
    assert found["frame"].dtype == np.int64
    assert found["frame"].is_monotonic_increasing
    assert found.attrs["calibration"] == calibration
    assert found[["y", "x", "mass", "size"]].notna().all().all()
    # The light of a spot is there, less what the band-pass takes and what falls beside the disk.
    light = CAMERA.photons * CAMERA.counts_per_photon
    assert 0.25 * light < found["mass"].median() < light
    few = localize(movie, TrackpyDetector(characterize=False))
    assert few.columns.tolist() == ["frame", "y", "x", "mass"]
    np.testing.assert_allclose(few[["y", "x"]], found[["y", "x"]])


@pytest.mark.parametrize(
    "convert",
    [
        lambda a: a.astype(np.int32) - 500,
        lambda a: a.astype(np.float32),
        lambda a: a * 1e-6 - 3.0,
        lambda a: a.astype(">u2"),
        lambda a: (a.astype(np.uint32) + 4_000_000_000).astype(np.uint32),
    ],
    ids=["negative", "float32", "tiny", "big-endian", "huge"],
)
def test_positions_do_not_depend_on_the_number_type(movie: np.ndarray, convert: Any) -> None:
    detector = TrackpyDetector(minmass=0, threshold=0)
    expected = localize(movie[:3], detector)
    found = localize(convert(movie[:3]), detector)
    assert len(found) == len(expected)
    np.testing.assert_allclose(found[["y", "x"]], expected[["y", "x"]], atol=2e-3)
    scale = 1e-6 if found["mass"].max() < 1 else 1.0
    np.testing.assert_allclose(found["mass"], expected["mass"] * scale, rtol=2e-3)


def test_raw_mass_is_the_sum_of_the_pixels(movie: np.ndarray) -> None:
    detector = TrackpyDetector(diameter=5)
    spot = localize_frame(movie[0], detector).iloc[7]
    y, x = round(spot["y"]), round(spot["x"])
    rows, columns = np.indices(movie[0].shape)
    disk = (rows - y) ** 2 + (columns - x) ** 2 <= 2**2
    assert spot["raw_mass"] == pytest.approx(movie[0][disk].sum(), rel=0.02)
    dark = localize_frame(1000 - movie[0].astype(int), detector.model_copy(update={"invert": True}))
    assert dark["raw_mass"].iloc[7] == pytest.approx(1000 * disk.sum() - spot["raw_mass"], rel=0.02)


def test_dark_spots_are_bright_spots_inverted(movie: np.ndarray) -> None:
    detector = TrackpyDetector(minmass=300)
    dark = localize((4000 - movie).astype(np.uint16), detector.model_copy(update={"invert": True}))
    pd.testing.assert_frame_equal(
        dark.drop(columns="raw_mass"), localize(movie, detector).drop(columns="raw_mass")
    )


def test_as_good_as_trackpy_itself(movie: np.ndarray, truth: pd.DataFrame) -> None:
    import trackpy

    with quiet():
        theirs = pd.concat(
            trackpy.locate(frame, 7, minmass=300).assign(frame=i) for i, frame in enumerate(movie)
        )
    ours = localize(movie, TrackpyDetector(minmass=300))
    assert len(ours) == len(theirs)
    assert compare(ours, truth)[2].std() <= compare(theirs, truth)[2].std() * 1.01


def test_three_dimensions() -> None:
    rng = np.random.default_rng(3)
    at = np.stack(np.meshgrid([12], [16, 34, 52], [16, 34, 52], indexing="ij"), -1).reshape(-1, 3)
    position = at + rng.uniform(-0.5, 0.5, at.shape)
    truth = pd.DataFrame(position, columns=["z", "y", "x"]).assign(particle=range(9), frame=0)
    truth = pd.concat([truth, truth.assign(frame=1)])
    movie = render_movie(truth, (24, 68, 68), camera=Camera(photons=6000, background=2), seed=1)
    found = localize(movie, TrackpyDetector(diameter_z=11))
    assert found.columns.tolist()[:5] == ["frame", "z", "y", "x", "mass"]
    assert {"size_z", "ep_x"} <= set(found.columns)
    assert len(found) == 18
    distance, _ = cKDTree(found.loc[found["frame"] == 0, ["z", "y", "x"]]).query(position)
    assert distance.max() < 0.6
    assert localize(movie, TrackpyDetector(diameter=9)).columns.tolist()[5] == "size"


def test_preview_is_what_the_movie_gives(movie: np.ndarray) -> None:
    detector = resolve_detector(movie)
    assert detector.minmass is not None
    assert resolve_detector(movie, detector) is detector
    preview = localize_frame(movie[5], detector)
    whole = localize(movie)
    expected = whole[whole["frame"] == 5].drop(columns="frame").reset_index(drop=True)
    pd.testing.assert_frame_equal(preview, expected, check_like=True)


def test_frames_are_read_a_part_at_a_time(movie: np.ndarray) -> None:
    """Progress comes per frame, and Cancelled raised there stops the work at once."""
    calls = []

    def stop(what: str, done: int, total: int) -> None:
        calls.append((what, done, total))
        if done == 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        localize(movie, progress=stop)
    assert calls == [("Localizing", i, 12) for i in (1, 2, 3, 4)]


def test_without_spots_a_table_without_rows(movie: np.ndarray) -> None:
    found = localize(movie, TrackpyDetector(minmass=1e9))
    assert found.empty
    assert found.columns.tolist()[:4] == ["frame", "y", "x", "mass"]
    blank = movie.copy()
    blank[1:] = 0
    assert set(localize(blank, TrackpyDetector(minmass=300))["frame"]) == {0}


def test_trackpy_is_silent_and_left_as_it_was(
    movie: np.ndarray, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger("trackpy")
    import trackpy  # noqa: F401  (it sets the level when imported)

    logger.setLevel(logging.INFO)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        localize(np.concatenate([movie[:1], np.zeros_like(movie[:2])]))
    assert not caught
    assert logger.level == logging.INFO
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: np.where(np.arange(12)[:, None, None] == 3, np.nan, a * 1.0),
         "Frame 3 of movie has 25600 pixels that are NaN"),
        (lambda a: np.zeros_like(a), "only zeros"),
        (lambda a: a[:1], "single frame"),
        (lambda a: a[:, :6, :], "6 px along y, too small for spots of 7 px"),
        (lambda a: a[..., None].repeat(3, -1), "colour image"),
    ],
)  # fmt: skip
def test_bad_movies(movie: np.ndarray, change: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        localize(change(movie), TrackpyDetector(minmass=100))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"diameter": 8}, "must be odd.*use 9"),
        ({"diameter": 1}, "diameter.*greater than or equal to 3"),
        ({"smoothing_size": 6}, "must be odd.*use 7"),
        ({"noise_size": 7}, "noise_size must be smaller"),
        ({"minmass": -1}, "minmass"),
        ({"percentile": 100}, "percentile"),
        ({"color": "red"}, "color"),
    ],
)
def test_bad_parameters(values: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=f"TrackpyDetector cannot be used.*{words}"):
        TrackpyDetector.checked(**values)


def test_what_does_not_work_in_3d() -> None:
    stack = np.random.default_rng(0).random((2, 24, 32, 32))
    with pytest.raises(InputError, match="maxsize"):
        localize(stack, TrackpyDetector(minmass=1, diameter_z=5, maxsize=3))
    with pytest.raises(InputError, match=r"5 px along z.*diameter_z.*projection"):
        localize(stack[:, :5], TrackpyDetector(minmass=1))


def test_parameters_survive_yaml() -> None:
    detector = TrackpyDetector(diameter=9, invert=True, minmass=12.5)
    assert TrackpyDetector.from_yaml(detector.to_yaml()) == detector


@pytest.mark.parametrize("image", [np.zeros(5), np.zeros((2, 2, 2, 2)), np.full((9, 9), "a")])
def test_what_is_no_frame(image: np.ndarray) -> None:
    with pytest.raises(InputError, match="frame"):
        localize_frame(image)
