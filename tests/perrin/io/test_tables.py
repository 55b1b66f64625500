"""Track tables in and out, and every kind of bad table."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from perrin import Calibration, InputError, OutputError, read_tracks, write_tracks
from perrin.io import read_table, write_table
from perrin.tracks import index_tracks

GOOD = "particle,frame,y,x\n0,0,1.5,2.5\n0,1,1.6,2.4\n1,0,7,8\n"


def save(tmp_path: Path, text: str, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_trackpy_columns(tmp_path: Path) -> None:
    tracks = read_tracks(save(tmp_path, GOOD))
    assert tracks.columns.tolist() == ["particle", "frame", "y", "x"]
    assert tracks["particle"].tolist() == [0, 0, 1]
    assert tracks["x"].tolist() == [2.5, 2.4, 8.0]
    assert "calibration" not in tracks.attrs


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace(",", ";"),
        GOOD.replace(",", ";").replace(".", ","),
        GOOD.replace(",", "\t").replace(".", ","),
        "particle;frame;y;x\n1;0;7;8\n0;0;1,5;2,5\n0;1;16e-1;2,4\n",
        GOOD.replace(",", "\t"),
        "\ufeff" + GOOD,
        GOOD.replace("particle,frame,y,x", "Particle, Frame, Y, X"),
        GOOD.replace("particle", "trajectory"),
        GOOD.replace("particle", "TRACK_ID"),
        GOOD.replace("particle,frame", "Trajectory,Frame"),
        GOOD.replace("particle", "TrackID"),
        GOOD.replace("\n", "\r\n"),
        ",particle,frame,y,x\n0,0,0,1.5,2.5\n1,0,1,1.6,2.4\n2,1,0,7,8\n",
        "particle,frame,y,x\n1,0.0,7,8\n0,1.0,1.6,2.4\n0,0.0,1.5,2.5\n",
    ],
    ids=["semicolon", "decimal comma", "decimal comma and tab", "whole numbers first", "tab", "bom",
         "capitals", "trajectory", "TRACK_ID", "MOSAIC", "TrackID", "crlf", "index", "unsorted"],
)  # fmt: skip
def test_other_ways_to_write_the_same_table(tmp_path: Path, text: str) -> None:
    expected = read_tracks(save(tmp_path, GOOD, "good.csv"))
    pd.testing.assert_frame_equal(read_tracks(save(tmp_path, text)), expected)


def test_a_comma_in_a_text_is_no_decimal_point(tmp_path: Path) -> None:
    text = "particle;frame;y;x;seen with\n0;0;1.5;2.5;3,4\n0;1;1.6;2.4;7,8\n"
    tracks = read_tracks(save(tmp_path, text))
    assert tracks["x"].tolist() == [2.5, 2.4]
    assert tracks["seen with"].tolist() == ["3,4", "7,8"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_z_that_is_the_same_everywhere_is_left_out(tmp_path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    flat = some_tracks().assign(z=0.0)
    write_table(flat, tmp_path / f"flat{suffix}")
    pd.testing.assert_frame_equal(read_tracks(tmp_path / f"flat{suffix}"), some_tracks())
    write_table(flat.assign(z=np.arange(5)), tmp_path / f"deep{suffix}")
    assert read_tracks(tmp_path / f"deep{suffix}")["z"].tolist() == [0, 1, 2, 3, 4]
    write_table(flat.iloc[:0], tmp_path / f"empty{suffix}")
    assert read_tracks(tmp_path / f"empty{suffix}").empty


def test_live_cell_table_as_it_is(shared_data: Path) -> None:
    """The facts stated with the data: 2,387 trajectories, median length 1, longest 105."""
    tracks = read_tracks(shared_data / "live_cell_tracks.csv")
    lengths = index_tracks(tracks).lengths
    assert len(lengths) == 2387
    assert np.median(lengths) == 1
    assert lengths.mean() == pytest.approx(1.6, abs=0.05)
    assert lengths.max() == 105
    assert {"y_err", "x_err", "snr"} <= set(tracks.columns)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"t\.csv is empty \(0 bytes\)"),
        ("\n\n", r"t\.csv is empty"),
        ("particle,y,x\n0,1,2\n", r"t\.csv lacks the column 'frame' \(it has: particle, y, x\)"),
        ("a,b\n1,2\n", "lacks the columns 'particle', 'frame', 'x'"),
        ("particle,frame,y,x\n0,0,1,2\n0,0,3,4\n", r"repeat.*particle 0 in frame 0 \(row 3\)"),
        ("particle,frame,y,x\n0,0,1,2\n0,1,oops,4\n", "text 'oops' in column 'y', row 3"),
        ("particle,frame,y,x\n0,0,1,2\n0,one,1,4\n", "text 'one' in column 'frame', row 3"),
        ("particle,frame,y,x\n0,0,1,2\n0,1,,4\n", "empty value in column 'y', row 3"),
        ("particle,frame,y,x\n0,0,1,inf\n", "infinite value in column 'x', row 2"),
        ("particle,frame,y,x\n0,0.5,1,2\n", "0.5 in column 'frame', row 2.*whole numbers"),
        ('particle,frame,y,x\n0,0,"1,2\n', "not a readable table"),
        ("particle,frame,y,x\n0,0,1,2\n0,1,1,2,3,4,5\n", "not a readable table"),
        ("pixel_size,particle,frame,y,x\n.1,0,0,1,2\n.2,0,1,1,2\n", "different values.*0.1, 0.2"),
        ("pixel_size,particle,frame,y,x\n-1,0,0,1,2\n", "pixel_size.*greater than 0"),
    ],
)
def test_bad_tables_are_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_tracks(save(tmp_path, text))


def test_files_that_are_no_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"particle,frame\n\xff\xfe\x00\n")
    with pytest.raises(InputError, match=r"t\.csv is not a readable table.*UTF-8"):
        read_tracks(tmp_path / "t.csv")
    (tmp_path / "t.xls").write_text("x")
    with pytest.raises(InputError, match=r"t\.xls is not a table that Perrin reads \(\.csv"):
        read_tracks(tmp_path / "t.xls")
    with pytest.raises(InputError, match="no file"):
        read_tracks(tmp_path / "none.csv")
    with pytest.raises(InputError, match="is a folder"):
        read_tracks(tmp_path)


def test_a_table_without_rows_is_a_table(tmp_path: Path) -> None:
    assert read_tracks(save(tmp_path, "particle,frame,y,x\n")).empty


def some_tracks(n: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(n)
    return pd.DataFrame(
        {"particle": np.arange(n) // 3, "frame": np.arange(n) % 3, "y": rng.random(n),
         "x": rng.random(n) * 1e3, "mass": rng.random(n)}
    )  # fmt: skip


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
@pytest.mark.parametrize(
    "calibration",
    [None, Calibration(pixel_size=0.1, frame_interval=1 / 3, z_step=0.25, exposure=0.5),
     Calibration(pixel_size=0.1)],
)  # fmt: skip
def test_tracks_and_their_calibration_come_back(
    tmp_path: Path, suffix: str, calibration: Calibration | None
) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    tracks = some_tracks()
    if calibration is not None:
        tracks.attrs["calibration"] = calibration
    path = write_tracks(tracks, tmp_path / f"t{suffix}")
    back = read_tracks(path)
    pd.testing.assert_frame_equal(back, tracks)
    assert back.attrs.get("calibration") == calibration


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(values=hnp.arrays(np.float64, 12, elements=st.floats(allow_nan=False, allow_infinity=False)))
def test_no_digit_is_lost(tmp_path: Path, values: np.ndarray) -> None:
    table = pd.DataFrame({"a": values})
    write_table(table, tmp_path / "a.csv", overwrite=True)
    np.testing.assert_array_equal(read_table(tmp_path / "a.csv")["a"].to_numpy(np.float64), values)


def test_what_is_not_a_track_table_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lacks the column"):
        write_tracks(pd.DataFrame({"a": [1]}), tmp_path / "t.csv")
    with pytest.raises(InputError, match=r"t\.xlsx: tables are written as"):
        write_tracks(some_tracks(), tmp_path / "t.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_tracks_are_not_overwritten_silently(tmp_path: Path) -> None:
    write_tracks(some_tracks(), tmp_path / "t.csv")
    with pytest.raises(OutputError, match="exists already"):
        write_tracks(some_tracks(), tmp_path / "t.csv")


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "pyarrow":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install napari-perrin\[parquet\]"):
        write_table(some_tracks(), tmp_path / "t.parquet")
    (tmp_path / "u.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"pip install napari-perrin\[parquet\]"):
        read_tracks(tmp_path / "u.parquet")


def test_a_damaged_parquet_file(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "u.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match="not a readable Parquet file"):
        read_tracks(tmp_path / "u.parquet")


def test_a_hundred_thousand_tracks(tmp_path: Path) -> None:
    n = 100_000
    tracks = pd.DataFrame(
        {"particle": np.repeat(np.arange(n), 2), "frame": np.tile([0, 1], n), "y": 1.5, "x": 2.5}
    )
    path = write_tracks(tracks, tmp_path / "t.csv")
    back = read_tracks(path)
    assert len(index_tracks(back).particles) == n
