"""``perrin suggest``: what it says and writes, and that what it writes can be run."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from perrin import Recipe
from perrin.cli import perrin_command


def test_suggested_parameters_are_said_and_written(spots_movie: Path, tmp_path: Path) -> None:
    file = tmp_path / "recipes" / "movie.yaml"
    arguments = [str(spots_movie), "--recipe", str(file), "--memory", "2", "--device", "cpu"]
    done = CliRunner().invoke(perrin_command, ["suggest", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    recipe = Recipe.read(file)
    assert f"Spot diameter {recipe.detector.diameter} px" in done.stdout
    assert f"Least brightness {recipe.detector.minmass:g} counts" in done.stdout
    assert f"Search range {recipe.linker.search_range:g} px" in done.stdout
    assert "expected to be wrong" in done.stdout
    assert f"Written to {file}" in done.stderr
    assert recipe.linker.memory == 2
    assert recipe.calibration.pixel_size == pytest.approx(0.1)

    again = CliRunner().invoke(perrin_command, ["suggest", *arguments])
    assert again.exit_code == 1
    assert "movie.yaml" in str(again.exception)
    assert Recipe.read(file) == recipe

    out = tmp_path / "out"
    track = ["track", str(spots_movie), "--recipe", str(file), "--out", str(out), "--quiet"]
    assert CliRunner().invoke(perrin_command, track, catch_exceptions=False).exit_code == 0
    assert (out / "tracks.csv").stat().st_size > 0
