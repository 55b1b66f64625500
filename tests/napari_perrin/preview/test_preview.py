"""The preview in *Track particles*: rings, count, histogram, the line that is dragged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt

from napari_perrin._track_widget import TrackWidget
from perrin import localize
from perrin.linking import MotionLinker
from perrin.pipeline import Recipe

TIMEOUT = 180_000


@pytest.fixture
def opened(viewer: Any, dock: Any, qtbot: Any, movie: np.ndarray) -> TrackWidget:
    """*Track particles* with the preview of a frame, and another layer that is worked on."""
    viewer.add_image(movie, name="beads", scale=(0.05, 0.1, 0.1), units=("s", "um", "um"))
    viewer.add_points(np.zeros((1, 3)), name="mine")
    viewer.dims.set_current_step(0, 12)
    # The whole panel is to be in reach of the mouse.
    viewer.window.resize(1500, 1100)
    widget: TrackWidget = dock("Track particles")
    wait(widget, qtbot)
    qtbot.wait(100)
    return widget


def wait(widget: TrackWidget, qtbot: Any) -> None:
    with qtbot.waitSignal(widget.preview.shown, timeout=TIMEOUT):
        widget.preview.refresh()


def previews(viewer: Any) -> list[Any]:
    return [layer for layer in viewer.layers if layer.name == "Preview, not saved"]


def fields(widget: TrackWidget) -> Any:
    return widget.recipe_form.parts["detector"].form.fields


def test_rings_are_where_localizing_finds_spots(
    viewer: Any, opened: TrackWidget, qtbot: Any, movie: np.ndarray
) -> None:
    expected = localize(movie, Recipe().detector)
    for frame in (12, 30):
        viewer.dims.set_current_step(0, frame)
        wait(opened, qtbot)
        (rings,) = previews(viewer)
        spots = expected[expected["frame"] == frame]
        np.testing.assert_array_equal(rings.data, spots[["frame", "y", "x"]])
        assert opened.preview.count.text() == f"{len(spots)} spots in frame {frame}"
    assert rings.name == "Preview, not saved"
    assert rings.scale.tolist() == [0.05, 0.1, 0.1]
    np.testing.assert_array_equal(rings.size, 7)
    fields(opened)["diameter"].value = 9
    wait(opened, qtbot)
    np.testing.assert_array_equal(previews(viewer)[0].size, 9)


def test_what_somebody_works_on_stays_selected_and_rings_go(
    viewer: Any, opened: TrackWidget, qtbot: Any
) -> None:
    assert viewer.layers.selection.active.name == "mine"
    assert viewer.dims.current_step[0] == 12
    switch = opened.preview.switch
    qtbot.mouseClick(switch, Qt.MouseButton.LeftButton, pos=QPoint(8, switch.height() // 2))
    assert not switch.isChecked()
    assert previews(viewer) == []
    assert opened.preview.plots.isHidden()
    switch.click()
    wait(opened, qtbot)
    # Whoever deletes the layer wants no preview.
    viewer.layers.remove(previews(viewer)[0])
    assert not switch.isChecked()
    switch.click()
    wait(opened, qtbot)
    assert len(previews(viewer)) == 1
    viewer.window.remove_dock_widget(opened)
    assert [layer.name for layer in viewer.layers] == ["beads", "mine"]


def test_dragging_the_line_changes_the_threshold_and_the_other_way_round(
    viewer: Any, opened: TrackWidget, qtbot: Any
) -> None:
    plot = opened.preview.plots
    panel = plot.quality
    found = float(10 ** panel.line.value())
    assert fields(opened)["minmass"].value is None
    n_before = len(previews(viewer)[0].data)
    masses = np.sort(localize_frame_masses(viewer))
    aim = float(np.sqrt(masses[3] * masses[4]))

    def on_screen(value: float) -> QPoint:
        low, high = panel.viewRange()[1]
        at = panel.vb.mapViewToScene(QPointF(np.log10(value), (low + high) / 2))
        return plot.mapFromScene(at)

    view, left = plot.viewport(), Qt.MouseButton.LeftButton
    start, end = on_screen(found), on_screen(aim)
    qtbot.mouseMove(view, start)
    qtbot.wait(30)
    qtbot.mousePress(view, left, pos=start)
    for part in (0.3, 0.7, 1.0):
        qtbot.mouseMove(view, start + (end - start) * part)
        qtbot.wait(30)
    qtbot.mouseRelease(view, left, pos=end)
    assert fields(opened)["minmass"].value == pytest.approx(aim, rel=0.05)
    wait(opened, qtbot)
    assert len(previews(viewer)[0].data) == n_before - 4
    assert f"{n_before - 4} spots" in opened.preview.count.text()

    fields(opened)["minmass"].value = round(float(masses[6]) - 1)
    wait(opened, qtbot)
    assert 10 ** panel.line.value() == pytest.approx(round(masses[6] - 1), rel=1e-6)
    fields(opened)["minmass"].value = 10 * float(masses[-1])
    wait(opened, qtbot)
    assert opened.preview.count.text() == "No spots in frame 12: lower the least brightness."


def localize_frame_masses(viewer: Any) -> np.ndarray:
    spots = localize(viewer.layers["beads"].data, Recipe().detector)
    return spots.loc[spots["frame"] == 12, "mass"].to_numpy()


def test_what_cannot_be_previewed_is_said(viewer: Any, opened: TrackWidget, qtbot: Any) -> None:
    fields(opened)["diameter"].value = 8
    qtbot.waitUntil(lambda: "must be odd" in opened.preview.count.text(), timeout=TIMEOUT)
    assert previews(viewer) == []
    assert opened.preview.plots.isHidden()
    fields(opened)["diameter"].value = 7
    wait(opened, qtbot)
    assert len(previews(viewer)) == 1


def test_rings_make_way_for_tracks(viewer: Any, opened: TrackWidget, run: Any, qtbot: Any) -> None:
    run(opened)
    assert [layer.name for layer in viewer.layers] == ["beads", "mine", "beads tracks"]
    viewer.dims.set_current_step(0, 5)
    qtbot.wait(200)
    assert previews(viewer) == []
    fields(opened)["diameter"].value = 9
    wait(opened, qtbot)
    assert len(previews(viewer)) == 1


def test_positions_that_gather_in_pixels_are_remarked(viewer: Any, dock: Any, qtbot: Any) -> None:
    y, x = np.mgrid[:120, :120]
    centers = np.stack(np.meshgrid(np.arange(12, 116, 12), np.arange(12, 116, 12)), -1)
    frame = np.full((120, 120), 10.0)
    for center in centers.reshape(-1, 2):
        frame += 300 * np.exp(-((y - center[0]) ** 2 + (x - center[1]) ** 2) / (2 * 1.5**2))
    viewer.add_image(np.random.default_rng(0).poisson([frame] * 3).astype(np.uint16))
    widget = dock("Track particles")
    wait(widget, qtbot)
    assert "Positions along x and y gather at the middle of pixels" in widget.preview.warning.text()
    assert "spot diameter" in widget.preview.warning.text()


def test_suggested_parameters_are_filled_in_with_their_reasons(
    viewer: Any, opened: TrackWidget, qtbot: Any, choose: Any
) -> None:
    detector, linker = (opened.recipe_form.parts[name] for name in ("detector", "linker"))
    with qtbot.waitSignal(opened.finished, timeout=TIMEOUT):
        qtbot.mouseClick(opened.suggest_button, Qt.MouseButton.LeftButton)
    # Spots of the movie have a sigma of 1.6 px and steps of 0.5 px per axis.
    assert detector.parameters().diameter == 9
    assert detector.parameters().minmass > 0
    expected = MotionLinker.reach * 3.03 * 0.5
    assert linker.parameters().search_range == pytest.approx(expected, rel=0.25)
    said = opened.reasons.text()
    assert "false spots per frame" in said
    assert "links to the nearest spot are expected to be wrong" in said
    wait(opened, qtbot)
    assert opened.preview.count.text() == "9 spots in frame 12"
    choose(detector.choice.native, "gaussian")
    with qtbot.waitSignal(opened.finished, timeout=TIMEOUT):
        qtbot.mouseClick(opened.suggest_button, Qt.MouseButton.LeftButton)
    assert detector.parameters().sigma == pytest.approx(1.6, rel=0.1)
    assert "least" in detector.form.fields["min_snr"].native.toolTip().lower()


def test_without_a_movie_nothing_is_suggested(viewer: Any, dock: Any) -> None:
    widget = dock("Track particles")
    assert not widget.suggest_button.isEnabled()
    assert widget.preview.count.text() == ""
    assert "Open a movie first" in widget.message.text()
