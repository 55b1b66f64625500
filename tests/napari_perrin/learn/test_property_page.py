"""*Learn from tracks*, page *In a potential*, in the real window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from napari.layers import Image, Layer

from napari_perrin._layers import tracks_layer_data
from napari_perrin.learn._property_page import _on_image
from perrin.errors import InputError
from perrin.io import read_table
from perrin.simulate.potential import Potential, simulate_newton
from perrin.tracks import Calibration, validate_tracks

CALIBRATION = Calibration(pixel_size=0.1, frame_interval=0.05)
UNITS = ("um", "um")
MASS = 2.0
"""In kT frame²/px², in a trap of 0.01 kT/px²."""


@pytest.fixture(scope="module")
def trap() -> np.ndarray:
    y, x = np.mgrid[:64, :64] - 32.0
    return (0.005 * (y**2 + x**2)).astype(np.float32)


@pytest.fixture(scope="module")
def table(trap: np.ndarray) -> pd.DataFrame:
    """Three particles that roll in the trap, one of them seen in four frames only."""
    start = np.array([(20, 32), (40, 40), (50, 24)])
    paths = simulate_newton(Potential(trap), np.full(3, MASS), start, n_frames=30).positions
    paths += np.random.default_rng(0).normal(0, 0.05, paths.shape)
    particle, frame = (grid.ravel() for grid in np.mgrid[:3, :30])
    columns = {"particle": particle, "frame": frame, "y": paths[:, 0].ravel()}
    every = pd.DataFrame(columns | {"x": paths[:, 1].ravel(), "mass": 1000.0 + particle})
    return validate_tracks(every[(every["particle"] < 2) | (every["frame"] < 4)])


@pytest.fixture
def page(dock: Any, viewer: Any, trap: np.ndarray, table: pd.DataFrame) -> Any:
    """The page, beside a potential and tracks on the same pixels."""
    viewer.add_image(trap, name="trap", scale=(0.1, 0.1), units=UNITS)
    data = tracks_layer_data(table, name="rolling", calibration=CALIBRATION)
    viewer.add_layer(Layer.create(*data))
    widget = dock("Learn from tracks")
    page = widget.pages["In a potential"]
    widget.tabs.setCurrentWidget(page)
    page.parameter_form.fields["motion"].value = "inertial"
    return page


def test_masses_become_features_with_units_beside_what_was_there(
    page: Any, run: Any, viewer: Any, table: pd.DataFrame, tmp_path: Path
) -> None:
    page.parameter_form.fields["energy_unit"].value = "kT"
    run(page)
    layer = viewer.layers["rolling"].__wrapped__
    features = layer.features.groupby("particle").first()
    unit = 0.05**2 / 0.1**2
    assert features["inertial_mass"].iloc[:2].to_numpy() == pytest.approx(MASS * unit, rel=0.05)
    assert (features["inertial_mass_lo"] < features["inertial_mass"])[:2].all()
    assert np.isnan(features["inertial_mass"].iloc[2])
    assert features["mass"].tolist() == [1000, 1001, 1002]  # brightness is left alone
    assert layer.color_by == "inertial_mass"
    said = page.answer.text()
    assert said.startswith("Measured: rolling\nInertial mass of 2 of 3 particles")
    assert "kT s²/µm²" in said
    assert "1 too short" in said
    assert "not known" not in said
    page.save(tmp_path / "property.csv")
    assert len(read_table(tmp_path / "property.csv")) == 3


def test_an_image_of_coarser_pixels_elsewhere_gives_the_same_masses(
    page: Any, run: Any, viewer: Any, trap: np.ndarray
) -> None:
    page.parameter_form.fields["energy_unit"].value = "kT"
    run(page)
    layer = viewer.layers["rolling"].__wrapped__
    first = layer.features["inertial_mass"].to_numpy()
    viewer.layers.remove("trap")
    coarse = trap.reshape(32, 2, 32, 2).mean(axis=(1, 3))
    viewer.add_image(coarse, name="coarse", scale=(0.2, 0.2), translate=(0.05, 0.05), units=UNITS)
    run(page)
    again = layer.features["inertial_mass"].to_numpy()
    np.testing.assert_allclose(again, first, rtol=0.03)


def test_what_is_unknown_is_said(page: Any, run: Any, viewer: Any) -> None:
    run(page)
    assert "levels of the image" in page.answer.text()


def test_stacks_and_tracks_elsewhere_are_refused(
    page: Any, viewer: Any, trap: np.ndarray, notifications: list[str]
) -> None:
    viewer.add_image(np.stack([trap] * 3), name="stack")
    page.image_choice.layer = viewer.layers["stack"].__wrapped__
    page.start()
    assert "one image of one channel" in page.message.text()
    viewer.add_image(np.zeros((64, 64)), name="flat", units=UNITS)
    page.image_choice.layer = viewer.layers["flat"].__wrapped__
    page.start()
    assert "same everywhere" in page.message.text()
    viewer.layers["trap"].units = ("nm", "nm")
    page.image_choice.layer = viewer.layers["trap"].__wrapped__
    page.start()
    assert "is in nanometer by nanometer" in page.message.text()
    assert "in micrometer by micrometer" in page.message.text()


def test_tracks_are_mapped_as_the_window_shows_them(table: pd.DataFrame, trap: np.ndarray) -> None:
    layer = Layer.create(*tracks_layer_data(table, name="rolling", calibration=CALIBRATION))
    shown = layer.data_to_world(layer.data[5, 1:])[1:]
    image = Image(trap, scale=(0.2, 0.2), translate=(1, 2), rotate=30, units=UNITS)
    on_image, ratio = _on_image(table, layer, image)
    np.testing.assert_allclose(
        on_image.loc[5, ["y", "x"]].astype(float), image.world_to_data(shown)
    )
    assert ratio == pytest.approx(2)
    image.scale = (0.2, 0.3)
    with pytest.raises(InputError, match="another shape"):
        _on_image(table, layer, image)


def test_nothing_to_measure_is_said(dock: Any) -> None:
    page = dock("Learn from tracks").pages["In a potential"]
    assert not page.run_button.isEnabled()
    assert "Track particles first" in page.message.text()
