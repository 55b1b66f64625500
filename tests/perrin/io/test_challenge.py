"""Answers in the format of the second AnDi challenge."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from perrin import Analysis, AnalysisParameters, Calibration
from perrin.errors import InputError, OutputError
from perrin.io import write_challenge

UNIT = Calibration().diffusivity_unit


def analysis() -> Analysis:
    """Track 3 seen in frames 5 to 14 rests from frame 9 on; of track 4 nothing is said."""
    frames = range(5, 15)
    moves = [frame < 9 for frame in frames]
    known = pd.DataFrame(
        {
            "particle": 3,
            "frame": frames,
            "motion": ["free" if m else "immobile" for m in moves],
            "diffusivity": [0.25 if m else 0.0 for m in moves],
            "alpha": [0.7 if m else float("nan") for m in moves],
        }
    )
    silent = pd.DataFrame({"particle": 4, "frame": range(3), "motion": None, "diffusivity": 1.0})
    per_frame = pd.concat([known, silent], ignore_index=True).assign(diffusivity_unit=UNIT)
    switches = pd.DataFrame({"particle": [3], "frame": [9]})
    return Analysis(pd.DataFrame(), per_frame, switches, Calibration(), AnalysisParameters())


def test_a_line_holds_number_and_segments(tmp_path: Path) -> None:
    path = write_challenge(analysis(), tmp_path / "fov_0.txt")
    assert path.read_text() == "3,0.25,0.7,2,4,0,0,0,10\n"
    with pytest.raises(OutputError):
        write_challenge(analysis(), path)


def test_other_units_and_methods_are_refused(tmp_path: Path) -> None:
    found = analysis()
    found.per_frame["diffusivity_unit"] = "µm²/s"
    with pytest.raises(InputError, match="pixels and frames"):
        write_challenge(found, tmp_path / "a.txt")
    found = analysis()
    found.per_frame["motion"] = None
    with pytest.raises(InputError, match="found by the network"):
        write_challenge(found, tmp_path / "a.txt")
