"""``perrin learn property`` from files to files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml
from click.testing import CliRunner

from perrin.cli import perrin_command
from perrin.simulate.potential import Potential, simulate_newton


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A harmonic trap of 0.01 kT/px² and three particles in it, of mass 2 kT frame²/px²."""
    folder = tmp_path_factory.mktemp("property")
    y, x = np.mgrid[:64, :64] - 32.0
    trap = 0.005 * (y**2 + x**2)
    tifffile.imwrite(folder / "trap.tif", trap.astype(np.float32))
    start = np.array([(20, 32), (40, 40), (50, 24)])
    paths = simulate_newton(Potential(trap), np.full(3, 2.0), start, n_frames=40).positions
    paths += np.random.default_rng(0).normal(0, 0.05, paths.shape)
    particle, frame = (grid.ravel() for grid in np.mgrid[:3, :40])
    table = {"particle": particle, "frame": frame, "y": paths[:, 0].ravel()}
    pd.DataFrame(table | {"x": paths[:, 1].ravel()}).to_csv(folder / "tracks.csv", index=False)
    return folder / "tracks.csv", folder / "trap.tif"


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(perrin_command, ["learn", "property", *map(str, arguments)])
    return result.exit_code, result.output + str(result.exception or "")


def test_masses_and_what_made_them_are_written(files, tmp_path):
    tracks, trap = files
    code, said = run(
        tracks, "--potential", trap, "--out", tmp_path, "--motion", "inertial",
        "--energy-unit", "kT", "--pixel-size", 0.5, "--frame-interval", 0.1,
    )  # fmt: skip
    assert code == 0, said
    assert "inertial mass of 3 particles: median 0.0" in said
    assert "kT s²/µm²" in said
    found = pd.read_csv(tmp_path / "property.csv")
    assert found["inertial_mass"].to_numpy() == pytest.approx(2 * 0.1**2 / 0.5**2, rel=0.03)
    assert set(found["inertial_mass_unit"]) == {"kT s²/µm²"}
    made = yaml.safe_load((tmp_path / "property.yaml").read_text(encoding="utf-8"))
    assert made["fit"]["motion"] == "inertial"
    assert made["calibration"]["pixel_size"] == 0.5


def test_unknown_units_are_said_to_be_unknown(files, tmp_path):
    tracks, trap = files
    code, said = run(tracks, "--potential", trap, "--out", tmp_path, "--motion", "inertial")
    assert code == 0, said
    assert "levels of the image" in said
    assert "pixels and frames" in said
    assert "level frame²/px²" in said


def test_what_is_no_image_is_refused(files, tmp_path):
    tracks, _ = files
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((5, 9, 9), np.uint8))
    for path, words in (
        (tmp_path / "missing.tif", "no file"),
        (tracks, "cannot be read as a TIFF"),
        (tmp_path / "stack.tif", "not that of one image"),
    ):
        code, said = run(tracks, "--potential", path, "--out", tmp_path / "out")
        assert code != 0
        assert words in said
    assert not (tmp_path / "out").exists()
