"""*Learn from tracks* in the real window: train, look, apply, save, load, make tracks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from napari.layers import Layer
from qtpy.QtCore import Qt

from napari_perrin._layers import export_table, table_of_layer, tracks_layer_data
from napari_perrin.curate._curator import Curator
from napari_perrin.learn import _page
from napari_perrin.learn._class_table import BY_LABEL, ClassTable
from napari_perrin.learn._page import LearnPage
from perrin.learn import environments
from perrin.simulate import simulate_superstatistics
from perrin.tracks import Calibration

TIMEOUT = 60_000


def add(viewer: Any, name: str, table: pd.DataFrame) -> Any:
    table.attrs["calibration"] = Calibration(pixel_size=0.5, frame_interval=60)
    viewer.add_layer(Layer.create(*tracks_layer_data(table, name=name)))
    return viewer.layers[name].__wrapped__


@pytest.fixture
def layers(viewer: Any) -> list[Any]:
    """Slow and fast tracks, one of them too short to judge."""
    slow = simulate_superstatistics(persistence=0.2, n_tracks=16, n_points=31)
    fast = simulate_superstatistics(speed=3.0, persistence=0.8, n_tracks=16, n_points=31, seed=1)
    fast = fast[(fast["particle"] < 15) | (fast["frame"] < 3)].reset_index(drop=True)
    return [add(viewer, "slow", slow), add(viewer, "fast", fast)]


@pytest.fixture
def page(dock: Any, layers: list[Any]) -> Any:
    page = dock("Learn from tracks").pages["Environments"]
    for name, value in {"epochs": 2, "folds": 2, "units": 8, "learning_rate": 0.02}.items():
        page.parameter_form.fields[name].value = value
    return page


@pytest.fixture
def trained(page: Any, run: Any) -> Any:
    run(page)
    assert page.network is not None, page.message.text()
    return page


def click(qtbot: Any, page: Any, button: Any) -> None:
    with qtbot.waitSignal(page.finished, timeout=TIMEOUT):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_training_shows_how_good_it_is(trained: Any) -> None:
    counts = [
        [int(trained.confusion.item(row, column).text()) for column in range(2)] for row in range(2)
    ]
    assert np.sum(counts) == 31
    assert "Of 31 tracks held out" in trained.about.text()
    assert "Tracks of one movie may be in training" in trained.message.text()
    assert trained.plot.isVisibleTo(trained)
    assert trained.plot.accuracy.isVisible()
    assert not trained.is_running


def test_environments_become_features(
    trained: Any, qtbot: Any, layers: list[Any], tmp_path: Path
) -> None:
    trained.layer_choice.layer = layers[1]
    layers[1].features["p_switch"] = 0.5
    click(qtbot, trained, trained.use_button)
    features = layers[1].features
    assert layers[1].color_by == "environment"
    short = features["particle"] == 15
    assert (features["environment"][short] == -1).all()
    assert features["p_fast"][short].isna().all()
    np.testing.assert_allclose((features["p_slow"] + features["p_fast"])[~short], 1)
    assert "1 tracks are too short" in trained.message.text()
    # What was called is no part of the tracks.
    assert "environment" not in table_of_layer(layers[1])
    assert set(export_table(layers[1])["environment"]) <= {"slow", "fast", ""}
    path = tmp_path / "mine.safetensors"
    trained.save(path)
    before = features["p_fast"].copy()
    trained.load(path)
    assert not trained.save_button.isEnabled()
    click(qtbot, trained, trained.use_button)
    np.testing.assert_array_equal(layers[1].features["p_fast"], before)


def test_cancel_leaves_everything_as_it_was(page: Any, qtbot: Any) -> None:
    page.parameter_form.fields["epochs"].value = 500
    page.parameter_form.fields["patience"].value = 500
    with qtbot.waitSignal(page.watched, timeout=TIMEOUT):
        page.start()
    click(qtbot, page, page.cancel_button)
    assert page.network is None
    assert page.message.text() == "Cancelled; nothing was changed."


def test_what_is_missing_is_said(dock: Any, viewer: Any, layers: list[Any]) -> None:
    page = dock("Learn from tracks").pages["Environments"]
    assert page.run_button.isEnabled()
    page.classes.item(0, 1).setText("slow")
    assert page.message.text() == "Tick layers of at least two classes."
    page.classes.item(0, 1).setText("")
    assert page.message.text() == "Type the class of every ticked layer."
    page.classes.item(0, 0).setCheckState(Qt.CheckState.Unchecked)
    assert not page.run_button.isEnabled()


def test_labels_given_to_tracks_are_classes(model: Any, qtbot: Any) -> None:
    table = simulate_superstatistics(n_tracks=3, n_points=5)
    layer = model.add_layer(Layer.create(*tracks_layer_data(table, name="curated")))
    classes, curator = ClassTable(model), Curator.of(model)
    qtbot.addWidget(classes)
    curator.label(layer, [0, 1], "bound")
    curator.label(layer, [2], "free")
    assert classes.chosen() == [(layer, BY_LABEL)]
    assert classes.item(0, 1).text() == BY_LABEL
    classes.item(0, 1).setText("mine")
    assert classes.chosen() == [(layer, "mine")]
    # What marks the faults of others is not learnt from.
    missed = Layer.create(*tracks_layer_data(table, name="curated: missed tracks"))
    missed.metadata = {"perrin": {**missed.metadata["perrin"], "faults_of": id(layer)}}
    model.add_layer(missed)
    assert classes.rowCount() == 1


def test_tracks_are_made_as_a_layer(
    dock: Any, viewer: Any, layers: list[Any], qtbot: Any, run: Any, tmp_path: Path
) -> None:
    widget = dock("Learn from tracks")
    widget.tabs.setCurrentIndex(1)
    page = widget.pages["New tracks"]
    page.layer_choice.layer = layers[0]
    for name, value in {"epochs": 2, "units": 8}.items():
        page.parameter_form.fields[name].value = value
    run(page)
    page.save(tmp_path / "net")
    page.load(tmp_path / "net.safetensors")
    page.generation_form.fields["n_tracks"].value = 9
    click(qtbot, page, page.use_button)
    made = table_of_layer(viewer.layers["net (made)"].__wrapped__)
    assert made["particle"].nunique() == 9
    assert made.attrs["calibration"] == Calibration(pixel_size=0.5, frame_interval=60)


def test_networks_learn_from_tracks_that_count(
    page: Any, layers: list[Any], monkeypatch: Any
) -> None:
    Curator.of(page.viewer).judge(layers[0], [3, 4], accept=False)
    page.session.show_tracks(layers[1], np.arange(2))
    given: dict[str, pd.DataFrame] = {}
    monkeypatch.setattr(
        environments, "learn_environments", lambda recordings, *_, **__: given.update(recordings)
    )
    page.prepare()(lambda *_: None)
    assert not {3, 4} & set(given["slow"]["particle"])
    assert set(given["fast"]["particle"]) == {0, 1}


def test_a_name_with_dots_stays_and_nothing_else_is_written_over(
    model: Any, qtbot: Any, tmp_path: Path, notifications: list[str], monkeypatch: Any
) -> None:
    class Page(LearnPage):
        def missing(self) -> str:
            return ""

        def write(self, path: Path) -> None:
            path.write_text("new")
            path.with_suffix(".yaml").write_text("new")

    page = Page(model, purpose="", has_classes=False, use="")
    qtbot.addWidget(page)

    def save_as(name: str) -> None:
        choice = staticmethod(lambda *_: (str(tmp_path / name), ""))
        monkeypatch.setattr(_page.QFileDialog, "getSaveFileName", choice)
        page.ask_and_save()

    save_as("gel_0.5um")
    names = {"gel_0.5um.safetensors", "gel_0.5um.yaml"}
    assert {path.name for path in tmp_path.iterdir()} == names
    (tmp_path / "recipe.yaml").write_text("mine")
    for name in ("recipe", "gel_0.5um"):
        save_as(name)
        assert "already, left as it was" in notifications[-1]
    assert (tmp_path / "recipe.yaml").read_text() == "mine"
    # Qt has asked about this one.
    (tmp_path / "gel_0.5um.safetensors").write_text("old")
    save_as("gel_0.5um.safetensors")
    assert (tmp_path / "gel_0.5um.safetensors").read_text() == "new"
