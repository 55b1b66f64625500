"""Selecting tracks with real clicks and keys on the real canvas, and what that does to it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from napari.layers import Tracks
from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtWidgets import QApplication

from napari_perrin._results_view import ResultsView
from napari_perrin._session import Session
from napari_perrin.inspect._canvas import Canvas
from napari_perrin.inspect._highlight import FAINT
from perrin import Analysis

SHIFT = Qt.KeyboardModifier.ShiftModifier


class View:
    """Somebody who looks."""


@pytest.fixture
def canvas(model: Any, bare_layer: Tracks, qapp: Any) -> Iterator[Canvas]:
    """The canvas of a viewer without a window, watched."""
    canvas, view = Canvas.of(model), View()
    canvas.watch(view)
    yield canvas
    canvas.leave(view)


def opacities(layer: Tracks) -> dict[int, float]:
    """Return how opaque each track is drawn."""
    QApplication.processEvents()  # the canvas comes after what the views show
    numbers = layer.features["particle"].to_numpy()
    alpha = {int(n): np.unique(layer.track_colors[numbers == n, 3]) for n in np.unique(numbers)}
    assert all(len(values) == 1 for values in alpha.values())
    return {number: float(values[0]) for number, values in alpha.items()}


def test_clicks_select_the_track_under_the_mouse(
    viewer: Any, dock: Any, layer: Tracks, session: Session, place: Any, click: Any
) -> None:
    inspector, record = dock("Inspect tracks"), session.record(layer)
    for track in (2, 7):
        click(place(layer, 40 * track + 35))
        assert record.selection == {10 * (track + 1)}
    shown = opacities(layer)
    assert shown.pop(80) == 1
    assert set(shown.values()) == {FAINT}

    # With Shift held tracks are added and taken out.
    click(place(layer, 35), SHIFT)
    assert record.selection == {10, 80}
    click(place(layer, 7 * 40 + 35), SHIFT)
    assert record.selection == {10}
    click(QPoint(3, 3), SHIFT)
    assert record.selection == {10}
    # Beside all tracks there is nothing to select.
    click(QPoint(3, 3))
    assert record.selection == frozenset()
    assert set(opacities(layer).values()) == {1}

    # A drag moves the picture.
    here = place(layer, 35)
    click(here, to=here + QPoint(30, 20))
    assert record.selection == frozenset()
    # Clicks belong to the layer that is drawn on.
    here = place(layer, 35)
    points = viewer.add_points(np.zeros((0, 3)), name="mine")
    points.mode = "add"
    click(here)
    assert (len(points.data), record.selection) == (1, frozenset())
    points.mode = "pan_zoom"
    click(here)
    assert record.selection == {10}

    # Once nobody looks, clicks are napari's alone.
    viewer.window.remove_dock_widget(inspector)
    assert set(opacities(layer).values()) == {1}
    click(place(layer, 75))
    assert record.selection == {10}
    # Nor does the view that was closed follow what happens.
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    del inspector
    gc.collect()
    session.select(layer, [20])
    viewer.dims.set_current_step(0, 3)
    viewer.layers.remove("walkers")


def test_clicks_select_in_3d_and_in_another_layer(
    viewer: Any, dock: Any, session: Session, place: Any, click: Any
) -> None:
    rng = np.random.default_rng(5)
    start = rng.uniform(0, 60, (12, 1, 3))
    path = start + np.cumsum(rng.normal(0, 0.7, (12, 20, 3)), axis=1)
    data = np.column_stack(
        (np.repeat(np.arange(12), 20), np.tile(np.arange(20), 12), path.reshape(-1, 3))
    )
    far = data + np.array([0, 0, 0, 150, 0])
    viewer.dims.ndisplay = 3
    options = {"scale": (1, 0.3, 0.1, 0.1), "tail_length": 30}
    layers = [viewer.add_tracks(tracks, **options).__wrapped__ for tracks in (data, far)]
    viewer.dims.set_current_step(0, 19)
    viewer.reset_view()
    viewer.scene.camera.angles = (20, -35, 110)
    inspector = dock("Inspect tracks")
    for perspective in (0, 40):
        viewer.scene.camera.perspective = perspective
        for layer, track in ((layers[0], 1), (layers[1], 4), (layers[0], 9)):
            click(place(layer, 20 * track + 15))
            assert session.current is layer
            assert session.record(layer).selection == {track}
            assert inspector.report.particle == track
            assert inspector.layer_choice.layer is layer


def test_keys_step_through_the_tracks_and_show_them(
    viewer: Any, dock: Any, layer: Tracks, session: Session, qtbot: Any
) -> None:
    inspector = dock("Inspect tracks")
    native = viewer.__wrapped__.window._qt_viewer.canvas.native
    viewer.dims.set_current_step(0, 0)
    for key, expected in (
        (Qt.Key.Key_Period, 10), (Qt.Key.Key_Period, 20), (Qt.Key.Key_Comma, 10),
        (Qt.Key.Key_Comma, 90),
    ):  # fmt: skip
        qtbot.keyClick(native, key)
        assert session.record(layer).selection == {expected}
        # At its very first frame nothing of a track is drawn.
        assert viewer.dims.current_step[0] > 0
    qtbot.mouseClick(inspector.next_button, Qt.MouseButton.LeftButton)
    assert session.record(layer).selection == {10}

    # A track out of sight is brought into view; one that is seen stays where it is.
    camera = viewer.scene.camera
    camera.zoom *= 8
    camera.center = tuple(layer.data_to_world(layer.data[-1, 1:]))
    QApplication.processEvents()
    qtbot.keyClick(native, Qt.Key.Key_Period)
    middle = layer.data_to_world(layer.data[40:80, 1:].mean(axis=0))
    np.testing.assert_allclose(camera.center[1:], middle[1:], atol=0.01)
    QApplication.processEvents()
    before = camera.center
    session.select(layer, [10])
    qtbot.keyClick(native, Qt.Key.Key_Period)
    assert camera.center == before


def test_recolouring_keeps_what_is_selected(canvas: Canvas, bare_layer: Tracks, model: Any) -> None:
    layer, session = bare_layer, Session.of(model)
    session.select(layer, [20, 40])
    layer.color_by = "alpha"
    colors = layer.colormaps_dict["alpha"].map(layer.features["alpha"])
    np.testing.assert_allclose(layer.track_colors[:, :3], colors[:, :3], atol=1e-6)
    assert [number for number, alpha in opacities(layer).items() if alpha == 1] == [20, 40]
    session.select(layer, ())
    assert set(opacities(layer).values()) == {1}
    np.testing.assert_allclose(layer.track_colors, colors, atol=1e-6)


def test_a_selection_leaves_the_legend_alone(
    canvas: Canvas, bare_layer: Tracks, model: Any, analysis: Analysis, qtbot: Any
) -> None:
    results = ResultsView()
    qtbot.addWidget(results)
    bare_layer.color_by = "model"
    results.show_layer(bare_layer, analysis, analysis.calibration)
    before = results.legend.content
    Session.of(model).select(bare_layer, [20])
    assert opacities(bare_layer)[10] == FAINT
    # Made anew at every click it would cost more than all the rest.
    assert results.legend.content is before
    bare_layer.color_by = "alpha"
    assert results.legend.texts()[0] == "Anomalous exponent α"


def test_hidden_tracks_are_not_drawn(canvas: Canvas, bare_layer: Tracks, model: Any) -> None:
    layer, session = bare_layer, Session.of(model)
    session.select(layer, [20, 40])
    session.show_only_selected(layer, True)
    assert {number for number, alpha in opacities(layer).items() if alpha} == {20, 40}
    session.show_tracks(layer, np.array([40, 10]))
    assert {number for number, alpha in opacities(layer).items() if alpha} == {40}
    session.show_only_selected(layer, False)
    shown = opacities(layer)
    assert {number: alpha for number, alpha in shown.items() if alpha} == {10: FAINT, 40: 1}
    # Steps follow the order in which tracks are shown.
    canvas.step(1)
    assert session.record(layer).selection == {10}
    session.show_tracks(layer, None)
    session.select(layer, ())
    assert set(opacities(layer).values()) == {1}


def test_tracks_that_were_edited_are_found_anew(
    canvas: Canvas, bare_layer: Tracks, model: Any
) -> None:
    layer, session = bare_layer, Session.of(model)
    session.select(layer, [30])
    layer.data = layer.data[layer.data[:, 0] > 20]
    assert np.unique(layer.track_colors[:, 3]).tolist() == [FAINT, 1]
    assert (layer.track_colors[layer.data[:, 0] == 30, 3] == 1).all()
    canvas.step(-1)
    assert session.record(layer).selection == {90}


def test_the_layer_that_is_left_looks_as_before(
    canvas: Canvas, bare_layer: Tracks, model: Any
) -> None:
    session = Session.of(model)
    session.select(bare_layer, [30])
    other = model.add_tracks(np.array([[4, 38, 2.0, 2.0], [4, 39, 9.0, 3.0]]))
    session.current = other
    assert set(opacities(bare_layer).values()) == {1}
    session.current = bare_layer
    assert opacities(bare_layer)[30] == 1
    assert opacities(bare_layer)[10] == FAINT
    model.layers.remove(bare_layer)
    canvas.step(1)
    assert session.current is None
