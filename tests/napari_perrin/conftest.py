"""A small movie with known particles, its tracks and their analysis, and the real window."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from napari.layers import Layer, Tracks
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication

from napari_perrin._features import add_features, analysis_features
from napari_perrin._layers import table_of_layer, tracks_layer_data
from napari_perrin._session import Session
from perrin import Analysis, Recipe, analyze
from perrin.tracks import Calibration, validate_tracks

CALIBRATION = Calibration(pixel_size=0.1, frame_interval=0.05)
TIMEOUT = 60_000
"""Milliseconds after which a test gives up waiting; nothing here takes a tenth of it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, where no window can be opened."""
    if sys.platform != "linux" or os.environ.get("DISPLAY"):
        return
    skip = pytest.mark.skip(reason="no display: run the tests under xvfb-run -a")
    for item in items:
        if "napari_perrin" in item.path.parts:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def paths() -> np.ndarray:
    """Positions ``(frame, particle, (y, x))`` of Brownian particles that never meet."""
    rng = np.random.default_rng(11)
    start = np.stack(np.meshgrid([20, 48, 76], [20, 48, 76], indexing="ij"), -1).reshape(-1, 2)
    steps = rng.normal(0, 0.5, (40, len(start), 2))
    steps[0] = 0
    return start + np.cumsum(steps, axis=0)


@pytest.fixture(scope="session")
def movie(paths: np.ndarray) -> np.ndarray:
    """The particles of :func:`paths` as Gaussian spots with shot noise, ``(40, 96, 96)``."""
    rng = np.random.default_rng(12)
    y, x = np.mgrid[:96, :96]
    frames = np.full((len(paths), 96, 96), 20.0)
    for frame, positions in zip(frames, paths, strict=True):
        for position in positions:
            frame += 400 * np.exp(-((y - position[0]) ** 2 + (x - position[1]) ** 2) / (2 * 1.6**2))
    return rng.poisson(frames).astype(np.uint16)


@pytest.fixture
def tracks(paths: np.ndarray) -> pd.DataFrame:
    """The track table of :func:`paths`; the last particle is seen in five frames only."""
    n_frames, n_particles = paths.shape[:2]
    table = pd.DataFrame(
        {
            "particle": np.repeat(np.arange(n_particles), n_frames),
            "frame": np.tile(np.arange(n_frames), n_particles),
            "y": paths[:, :, 0].T.ravel(),
            "x": paths[:, :, 1].T.ravel(),
            "mass": np.arange(n_frames * n_particles, dtype=float),
        }
    )
    return table[(table["particle"] < n_particles - 1) | (table["frame"] < 5)]


@pytest.fixture
def viewer(make_napari_viewer_proxy: Callable[..., Any]) -> Any:
    """The real window, as plugins see it, with Perrin's plugin known to it."""
    from npe2 import PluginManager

    PluginManager.instance().discover()
    return make_napari_viewer_proxy(show=True)


@pytest.fixture
def model() -> Any:
    """The viewer without its window, for what needs none."""
    from napari.components import ViewerModel
    from npe2 import PluginManager

    PluginManager.instance().discover()
    return ViewerModel()


@pytest.fixture
def dock(viewer: Any) -> Callable[[str], Any]:
    """Open one of Perrin's widgets the way the menu does."""

    def open_widget(name: str) -> Any:
        return viewer.window.add_plugin_dock_widget("napari-perrin", name)[1]

    return open_widget


@pytest.fixture
def run(qtbot: Any) -> Callable[[Any], None]:
    """Click a widget's run button and wait until its work has ended."""

    def click_and_wait(widget: Any) -> None:
        with qtbot.waitSignal(widget.finished, timeout=TIMEOUT):
            qtbot.mouseClick(widget.run_button, Qt.MouseButton.LeftButton)

    return click_and_wait


@pytest.fixture
def choose(qtbot: Any) -> Callable[[Any, str], None]:
    """Choose an entry of a combobox with the keyboard, as a user would."""

    def pick(box: Any, text: str) -> None:
        index = box.findText(text)
        assert index >= 0, [box.itemText(i) for i in range(box.count())]
        box.setFocus()
        while box.currentIndex() > index:
            qtbot.keyClick(box, Qt.Key.Key_Up)
        while box.currentIndex() < index:
            qtbot.keyClick(box, Qt.Key.Key_Down)

    return pick


@pytest.fixture
def notifications(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the notifications that the user is shown."""
    from napari.utils.notifications import notification_manager

    shown: list[str] = []

    def collect(notification: Any) -> None:
        shown.append(notification.message)

    monkeypatch.setattr(notification_manager, "dispatch", collect)
    return shown


@pytest.fixture(scope="session")
def walkers(paths: np.ndarray) -> pd.DataFrame:
    """The table of the tracks in :func:`layer`."""
    return validate_tracks(_table(paths))


@pytest.fixture(scope="session")
def analysis(walkers: pd.DataFrame) -> Analysis:
    """Their analysis."""
    return analyze(walkers, CALIBRATION, device="cpu")


@pytest.fixture
def layer(viewer: Any, paths: np.ndarray) -> Tracks:
    """Nine walkers numbered 10, 20, ... in the window, not analysed yet, the last frame shown."""
    layer = _add_walkers(viewer, paths).__wrapped__
    viewer.reset_view()
    return layer


@pytest.fixture
def analyzed(viewer: Any, layer: Tracks, analysis: Analysis) -> Tracks:
    """The layer with its analysis, as *Analyze tracks* leaves it."""
    return _add_analysis(viewer, layer, analysis)


@pytest.fixture
def bare_layer(model: Any, paths: np.ndarray, analysis: Analysis) -> Tracks:
    """The same, analysed, in a viewer without a window, for what needs none."""
    return _add_analysis(model, _add_walkers(model, paths), analysis)


@pytest.fixture
def session(viewer: Any) -> Session:
    return Session.of(viewer)


@pytest.fixture
def place(viewer: Any) -> Callable[[Tracks, int], QPoint]:
    """Say where on the canvas a vertex of a layer is drawn."""

    def find(layer: Tracks, vertex: int) -> QPoint:
        QApplication.processEvents()
        canvas = viewer.__wrapped__.window._qt_viewer.canvas
        canvas.on_draw(None)
        node = canvas.layer_to_visual[layer].node
        drawn = layer._view_data[vertex]
        x, y, _, w = node.get_transform("visual", "canvas").map(drawn)
        return QPoint(round(x / w), round(y / w))

    return find


@pytest.fixture
def click(viewer: Any, qtbot: Any) -> Callable[..., None]:
    """Press and release the mouse on the canvas."""

    def press_and_release(
        position: QPoint, modifier: Any = Qt.KeyboardModifier.NoModifier, to: Any = None
    ) -> None:
        native = viewer.__wrapped__.window._qt_viewer.canvas.native
        left = Qt.MouseButton.LeftButton
        qtbot.mousePress(native, left, modifier, position)
        if to is not None:
            qtbot.mouseMove(native, to)
        qtbot.mouseRelease(native, left, modifier, position if to is None else to)

    return press_and_release


def _add_walkers(viewer: Any, paths: np.ndarray) -> Any:
    table = validate_tracks(_table(paths))
    data = tracks_layer_data(table, name="walkers", calibration=CALIBRATION)
    viewer.add_layer(Layer.create(*data))
    viewer.dims.set_current_step(0, len(paths) - 1)
    return viewer.layers["walkers"]


def _add_analysis(viewer: Any, layer: Tracks, analysis: Analysis) -> Tracks:
    add_features(layer, analysis_features(table_of_layer(layer), analysis), CALIBRATION)
    Session.of(viewer).add_analysis(layer, analysis, Recipe(calibration=CALIBRATION))
    return layer


def _table(paths: np.ndarray) -> pd.DataFrame:
    n_frames, n_particles = paths.shape[:2]
    return pd.DataFrame(
        {
            "particle": np.repeat(10 * (1 + np.arange(n_particles)), n_frames),
            "frame": np.tile(np.arange(n_frames), n_particles),
            "y": paths[:, :, 0].T.ravel(),
            "x": paths[:, :, 1].T.ravel(),
        }
    )
