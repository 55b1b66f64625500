"""A Tracks layer with a known analysis in the real window, and the mouse on its canvas."""

from __future__ import annotations

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


@pytest.fixture(scope="session")
def analysis(paths: np.ndarray) -> Analysis:
    """The analysis of the tracks in :func:`layer`."""
    return analyze(validate_tracks(_table(paths)), CALIBRATION, device="cpu")


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
