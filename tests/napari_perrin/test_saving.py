"""Analyses saved from the window and opened again, and the question before it is closed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner
from napari.layers import Image, Layer, Points, Tracks
from pandas.testing import assert_frame_equal
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox

from napari_perrin._close_guard import CloseGuard
from napari_perrin._features import add_features, analysis_features
from napari_perrin._layers import table_of_layer, tracks_layer_data
from napari_perrin._movie_layer import source_of
from napari_perrin._saving import save_analysis
from napari_perrin._session import Session
from napari_perrin.curate._curator import Curator
from perrin import Analysis, Calibration, Recipe, analyze, as_movie
from perrin.cli import perrin_command
from perrin.filters import TrackFilters
from perrin.results import Source
from perrin.saved import open_saved
from perrin.tracks import validate_tracks

CALIBRATION = Calibration(pixel_size=0.1, frame_interval=0.05)
BUTTONS = QMessageBox.StandardButton


@pytest.fixture(scope="session")
def movie_file(movie: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("movies") / "walkers.tif"
    tifffile.imwrite(path, movie, imagej=True, metadata={"axes": "TYX"})
    return path


@pytest.fixture(scope="session")
def analysis(paths: np.ndarray) -> Analysis:
    return analyze(_table(paths), CALIBRATION, device="cpu")


@pytest.fixture
def analyzed(viewer: Any, paths: np.ndarray, analysis: Analysis, movie_file: Path) -> Tracks:
    """Tracks 0 to 8, analysed, over the movie that they were found in."""
    (image,) = viewer.open(str(movie_file), plugin="napari")
    table = _table(paths)
    data = tracks_layer_data(table, name="beads", calibration=CALIBRATION)
    layer: Tracks = viewer.__wrapped__.add_layer(Layer.create(*data))
    session = Session.of(viewer)
    recipe = Recipe(calibration=CALIBRATION)
    found_in = as_movie(image.data, CALIBRATION, image.name)
    session.add_tracks(layer, found_in, table, recipe, source_of(image))
    add_features(layer, analysis_features(table, analysis), CALIBRATION)
    session.add_analysis(layer, analysis, recipe)
    return layer


def _table(paths: np.ndarray) -> pd.DataFrame:
    n_frames, n_particles = paths.shape[:2]
    columns = {
        "particle": np.repeat(np.arange(n_particles), n_frames),
        "frame": np.tile(np.arange(n_frames), n_particles),
        "y": paths[:, :, 0].T.ravel(),
        "x": paths[:, :, 1].T.ravel(),
    }
    return validate_tracks(pd.DataFrame(columns))


def test_the_whole_state_is_saved_and_comes_back(
    viewer: Any, dock: Any, analyzed: Tracks, qtbot: Any, tmp_path: Path
) -> None:
    widget, session, curator = dock("Analyze tracks"), Session.of(viewer), Curator.of(viewer)
    before = table_of_layer(analyzed)
    curator.label(analyzed, [2, 3], "bound")
    curator.judge(analyzed, [5], accept=False)
    curator.split(analyzed, 7, [15])
    curator.filter(analyzed, TrackFilters(ranges={"n_points": (20.0, None)}))
    # Tracks that are analysed anew are waited for.
    widget.save(str(tmp_path / "early"))
    assert "analysed anew" in widget.message.text()
    qtbot.waitUntil(lambda: not curator.is_busy, timeout=60_000)
    analyzed.color_by = "alpha"
    assert session.unsaved == [analyzed]
    widget.save(str(tmp_path / "saved"))
    assert widget.message.text().startswith("Saved tracks.csv, ")
    assert sorted(path.name for path in (tmp_path / "saved").iterdir()) == [
        "curation.yaml", "overview.png", "per_frame.csv", "per_track.csv", "recipe.yaml",
        "source.yaml", "switches.csv", "tracks.csv", "tracks_uncurated.csv",
    ]  # fmt: skip
    assert session.unsaved == []
    analysis = session.record(analyzed).analysis
    assert analysis is not None
    # Never over it in silence.
    widget.save(str(tmp_path / "saved"))
    assert "holds earlier results" in widget.message.text()

    viewer.layers.clear()
    widget.open(str(tmp_path / "saved"))
    assert widget.message.text() == f"Opened {tmp_path / 'saved'}."
    image, layer = viewer.layers[0], session.current
    assert isinstance(image, Image)
    assert layer is not None
    np.testing.assert_allclose(image.scale, layer.scale)
    assert (layer.name, layer.color_by) == ("beads (edited)", "alpha")
    assert widget.layer_choice.layer is layer
    record = session.record(layer)
    for name in ("per_track", "per_frame", "switches"):
        assert_frame_equal(getattr(record.analysis, name), getattr(analysis, name))
    assert curator.filters(layer) == TrackFilters(ranges={"n_points": (20.0, None)})
    assert set(layer.features.groupby("particle")["label"].first().loc[[2, 3, 4]]) == {0, -1}
    shown = layer.features["particle"].to_numpy()[layer.track_colors[:, 3] > 0]
    assert 5 not in shown
    # Of the pieces of 15 and 25 points the filter keeps one.
    table = dock("Table of tracks")
    assert set(table.model.particles.tolist()) == {0, 1, 2, 3, 4, 6, 8, 9}
    assert session.unsaved == []
    # All of it can be undone still.
    for _ in range(4):
        curator.undo(layer)
    assert_frame_equal(table_of_layer(layer), before)
    qtbot.waitUntil(lambda: not curator.is_busy, timeout=60_000)


def test_what_the_command_line_wrote_is_opened(
    viewer: Any, dock: Any, movie_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ["run", str(movie_file), "-o", str(out), "--device", "cpu", "--diameter", "7"]
    done = CliRunner().invoke(perrin_command, [*arguments, "--pixel-size", "0.1"])
    assert done.exit_code == 0, done.output
    widget = dock("Analyze tracks")
    widget.open(str(out))
    assert widget.message.text() == f"Opened {out}."
    layer = Session.of(viewer).current
    assert layer is not None
    assert [type(x) for x in viewer.layers if not isinstance(x, Points)] == [Image, Tracks]
    assert layer.color_by == "model"
    saved = open_saved(out)
    assert saved.analysis is not None
    assert_frame_equal(
        table_of_layer(layer)[["particle", "frame"]],
        saved.analysis.per_frame[["particle", "frame"]],
    )
    # What is there is not opened twice; what is missing is said.
    (out / "per_frame.csv").unlink()
    widget.open(str(out))
    assert "per_frame.csv is not there" in widget.message.text()
    assert [type(x) for x in viewer.layers if not isinstance(x, Points)] == [Image, Tracks, Tracks]
    (out / "tracks.csv").unlink()
    widget.open(str(out))
    assert "incomplete: there is no tracks.csv" in widget.message.text()


def answer(qtbot: Any, button: Any) -> list[str]:
    """Click a button of the question that comes next, and collect what it asks."""
    asked: list[str] = []

    def click() -> None:
        question = QApplication.activeModalWidget()
        if isinstance(question, QMessageBox):
            asked.append(question.text())
            qtbot.mouseClick(question.button(button), Qt.MouseButton.LeftButton)
        else:
            QTimer.singleShot(50, click)

    QTimer.singleShot(50, click)
    return asked


@pytest.fixture
def closes(viewer: Any, dock: Any, analyzed: Tracks, qtbot: Any) -> Callable[[], bool]:
    """Say whether the window would be closed, without closing it under pytest's feet."""
    dock("Analyze tracks")

    def guard() -> CloseGuard | None:
        return viewer.__wrapped__.window._qt_window.findChild(CloseGuard)

    qtbot.waitUntil(lambda: guard() is not None)
    return lambda: not guard().eventFilter(None, QCloseEvent())


def test_cancelling_keeps_the_window_open(
    viewer: Any, closes: Callable[[], bool], qtbot: Any
) -> None:
    window = viewer.__wrapped__.window._qt_window
    asked = answer(qtbot, BUTTONS.Cancel)
    window.close()
    assert len(asked) == 1
    assert "The analysis of 'beads' is not saved" in asked[0]
    assert window.isVisible()


@pytest.mark.parametrize("place", ["new", "", "taken"])
def test_saving_lets_the_window_close_once_it_is_done(
    viewer: Any, closes: Callable[[], bool], qtbot: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, place: str,
) -> None:  # fmt: skip
    folder = tmp_path / place
    monkeypatch.setattr(
        QFileDialog, "getExistingDirectory", lambda *_: str(folder) if place else ""
    )
    if place == "taken":
        folder.mkdir()
        (folder / "recipe.yaml").write_text("mine")
    answer(qtbot, BUTTONS.Save)
    # Without a folder, or where something is in the way, nothing is lost.
    assert closes() == (place == "new")
    assert (folder / "per_track.csv").is_file() == (place == "new")
    if place == "new":
        assert closes(), "what is saved is not asked about"
    if place == "taken":
        assert (folder / "recipe.yaml").read_text() == "mine"


def test_discarding_lets_the_window_close(closes: Callable[[], bool], qtbot: Any) -> None:
    asked = answer(qtbot, BUTTONS.Discard)
    assert closes()
    assert len(asked) == 1


def test_earlier_results_are_replaced_only_if_that_is_agreed_to(
    viewer: Any, dock: Any, analyzed: Tracks, qtbot: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    widget = dock("Analyze tracks")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    (tmp_path / "tracks.csv").write_text("mine")
    for button, kept in ((BUTTONS.No, True), (BUTTONS.Yes, False)):
        answer(qtbot, button)
        qtbot.mouseClick(widget.results.save_button, Qt.MouseButton.LeftButton)
        assert ((tmp_path / "tracks.csv").read_text() == "mine") == kept


def test_another_movie_of_the_same_name_is_not_taken_for_the_source(
    model: Any, paths: np.ndarray, movie: np.ndarray, tmp_path: Path
) -> None:
    session, table, recipe = Session.of(model), _table(paths), Recipe(calibration=CALIBRATION)
    data = tracks_layer_data(table, name="beads", calibration=CALIBRATION)
    layer = model.add_layer(Layer.create(*data))
    found_in = as_movie(movie, CALIBRATION, "walkers")
    session.add_tracks(layer, found_in, table, recipe, Source(movie="first/walkers.tif"))
    Curator.of(model).label(layer, [2], "bound")
    other = model.add_image(movie, name="walkers")
    other._source = other.source.model_copy(update={"path": "second/walkers.tif"})
    save_analysis(session, layer, str(tmp_path / "saved"))
    assert Source.read(tmp_path / "saved" / "source.yaml").movie == "first/walkers.tif"


def test_the_question_for_a_folder_names_the_layer(
    closes: Callable[[], bool], qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []
    monkeypatch.setattr(
        QFileDialog, "getExistingDirectory", lambda _parent, title: titles.append(title) or ""
    )
    answer(qtbot, BUTTONS.Save)
    assert not closes()
    assert titles == ["Save the analysis of 'beads' into a folder"]
