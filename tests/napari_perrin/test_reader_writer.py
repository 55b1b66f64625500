"""Track tables open like any file, other tables are left to others, and layers save as tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from napari._qt.dialogs.qt_reader_dialog import QtReaderDialog
from napari.layers import Layer, Tracks
from pandas.testing import assert_frame_equal
from qtpy.QtCore import QMimeData, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QApplication, QDialog, QRadioButton

from napari_perrin._features import add_features
from napari_perrin._layers import table_of_layer, tracks_layer_data
from napari_perrin._reader import get_reader, looks_like_tracks
from perrin.errors import InputError
from perrin.io import read_tracks, write_tracks
from perrin.tracks import Calibration, validate_tracks

TRACKMATE_EXPORT = """<?xml version="1.0" encoding="UTF-8"?>
<Tracks nTracks="1" spaceUnits="pixel" frameInterval="0.5" timeUnits="sec"
        generationDateTime="Mo., 1 Jan 2024 10:00:00" from="TrackMate v7.11.1">
  <particle nSpots="3">
    <detection t="0" x="1.5" y="2.5" z="0.0" />
    <detection t="1" x="1.75" y="2.25" z="0.0" />
    <detection t="2" x="2.0" y="2.0" z="0.0" />
  </particle>
</Tracks>
"""


@pytest.fixture
def table(tracks: pd.DataFrame) -> pd.DataFrame:
    """The tracks with their calibration."""
    checked = validate_tracks(tracks)
    checked.attrs["calibration"] = Calibration(pixel_size=0.16, frame_interval=0.02)
    return checked


@pytest.fixture
def csv(table: pd.DataFrame, tmp_path: Path) -> Path:
    """The tracks in a file."""
    return write_tracks(table, tmp_path / "walkers.csv")


def test_a_table_opens_as_tracks_with_its_calibration(
    model: Any, csv: Path, table: pd.DataFrame
) -> None:
    (layer,) = model.open(csv, plugin="napari-perrin")
    assert layer == model.layers["walkers"]
    assert isinstance(layer, Tracks)
    assert layer.scale.tolist() == [0.02, 0.16, 0.16]
    assert_frame_equal(table_of_layer(layer), table)


def drop(viewer: Any, path: Path) -> None:
    """Drop a file onto the window."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    viewer.__wrapped__.window._qt_viewer.dropEvent(event)


@pytest.fixture
def answer_dialog() -> Iterator[list[str]]:
    """Choose Perrin in napari's "Choose reader" dialog; returns the readers it offered."""
    offered: list[str] = []
    timer = QTimer()

    def answer() -> None:
        dialog = QApplication.activeModalWidget()
        if isinstance(dialog, QtReaderDialog):
            buttons = dialog.findChildren(QRadioButton)
            offered.extend(button.text() for button in buttons)
            for button in buttons:
                button.setChecked(button.text() == "Perrin")
            dialog.accept()
        elif isinstance(dialog, QDialog):
            dialog.reject()

    timer.timeout.connect(answer)
    timer.start(20)
    yield offered
    timer.stop()


def test_a_table_opens_by_drag_and_drop(viewer: Any, csv: Path, answer_dialog: list[str]) -> None:
    drop(viewer, csv)
    assert "Perrin" in answer_dialog
    assert isinstance(viewer.layers["walkers"].__wrapped__, Tracks)


def test_trackmate_opens_by_drag_and_drop_without_a_question(
    viewer: Any, tmp_path: Path, answer_dialog: list[str]
) -> None:
    path = tmp_path / "export.xml"
    path.write_text(TRACKMATE_EXPORT)
    drop(viewer, path)
    assert answer_dialog == []
    assert isinstance(viewer.layers["export"].__wrapped__, Tracks)


def test_trackmate_opens(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "export.xml"
    path.write_text(TRACKMATE_EXPORT)
    (layer,) = model.open(path, plugin="napari-perrin")
    np.testing.assert_allclose(layer.data[:, -2:], [[2.5, 1.5], [2.25, 1.75], [2.0, 2.0]])


@pytest.mark.parametrize("suffix", [".geff", ".xml"])
def test_tracks_are_saved_and_opened_in_the_formats_of_others(
    model: Any, csv: Path, table: pd.DataFrame, tmp_path: Path, suffix: str
) -> None:
    if suffix == ".geff":
        pytest.importorskip("geff")
    (layer,) = model.open(csv, plugin="napari-perrin")
    path = tmp_path / f"saved{suffix}"
    assert layer.save(str(path), plugin="napari-perrin") == [str(path)]
    (again,) = model.open(path, plugin="napari-perrin")
    np.testing.assert_allclose(again.data, layer.data, rtol=1e-9)
    np.testing.assert_allclose(again.scale, layer.scale)


def test_folders_of_others_are_left_to_others(tmp_path: Path) -> None:
    for name in ("images.zarr", "empty.geff"):
        (tmp_path / name).mkdir()
        assert get_reader(str(tmp_path / name)) is None


def test_a_table_named_otherwise_opens(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "live.csv"
    path.write_text("y,x,frame,trajectory\n1.0,2.0,0,7\n1.5,2.5,1,7\n")
    (layer,) = model.open(path, plugin="napari-perrin")
    assert layer.data.tolist() == [[7, 0, 1.0, 2.0], [7, 1, 1.5, 2.5]]


def test_the_real_live_cell_table_opens(model: Any, shared_data: Path) -> None:
    (layer,) = model.open(shared_data / "live_cell_tracks.csv", plugin="napari-perrin")
    assert len(np.unique(layer.data[:, 0])) == 2387
    assert np.bincount(layer.data[:, 0].astype(int)).max() == 105


def test_several_tables_become_several_layers(csv: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text(csv.read_text())
    reader = get_reader([str(csv), str(other)])
    assert reader is not None
    assert [attributes["name"] for _, attributes, _ in reader([str(csv), str(other)])] == [
        "walkers",
        "other",
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("points.csv", "index,axis-0,axis-1\n0,1.0,2.0\n"),
        ("shapes.csv", "index,shape-type,vertex-index,axis-0,axis-1\n"),
        ("measurements.csv", "label,area,mean\n1,2,3\n"),
        ("localizations.csv", "frame,y,x,mass\n0,1,2,3\n"),
        ("empty.csv", ""),
        ("notes.xml", "<notes/>"),
    ],
)
def test_other_tables_are_left_to_others(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert not looks_like_tracks(path)
    assert get_reader(str(path)) is None
    assert not looks_like_tracks(tmp_path / "not there.csv")


def test_a_track_table_that_is_broken_says_what_is_wrong(
    model: Any, tmp_path: Path, notifications: list[str]
) -> None:
    path = tmp_path / "broken.csv"
    path.write_text("particle,y,x\n0,1.0,2.0\n")
    with pytest.raises(InputError, match=r"broken\.csv lacks the column 'frame'") as error:
        model.open(path, plugin="napari-perrin")
    assert len(model.layers) == 0
    assert notifications == [str(error.value)]


def test_a_saved_layer_reads_back_the_same(
    model: Any, csv: Path, table: pd.DataFrame, tmp_path: Path
) -> None:
    (layer,) = model.open(csv, plugin="napari-perrin")
    saved = tmp_path / "saved.csv"
    assert layer.save(str(saved)) == [str(saved)]
    again = read_tracks(saved)
    assert_frame_equal(again, table)
    assert again.attrs["calibration"] == table.attrs["calibration"]


def test_an_analysed_layer_keeps_its_analysis_through_a_file(
    model: Any, table: pd.DataFrame, tmp_path: Path
) -> None:
    layer = Layer.create(*tracks_layer_data(table, name="walkers"))
    codes = table["particle"].to_numpy() % 6 - 1
    features = pd.DataFrame({"model": codes, "alpha": np.where(codes < 0, np.nan, 1.25)})
    add_features(layer, features, table.attrs["calibration"])
    saved = tmp_path / "saved.csv"
    layer.save(str(saved), plugin="napari-perrin")
    names = pd.read_csv(saved)["model"].fillna("").unique().tolist()
    assert sorted(names) == ["", "ATTM", "CTRW", "FBM", "LW", "SBM"]
    (again,) = model.open(saved, plugin="napari-perrin")
    assert again.features["model"].tolist() == codes.tolist()
    np.testing.assert_array_equal(again.features["alpha"], features["alpha"])
    # The analysis is beside the track table, not part of it.
    assert_frame_equal(table_of_layer(again), table)


def test_a_layer_of_another_plugin_can_be_saved(tmp_path: Path) -> None:
    layer = Tracks(np.array([[1, 1, 3, 4], [1, 0, 1, 2]]), features={"weight": [2.0, 1.0]})
    layer.save(str(tmp_path / "foreign.csv"), plugin="napari-perrin")
    saved = read_tracks(tmp_path / "foreign.csv")
    assert saved["weight"].tolist() == [1.0, 2.0]
    assert saved[["y", "x"]].to_numpy().tolist() == [[1, 2], [3, 4]]
