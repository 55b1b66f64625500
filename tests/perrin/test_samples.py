"""The sample movies: there, small, calibrated, and what their truth says."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from perrin import SAMPLES, InputError, link, load_sample, localize, track_movie
from perrin.models import MODELS
from perrin.samples import Sample, sample_path
from perrin.simulate.switching import stationary_distribution
from perrin.suggestion import suggest_recipe
from perrin.tracks import index_tracks

ROOT = Path(__file__).resolve().parents[2]
FIVE_MEGABYTES = 5e6


@pytest.fixture(params=list(SAMPLES))
def sample(request: pytest.FixtureRequest) -> Sample:
    return load_sample(request.param)


def test_names_and_files_go_together() -> None:
    folder = ROOT / "sample_data"
    files = {path.name for path in folder.iterdir() if path.suffix in (".tif", ".csv")}
    assert files == {f"{name}{end}" for name in SAMPLES for end in
                     (".tif", "_tracks.csv", "_truth.csv")}  # fmt: skip
    assert all(path.stat().st_size < FIVE_MEGABYTES for path in folder.iterdir())
    assert all(sample_path(name).parent == folder for name in SAMPLES)


def test_a_sample_is_complete(sample: Sample) -> None:
    movie, tracks, truth = sample
    assert movie.calibration.is_physical
    assert movie.notes == ()
    assert tracks.attrs["calibration"] == movie.calibration
    index = index_tracks(tracks)
    assert index.particles.tolist() == truth["particle"].tolist()
    assert (index.lengths == movie.n_frames).all()
    assert tracks[["y", "x"]].to_numpy().min() > 5
    assert tracks[["y", "x"]].to_numpy().max() < min(movie.shape[1:]) - 6
    assert set(truth["model"]) <= set(MODELS)
    assert truth["alpha"].between(0.05, 2).all()


def test_the_defaults_track_a_sample_without_fault(sample: Sample) -> None:
    """Every particle, in every frame, under one number."""
    tracks = link(localize(sample.movie))
    expected = sample.tracks.sort_values(["frame", "x"])
    found = tracks.sort_values(["frame", "x"])
    assert len(found) == len(expected)
    pairs = set()
    for frame, true in expected.groupby("frame"):
        here = found[found["frame"] == frame]
        distance = np.hypot(
            true["y"].to_numpy()[:, None] - here["y"].to_numpy(),
            true["x"].to_numpy()[:, None] - here["x"].to_numpy(),
        )
        assert distance.min(1).max() < 0.7
        nearest = here["particle"].to_numpy()[distance.argmin(1)]
        pairs |= set(zip(true["particle"], nearest, strict=True))
    assert len(pairs) == len(sample.truth)


def test_suggested_parameters_keep_rare_long_steps() -> None:
    """Walks whose longest steps are three times as long as 99 % of all are whole tracks."""
    sample = load_sample("five_models")
    tracks = track_movie(sample.movie, suggest_recipe(sample.movie).recipe)
    assert tracks["particle"].nunique() == len(sample.truth)
    assert len(tracks) == len(sample.tracks)


def test_free_beads_diffuse_as_stated() -> None:
    _, tracks, truth = load_sample("free_beads")
    assert truth["diffusivity"].unique().tolist() == [0.44]
    step = tracks.groupby("particle")[["y", "x"]].diff().dropna().to_numpy()
    scale = tracks.attrs["calibration"].diffusivity_scale
    # The variance of n squared Gaussian steps: relative error sqrt(2/n).
    assert (step**2).mean() / 2 * scale == pytest.approx(0.44, rel=4 * np.sqrt(2 / step.size))


def test_receptors_switch_as_stated() -> None:
    _, tracks, truth = load_sample("two_state_receptors")
    scale = tracks.attrs["calibration"].diffusivity_scale
    steps = tracks.groupby("particle")[["y", "x"]].diff().shift(-1)
    for state, level in ((0, 0.01), (1, 0.2)):
        chosen = steps[tracks["state"] == state].dropna().to_numpy()
        assert (chosen**2).mean() / 2 * scale == pytest.approx(
            level, rel=4 * np.sqrt(2 / chosen.size)
        )
        assert set(tracks.loc[tracks["state"] == state, "diffusivity"]) == {level}
    held = stationary_distribution([[1 - 1 / 30, 1 / 30], [1 / 50, 1 - 1 / 50]])[0]
    assert (tracks["state"] == 0).mean() == pytest.approx(held, abs=0.15)
    jumps = tracks[tracks["frame"] < tracks["frame"].max()].groupby("particle")["state"]
    assert (
        jumps.apply(lambda s: (s.diff().abs() > 0).sum()).tolist() == truth["n_switches"].tolist()
    )


def test_five_models_of_each_five() -> None:
    assert load_sample("five_models").truth["model"].value_counts().to_dict() == dict.fromkeys(
        MODELS, 5
    )


def test_unknown_and_missing_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no sample 'beads'; there are free_beads"):
        sample_path("beads")
    monkeypatch.setattr("perrin.samples._folder", lambda: tmp_path)
    with pytest.raises(InputError, match="free_beads' is missing"):
        load_sample("free_beads")


def test_the_script_makes_these_files(tmp_path: Path) -> None:
    """The same seeds give the same samples: they are what the script says they are."""
    script = runpy.run_path(str(ROOT / "sample_data" / "make_samples.py"))
    for name in SAMPLES:
        script[name].__globals__["HERE"] = tmp_path
        script[name]()
        for end in ("_tracks.csv", "_truth.csv"):
            path = sample_path(name).with_name(name + end)
            made, there = pd.read_csv(tmp_path / path.name), pd.read_csv(path)
            pd.testing.assert_frame_equal(made, there, atol=1e-3)
        # Another processor may round the last digit otherwise, and the shot noise with it.
        made, there = tifffile.imread(tmp_path / f"{name}.tif"), tifffile.imread(sample_path(name))
        assert made.shape == there.shape
        np.testing.assert_allclose(made.mean(0), there.mean(0), rtol=0.1)
