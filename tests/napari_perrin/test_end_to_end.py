"""One movie through the window and through the command line gives the same tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pandas.testing import assert_frame_equal

from perrin.io import read_table
from perrin.pipeline import Recipe
from perrin.samples import sample_path

SAMPLE = "free_beads"


@pytest.fixture(scope="module")
def from_shell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``perrin run`` makes of the sample."""
    folder = tmp_path_factory.mktemp("shell") / "results"
    command = [sys.executable, "-m", "perrin", "run", str(sample_path(SAMPLE))]
    done = subprocess.run(
        [*command, "--out", str(folder), "--device", "cpu"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("way", ["opened as a file", "opened as a sample"])
def test_window_and_command_line_agree(
    viewer: Any, dock: Any, run: Any, tmp_path: Path, from_shell: Path, way: str
) -> None:
    if way == "opened as a file":
        viewer.open(sample_path(SAMPLE))
    else:
        viewer.open_sample("napari-perrin", SAMPLE)
    track = dock("Track particles")
    run(track)
    analyze = dock("Analyze tracks")
    assert analyze.layer_choice.layer == viewer.layers[-1]
    analyze.device_choice.setCurrentText("CPU")
    run(analyze)
    from_window = tmp_path / "results"
    analyze.save(str(from_window))

    for name in ("tracks.csv", "per_track.csv", "per_frame.csv", "switches.csv"):
        window, shell = read_table(from_window / name), read_table(from_shell / name)
        assert len(shell) or name == "switches.csv"
        assert_frame_equal(window, shell, rtol=0, atol=0)
    recipes = [Recipe.read(folder / "recipe.yaml") for folder in (from_window, from_shell)]
    assert recipes[0] == recipes[1]
