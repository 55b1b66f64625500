"""Drift: what is put in comes out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perrin import DriftCorrection, InputError
from perrin.linking import correct_drift, estimate_drift, remove_drift
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
    np.testing.assert_allclose(drift.to_numpy(), expected, atol=1e-9)
    assert drift.index.tolist() == list(range(10))
    assert drift.columns.tolist() == ["z", "y", "x"][-len(velocity) :]
    still = remove_drift(tracks, drift)
    np.testing.assert_allclose(still[["y", "x"]], 0, atol=1e-9)


@pytest.mark.parametrize("smoothing", [0, 10])
def test_error_of_the_estimate_among_diffusing_particles(smoothing: int) -> None:
    """The mean of N steps of variance 2D errs by sqrt(2 D t / N) after t frames."""
    drift = estimate_drift(drifting(0.5, (0.2, -0.1)), smoothing)
    error = drift.iloc[-1] - 49 * np.array([0.2, -0.1])
    assert np.abs(error).max() < 4 * np.sqrt(2 * 0.5 * 49 / 200)


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
