"""Curation in the real window: clicks, keys and buttons, and what follows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from napari.layers import Layer, Points, Tracks
from pandas.testing import assert_frame_equal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_perrin._features import add_features
from napari_perrin._layers import export_table, table_of_layer, tracks_layer_data
from napari_perrin._saving import open_analysis, save_analysis
from napari_perrin._session import Session
from napari_perrin.curate import _reanalysis
from napari_perrin.curate._actions import CurationActions
from napari_perrin.curate._curator import Curator
from napari_perrin.inspect._canvas import Canvas
from napari_perrin.inspect._table import TableWidget
from perrin import Analysis, Calibration, analyze
from perrin.curation import curate, reanalyze
from perrin.errors import InputError
from perrin.filters import TrackFilters
from perrin.linking import track_graph
from perrin.saved import open_saved

CALIBRATION = Calibration(pixel_size=0.1, frame_interval=0.05)
LEFT = Qt.MouseButton.LeftButton
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
TABLES = ("per_track", "per_frame", "switches")
pytestmark = pytest.mark.usefixtures("single_precision")


@pytest.fixture(scope="module")
def analysis(walkers: pd.DataFrame) -> Analysis:
    """The analysis of the tracks, in the precision of those that are made of them here."""
    return analyze(walkers, CALIBRATION, device="cpu")


@pytest.fixture
def press(viewer: Any, qtbot: Any) -> Callable[..., None]:
    """Press a key while the canvas has the keyboard."""
    native = viewer.__wrapped__.window._qt_viewer.canvas.native

    def press_key(key: Qt.Key, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
        qtbot.keyClick(native, key, modifier)

    return press_key


@pytest.fixture
def settled(viewer: Any, qtbot: Any) -> Callable[[], None]:
    """Wait until tracks that changed are analysed anew."""
    curator = Curator.of(viewer)
    return lambda: qtbot.waitUntil(lambda: not curator.is_busy, timeout=60_000)


def visible(layer: Tracks) -> set[int]:
    QApplication.processEvents()  # the canvas comes after what the views show
    numbers = layer.features["particle"].to_numpy()
    return set(np.unique(numbers[layer.track_colors[:, 3] > 0]).tolist())


def column(widget: TableWidget, name: str) -> dict[int, str]:
    model = widget.model
    place = model.columns.index(name)
    texts = [model.data(model.index(row, place)) for row in range(model.rowCount())]
    return dict(zip(model.particles.tolist(), texts, strict=True))


def test_tracks_are_accepted_and_rejected_by_keys_one_after_the_other(
    viewer: Any, dock: Any, analyzed: Tracks, session: Session, place: Any, click: Any, press: Any,
    qtbot: Any,
) -> None:  # fmt: skip
    table: TableWidget = dock("Table of tracks")
    record = session.record(analyzed)
    click(place(analyzed, 40 * 2 + 35))
    press(Qt.Key.Key_N)
    press(Qt.Key.Key_K)
    press(Qt.Key.Key_N)
    # Each time the next one is selected.
    assert record.selection == {60}
    assert record.history is not None
    assert record.history.now.rejected == {30, 50}
    assert visible(analyzed) == {10, 20, 40, 60, 70, 80, 90}
    assert column(table, "verdict")[40] == "accepted"
    assert 30 not in table.model.particles
    assert (analyzed.name, session.current) == ("walkers (edited)", analyzed)
    assert analyzed.metadata["perrin"]["edited"]
    assert record.analysis is not None
    kept = record.analysis.per_track.set_index("particle")["kept"]
    assert set(kept.index[~kept]) == {30, 50}
    # They are rejected, not gone.
    assert len(table_of_layer(analyzed)) == 9 * 40
    qtbot.mouseClick(table.bar.rejected_box, LEFT, pos=table.bar.rejected_box.rect().center() / 4)
    table.bar.rejected_box.setChecked(True)
    assert visible(analyzed) == set(range(10, 100, 10))
    assert column(table, "verdict")[30] == "rejected"
    table.bar.rejected_box.setChecked(False)
    # With the views closed they stay hidden, and with others selected as well.
    press(Qt.Key.Key_Comma)
    assert not visible(analyzed) & {30, 50}
    viewer.window.remove_dock_widget(table)
    assert visible(analyzed) == {10, 20, 40, 60, 70, 80, 90}

    dock("Inspect tracks")
    for _ in range(2):
        press(Qt.Key.Key_Z, CONTROL)
    assert record.history.now.rejected == {30}
    assert record.selection == {40}
    press(Qt.Key.Key_Z, CONTROL | SHIFT)
    assert record.history.now.notes[40].verdict == "accepted"
    for _ in range(5):
        press(Qt.Key.Key_Z, CONTROL)
    assert visible(analyzed) == set(range(10, 100, 10))
    assert analyzed.name == "walkers"
    # Nothing of it is left in what is saved.
    assert not {"verdict", "label", "kept"} & set(record.analysis.per_track)


def test_a_track_is_split_and_joined_and_it_alone_is_analysed_anew(
    viewer: Any, dock: Any, analyzed: Tracks, analysis: Analysis, session: Session, place: Any,
    click: Any, press: Any, settled: Any, qtbot: Any,
) -> None:  # fmt: skip
    inspector, table = dock("Inspect tracks"), dock("Table of tracks")
    record, before = session.record(analyzed), table_of_layer(analyzed)
    analyzed.color_by = "alpha"
    crowd = pd.DataFrame({"crowd": before["particle"].to_numpy(float)})
    add_features(analyzed, crowd, CALIBRATION)
    click(place(analyzed, 40 * 3 + 35))
    viewer.dims.set_current_step(0, 15)
    qtbot.mouseClick(inspector.bar.buttons["split"], LEFT)
    assert record.selection == {40, 91}
    # What others found of tracks that did not change is theirs still.
    mine = analyzed.features.groupby("particle")["crowd"].first()
    assert mine[[10, 40, 91]].tolist() == pytest.approx([10, np.nan, np.nan], nan_ok=True)
    # The table knows at once what can be counted, and the rest when it is there.
    assert column(table, "n_points")[91] == "25"
    settled()
    assert analyzed.color_by == "alpha"
    assert record.analysis is not None
    per_track = record.analysis.per_track
    others = [10, 20, 30, 50, 60, 70, 80, 90]
    assert_frame_equal(
        per_track[per_track["particle"].isin(others)][analysis.per_track.columns].reset_index(
            drop=True
        ),
        analysis.per_track[analysis.per_track["particle"].isin(others)].reset_index(drop=True),
    )
    assert per_track.set_index("particle").loc[[40, 91], "n_points"].tolist() == [15, 25]
    alpha = analyzed.features.loc[analyzed.features["particle"] == 91, "alpha"].to_numpy()
    expected = per_track.set_index("particle").loc[91, "alpha"]
    np.testing.assert_array_equal(alpha, np.full(25, expected))
    assert not np.isnan(expected)

    # What was done replays without the window, with the same result.
    assert record.history is not None
    again = analyze(curate(before, record.history.curation).table(), CALIBRATION, device="cpu")
    for name in TABLES:
        live = getattr(record.analysis, name)
        assert_frame_equal(
            live[getattr(again, name).columns], getattr(again, name), rtol=1e-3, atol=1e-3
        )

    # Both pieces are selected: they are joined again by a key.
    press(Qt.Key.Key_J)
    assert record.selection == {40}
    settled()
    assert_frame_equal(table_of_layer(analyzed), before)
    # A join of tracks that were seen at once is refused in words.
    session.select(analyzed, [10, 20])
    assert inspector.bar.buttons["join"].isEnabled()
    assert not inspector.bar.buttons["split"].isEnabled()


def test_what_is_not_possible_is_said(
    viewer: Any, dock: Any, analyzed: Tracks, session: Session, press: Any, notifications: list[str]
) -> None:
    inspector = dock("Inspect tracks")
    assert not inspector.bar.buttons["accept"].isEnabled()
    assert "Click a track" in inspector.bar.help.text()
    session.select(analyzed, [10, 20])
    press(Qt.Key.Key_J)
    assert "both were seen in frame 0" in notifications[-1]
    session.select(analyzed, [10])
    viewer.dims.set_current_step(0, 0)
    press(Qt.Key.Key_H)
    assert "cannot be split at frame 0" in notifications[-1]
    assert session.record(analyzed).history.done == []
    assert analyzed.name == "walkers"


def test_a_localization_is_deleted_and_comes_back(
    viewer: Any, dock: Any, layer: Tracks, session: Session, place: Any, click: Any, press: Any
) -> None:
    dock("Inspect tracks")
    before = table_of_layer(layer)
    click(place(layer, 40 * 4 + 35))
    viewer.dims.set_current_step(0, 30)
    press(Qt.Key.Key_W)
    table = table_of_layer(layer)
    assert len(table) == len(before) - 1
    assert 30 not in set(table.loc[table["particle"] == 50, "frame"])
    press(Qt.Key.Key_Z, CONTROL)
    assert_frame_equal(table_of_layer(layer), before)
    # Rows that came from elsewhere are a new beginning.
    press(Qt.Key.Key_W)
    layer.data = layer.data[layer.data[:, 0] > 20]
    press(Qt.Key.Key_Z, CONTROL)
    assert len(table_of_layer(layer)) == 7 * 40 - 1


def test_labels_are_typed_and_become_a_feature_and_a_column(
    viewer: Any, dock: Any, analyzed: Tracks, session: Session, press: Any, qtbot: Any
) -> None:
    table: TableWidget = dock("Table of tracks")
    for particles, label in (([10, 20], "bound"), ([30], "free"), ([20], "free")):
        session.select(analyzed, particles)
        table.bar.label_box.lineEdit().clear()
        qtbot.keyClicks(table.bar.label_box.lineEdit(), label)
        qtbot.keyClick(table.bar.label_box.lineEdit(), Qt.Key.Key_Return)
    assert {x: t for x, t in column(table, "label").items() if t} == {
        10: "bound", 20: "free", 30: "free",
    }  # fmt: skip
    features = analyzed.features.groupby("particle")["label"].first()
    assert features.to_dict() == {10: 0, 20: 1, 30: 1, **dict.fromkeys(range(40, 100, 10), -1)}
    exported = export_table(analyzed).groupby("particle")["label"].first()
    assert exported[[10, 20, 40]].tolist() == ["bound", "free", ""]
    # A label is no measurement: the track table has none.
    assert "label" not in table_of_layer(analyzed)
    analysis = session.record(analyzed).analysis
    assert analysis is not None
    assert analysis.per_track["label"].fillna("").tolist()[:4] == ["bound", "free", "free", ""]
    # K is a letter while a label is typed.
    session.select(analyzed, [10])
    qtbot.keyClick(table.bar.label_box.lineEdit(), Qt.Key.Key_K)
    assert session.record(analyzed).history.now.notes[10].verdict == ""


def test_filters_are_undone_and_kept_with_the_layer(
    viewer: Any, dock: Any, analyzed: Tracks, analysis: Analysis, session: Session, press: Any,
    qtbot: Any,
) -> None:  # fmt: skip
    table: TableWidget = dock("Table of tracks")
    curator = Curator.of(viewer)
    third, middle = (float(x) for x in analysis.per_track["alpha"].sort_values().iloc[[2, 4]])
    (made,) = (each for each in table.filter_panel.ranges if each.name == "alpha")
    for low in (third, middle):
        made.set_range((low, None))
        qtbot.waitUntil(
            lambda low=low: curator.filters(analyzed).ranges.get("alpha") == (low, None)
        )
    shown = set(table.model.particles.tolist())
    assert len(shown) < 9

    def kept() -> set[int]:
        per_track = session.record(analyzed).analysis.per_track
        return set(per_track["particle"][per_track["kept"]]) if "kept" in per_track else set()

    qtbot.waitUntil(lambda: kept() == shown)
    press(Qt.Key.Key_Z, CONTROL)
    assert curator.filters(analyzed) == TrackFilters()
    assert table.model.rowCount() == 9
    assert made.range() is None
    press(Qt.Key.Key_Z, CONTROL | SHIFT)
    assert set(table.model.particles.tolist()) == shown
    assert made.range() == (middle, None)
    # Filters edit nothing.
    assert analyzed.name == "walkers"
    viewer.window.remove_dock_widget(table)
    again: TableWidget = dock("Table of tracks")
    assert set(again.model.particles.tolist()) == shown


def test_keys_work_from_the_table_too(
    viewer: Any, dock: Any, analyzed: Tracks, session: Session, qtbot: Any
) -> None:
    table: TableWidget = dock("Table of tracks")
    session.select(analyzed, [10])
    table.table.setFocus()
    qtbot.keyClick(table.table, Qt.Key.Key_N)
    assert session.record(analyzed).history.now.rejected == {10}
    assert session.record(analyzed).selection == {20}


def test_marks_of_switches_follow_the_tracks(
    viewer: Any, dock: Any, analyzed: Tracks, analysis: Analysis, session: Session, settled: Any
) -> None:
    found = pd.DataFrame({"particle": [20], "frame": [12], "frame_lo": [11], "frame_hi": [13]})
    values = dict.fromkeys(analysis.switches.columns.difference(found.columns), 1.0)
    record = session.record(analyzed)
    record.analysis = Analysis(
        analysis.per_track, analysis.per_frame,
        found.assign(**values).reindex(columns=analysis.switches.columns),
        analysis.calibration, analysis.parameters,
    )  # fmt: skip
    dock("Inspect tracks")
    curator = Curator.of(viewer)
    assert curator.switches(analyzed, 20) == [12]
    curator.delete(analyzed, 30, 5)
    (marks,) = (x for x in viewer.layers if isinstance(x, Points))
    assert marks.data[0, 0] == 12
    curator.judge(analyzed, [20], accept=False)
    assert not any(isinstance(x, Points) for x in viewer.layers)
    curator.undo(analyzed)
    assert any(isinstance(x, Points) for x in viewer.layers)
    curator.split(analyzed, 20, curator.switches(analyzed, 20))
    settled()
    assert set(table_of_layer(analyzed).query("particle == 91")["frame"]) == set(range(12, 40))


def test_what_could_not_be_analysed_anew_is_not_saved_but_tried_again(
    model: Any, bare_layer: Tracks, qtbot: Any, monkeypatch: Any, notifications: list[str],
    tmp_path: Any,
) -> None:  # fmt: skip
    session, curator = Session.of(model), Curator.of(model)
    session.record(bare_layer).device = "cpu"
    devices: list[str] = []

    def fail_once(*args: Any, device: str, **options: Any) -> Analysis:
        devices.append(device)
        if len(devices) == 1:
            raise InputError("the memory is full.")
        return reanalyze(*args, device=device, **options)

    monkeypatch.setattr(_reanalysis, "reanalyze", fail_once)
    curator.split(bare_layer, 40, [15])
    qtbot.waitUntil(lambda: not curator.is_busy, timeout=60_000)
    assert "could not be analysed anew: the memory is full." in notifications[-1]
    with pytest.raises(InputError, match="2 tracks are not analysed"):
        save_analysis(session, bare_layer, str(tmp_path / "saved"))
    curator.label(bare_layer, [10], "bound")
    qtbot.waitUntil(lambda: not curator.is_busy, timeout=60_000)
    save_analysis(session, bare_layer, str(tmp_path / "saved"))
    saved = open_saved(tmp_path / "saved")
    assert saved.analysis is not None
    assert {40, 91} <= set(saved.analysis.per_track["particle"])
    assert devices == ["cpu", "cpu"]


def test_what_is_shown_follows_without_the_table(
    model: Any, bare_layer: Tracks, qtbot: Any, tmp_path: Any
) -> None:
    session, curator = Session.of(model), Curator.of(model)
    per_track = session.record(bare_layer).analysis.per_track
    low = float(per_track["alpha"].sort_values().iloc[3])
    kept = set(per_track.loc[per_track["alpha"] >= low, "particle"])
    curator.filter(bare_layer, TrackFilters(ranges={"alpha": (low, None)}))
    rejected = min(kept)
    curator.judge(bare_layer, [rejected], accept=False)
    save_analysis(session, bare_layer, str(tmp_path))
    model.layers.clear()

    layer, _ = open_analysis(model, str(tmp_path))
    canvas = Canvas.of(model)
    canvas.watch(view := Pressed())
    record = session.record(layer)
    assert visible(layer) == set(record.shown.tolist()) == kept - {rejected}
    curator.show_rejected(layer, True)
    assert visible(layer) == kept
    curator.show_rejected(layer, False)
    curator.undo(layer)
    assert visible(layer) == kept
    assert record.counts(np.array(sorted(kept))).all()
    # Numbers that are gone are gone; pieces are shown until more is known of them.
    last = max(kept)
    curator.split(layer, last, [20])
    assert visible(layer) == {*kept, 91}
    assert set(record.shown.tolist()) == {*kept, 91}
    curator.undo(layer)
    assert visible(layer) == kept
    session.select(layer, [last])
    canvas.step(1)
    record.shown = np.array([91, last])  # whoever set it
    canvas.step(1)
    assert record.selection == {last}
    curator.filter(layer, TrackFilters())
    assert visible(layer) == set(range(10, 100, 10))
    curator.undo(layer)
    assert visible(layer) == kept
    qtbot.waitUntil(lambda: not curator.is_busy, timeout=60_000)
    canvas.leave(view)


def test_tracks_that_a_filter_hides_are_left_alone(model: Any, bare_layer: Tracks) -> None:
    session = Session.of(model)
    actions = CurationActions(model, Canvas.of(model))
    session.current = bare_layer
    session.select(bare_layer, [10, 20, 30])
    session.show_tracks(bare_layer, np.array([20, 30, 40]))
    assert actions.selected == [20, 30]
    actions.run("reject")
    assert session.record(bare_layer).rejected == {20, 30}


def test_who_comes_from_whom_outlives_an_edit(model: Any, qapp: Any) -> None:
    table = pd.DataFrame(
        {
            "particle": np.repeat([0, 1, 2], 4), "frame": np.r_[0:4, 4:8, 4:8], "y": 1.0,
            "x": np.repeat([1.0, 5.0, 9.0], 4), "parent": np.repeat([-1, 0, 0], 4),
        }
    )  # fmt: skip
    layer = model.add_layer(Layer.create(*tracks_layer_data(table, name="dividing")))
    assert layer.graph == {1: [0], 2: [0]}
    Curator.of(model).delete(layer, 2, 7)
    assert layer.graph == track_graph(table) == {1: [0], 2: [0]}
    assert len(layer.data) == 11


class Pressed:
    """Somebody who looks at the canvas."""
