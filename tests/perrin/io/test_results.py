"""The three tables of an analysis go together."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest

from perrin.errors import InputError, OutputError
from perrin.io import read_table, write_analysis, write_together


@dataclass
class Tables:
    """Only what writing needs of a :class:`perrin.Analysis`."""

    per_track: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame({"particle": [0, 1], "model": ["FBM", None]})
    )
    per_frame: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"p_switch": [0.5]}))
    switches: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=["particle", "frame"])
    )


def test_an_analysis_is_three_files(tmp_path: Path) -> None:
    paths = write_analysis(Tables(), tmp_path / "results")  # type: ignore[arg-type]
    assert [p.name for p in paths] == ["per_track.csv", "per_frame.csv", "switches.csv"]
    assert paths[0].read_text() == "particle,model\n0,FBM\n1,\n"  # what cannot be said is empty
    assert read_table(paths[2]).columns.tolist() == ["particle", "frame"]


def test_one_file_in_the_way_stops_all(tmp_path: Path) -> None:
    (tmp_path / "switches.csv").write_text("mine")
    with pytest.raises(OutputError, match=r"switches\.csv exists already"):
        write_analysis(Tables(), tmp_path)  # type: ignore[arg-type]
    assert [p.name for p in tmp_path.iterdir()] == ["switches.csv"]
    write_analysis(Tables(), tmp_path, overwrite=True)  # type: ignore[arg-type]
    assert len(list(tmp_path.iterdir())) == 3


def test_nothing_and_unknown_kinds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to write"):
        write_together({}, tmp_path)
    with pytest.raises(InputError, match=r"a\.xyz: tables are written as"):
        write_together({"a.xyz": pd.DataFrame()}, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
