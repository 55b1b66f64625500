"""Pixel size and frame interval are found where they are, exactly, and in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.layers import Image, Tracks

from napari_perrin._calibration import CalibrationForm, find_calibration, layer_geometry
from napari_perrin._movie_layer import movie_problem
from perrin.tracks import Calibration

FRAMES = np.arange(3 * 4 * 5, dtype=np.uint16).reshape(3, 4, 5)


def test_from_the_units_of_the_layer() -> None:
    layer = Image(FRAMES, scale=(40, 106.5, 106.5), units=("ms", "nm", "nm"))
    calibration, origin = find_calibration(layer)
    assert calibration.frame_interval == pytest.approx(0.04)
    assert calibration.pixel_size == pytest.approx(0.1065)
    assert origin == "From the layer's scale."


def test_no_digit_is_lost_on_the_way_through_a_layer() -> None:
    stated = Calibration(pixel_size=1 / 2.85, frame_interval=1 / 24, z_step=1 / 3)
    stack = np.zeros((3, 2, 4, 5), np.uint8)
    layer = Image(stack, **layer_geometry(stated, 4))
    assert find_calibration(layer).calibration == stated


def test_pixels_are_no_unit() -> None:
    calibration, origin = find_calibration(Image(FRAMES, scale=(1, 2, 2), name="bare"))
    assert calibration == Calibration()
    assert "pixel size and the frame interval are not stated" in origin


def test_metadata_fills_in_what_the_scale_leaves_open() -> None:
    noted = {"calibration": {"frame_interval": 0.5, "pixel_size": 9.0, "exposure": 0.25}}
    layer = Image(
        FRAMES, scale=(1, 0.2, 0.2), units=("pixel", "um", "um"), metadata={"perrin": noted}
    )
    calibration, origin = find_calibration(layer)
    assert calibration == Calibration(pixel_size=0.2, frame_interval=0.5, exposure=0.25)
    assert origin == "From the layer's scale and the layer's metadata."


def test_from_the_file_that_the_layer_was_opened_from(tmp_path: Path, model: Any) -> None:
    path = tmp_path / "beads.tif"
    tifffile.imwrite(
        path, FRAMES, imagej=True, resolution=(4.0, 4.0),
        metadata={"axes": "TYX", "unit": "um", "finterval": 0.125},
    )  # fmt: skip
    (layer,) = model.open(path)
    calibration, origin = find_calibration(layer)
    assert calibration.pixel_size == pytest.approx(0.25)
    assert calibration.frame_interval == pytest.approx(0.125)
    assert origin == "From the file's metadata."


def test_a_file_that_is_no_movie_is_passed_over(tmp_path: Path) -> None:
    layer = Tracks(np.array([[0, 0, 1, 1], [0, 1, 1, 1]]))
    path = tmp_path / "tracks.csv"
    path.write_text("particle,frame,y,x\n")
    layer._source = layer.source.model_copy(update={"path": str(path)})
    assert find_calibration(layer).calibration == Calibration()


def test_the_form_says_what_is_missing(qtbot: Any) -> None:
    form = CalibrationForm()
    qtbot.addWidget(form)
    form.show()
    form.show_finding(find_calibration(Image(FRAMES)))
    assert "in pixels and frames" in form.origin.text()
    form.form.fields["pixel_size"].value = 0.1
    assert "The frame interval is not stated" in form.origin.text()
    form.form.fields["frame_interval"].value = 0.02
    assert not form.origin.isVisible()
    assert form.calibration() == Calibration(pixel_size=0.1, frame_interval=0.02)


def test_channels_are_no_depth_and_have_one_calibration(tmp_path: Path, model: Any) -> None:
    path, frames = tmp_path / "two.tif", np.stack([FRAMES, FRAMES[::-1]], axis=1)
    tifffile.imwrite(
        path, frames, imagej=True, resolution=(4.0, 4.0),
        metadata={"axes": "TCYX", "unit": "um", "finterval": 0.125},
    )  # fmt: skip
    (layer,) = model.open(path, plugin="napari")
    assert "is the channel" in movie_problem(layer)
    assert find_calibration(layer).calibration.pixel_size == pytest.approx(0.25)
    for one in model.open(path, plugin="napari", channel_axis=1):
        assert movie_problem(one) == ""
        assert find_calibration(one).calibration.frame_interval == pytest.approx(0.125)


def test_the_axis_says_whether_it_is_the_channel() -> None:
    stack = np.zeros((3, 2, 4, 5), np.uint8)
    assert "is the channel" in movie_problem(Image(stack, axis_labels=("t", "c", "y", "x")))
    assert movie_problem(Image(stack, axis_labels=("t", "z", "y", "x"))) == ""


def test_from_the_zarr_folder_that_the_layer_was_opened_from(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    path = tmp_path / "beads.ome.zarr"
    group = zarr.create_group(str(path), zarr_format=2)
    group.create_array("0", data=FRAMES)
    scales = {"type": "scale", "scale": [0.125, 0.25, 0.25]}
    axes = [{"name": "t", "type": "time", "unit": "second"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    part = {"path": "0", "coordinateTransformations": [scales]}
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [part]}]
    layer = Image(FRAMES)
    layer._source = layer.source.model_copy(update={"path": str(path)})
    calibration = find_calibration(layer).calibration
    assert calibration.pixel_size == pytest.approx(0.25)
    assert calibration.frame_interval == pytest.approx(0.125)
