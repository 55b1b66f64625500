"""Tracks out and in again, in every format; and as the formats' own programs read them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from perrin import Calibration, InputError, OutputError, read_tracks, validate_tracks, write_tracks

POSITIONS = st.floats(-1e4, 1e4, allow_subnormal=False)


@st.composite
def track_tables(draw: st.DrawFn) -> pd.DataFrame:
    """Tables in 2D and 3D with gaps, odd numbers of particles, and columns that are not full."""
    rows = []
    for particle in draw(st.lists(st.integers(0, 10**6), min_size=1, max_size=4, unique=True)):
        frames = draw(st.lists(st.integers(0, 500), min_size=2, max_size=6, unique=True))
        rows += [(particle, frame) for frame in frames]
    table = pd.DataFrame(rows, columns=["particle", "frame"])
    n = len(table)
    for axis in draw(st.sampled_from([("y", "x"), ("z", "y", "x")])):
        table[axis] = draw(st.lists(POSITIONS, min_size=n, max_size=n, unique=True))
    table["mass"] = draw(st.lists(st.floats(0, 1e9) | st.just(np.nan), min_size=n, max_size=n))
    table["model"] = draw(st.lists(st.sampled_from(["FBM", "LW", None]), min_size=n, max_size=n))
    table = validate_tracks(table)
    calibration = draw(
        st.builds(
            Calibration,
            pixel_size=st.none() | st.floats(1e-3, 10),
            frame_interval=st.none() | st.floats(1e-4, 1e3),
            exposure=st.sampled_from([0.5, 1.0]),
        )
    )
    table.attrs["calibration"] = calibration
    return table


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".xml"])
@given(table=track_tables())
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_written_is_read(suffix: str, table: pd.DataFrame, tmp_path: Path) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    round_trip(table, tmp_path / f"t{suffix}")


@given(table=track_tables())
@settings(  # few, since each is dozens of files
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_written_as_geff_is_read(table: pd.DataFrame, tmp_path: Path) -> None:
    pytest.importorskip("geff")
    round_trip(table, tmp_path / "t.geff")


def round_trip(table: pd.DataFrame, path: Path) -> None:
    calibration = table.attrs["calibration"]
    again = read_tracks(write_tracks(table, path, overwrite=True))
    known = again.attrs.get("calibration", Calibration())
    for name in ("pixel_size", "frame_interval"):
        expected = getattr(calibration, name)
        # Files of the last two kinds are read to twelve digits.
        assert getattr(known, name) == (
            expected if expected is None else pytest.approx(expected, rel=1e-11)
        )
    keys = ["particle", "frame", *(axis for axis in "zyx" if axis in table)]
    if path.suffix == ".xml":
        # Through µm and back.
        assert_frame_equal(again[keys], table[keys], rtol=1e-12, atol=1e-300)
        return
    assert known.exposure == calibration.exposure
    assert_frame_equal(again[keys], table[keys], check_exact=True)
    np.testing.assert_array_equal(again["mass"], table["mass"])
    assert again["model"].isna().tolist() == table["model"].isna().tolist()
    assert again["model"].dropna().tolist() == table["model"].dropna().tolist()


def table_of(**columns: Any) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "particle": [0, 0, 0, 4, 4, 9],
            "frame": [0, 1, 4, 2, 3, 7],
            "y": np.arange(6) * 1.25,
            "x": np.arange(6) * 0.5 + 1,
            **columns,
        }
    )
    table.attrs["calibration"] = Calibration(pixel_size=0.1, frame_interval=0.05)
    return table


def test_geff_is_read_by_its_own_package(tmp_path: Path) -> None:
    geff = pytest.importorskip("geff")
    from geff.core_io import read_to_memory
    from geff.validate.data import ValidationConfig

    path = write_tracks(table_of(n=[1, 2, 3, 4, 5, 6]), tmp_path / "t.geff")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        geff.validate_structure(path)
        memory = read_to_memory(path, data_validation=ValidationConfig(graph=True, tracklet=True))
        graph, metadata = geff.read(path)
    assert memory["edge_ids"].tolist() == [[0, 1], [1, 2], [3, 4]]
    assert graph.nodes[2] == {"particle": 0, "t": 4, "y": 2.5, "x": 2.0, "n": 3}
    axes = {axis.name: (axis.type, axis.unit, axis.scale, axis.scaled_unit)
            for axis in metadata.axes}  # fmt: skip
    assert axes == {
        "t": ("time", "frame", 0.05, "second"),
        "y": ("space", "pixel", 0.1, "micrometer"),
        "x": ("space", "pixel", 0.1, "micrometer"),
    }


def test_trackmate_has_the_parts_of_its_own_files(tmp_path: Path) -> None:
    path = write_tracks(table_of(radius=3.0), tmp_path / "t.xml")
    root = ElementTree.parse(path).getroot()
    assert (root.tag, [child.tag for child in root]) == (
        "TrackMate", ["Model", "Settings", "GUIState"],
    )  # fmt: skip
    model, settings = root[0], root[1]
    assert model.attrib == {"spatialunits": "micron", "timeunits": "sec"}
    assert [child.tag for child in model] == [
        "FeatureDeclarations", "AllSpots", "AllTracks", "FilteredTracks",
    ]  # fmt: skip
    assert [child.tag for child in settings] == [
        "ImageData", "BasicSettings", "DetectorSettings", "InitialSpotFilter",
        "SpotFilterCollection", "TrackerSettings", "TrackFilterCollection", "AnalyzerCollection",
    ]  # fmt: skip
    # Every feature that is used is declared, as TrackMate demands.
    for kind, tag in (("Spot", "Spot"), ("Edge", "Edge"), ("Track", "Track")):
        declared = {f.attrib["feature"] for f in root.iterfind(f".//{kind}Features/Feature")}
        for element in root.iterfind(f"./Model//{tag}"):
            assert set(element.attrib) - {"ID", "name"} <= declared
    spots = {s.attrib["ID"]: s.attrib for s in root.iter("Spot")}
    assert len(spots) == int(model[1].attrib["nspots"]) == 6
    assert float(spots["2"]["POSITION_T"]) == pytest.approx(0.2)
    assert float(spots["2"]["POSITION_Y"]) == pytest.approx(0.25)
    assert float(spots["2"]["RADIUS"]) == pytest.approx(0.3)
    tracks = {t.attrib["TRACK_ID"]: t for t in root.iter("Track")}
    assert set(tracks) == {t.attrib["TRACK_ID"] for t in root.iter("TrackID")} == {"0", "4"}
    assert tracks["0"].attrib["NUMBER_GAPS"] == "2"
    for track in tracks.values():
        ends = [(e.attrib["SPOT_SOURCE_ID"], e.attrib["SPOT_TARGET_ID"]) for e in track]
        frames = [[int(spots[i]["FRAME"]) for i in edge] for edge in ends]
        assert all(first < last for first, last in frames)


def test_a_reader_of_trackmate_finds_the_same_tracks(tmp_path: Path) -> None:
    pytest.importorskip("geff")
    from geff.convert import from_trackmate_xml_to_geff

    table = table_of()
    path = write_tracks(table, tmp_path / "t.xml")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from_trackmate_xml_to_geff(path, tmp_path / "u.geff")
    read = read_tracks(tmp_path / "u.geff")
    assert read.attrs["calibration"].frame_interval == pytest.approx(0.05)
    assert "z" not in read
    np.testing.assert_allclose(read[["y", "x"]], table[["y", "x"]] * 0.1)
    assert read["frame"].tolist() == table["frame"].tolist()
    assert read["particle"].tolist() == [0, 0, 0, 1, 1, 2]


def test_graphs_that_branch_are_cut(tmp_path: Path) -> None:
    geff = pytest.importorskip("geff")
    nx = pytest.importorskip("networkx")
    graph = nx.DiGraph()
    for node, t in enumerate([0, 1, 2, 2, 0, 1]):
        graph.add_node(node + 10, time=t * 0.5, py=1.0 * node, px=2.0 * node)
    graph.add_edges_from([(10, 11), (11, 12), (11, 13), (14, 15)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        geff.write(
            graph, tmp_path / "g.geff", axis_names=["time", "py", "px"],
            axis_units=["second", "micrometer", "micrometer"],
            axis_types=["time", "space", "space"],
        )  # fmt: skip
    tracks = read_tracks(tmp_path / "g.geff")
    pieces = [part["x"].tolist() for _, part in tracks.groupby("particle")]
    assert sorted(pieces) == [[0.0, 2.0], [4.0], [6.0], [8.0, 10.0]]
    assert tracks.attrs["calibration"].frame_interval == pytest.approx(0.5)
    assert tracks.attrs["calibration"].pixel_size == 1.0


def write_foreign(path: Path, **columns: Any) -> None:
    """Write nodes without edges as another program would, with a track of each as tracklet."""
    pytest.importorskip("geff")
    from geff.core_io import write_arrays
    from geff_spec import Axis, GeffMetadata

    n = len(columns["t"]["values"])
    metadata = GeffMetadata(
        directed=True, node_props_metadata={}, edge_props_metadata={},
        axes=[Axis(name="t", type="time"), *(Axis(name=name, type="space") for name in "zyx")],
        track_node_props={"tracklet": "track"},
    )  # fmt: skip
    positions = {name: {"values": np.zeros(n), "missing": None} for name in "zyx"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_arrays(
            path, np.arange(n, dtype=np.uint64), positions | columns,
            np.empty((0, 2), np.uint64), {}, metadata, zarr_format=2,
        )  # fmt: skip


def test_nodes_of_no_track_are_left_out(tmp_path: Path) -> None:
    pytest.importorskip("geff")
    t = {"values": np.array([0, 1, 2]), "missing": None}
    track = np.array([5, 0, 5])
    write_foreign(
        tmp_path / "t.geff", t=t, track={"values": track, "missing": np.array([False, True, False])}
    )
    tracks = read_tracks(tmp_path / "t.geff")
    assert tracks["particle"].tolist() == [5, 5]
    assert tracks["frame"].tolist() == [0, 2]
    assert "z" not in tracks
    write_foreign(tmp_path / "u.geff", t=t, track={"values": track, "missing": np.ones(3, bool)})
    with pytest.raises(InputError, match=r"u\.geff holds no tracks"):
        read_tracks(tmp_path / "u.geff")


def test_a_graph_without_nodes(tmp_path: Path) -> None:
    pytest.importorskip("geff")
    none = {"values": np.empty(0, np.int64), "missing": None}
    write_foreign(tmp_path / "t.geff", t=none, track=none)
    with pytest.raises(InputError, match=r"t\.geff holds no tracks"):
        read_tracks(tmp_path / "t.geff")


def test_our_own_graphs_keep_a_flat_z(tmp_path: Path) -> None:
    pytest.importorskip("geff")
    path = write_tracks(table_of(z=2.0), tmp_path / "t.geff")
    assert read_tracks(path)["z"].tolist() == [2.0] * 6


@pytest.mark.parametrize("suffix", [".xml", ".geff"])
def test_nothing_is_written_over(suffix: str, tmp_path: Path) -> None:
    if suffix == ".geff":
        pytest.importorskip("geff")
    path = write_tracks(table_of(), tmp_path / f"t{suffix}")
    other = table_of().query("particle == 4")
    with pytest.raises(OutputError, match="exists already and was left as it is"):
        write_tracks(other, path)
    assert read_tracks(path)["frame"].max() > 3
    write_tracks(other, path, overwrite=True)
    assert read_tracks(path)["frame"].tolist() == [2, 3]
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_folder_that_is_not_finished_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("geff")
    from perrin.io import _geff

    path = write_tracks(table_of(), tmp_path / "t.geff")

    def full(folder: Path, *_: object, **__: object) -> None:
        (folder / "nodes").mkdir(parents=True)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_geff, "write_arrays", full)
    for name in ("t.geff", "u.geff"):
        with pytest.raises(OutputError, match=r"disk is full.*Nothing that was there"):
            write_tracks(table_of(), tmp_path / name, overwrite=True)
    assert [found.name for found in tmp_path.iterdir()] == ["t.geff"]
    assert len(read_tracks(path)) == 6


def test_folders_that_are_no_tracks(tmp_path: Path) -> None:
    pytest.importorskip("geff")
    (tmp_path / "t.geff").mkdir()
    with pytest.raises(InputError, match=r"t\.geff is not a readable GEFF folder"):
        read_tracks(tmp_path / "t.geff")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="is a folder; give the table itself"):
        read_tracks(tmp_path / "folder")
    with pytest.raises(InputError, match=r"are no tracks to write to t\.xml"):
        write_tracks(table_of().iloc[:0], tmp_path / "t.xml")
