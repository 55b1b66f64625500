"""Switches beside the tracks, in the real viewer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from napari.layers import Layer, Points

from napari_perrin._layers import table_of_layer, tracks_layer_data
from napari_perrin._switch_layer import show_switches
from perrin.analysis import Analysis, AnalysisParameters
from perrin.simulate import simulate_switching
from perrin.tracks import Calibration, validate_tracks


@pytest.fixture
def layer(viewer: Any) -> Any:
    """Three tracks of thirty frames."""
    tracks = simulate_switching([1.0], n_tracks=3, n_points=30, seed=1)
    calibration = Calibration(pixel_size=0.1, frame_interval=0.05)
    data = tracks_layer_data(validate_tracks(tracks), name="walkers", calibration=calibration)
    viewer.add_layer(Layer.create(*data))
    return viewer.layers["walkers"].__wrapped__


def found(*switches: tuple[int, int]) -> Analysis:
    particle, frame = zip(*switches, strict=True) if switches else ((), ())
    table = pd.DataFrame({"particle": particle, "frame": frame, "diffusivity_after": 0.5})
    empty = pd.DataFrame()
    return Analysis(empty, empty, table, Calibration(), AnalysisParameters())


def marks(viewer: Any) -> list[Points]:
    return [layer for layer in viewer.layers if isinstance(layer, Points)]


def test_marks_lie_on_the_tracks_where_they_switch(viewer: Any, layer: Any) -> None:
    table = table_of_layer(layer)
    show_switches(viewer, layer, table, found((0, 10), (2, 20)))
    (points,) = marks(viewer)
    rows = table.set_index(["particle", "frame"])
    for mark, (particle, frame) in zip(points.data, ((0, 10), (2, 20)), strict=True):
        assert mark[0] == frame
        np.testing.assert_allclose(mark[-2:], rows.loc[(particle, frame), ["y", "x"]])
    np.testing.assert_allclose(points.scale, layer.scale)
    assert points.features["particle"].tolist() == [0, 2]
    assert points.features["diffusivity_after"].tolist() == [0.5, 0.5]
    assert points.visible


def test_a_new_analysis_replaces_the_marks_of_its_own_layer_alone(viewer: Any, layer: Any) -> None:
    table = table_of_layer(layer)
    viewer.add_points(np.zeros((1, 3)), name="mine")
    show_switches(viewer, layer, table, found((0, 10)))
    show_switches(viewer, layer, table, found((1, 5), (1, 15)))
    assert [len(points.data) for points in marks(viewer)] == [1, 2]
    show_switches(viewer, layer, table, found())
    assert [points.name for points in marks(viewer)] == ["mine"]


def test_marks_turn_with_the_tracks_and_stay_hidden(viewer: Any, layer: Any) -> None:
    table = table_of_layer(layer)
    layer.rotate = 30
    show_switches(viewer, layer, table, found((0, 10)))
    (points,) = marks(viewer)
    np.testing.assert_allclose(points.rotate, layer.rotate)
    points.visible = False
    show_switches(viewer, layer, table, found((0, 12)))
    assert not marks(viewer)[0].visible
