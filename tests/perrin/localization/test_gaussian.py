"""The Gaussian detector on simulated movies, against the bound and its own noise model."""

from __future__ import annotations

from typing import Any

import click
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.spatial import cKDTree

from perrin import (
    Camera,
    Cancelled,
    GaussianDetector,
    InputError,
    Recipe,
    localize,
    render_movie,
)
from perrin.cli._options import add_options, changes_in
from perrin.localization import localize_frame, resolve_detector

CAMERA = Camera(photons=400, background=20, gain=2, offset=100, read_noise=0)
KNOWN = {"gain": 2.0, "offset": 100.0}
AXES = ["z", "y", "x"]


def grid(shape: tuple[int, ...], pitch: int, n_frames: int, seed: int = 0) -> pd.DataFrame:
    """Isolated particles, each anywhere within the middle pixel of its cell of a grid."""
    rng = np.random.default_rng(seed)
    cells = [np.arange(pitch // 2, n - pitch // 2 + 1, pitch) for n in shape]
    at = np.stack(np.meshgrid(*cells, indexing="ij"), -1).reshape(-1, len(shape))
    tables = [
        pd.DataFrame(at + rng.uniform(-0.5, 0.5, at.shape), columns=AXES[-len(shape) :]).assign(
            particle=range(len(at)), frame=frame
        )
        for frame in range(n_frames)
    ]
    return pd.concat(tables, ignore_index=True)


def matched(found: pd.DataFrame, truth: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the rows found within 2 px of the truth, and their errors."""
    axes = [a for a in AXES if a in truth]
    rows, errors = [], []
    for frame, true in truth.groupby("frame"):
        here = found[found["frame"] == frame]
        distance, which = cKDTree(here[axes]).query(true[axes])
        hit = distance < 2
        rows.append(here.iloc[which[hit]])
        errors.append(here[axes].to_numpy()[which[hit]] - true[axes].to_numpy()[hit])
    return pd.concat(rows), np.concatenate(errors)


def mortensen(photons: float, background: float, sigma: float) -> float:
    """Mortensen et al. (2010), Nat. Methods 7, 377, eq. 5: the bound per axis, in pixels."""
    variance = sigma**2 + 1 / 12
    tau = 2 * np.pi * variance * background / photons
    t = (np.arange(200_000) + 0.5) / 200_000
    integral = np.mean(np.log(t) / (1 + t / tau))
    return float(np.sqrt(variance / photons / (1 + integral)))


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    return grid((128, 128), 16, 6)


@pytest.fixture(scope="module")
def movie(truth: pd.DataFrame) -> np.ndarray:
    return render_movie(truth, (128, 128), camera=CAMERA, seed=1)


@pytest.mark.parametrize(("photons", "background"), [(300, 10), (1000, 100), (2000, 10)])
def test_error_is_the_cramer_rao_bound(
    truth: pd.DataFrame, photons: float, background: float
) -> None:
    camera = CAMERA.model_copy(update={"photons": photons, "background": background})
    movie = render_movie(truth, (128, 128), camera=camera, seed=1)
    rows, errors = matched(localize(movie, GaussianDetector(**KNOWN)), truth)
    assert len(rows) == len(truth)
    # 768 errors: their standard deviation is known to 2.6 %.
    assert errors.std() == pytest.approx(mortensen(photons, background, 1.3), rel=0.1)
    assert np.abs(errors.mean(0)).max() < 4 * errors.std() / np.sqrt(len(rows))
    assert (errors / rows[["y_err", "x_err"]].to_numpy()).std() == pytest.approx(1, abs=0.1)
    assert rows["photons"].mean() == pytest.approx(photons, rel=0.02)
    assert rows["mass"].mean() == pytest.approx(2 * photons, rel=0.02)
    assert rows["background"].mean() == pytest.approx(100 + 2 * background, rel=0.02)
    assert rows["sigma"].median() == pytest.approx(1.3, rel=0.02)


def test_errors_are_right_without_the_camera(truth: pd.DataFrame, movie: np.ndarray) -> None:
    found = localize(movie, GaussianDetector())
    assert "photons" not in found
    rows, errors = matched(found, truth)
    assert (errors / rows[["y_err", "x_err"]].to_numpy()).std() == pytest.approx(1, abs=0.1)
    assert errors.std() < 1.2 * mortensen(400, 20, 1.3)


def test_radial_symmetry_is_nearly_as_good(truth: pd.DataFrame, movie: np.ndarray) -> None:
    found = localize(movie, GaussianDetector(fit="radial"))
    assert found.columns.tolist() == ["frame", "y", "x", "mass", "snr"]
    rows, errors = matched(found, truth)
    assert len(rows) == len(truth)
    assert errors.std() < 1.25 * mortensen(400, 20, 1.3)


def test_three_dimensions() -> None:
    truth = grid((40, 64, 64), 20, 3)
    camera = CAMERA.model_copy(update={"photons": 1500.0, "background": 4.0})
    movie = render_movie(truth, (40, 64, 64), camera=camera, seed=1)
    found = localize(movie, GaussianDetector(sigma_z=2.5, **KNOWN))
    assert found.columns.tolist() == [
        "frame", "z", "y", "x", "z_err", "y_err", "x_err", "mass", "photons", "background",
        "sigma", "sigma_z", "snr",
    ]  # fmt: skip
    rows, errors = matched(found, truth)
    assert len(rows) == len(truth) == len(found)
    scaled = errors / rows[["z_err", "y_err", "x_err"]].to_numpy()
    assert scaled.std() == pytest.approx(1, abs=0.2)
    assert rows["sigma_z"].median() == pytest.approx(2.5, rel=0.05)
    assert rows["z_err"].median() > 1.5 * rows["x_err"].median()
    radial = matched(localize(movie, GaussianDetector(sigma_z=2.5, fit="radial")), truth)[1]
    assert radial.std() < 2 * errors.std()


@pytest.mark.parametrize("camera_is_known", [True, False])
@pytest.mark.parametrize("shape", [(256, 256), (24, 80, 80)])
def test_noise_has_as_many_spots_as_allowed(shape: tuple[int, ...], camera_is_known: bool) -> None:
    noise = np.random.default_rng(0).poisson(100, (12, *shape)).astype(np.uint16)
    camera = {"gain": 1.0, "offset": 0.0} if camera_is_known else {}
    found = localize(noise, GaussianDetector(false_spots=5, **camera))
    # The formula is for continuous fields: on pixels, up to half of the maxima are missed.
    assert 0.3 * 5 < len(found) / 12 < 1.3 * 5


def test_neighbours_do_not_draw_each_other() -> None:
    rng = np.random.default_rng(2)
    left = grid((128, 128), 21, 8)
    angle = rng.uniform(0, 2 * np.pi, len(left))
    right = left.assign(
        y=left["y"] + 4 * np.sin(angle), x=left["x"] + 4 * np.cos(angle),
        particle=left["particle"] + 100,
    )  # fmt: skip
    truth = pd.concat([left, right], ignore_index=True)
    camera = CAMERA.model_copy(update={"photons": 2000.0})
    movie = render_movie(truth, (128, 128), camera=camera, seed=1)
    rows, errors = matched(localize(movie, GaussianDetector(**KNOWN)), truth)
    assert len(rows) == len(truth)
    # The bound is that of a spot alone; three widths apart, neighbours cost a little more.
    assert errors.std() < 1.4 * mortensen(2000, 20, 1.3)


def test_a_second_pass_finds_spots_in_the_light_of_others() -> None:
    rng = np.random.default_rng(3)
    truth = pd.DataFrame(
        {"particle": range(240), "frame": np.repeat([0, 1], 120),
         "y": rng.uniform(4, 156, 240), "x": rng.uniform(4, 156, 240)}
    )  # fmt: skip
    camera = CAMERA.model_copy(update={"photons": 2000.0})
    movie = render_movie(truth, (160, 160), camera=camera, seed=1)
    once, twice = (
        len(
            matched(localize(movie, GaussianDetector(passes=n, **KNOWN)), truth)[
                0
            ].drop_duplicates()
        )
        for n in (1, 2)
    )
    assert twice > once


@pytest.mark.parametrize(
    "convert",
    [
        lambda a: a.astype(np.int32) - 500,
        lambda a: a * 1e-9 - 3e-6,
        lambda a: a.astype(">u2"),
        lambda a: (a.astype(np.uint32) + 4_000_000_000).astype(np.uint32),
    ],
    ids=["negative", "tiny", "big-endian", "huge"],
)
def test_positions_do_not_depend_on_the_number_type(movie: np.ndarray, convert: Any) -> None:
    expected = localize(movie[:2], GaussianDetector())
    found = localize(convert(movie[:2]), GaussianDetector())
    assert len(found) == len(expected)
    np.testing.assert_allclose(found[["y", "x"]], expected[["y", "x"]], atol=0.02)


def test_dark_spots_are_bright_spots_inverted(movie: np.ndarray) -> None:
    bright = localize(movie, GaussianDetector())
    dark = localize((4000 - movie).astype(np.uint16), GaussianDetector(invert=True))
    np.testing.assert_allclose(dark[["y", "x", "mass"]], bright[["y", "x", "mass"]], rtol=1e-3)
    np.testing.assert_allclose(dark["background"], 4000 - bright["background"], rtol=1e-3)


def test_preview_is_what_the_movie_gives(movie: np.ndarray) -> None:
    detector = GaussianDetector(**KNOWN)
    assert resolve_detector(movie, detector) is detector
    whole = localize(movie, detector)
    expected = whole[whole["frame"] == 4].drop(columns="frame").reset_index(drop=True)
    pd.testing.assert_frame_equal(localize_frame(movie[4], detector), expected, rtol=1e-3)


def test_progress_and_stopping(movie: np.ndarray) -> None:
    calls = []

    def stop(what: str, done: int, total: int) -> None:
        calls.append((what, done, total))
        raise Cancelled

    with pytest.raises(Cancelled):
        localize(movie, GaussianDetector(), progress=stop)
    assert calls == [("Localizing", 6, 6)]


def test_without_spots_a_table_without_rows(movie: np.ndarray) -> None:
    found = localize(movie, GaussianDetector(min_snr=1e6, **KNOWN))
    assert found.empty
    assert found.columns.tolist() == ["frame", *GaussianDetector(**KNOWN).columns(2)]
    blank = movie.copy()
    blank[1:] = 100
    assert set(localize(blank, GaussianDetector(**KNOWN))["frame"]) == {0}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"gain": 2}, "gain and offset go together"),
        ({"gain": 2, "offset": 0, "invert": True}, "no photons of their own"),
        ({"sigma": 0.1}, "sigma"),
        ({"fit": "guess"}, "fit"),
    ],
)
def test_bad_parameters(values: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=f"GaussianDetector cannot be used.*{words}"):
        GaussianDetector.checked(**values)


def test_frames_smaller_than_a_spot(movie: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"5 px along y, too small.*Lower sigma\."):
        localize(movie[:, :5], GaussianDetector())
    with pytest.raises(InputError, match="Lower sigma_z, or use a projection"):
        localize(movie[:, None].repeat(4, 1), GaussianDetector(sigma_z=3))


def test_a_recipe_names_its_detector() -> None:
    recipe = Recipe().with_values({"detector": {"kind": "gaussian", "sigma": 2.0}})
    assert recipe.detector == GaussianDetector(sigma=2.0)
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe
    back = recipe.with_values({"detector": {"kind": "trackpy"}})
    assert back.detector == Recipe().detector


def test_the_command_line_names_its_detector() -> None:
    @click.command()
    @add_options(Recipe, "detector")
    def command(**options: Any) -> None:
        click.echo(Recipe().with_values(changes_in(options)).detector.model_dump_json())

    chosen = CliRunner().invoke(command, ["--detector", "gaussian", "--sigma", "2"]).output
    assert GaussianDetector.model_validate_json(chosen) == GaussianDetector(sigma=2)
    wrong = CliRunner().invoke(command, ["--detector", "gaussian", "--diameter", "9"])
    assert isinstance(wrong.exception, InputError)
    assert "detector.gaussian.diameter" in str(wrong.exception)
