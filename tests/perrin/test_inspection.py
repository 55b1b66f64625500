"""One track by itself: its numbers against theory, and the figure of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from perrin import Analysis, Calibration, InputError, OutputError, analyze
from perrin.analysis import FLAGS
from perrin.figures import save_figure
from perrin.inspection import flags_of, inspect_track, numbers_of, state_color
from perrin.models import MODELS
from perrin.statistics import time_averaged_msd
from perrin.track_figure import track_figure

CALIBRATION = Calibration(pixel_size=0.1, frame_interval=0.05, z_step=0.3)


def walk(
    n_points: int, axes: tuple[str, ...] = ("y", "x"), *, sd: float = 1.0, noise: float = 0.0,
    particle: int = 0, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Brownian motion: ``sd`` px per frame and axis, seen with an error of ``noise`` px."""
    rng = np.random.default_rng(seed)
    path = np.cumsum(rng.normal(0, sd, (n_points, len(axes))), axis=0)
    path += rng.normal(0, noise, path.shape) if noise else 0
    columns = dict(zip(axes, path.T, strict=True))
    return pd.DataFrame({"particle": particle, "frame": np.arange(n_points), **columns})


@pytest.fixture(scope="module")
def tracks() -> pd.DataFrame:
    """A track that slows down a hundredfold, one that does not, and a short one."""
    slowing = walk(120, particle=3, seed=1)
    slow = walk(60, particle=3, seed=2, sd=0.1)
    slowing.loc[60:, ["y", "x"]] = (
        slowing.loc[59, ["y", "x"]].to_numpy(float) + slow[["y", "x"]].to_numpy()
    )
    return pd.concat([slowing, walk(80, particle=5, seed=3), walk(4, particle=9, seed=4)])


@pytest.fixture(scope="module")
def analysis(tracks: pd.DataFrame) -> Analysis:
    return analyze(tracks, CALIBRATION, device="cpu")


def test_msd_and_steps_are_those_of_brownian_motion() -> None:
    report = inspect_track(walk(4000, noise=0.5), 0, calibration=Calibration(exposure=0))
    msd, steps = report.msd, report.steps
    assert msd is not None
    assert steps is not None
    # MSD = 4 D t + 4 sigma^2, D = 1/2 px^2/frame.
    np.testing.assert_allclose(msd.msd[:5], 2 * msd.lag[:5] + 4 * 0.5**2, rtol=0.1)
    assert abs(msd.alpha - 1) < 3 * msd.alpha_se
    assert msd.floor == pytest.approx(4 * 0.5**2, rel=0.35)
    inside = (msd.low <= msd.fitted) & (msd.fitted <= msd.high)
    assert inside.all()
    assert np.trapezoid(steps.gaussian, steps.curve) == pytest.approx(1, abs=0.01)
    assert (steps.density * steps.width).sum() == pytest.approx(1)
    # Steps seen with noise: variance 1 + 2 * 0.25 per axis.
    assert steps.gaussian.max() == pytest.approx(1 / np.sqrt(2 * np.pi * 1.5), rel=0.05)
    assert abs(steps.non_gaussian) < 0.1


def test_the_band_of_the_fit_is_as_wide_as_the_exponent_is_uncertain() -> None:
    msd = inspect_track(walk(200, noise=0), 0, calibration=Calibration(exposure=0)).msd
    assert msd is not None
    added = msd.fitted[0] - (msd.fitted[-1] - msd.fitted[0]) / (msd.fitted_lag[-1] ** msd.alpha - 1)
    ratio = np.log((msd.high - added) / (msd.low - added))
    expected = 2 * 1.645 * msd.alpha_se * np.abs(
        np.log(msd.fitted_lag / np.sqrt(msd.fitted_lag[-1]))
    )  # fmt: skip
    np.testing.assert_allclose(ratio, expected, atol=1e-6)


@pytest.mark.parametrize("axes", [("x",), ("y", "x"), ("z", "y", "x")])
def test_everything_is_in_the_readers_units(axes: tuple[str, ...]) -> None:
    table = walk(60, axes)
    bare = inspect_track(table, 0)
    report = inspect_track(table, 0, calibration=CALIBRATION)
    scales = [CALIBRATION.length_scale(axis) for axis in axes]
    np.testing.assert_allclose(report.path, bare.path * scales)
    np.testing.assert_allclose(report.time, table["frame"] * 0.05)
    assert report.msd is not None
    scaled = table.assign(**{axis: table[axis] * CALIBRATION.length_scale(axis) for axis in axes})
    expected = time_averaged_msd(scaled).msd
    lags = np.round(report.msd.lag / 0.05).astype(int)
    np.testing.assert_allclose(report.msd.msd, expected[lags - 1])
    assert numbers_of(report)["Duration"] == "2.95 s"
    assert numbers_of(bare)["Duration"] == "59 frames"


def test_states_switches_and_answers_are_those_of_the_analysis(
    tracks: pd.DataFrame, analysis: Analysis
) -> None:
    report = inspect_track(tracks, 3, analysis)
    rows = analysis.per_frame[analysis.per_frame["particle"] == 3]
    for name, values in report.over_time.items():
        np.testing.assert_array_equal(values, rows[name].to_numpy(float))
    assert report.motion.tolist() == rows["motion"].tolist()
    found = analysis.switches[analysis.switches["particle"] == 3]
    np.testing.assert_allclose(report.switch_times[:, 0], found["frame"] * 0.05)
    assert len(report.switch_times)
    assert report.switch_times[0, 0] == pytest.approx(60 * 0.05, abs=0.2)
    assert sum(report.probabilities.values()) == pytest.approx(1)
    assert report.model == max(report.probabilities, key=lambda name: report.probabilities[name])
    numbers = numbers_of(report)
    answer = analysis.per_track.set_index("particle").loc[3]
    assert numbers["α"] == (
        f"{answer['alpha']:.3g} ({answer['alpha_lo']:.3g} to {answer['alpha_hi']:.3g})"
    )
    assert numbers["D"].startswith(f"{answer['diffusivity']:.3g} µm²/s (")
    assert numbers["Localization error"].endswith(" nm")
    when = ", ".join(f"{time:.4g}" for time in report.switch_times[:, 0])
    assert numbers["Switches"] == f"{len(found)}, at {when} s"
    # In a window of its own the noise has the unit of the MSD.
    assert report.msd is not None
    assert report.msd.floor == pytest.approx(4 * (answer["noise"] / 1000) ** 2)


def test_kinds_of_motion_are_given_with_their_shares(
    tracks: pd.DataFrame, analysis: Analysis
) -> None:
    rows = analysis.per_frame["particle"] == 5
    kinds = np.where(analysis.per_frame["frame"] < 20, "confined", "free")
    per_frame = analysis.per_frame.assign(motion=kinds)
    assert rows.sum() == 80
    report = inspect_track(tracks, 5, replace(analysis, per_frame=per_frame))
    assert numbers_of(report)["Motion"] == "free 75%, confined 25%"
    per_frame = analysis.per_frame.assign(motion="directed")
    report = inspect_track(tracks, 5, replace(analysis, per_frame=per_frame))
    assert numbers_of(report)["Motion"] == "directed"


def test_a_short_track_says_what_is_missing(tracks: pd.DataFrame, analysis: Analysis) -> None:
    report = inspect_track(tracks, 9, analysis)
    assert report.model is None
    assert report.probabilities == {}
    assert numbers_of(report)["Model"] == "not called"
    assert flags_of(report) == [FLAGS["too_short"]]


def test_a_track_without_motion_has_no_fit_and_no_steps() -> None:
    still = pd.DataFrame({"particle": 1, "frame": np.arange(30), "y": 2.0, "x": 1.0})
    report = inspect_track(still, 1)
    assert report.steps is None
    assert report.msd is not None
    assert report.msd.fitted.size == 0
    assert inspect_track(still[:1], 1).msd is None
    track_figure(report)
    track_figure(inspect_track(still[:1], 1))


def test_gaps_are_no_steps() -> None:
    gappy = walk(50)
    gappy = gappy[gappy["frame"] % 2 == 0]
    report = inspect_track(gappy, 0)
    assert report.steps is None
    assert numbers_of(report)["Seen"] == "25 of 49 frames (0 to 48)"


def test_a_track_that_is_not_there_is_said_to_be_missing(tracks: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="no track 77"):
        inspect_track(tracks, 77)


def test_states_keep_their_colours() -> None:
    assert state_color(0) != state_color(1)
    assert state_color(float("nan")) == state_color(0)


def test_the_figure_shows_what_the_report_says(
    tracks: pd.DataFrame, analysis: Analysis, tmp_path: Path
) -> None:
    report = inspect_track(tracks, 3, analysis)
    figure = track_figure(report)
    words = {text.get_text() for axes in figure.axes for text in axes.texts}
    labels = {axes.get_xlabel() for axes in figure.axes} | {
        axes.get_ylabel() for axes in figure.axes
    }
    assert {"x (µm)", "lag time (s)", "MSD (µm²)", "D (µm²/s)", "time (s)"} <= labels
    assert any(numbers_of(report)["D"] in text for text in words)
    models = next(axes for axes in figure.axes if axes.get_title() == "Model")
    heights = [bar.get_height() for bar in models.patches]
    assert heights == pytest.approx(list(report.probabilities.values()))
    assert len(heights) == len(MODELS)
    # Without an analysis there is less to draw.
    assert len(track_figure(inspect_track(tracks, 3)).axes) == 4
    # An odd analysis that calls no model, but has found states.
    silent = analysis.per_track.assign(model=None, p_attm=np.nan)
    track_figure(inspect_track(tracks, 3, replace(analysis, per_track=silent)))


@pytest.mark.parametrize(
    ("suffix", "begins"), [("pdf", b"%PDF"), ("svg", b"<?xml"), ("png", b"\x89PNG")]
)
def test_figures_are_saved_and_never_over_others(
    tracks: pd.DataFrame, tmp_path: Path, suffix: str, begins: bytes
) -> None:
    figure = track_figure(inspect_track(tracks, 3))
    path = tmp_path / f"track.{suffix}"
    save_figure(figure, path)
    assert path.read_bytes().startswith(begins)
    if suffix == "svg":
        # Text stays text.
        assert "lag time" in path.read_text()
    path.write_bytes(b"precious")
    with pytest.raises(OutputError):
        save_figure(figure, path)
    assert path.read_bytes() == b"precious"
    save_figure(figure, path, overwrite=True)
    assert path.read_bytes().startswith(begins)


def test_other_kinds_of_figures_are_refused(tracks: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.pdf, \.svg or \.png"):
        save_figure(track_figure(inspect_track(tracks, 3)), tmp_path / "track.bmp")
    assert list(tmp_path.iterdir()) == []
