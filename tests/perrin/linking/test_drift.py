"""Drift: what is put in comes out."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import trackpy
from hypothesis import given, settings
from hypothesis import strategies as st

from perrin import Camera, DriftCorrection, InputError, as_movie, render_movie
from perrin._trackpy import quiet
from perrin.linking import (
    correct_drift,
    drift_of_fiducials,
    drift_of_images,
    estimate_drift,
    remove_drift,
)
from perrin.simulate.switching import simulate_switching


def drifting(
    diffusivity: float, velocity: tuple[float, ...], n_tracks: int = 200, n_points: int = 50
) -> pd.DataFrame:
    dim = len(velocity)
    tracks = simulate_switching(
        [diffusivity], n_tracks=n_tracks, n_points=n_points, dim=dim, seed=1
    )
    for axis, speed in zip(["z", "y", "x"][-dim:], velocity, strict=True):
        tracks[axis] += speed * tracks["frame"]
    return tracks.drop(columns=["state", "diffusivity"])


@settings(max_examples=20, deadline=None)
@given(velocity=st.lists(st.floats(-3, 3), min_size=2, max_size=3))
def test_a_steady_drift_without_diffusion_is_found_exactly(velocity: list[float]) -> None:
    tracks = drifting(0.0, tuple(velocity), n_tracks=3, n_points=10)
    drift = estimate_drift(tracks)
    expected = np.outer(np.arange(10), velocity)
    axes = ["z", "y", "x"][-len(velocity) :]
    assert drift.columns.tolist() == axes + [f"{axis}_err" for axis in axes]
    np.testing.assert_allclose(drift[axes], expected, atol=1e-9)
    np.testing.assert_allclose(drift.drop(columns=axes), 0, atol=1e-6)
    assert drift.index.tolist() == list(range(10))
    still = remove_drift(tracks, drift)
    np.testing.assert_allclose(still[["y", "x"]], 0, atol=1e-9)


@pytest.mark.parametrize("smoothing", [0, 10])
def test_error_of_the_estimate_among_diffusing_particles(smoothing: int) -> None:
    """The mean of N steps of variance 2D errs by sqrt(2 D t / N) after t frames."""
    drift = estimate_drift(drifting(0.5, (0.2, -0.1)), smoothing)
    error = drift.iloc[-1][["y", "x"]] - 49 * np.array([0.2, -0.1])
    assert np.abs(error).max() < 4 * np.sqrt(2 * 0.5 * 49 / 200)


@pytest.mark.parametrize("smoothing", [0, 5])
def test_the_estimate_is_that_of_trackpy(smoothing: int) -> None:
    tracks = drifting(0.5, (0.2, -0.1), n_tracks=20).sample(frac=0.9, random_state=0)
    drift = estimate_drift(tracks, smoothing)
    with quiet():
        theirs = trackpy.compute_drift(tracks, smoothing, ["y", "x"])
    np.testing.assert_allclose(drift[["y", "x"]].iloc[1:], theirs, atol=1e-9)


def test_stated_error_among_diffusing_particles() -> None:
    """sqrt(2 D t / N) and the localization error of two frames: sqrt(2 D t / N + 2 s² / N)."""
    tracks = drifting(0.5, (0.2, -0.1), n_tracks=1000)
    tracks[["y", "x"]] += np.random.default_rng(0).normal(0, 2, (len(tracks), 2))
    stated = estimate_drift(tracks)[["y_err", "x_err"]].mean(axis=1)
    for t in (1, 10, 49):
        assert stated[t] == pytest.approx(np.sqrt((t + 2 * 4) / 1000), rel=0.1)
    assert stated[0] == 0


def fiducials(seed: int, error: float = 0.2) -> tuple[pd.DataFrame, np.ndarray]:
    """Three spots at rest beside moving ones, and the drift that all have."""
    rng = np.random.default_rng(seed)
    tracks = drifting(1.0, (0.0, 0.0), n_tracks=20)
    resting = tracks["particle"] < 3
    tracks.loc[resting, ["y", "x"]] = rng.uniform(0, 50, (3, 2)).repeat(50, 0)
    tracks[["y", "x"]] += rng.normal(0, error, (len(tracks), 2))
    drift = np.stack((np.linspace(0, 3, 50), np.sin(np.arange(50) / 5)), 1)
    tracks[["y", "x"]] += drift[tracks["frame"]]
    return tracks, drift


def test_fiducials_tell_the_drift_and_its_error() -> None:
    """Deviations over stated errors have the standard deviation 1, seen or not in some frames."""
    deviations = []
    for seed in range(20):
        tracks, true = fiducials(seed)
        seen = tracks.sample(frac=0.8, random_state=seed)
        drift = drift_of_fiducials(seen, [0, 1, 2])
        shown = np.intersect1d(seen.loc[seen["particle"] < 3, "frame"], range(1, 50))
        away = drift.loc[shown, ["y", "x"]] - (true[shown] - true[seen["frame"].min()])
        deviations.append((away.to_numpy() / drift.loc[shown, ["y_err", "x_err"]]).to_numpy())
    assert np.concatenate(deviations).std() == pytest.approx(1, abs=0.15)


def test_one_fiducial_says_no_error() -> None:
    tracks, true = fiducials(0, error=0.0)
    drift = drift_of_fiducials(tracks[tracks["frame"] != 20], [1])
    np.testing.assert_allclose(drift[["y", "x"]].drop(index=20), np.delete(true, 20, 0), atol=1e-9)
    assert drift.loc[20, "y"] == pytest.approx((true[19, 0] + true[21, 0]) / 2)
    assert drift[["y_err", "x_err"]].isna().all(axis=None)


@pytest.mark.parametrize(("n_frames", "window"), [(10, 1), (40, 4)])
def test_images_tell_the_drift_and_its_error(n_frames: int, window: int) -> None:
    """Many dim spots at rest, and a tenth of a pixel of drift per frame."""
    rng = np.random.default_rng(1)
    velocity = np.array([0.1, -0.06])
    spots = pd.DataFrame({"particle": np.arange(200).repeat(n_frames)})
    spots["frame"] = np.tile(np.arange(n_frames), 200)
    at = rng.uniform(-15, 115, (200, 2)).repeat(n_frames, 0)
    spots[["y", "x"]] = at + spots[["frame"]].to_numpy() * velocity
    movie = render_movie(spots, (100, 100), n_frames, Camera(photons=300), seed=2)
    drift = drift_of_images(movie, window)
    away = drift[["y", "x"]] - np.outer(np.arange(n_frames), velocity)
    stated = drift[["y_err", "x_err"]].to_numpy()
    assert np.abs(away).max(axis=None) < 0.12
    assert 0.4 < np.sqrt((away**2).mean(axis=None) / (stated**2).mean()) < 2.5
    corrected = correct_drift(
        spots, DriftCorrection(enabled=True, method="correlation", window=window), as_movie(movie)
    )
    assert corrected.groupby("particle")[["y", "x"]].std().max(axis=None) < 0.1


def test_memory_for_images_is_little_more_than_the_images() -> None:
    image = np.random.default_rng(0).poisson(20, (192, 192)).astype(np.uint16)
    movie = np.repeat(image[None], 30, axis=0)
    tracemalloc.start()
    try:
        drift_of_images(movie, 1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Single precision: one real and one complex number for each pixel of each window.
    assert peak < 1.5 * movie.size * (4 + 8)


def test_a_shift_without_noise_is_found_to_a_hundredth_of_a_pixel() -> None:
    true = np.array([[0.0, 0.0], [0.37, -2.81], [5.5, 3.25]])
    spots = np.array([(20, 20), (15, 45), (48, 18), (44, 47)])[:, :, None, None]
    moved = spots + true[:, None, :, None, None]
    movie = np.exp(-((np.mgrid[:64, :64] - moved) ** 2).sum(2) / 8).sum(1)
    drift = drift_of_images(movie, 1)
    np.testing.assert_allclose(drift[["y", "x"]], true, atol=0.01)


def test_removal_costs_one_part_in_n() -> None:
    """Removing the mean of N independent steps leaves (1 - 1/N) of their variance."""
    tracks = drifting(0.5, (0.0, 0.0), n_tracks=4, n_points=4000)
    left = remove_drift(tracks, estimate_drift(tracks))
    variances = [t.groupby("particle")["x"].diff().pow(2).mean() for t in (left, tracks)]
    assert variances[0] / variances[1] == pytest.approx(0.75, abs=0.02)


def test_frames_without_pairs_repeat_the_drift_before() -> None:
    tracks = drifting(0.0, (0.0, 1.0), n_tracks=3, n_points=10)
    gap = tracks[~tracks["frame"].isin([4, 5])]
    drift = estimate_drift(gap)
    assert drift.index.tolist() == list(range(10))
    assert drift["x"].tolist() == [0, 1, 2, 3, 3, 3, 3, 4, 5, 6]


def test_correction_as_the_parameters_say() -> None:
    tracks = drifting(0.1, (0.5, 0.0))
    assert correct_drift(tracks, DriftCorrection()) is tracks
    by_one = DriftCorrection(enabled=True, method="fiducials", fiducials=3)
    expected = remove_drift(tracks, drift_of_fiducials(tracks, [3]))
    pd.testing.assert_frame_equal(correct_drift(tracks, by_one), expected)
    corrected = correct_drift(tracks, DriftCorrection(enabled=True, smoothing=5))
    pd.testing.assert_frame_equal(corrected, remove_drift(tracks, estimate_drift(tracks, 5)))


def test_bad_input() -> None:
    tracks = drifting(0.1, (0.5, 0.0), n_tracks=2, n_points=5)
    with pytest.raises(InputError, match="single track"):
        estimate_drift(tracks[tracks["particle"] == 0])
    with pytest.raises(InputError, match="no track has two consecutive frames"):
        estimate_drift(tracks[tracks["frame"] % 2 == 0])
    with pytest.raises(InputError, match="lacks the column 'y'"):
        remove_drift(tracks, estimate_drift(tracks)[["x"]])
    with pytest.raises(InputError, match="nothing of frame 4"):
        remove_drift(tracks, estimate_drift(tracks).iloc[:4])
    with pytest.raises(InputError, match="there is no movie"):
        correct_drift(tracks, DriftCorrection(enabled=True, method="correlation"))
    with pytest.raises(InputError, match="but none is given"):
        correct_drift(tracks, DriftCorrection(enabled=True, method="fiducials"))
    with pytest.raises(InputError, match=r"no particle 7 .* from 0 to 1"):
        drift_of_fiducials(tracks, [0, 7])
    with pytest.raises(InputError, match="never seen in the same frames"):
        drift_of_fiducials(tracks[(tracks["frame"] < 2) == (tracks["particle"] == 0)], [0, 1])
    with pytest.raises(InputError, match="too few to compare windows of 3"):
        drift_of_images(np.eye(64)[None].repeat(5, 0), 3)
    with pytest.raises(InputError, match="smaller than 32 px"):
        drift_of_images(np.eye(64)[None, :, :20].repeat(5, 0))
