"""*Statistics of tracks* in the real window: plots, numbers, conditions, and what is saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyqtgraph as pg
import pytest
import yaml
from napari.layers import Layer, Tracks
from pandas.testing import assert_frame_equal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_perrin._layers import table_of_layer, tracks_layer_data
from napari_perrin._session import Session
from napari_perrin.curate._curator import Curator
from napari_perrin.statistics import _widget
from napari_perrin.statistics._widget import StatisticsWidget
from perrin.measurement import join_named, measure_tracks, measurement_files
from perrin.simulate import simulate_switching
from perrin.statistics.words import comparison_lines, msd_lines, state_lines
from perrin.tracks import Calibration, validate_tracks

CALIBRATION = Calibration(pixel_size=0.1, frame_interval=0.02)


@pytest.fixture
def movies(viewer: Any) -> list[Tracks]:
    """Two movies each of particles with D 0.5 and 2 px²/frame."""
    layers = []
    for number, diffusivity in enumerate((0.5, 0.5, 2.0, 2.0)):
        table = simulate_switching([diffusivity], n_tracks=25, n_points=12, noise=0.2, seed=number)
        table = validate_tracks(table[["particle", "frame", "y", "x"]])
        data = tracks_layer_data(table, name=f"cell {number}", calibration=CALIBRATION)
        viewer.add_layer(Layer.create(*data))
        layers.append(viewer.layers[-1].__wrapped__)
    return layers


@pytest.fixture
def widget(dock: Any, movies: list[Tracks], choose: Any) -> StatisticsWidget:
    """The widget with the first movie chosen, and little to compute."""
    widget: StatisticsWidget = dock("Statistics of tracks")
    choose(widget.layer_choice, "cell 0")
    widget.plan_form.parts["statistics"].fields["n_bootstrap"].value = 2
    widget.plan_form.parts["statistics"].fields["max_states"].value = 2
    widget.plan_form.parts["population"].fields["n_diffusivities"].value = 20
    return widget


def compare(widget: StatisticsWidget, movies: list[Tracks], choose: Any, uses: list[str]) -> None:
    """Say of all movies but the first one which condition they are of."""
    widget.more.button.click()
    for edit, name in zip(widget.conditions_form.names, ("control", "drug"), strict=True):
        edit.setText(name)
        edit.editingFinished.emit()
    for layer, use in zip(movies[1:], uses, strict=True):
        choose(widget.conditions_form.choices[layer], use)


def test_tracks_are_measured_as_perrin_stats_does(
    viewer: Any, widget: StatisticsWidget, movies: list[Tracks], run: Any, tmp_path: Path,
    qtbot: Any, monkeypatch: pytest.MonkeyPatch, notifications: list[str],
) -> None:  # fmt: skip
    assert widget.outputs.isHidden()
    run(widget)
    plan = widget.measured.measurement.plan
    assert (plan.calibration, plan.statistics.n_bootstrap) == (CALIBRATION, 2)
    expected = measure_tracks({"cell 0": join_named({"cell 0": table_of_layer(movies[0])})}, plan)
    survey = expected.surveys["cell 0"]

    pages = widget.pages
    assert pages.pages["MSD"].numbers.text() == "<br>".join(msd_lines(survey))
    assert "µm²/s" in pages.pages["States"].numbers.text()
    assert not pages.isTabVisible(pages.indexOf(pages.pages["Compare"]))
    labels = [
        panel.getAxis(side).labelText
        for panels in pages.panels.values()
        for panel in panels
        for side in ("bottom", "left")
    ]
    assert labels == [
        "lag time (s)", "MSD (µm²)", "diffusivity D (µm²/s)", "share of displacements per decade",
        "measurement time (s)", "ergodicity breaking at 0.02 s",
        "displacement along an axis in a frame (µm)", "density (1/µm)", "lag time (s)",
        "non-Gaussian parameter", "lag time (s)", "correlation of displacements",
    ]  # fmt: skip
    (panel,) = pages.panels["MSD"]
    curves = [item.getData() for item in panel.items if isinstance(item, pg.PlotCurveItem)]
    fitted = survey.fitted_msd("time-ensemble")
    assert any(
        x is not None and len(x) == len(fitted) and np.allclose(10**y, fitted["msd"])
        for x, y in curves
    )
    # Each page draws something.
    for title in pages.panels:
        pages.setCurrentWidget(pages.pages[title])
        QApplication.processEvents()
        image = pages.pages[title].plots.grab().toImage()
        size = range(0, image.width(), 4), range(0, image.height(), 4)
        assert len({image.pixel(x, y) for x in size[0] for y in size[1]}) > 5

    monkeypatch.setattr(_widget.QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    qtbot.mouseClick(widget.save_button, Qt.MouseButton.LeftButton)
    assert {path.name for path in tmp_path.iterdir()} == set(measurement_files(1, "csv"))
    assert_frame_equal(pd.read_csv(tmp_path / "states.csv"), survey.tables["states"])
    settings = yaml.safe_load((tmp_path / "statistics.yaml").read_text())
    assert settings["calibration"]["pixel_size"] == 0.1
    before = (tmp_path / "states.csv").read_bytes()
    qtbot.mouseClick(widget.save_button, Qt.MouseButton.LeftButton)
    assert "exist" in notifications[-1] or "holds" in notifications[-1]
    assert (tmp_path / "states.csv").read_bytes() == before
    viewer.theme = "light"
    assert widget.pages.pages["States"].numbers.text() == "<br>".join(state_lines(survey))


def test_rejected_and_hidden_tracks_are_left_out(
    viewer: Any, widget: StatisticsWidget, movies: list[Tracks], run: Any,
    notifications: list[str],
) -> None:  # fmt: skip
    session, layer = Session.of(viewer), movies[0]
    Curator.of(viewer).judge(layer, [0, 3], accept=False)
    session.show_tracks(layer, np.array([0, 1, 2, 4]))
    run(widget)
    (survey,) = widget.measured.measurement.surveys.values()
    assert survey.tables["diffusivity"]["particle"].tolist() == [1, 2, 4]
    assert widget.of_layers.text() == f"Measured: {layer.name}"
    session.show_tracks(layer, np.array([0]))
    widget.run_button.click()
    assert "rejected or hidden by a filter" in notifications[-1]


def test_two_conditions_are_compared(
    widget: StatisticsWidget, movies: list[Tracks], run: Any, choose: Any, tmp_path: Path
) -> None:
    compare(widget, movies, choose, ["control", "drug", "drug"])
    run(widget)
    measurement = widget.measured.measurement
    assert list(measurement.surveys) == ["control", "drug"]
    comparison = measurement.comparison
    assert comparison is not None
    speed = comparison.table.set_index("quantity").loc["diffusivity"]
    # D is 4 times higher; in µm²/s 0.25 and 1.
    assert speed["ratio"] == pytest.approx(4, rel=0.3)
    assert speed["difference"] == pytest.approx(0.75, rel=0.3)
    page = widget.pages.pages["Compare"]
    assert widget.pages.isTabVisible(widget.pages.indexOf(page))
    assert page.numbers.text() == "<br>".join(comparison_lines(comparison))
    assert list(widget.pages.comparison.panels) == list(comparison.table["quantity"])
    assert "control" in widget.pages.panels["MSD"][0].getAxis("top").labelText
    widget.save(str(tmp_path / "out"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(measurement_files(2, "csv"))


def test_one_movie_of_each_is_shown_side_by_side_and_why_it_proves_nothing(
    widget: StatisticsWidget, movies: list[Tracks], run: Any, choose: Any
) -> None:
    compare(widget, movies, choose, ["not used", "drug", "not used"])
    run(widget)
    assert list(widget.measured.measurement.surveys) == ["control", "drug"]
    page = widget.pages.pages["Compare"]
    assert "cannot be seen in one" in page.numbers.text()
    assert page.plots.isHidden()


def test_what_cannot_be_measured_together_is_said(
    viewer: Any, widget: StatisticsWidget, movies: list[Tracks], choose: Any,
    notifications: list[str],
) -> None:  # fmt: skip
    compare(widget, movies, choose, ["control", "drug", "drug"])
    movies[2].scale = (0.02, 0.2, 0.2)
    widget.run_button.click()
    assert "have different calibrations" in notifications[-1]
    assert "give their layers the same scale" in notifications[-1]
    movies[2].scale = movies[0].scale
    widget.conditions_form.names[1].setText("control")
    widget.run_button.click()
    assert notifications[-1] == "Give the two conditions two different names."
    while viewer.layers:
        viewer.layers.pop()
    assert "Track particles first" in widget.message.text()
    assert not widget.run_button.isEnabled()
