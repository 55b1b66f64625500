"""*Track particles* in the real window: choose, run, cancel, and everything that can go wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
import pytest
from napari.layers import Points, Tracks
from pandas.testing import assert_frame_equal
from qtpy.QtCore import Qt

from napari_perrin import _track_widget
from napari_perrin._session import Session
from perrin.io import as_movie
from perrin.pipeline import Recipe, find_tracks
from perrin.results import Source
from perrin.tracks import Calibration

GEOMETRY = {"scale": (0.05, 0.1, 0.1), "units": ("s", "um", "um")}
RECIPE = Recipe(calibration=Calibration(pixel_size=0.1, frame_interval=0.05))


def kept(viewer: Any) -> list[str]:
    """Names of the layers that are no preview."""
    return [layer.name for layer in viewer.layers if layer.name != "Preview, not saved"]


def test_tracks_of_a_movie_become_a_layer(
    viewer: Any, dock: Any, run: Any, choose: Any, movie: np.ndarray, paths: np.ndarray
) -> None:
    noted = {"perrin": {"sample": "beads_of_glass"}}
    viewer.add_image(movie, name="beads", metadata=noted, **GEOMETRY)
    viewer.add_image(np.zeros_like(movie), name="other")
    widget = dock("Track particles")
    choose(widget.layer_choice, "beads")
    assert widget.calibration_form.calibration() == RECIPE.calibration
    run(widget)
    layer = viewer.layers["beads tracks"]
    assert isinstance(layer, Tracks)
    assert layer.scale.tolist() == viewer.layers["beads"].scale.tolist()
    assert layer.units == viewer.layers["beads"].units
    expected = find_tracks(as_movie(movie, name="beads"), RECIPE)
    session = Session.of(viewer)
    assert session.current == layer
    record = session.record(session.current)
    assert_frame_equal(record.localizations, expected.localizations)
    assert record.recipe == RECIPE
    assert record.source == Source(sample="beads_of_glass")
    assert len(layer.data) == len(expected.tracks)
    assert {"row", "particle", "mass"} <= set(layer.features)
    # The particles are where they were put: a tenth of a pixel is what shot noise allows here.
    last = layer.data[layer.data[:, 1] == len(paths) - 1]
    distance = np.linalg.norm(last[:, None, 2:] - paths[-1][None], axis=-1).min(axis=0)
    assert distance.max() < 0.3
    assert f"{len(np.unique(layer.data[:, 0]))} tracks" in widget.message.text()


def test_parameters_in_the_form_are_the_ones_used(
    viewer: Any, dock: Any, run: Any, movie: np.ndarray
) -> None:
    viewer.add_image(movie, name="beads")
    widget = dock("Track particles")
    widget.recipe_form.parts["detector"].form.fields["diameter"].value = 9
    widget.recipe_form.parts["linker"].form.fields["min_length"].value = 30
    run(widget)
    layer = viewer.layers["beads tracks"]
    recipe = Session.of(viewer).record(layer).recipe
    assert recipe.detector.diameter == 9
    assert recipe.linker.min_length == 30
    assert np.unique(layer.data[:, 0], return_counts=True)[1].min() >= 30


def test_localizations_are_shown_when_asked_for(
    viewer: Any, dock: Any, run: Any, qtbot: Any, movie: np.ndarray
) -> None:
    viewer.add_image(movie, name="beads", **GEOMETRY)
    widget = dock("Track particles")
    qtbot.mouseClick(widget.show_localizations, Qt.MouseButton.LeftButton, pos=_left(widget))
    assert widget.show_localizations.isChecked()
    run(widget)
    points = viewer.layers["beads localizations"]
    assert isinstance(points, Points)
    assert len(points.data) >= len(viewer.layers["beads tracks"].data)
    assert "mass" in points.features


def test_a_second_run_leaves_the_first_result_alone(
    viewer: Any, dock: Any, run: Any, movie: np.ndarray
) -> None:
    viewer.add_image(movie, name="beads")
    widget = dock("Track particles")
    run(widget)
    first = viewer.layers["beads tracks"]
    before = first.data.copy()
    run(widget)
    assert kept(viewer) == ["beads", "beads tracks", "beads tracks [1]"]
    np.testing.assert_array_equal(first.data, before)


def test_a_lazy_movie_and_a_stack(viewer: Any, dock: Any, run: Any, movie: np.ndarray) -> None:
    lazy = da.from_array(movie[:, None], chunks=(7, 1, 96, 96))
    viewer.add_image(lazy, name="one plane", scale=(1, 3, 1, 1))
    widget = dock("Track particles")
    run(widget)
    layer = viewer.layers["one plane tracks"]
    assert layer.data.shape[1] == 5
    assert layer.scale.tolist() == [1, 3, 1, 1]
    expected = find_tracks(as_movie(movie), Recipe()).tracks
    np.testing.assert_array_equal(layer.data[:, 3:], expected[["y", "x"]])


def test_a_movie_of_stacks(viewer: Any, dock: Any, run: Any) -> None:
    rng = np.random.default_rng(3)
    z, y, x = np.mgrid[:20, :40, :40]
    centers = np.array([[10.0, 12.0, 12.0], [9.0, 27.0, 26.0]])
    frames = np.full((6, 20, 40, 40), 10.0)
    for frame in frames:
        for center in centers:
            square = sum((a - c) ** 2 for a, c in zip((z, y, x), center, strict=True))
            frame += 300 * np.exp(-square / (2 * 1.6**2))
        centers += rng.normal(0, 0.3, centers.shape)
    image = rng.poisson(frames).astype(np.uint16)
    geometry = {"scale": (0.5, 0.3, 0.1, 0.1), "units": ("s", "um", "um", "um")}
    viewer.add_image(image, name="stacks", **geometry)
    widget = dock("Track particles")
    expected = Calibration(pixel_size=0.1, frame_interval=0.5, z_step=0.3)
    assert widget.calibration_form.calibration() == expected
    run(widget)
    layer = viewer.layers["stacks tracks"]
    assert layer.scale.tolist() == [0.5, 0.3, 0.1, 0.1]
    assert layer.data.shape == (12, 5)
    np.testing.assert_allclose(
        layer.data[layer.data[:, 1] == 0][:, 2:].mean(0), [9.5, 19.5, 19], atol=0.2
    )


class Gate:
    """Holds back the last frames of a lazy movie until it is opened."""

    def __init__(self, movie: np.ndarray) -> None:
        self.open, self.waiting = threading.Event(), threading.Event()
        self._movie = movie

    def frames(self) -> da.Array:
        return da.map_blocks(
            self._block, dtype=self._movie.dtype,
            chunks=((1,) * len(self._movie), *((n,) for n in self._movie.shape[1:])),
        )  # fmt: skip

    def _block(self, block_info: Any = None) -> np.ndarray:
        (first, stop) = block_info[None]["array-location"][0]
        if first >= len(self._movie) - 2:
            self.waiting.set()
            assert self.open.wait(60)
        return self._movie[first:stop]


@pytest.fixture
def gated(viewer: Any, movie: np.ndarray) -> Any:
    """A movie in the viewer whose last frames are held back."""
    gate = Gate(movie)
    viewer.add_image(gate.frames(), name="gated", contrast_limits=(0, 500))
    yield gate
    gate.open.set()


def test_cancel_stops_the_work_and_changes_nothing(
    viewer: Any, dock: Any, run: Any, qtbot: Any, gated: Gate, notifications: list[str]
) -> None:
    widget = dock("Track particles")
    qtbot.mouseClick(widget.run_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(gated.waiting.is_set, timeout=60_000)
    assert widget.is_running
    assert not widget.inputs.isEnabled()
    assert not widget.run_button.isEnabled()
    assert widget.progress_bar.isVisible()
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        qtbot.mouseClick(widget.cancel_button, Qt.MouseButton.LeftButton)
        gated.open.set()
    assert kept(viewer) == ["gated"]
    assert widget.message.text() == "Cancelled; nothing was changed."
    assert notifications == []
    assert widget.inputs.isEnabled()
    assert not widget.cancel_button.isEnabled()
    # And the widget works as before.
    run(widget)
    assert "gated tracks" in viewer.layers


def test_the_image_may_be_removed_while_it_is_tracked(
    viewer: Any, dock: Any, qtbot: Any, gated: Gate
) -> None:
    widget = dock("Track particles")
    qtbot.mouseClick(widget.run_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(gated.waiting.is_set, timeout=60_000)
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        viewer.layers.remove("gated")
        gated.open.set()
    assert kept(viewer) == ["gated tracks"]
    assert not widget.run_button.isEnabled()


def test_closing_the_panel_stops_the_work(viewer: Any, dock: Any, qtbot: Any, gated: Gate) -> None:
    widget = dock("Track particles")
    qtbot.mouseClick(widget.run_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(gated.waiting.is_set, timeout=60_000)
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        viewer.window.remove_dock_widget(widget)
        gated.open.set()
    assert kept(viewer) == ["gated"]


def test_what_is_no_movie_is_said_before_running(viewer: Any, dock: Any, choose: Any) -> None:
    odd_ones = {
        "colours": ((5, 8, 8, 3), {"rgb": True}, "colour (RGB) image"),
        "picture": ((8, 8), {}, "single picture"),
        "one frame": ((1, 8, 8), {}, "single frame"),
        "channels": ((2, 3, 4, 8, 8), {}, "has 5 axes"),
    }
    for name, (shape, options, _) in odd_ones.items():
        viewer.add_image(np.ones(shape, np.uint8), name=name, **options)
    widget = dock("Track particles")
    for name, (_, _, sentence) in odd_ones.items():
        choose(widget.layer_choice, name)
        assert not widget.run_button.isEnabled()
        assert sentence in widget.message.text()
        assert f"'{name}'" in widget.message.text()


def test_without_a_movie_the_way_to_one_is_said(viewer: Any, dock: Any) -> None:
    widget = dock("Track particles")
    assert not widget.run_button.isEnabled()
    assert "File → Open Sample → Perrin" in widget.message.text()
    viewer.add_image(np.ones((3, 8, 8)), name="movie")
    assert widget.layer_choice.layer == viewer.layers["movie"]
    assert widget.run_button.isEnabled()
    assert widget.message.text() == ""


@pytest.mark.parametrize("bad", ["zeros", "nan", "even diameter"])
def test_errors_are_sentences_in_the_panel_and_as_notification(
    viewer: Any, dock: Any, run: Any, movie: np.ndarray, notifications: list[str], bad: str
) -> None:
    frames = {"zeros": np.zeros_like(movie), "nan": movie.astype(np.float32)}.get(bad, movie)
    if bad == "nan":
        frames[3, 4, 5] = np.nan
    viewer.add_image(frames, name="broken", contrast_limits=(0, 1))
    widget = dock("Track particles")
    if bad == "even diameter":
        widget.recipe_form.parts["detector"].form.fields["diameter"].value = 8
        widget.run_button.click()
    else:
        run(widget)
    assert len(kept(viewer)) == 1
    assert notifications == [widget.message.text()]
    assert "Traceback" not in widget.message.text()
    expected = {"zeros": "broken", "nan": "broken", "even diameter": "odd"}[bad]
    assert expected in widget.message.text()
    assert widget.run_button.isEnabled()


def test_a_bug_is_reported_with_its_traceback(
    viewer: Any,
    dock: Any,
    run: Any,
    movie: np.ndarray,
    notifications: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_args: Any, **_options: Any) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(_track_widget, "find_tracks", broken)
    viewer.add_image(movie, name="beads")
    widget = dock("Track particles")
    run(widget)
    assert "ZeroDivisionError: oops" in widget.message.text()
    assert notifications == ["oops"]
    assert widget.run_button.isEnabled()


def test_the_layer_choice_follows_the_viewer(
    viewer: Any, dock: Callable[[str], Any], choose: Any
) -> None:
    first = viewer.add_image(np.ones((3, 8, 8)), name="first")
    widget = dock("Track particles")
    viewer.add_image(np.ones((4, 8, 8)), name="second")
    assert widget.layer_choice.layer == first
    choose(widget.layer_choice, "second")
    viewer.layers["second"].name = "renamed"
    assert widget.layer_choice.currentText() == "renamed"
    viewer.layers.remove("renamed")
    assert widget.layer_choice.currentText() == "first"


def _left(widget: Any) -> Any:
    from qtpy.QtCore import QPoint

    return QPoint(8, widget.show_localizations.height() // 2)
