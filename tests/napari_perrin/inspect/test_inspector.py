"""*Inspect tracks* in the real window: plots, numbers, the time slider, the figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Tracks
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtWidgets import QApplication

from napari_perrin._session import Session
from napari_perrin.inspect import _side_view
from napari_perrin.inspect._inspector import InspectorWidget
from perrin import Analysis, Calibration, Recipe
from perrin.inspection import flags_of, inspect_track, numbers_of
from perrin.models import MODEL_COLORS, MODELS

CALIBRATION = Calibration(pixel_size=0.1, frame_interval=0.05)


def test_a_selected_track_is_shown_with_all_that_is_known(
    viewer: Any, dock: Any, analyzed: Tracks, analysis: Analysis, session: Session, qtbot: Any
) -> None:
    widget: InspectorWidget = dock("Inspect tracks")
    assert "Click a track" in widget.message.text()
    assert widget.content.isHidden()
    session.select(analyzed, [40])
    report = widget.report
    assert report is not None
    assert not widget.content.isHidden()
    assert widget.message.isHidden()
    texts = {title: label.text() for title, label in widget.numbers.items()}
    assert texts == numbers_of(report)
    assert "µm²/s" in texts["D"]
    for words in flags_of(report):
        assert words[1:] in widget.flags.text()
    assert "Track 40" in widget.heading.text()
    assert MODEL_COLORS[report.model or ""] in widget.heading.text()

    plots = widget.plots
    assert list(plots.models.bars.opts["height"]) == [report.probabilities[x] for x in MODELS]
    labels = [
        panel.getAxis(side).labelText
        for panel in (plots.path, plots.msd, plots.steps, *plots.over_time)
        for side in ("bottom", "left")
    ]
    assert [text for text in labels if text] == [
        "x (µm)", "y (µm)", "lag time (s)", "MSD (µm²)", "displacement (µm)", "density (1/µm)",
        "D (µm²/s)", "P(switch)", "time (s)", "weight",
    ]  # fmt: skip
    assert report.msd is not None
    assert f"α = {report.msd.alpha:.2f}" in plots.msd.getAxis("top").labelText
    # Something is drawn, and no two tracks look alike.
    pictures = []
    for particle in (40, 50):
        session.select(analyzed, [particle])
        QApplication.processEvents()
        image = plots.grab().toImage()
        pictures.append(
            [
                image.pixel(x, y)
                for x in range(0, image.width(), 3)
                for y in range(0, image.height(), 3)
            ]
        )
        assert len(set(pictures[-1])) > 10
    assert np.mean(np.array(pictures[0]) != np.array(pictures[1])) > 0.01
    # Another theme, other colours.
    viewer.theme = "light"
    QApplication.processEvents()
    light = widget.plots.grab().toImage()
    assert light.pixelColor(1, 1).lightness() > 200 > image.pixelColor(1, 1).lightness()


def test_time_slider_and_plots_move_together(
    viewer: Any, dock: Any, analyzed: Tracks, session: Session, qtbot: Any
) -> None:
    widget: InspectorWidget = dock("Inspect tracks")
    session.select(analyzed, [40])
    assert widget.report is not None
    viewer.dims.set_current_step(0, 12)
    for panel in widget.plots.over_time:
        assert panel.now.value() == pytest.approx(12 * CALIBRATION.time_scale)
    x, y = widget.plots.path.here.getData()
    np.testing.assert_allclose([[y[0], x[0]]], widget.report.path[12:13])

    # A click at a time, where the real mouse is, moves the slider to the nearest frame.
    panel = widget.plots.over_time[1]
    QApplication.processEvents()
    frame = 27.3
    scene = panel.vb.mapViewToScene(QPointF(frame * CALIBRATION.time_scale, 0.5))
    at = widget.plots.mapFromScene(scene)
    qtbot.mouseClick(widget.plots.viewport(), Qt.MouseButton.LeftButton, pos=at)
    qtbot.waitUntil(lambda: viewer.dims.current_step[0] == 27, timeout=5000)
    assert panel.now.value() == pytest.approx(27 * CALIBRATION.time_scale)

    # So does dragging the line.
    start = widget.plots.mapFromScene(panel.vb.mapViewToScene(QPointF(panel.now.value(), 0.5)))
    to = widget.plots.mapFromScene(
        panel.vb.mapViewToScene(QPointF(8 * CALIBRATION.time_scale, 0.5))
    )
    view, left = widget.plots.viewport(), Qt.MouseButton.LeftButton
    qtbot.mouseMove(view, start)
    qtbot.mousePress(view, left, pos=start)
    for share in (0.3, 0.6, 1.0):
        qtbot.mouseMove(view, start + QPoint(round((to.x() - start.x()) * share), 0))
        qtbot.wait(30)
    qtbot.mouseRelease(view, left, pos=to)
    assert viewer.dims.current_step[0] == 8


def test_the_figure_is_saved_as_a_file(
    dock: Any, analyzed: Tracks, session: Session, tmp_path: Path, qtbot: Any,
    monkeypatch: pytest.MonkeyPatch, notifications: list[str],
) -> None:  # fmt: skip
    widget: InspectorWidget = dock("Inspect tracks")
    session.select(analyzed, [40])
    path = tmp_path / "track_40.svg"

    def choose(*_arguments: str) -> tuple[str, str]:
        # The name alone, as it is typed on systems that add no suffix.
        return str(path.with_suffix("")), "SVG (*.svg)"

    monkeypatch.setattr(_side_view.QFileDialog, "getSaveFileName", choose)
    qtbot.mouseClick(widget.save_button, Qt.MouseButton.LeftButton)
    assert "lag time (s)" in path.read_text()
    assert notifications == [f"Saved {path}."]
    # Nobody was asked about the name with the suffix, so nothing is written over.
    path.write_text("precious")
    qtbot.mouseClick(widget.save_button, Qt.MouseButton.LeftButton)
    assert path.read_text() == "precious"
    assert "track_40.svg" in notifications[1]


def test_tracks_without_an_analysis_and_layers_without_a_table(
    viewer: Any, dock: Any, layer: Tracks, analysis: Analysis, session: Session
) -> None:
    widget: InspectorWidget = dock("Inspect tracks")
    session.select(layer, [40])
    assert widget.report is not None
    assert widget.report.answer is None
    assert "Analyze tracks" in widget.message.text()
    assert not widget.content.isHidden()
    # The analysis is shown as soon as it is there.
    session.add_analysis(layer, analysis, Recipe())
    expected = inspect_track(widget.tracks.table, 40, analysis)  # type: ignore[union-attr]
    assert numbers_of(widget.report) == numbers_of(expected)

    viewer.add_tracks(np.array([[0, 0, 1, 1], [0, 0, 2, 2]]), name="double")
    widget.layer_choice.layer = viewer.layers["double"].__wrapped__
    assert "Keep one localization per particle and frame" in widget.message.text()
    assert widget.content.isHidden()
    viewer.layers.clear()
    assert "Track particles first" in widget.message.text()
