"""Which track is under the mouse: what the hit test says, against what napari draws."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Tracks

from napari_perrin.inspect._hit_test import REACH, Hit, Pointer, vertex_at


def flat(y: float, x: float, zoom: float = 1.0) -> Pointer:
    return Pointer(np.array([0.0, y, x]), (1, 2), zoom, None)


def shown_at(data: Any, frame: int, **options: Any) -> Tracks:
    """Return a layer as a viewer at a frame has it."""
    from napari.components import ViewerModel

    model = ViewerModel()
    layer = model.add_tracks(np.asarray(data, float), **{"tail_length": 10, **options})
    model.dims.set_point(0, frame * layer.scale[0])
    return layer


CROSSING = [
    *((1, t, 0.0, t) for t in range(10)),
    *((2, t, t, 5.0) for t in range(10)),
]
"""Track 1 runs along y = 0, track 2 along x = 5."""


def test_the_nearest_track_is_found_and_how_far_it_is() -> None:
    layer = shown_at(CROSSING, 9)
    hit = vertex_at(layer, flat(0.5, 2.3, zoom=4.0))
    assert hit is not None
    assert layer.data[hit.vertex, 0] == 1
    assert hit.distance == pytest.approx(2.0)
    assert vertex_at(layer, flat(-REACH / 4 - 0.1, 2.3, zoom=4.0)) is None
    # Zoomed out the same place is near enough.
    assert vertex_at(layer, flat(-REACH / 4 - 0.1, 2.3, zoom=3.0)) is not None


def test_between_two_localizations_a_track_is_hit_as_well() -> None:
    layer = shown_at([(1, 0, 0, 0), (1, 1, 0, 100)], 1)
    hit = vertex_at(layer, flat(3, 50))
    assert hit == Hit(0, pytest.approx(3.0))
    # But there is nothing between the end of one track and the beginning of the next.
    layer = shown_at([(1, 0, 0, 0), (1, 1, 0, 1), (2, 0, 0, 99), (2, 1, 0, 100)], 1)
    assert vertex_at(layer, flat(0, 50)) is None


@pytest.mark.parametrize(
    ("frame", "tail", "head", "hit"),
    [
        (9, 10, 0, True),
        (12, 10, 0, True),
        (13, 10, 0, False),  # its tail has faded
        (9, 3, 0, False),  # the tail ends at frame 6, x = 6
        (1, 10, 0, False),  # not there yet
        (1, 10, 5, True),  # but its head is
    ],
)
def test_only_what_is_drawn_can_be_hit(frame: int, tail: int, head: int, hit: bool) -> None:
    elsewhere = [(3, t, 80, 80) for t in range(30)]
    layer = shown_at([*CROSSING[:10], *elsewhere], frame, tail_length=tail, head_length=head)
    assert (vertex_at(layer, flat(0, 2.5, zoom=50)) is not None) == hit


def test_hidden_layers_tracks_and_tails_are_not_hit() -> None:
    layer = shown_at(CROSSING, 9)
    here = flat(0, 1, zoom=4)
    assert vertex_at(layer, here) is not None
    colors = layer.track_colors.copy()
    colors[layer.data[:, 0] == 1, 3] = 0
    layer.track_colors = colors
    assert vertex_at(layer, here) is None
    assert vertex_at(layer, flat(2, 5)) is not None
    layer.display_tail = False
    assert vertex_at(layer, flat(2, 5)) is None
    layer.display_tail = True
    layer.visible = False
    assert vertex_at(layer, flat(2, 5)) is None


def test_completed_tracks_can_be_hidden() -> None:
    ended = shown_at([*CROSSING[:10], *((3, t, 50, 50) for t in range(20))], 12)
    assert vertex_at(ended, flat(0, 8)) is not None
    ended.hide_completed_tracks = True
    assert vertex_at(ended, flat(0, 8)) is None


def test_where_tracks_cross_the_latest_is_meant() -> None:
    early = [(1, t, 0.0, t) for t in range(10)]
    late = [(2, t + 8, t, 5.0) for t in range(10)]
    layer = shown_at([*early, *late], 17, tail_length=30)
    hit = vertex_at(layer, flat(0, 5))
    assert hit is not None
    assert layer.data[hit.vertex, 0] == 2


def test_scale_translation_and_rotation_are_followed() -> None:
    turned = np.array([[0.0, -1.0], [1.0, 0.0]])
    rotate = np.eye(3)
    rotate[1:, 1:] = turned
    options = {"scale": (0.1, 0.2, 0.2), "translate": (0, 7, -3), "rotate": rotate}
    layer = shown_at(CROSSING, 9, **options)
    for vertex in (3, 16):
        world = np.asarray(layer.data_to_world(layer.data[vertex, 1:]))
        hit = vertex_at(layer, Pointer(world, (1, 2), 40.0, None))
        assert hit is not None
        assert hit.distance == pytest.approx(0, abs=1e-6)
        assert layer.data[hit.vertex, 0] == layer.data[vertex, 0]


def test_axes_that_only_the_viewer_has_are_left_out() -> None:
    layer = shown_at(CROSSING, 9)
    pointer = Pointer(np.array([3.0, 9.0, 0.0, 2.0]), (2, 3), 1.0, None)
    hit = vertex_at(layer, pointer)
    assert hit is not None
    assert layer.data[hit.vertex, 0] == 1


@pytest.fixture(scope="module")
def volume() -> Iterator[Tracks]:
    """A layer in 3D whose last frame is shown; a viewer for each example would take long."""
    from napari.components import ViewerModel

    model = ViewerModel(ndisplay=3)
    layer = model.add_tracks(np.array([[0, 0, 0, 0, 0], [0, 4, 1, 1, 1]]), tail_length=30)
    model.dims.set_point(0, 4)
    yield layer
    model.layers.clear()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    zoom=st.floats(0.3, 30),
    direction=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda d: np.linalg.norm(d) > 0.1),
)
def test_in_3d_the_track_nearest_to_the_ray_is_found(
    volume: Tracks, seed: int, zoom: float, direction: tuple[float, float, float]
) -> None:
    rng = np.random.default_rng(seed)
    data = np.column_stack(
        (np.repeat(np.arange(6), 5), np.tile(np.arange(5), 6), rng.uniform(0, 40, (30, 3)))
    )
    volume.data = data
    ray = np.array(direction) / np.linalg.norm(direction)
    start = rng.uniform(0, 40, 3)
    pointer = Pointer(np.array([4, *start]), (1, 2, 3), zoom, np.array([0, *ray]))
    hit = vertex_at(volume, pointer)
    # Every segment, sampled finely.
    share = np.linspace(0, 1, 400)[:, None]
    distances = []
    for row in np.flatnonzero(np.diff(data[:, 0]) == 0):
        points = data[row, 2:] * (1 - share) + data[row + 1, 2:] * share - start
        distances.append(np.linalg.norm(points - points @ ray[:, None] * ray, axis=1).min() * zoom)
    nearest = min(distances)
    if nearest > REACH + 1:
        assert hit is None
    elif nearest < REACH:
        assert hit is not None
        assert hit.distance <= nearest + 1e-6
