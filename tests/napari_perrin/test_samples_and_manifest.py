"""The manifest offers what there is, and samples open calibrated."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from npe2 import PluginManager, PluginManifest

from napari_perrin._calibration import find_calibration
from perrin.samples import SAMPLES, load_sample


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_distribution("napari-perrin")


def test_the_manifest_is_valid_and_every_command_exists(manifest: PluginManifest) -> None:
    manifest.validate_imports()
    root = Path(__file__).resolve().parents[2]
    assert (root / "napari.yaml").resolve() == root / "src" / "napari_perrin" / "napari.yaml"


def test_widgets_are_in_the_layers_menus(manifest: PluginManifest) -> None:
    menus = manifest.contributions.menus
    in_menu = {name: [item.command for item in items] for name, items in menus.items()}
    assert in_menu["napari/layers/track"] == ["napari-perrin.track_particles"]
    looking = ["inspect_tracks", "table_of_tracks", "statistics_of_tracks", "population"]
    assert in_menu["napari/layers/measure"] == [
        f"napari-perrin.{name}" for name in ("analyze_tracks", *looking)
    ]
    learning = "napari-perrin.learn_from_tracks"
    assert in_menu["napari/layers/classify"] == ["napari-perrin.analyze_tracks", learning]


def test_there_is_an_entry_for_every_sample(manifest: PluginManifest) -> None:
    assert [sample.key for sample in manifest.contributions.sample_data] == list(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_opens_calibrated(model: Any, name: str) -> None:
    (layer,) = model.open_sample("napari-perrin", name)
    movie = load_sample(name).movie
    assert layer.data.shape == movie.shape
    np.testing.assert_array_equal(layer.data[3], movie.frame(3))
    assert find_calibration(layer).calibration == movie.calibration
    assert movie.calibration.is_physical


def test_the_entries_of_the_real_menus_open_the_widgets(viewer: Any) -> None:
    PluginManager.instance()
    window = viewer.__wrapped__.window
    texts = _texts(window.layers_menu) + _texts(window.plugins_menu) + _texts(window.file_menu)
    assert sum("Track particles" in text for text in texts) >= 2
    assert sum("Analyze tracks" in text for text in texts) >= 3
    assert sum("Inspect tracks" in text for text in texts) >= 2
    assert sum("Table of tracks" in text for text in texts) >= 2
    assert sum("Statistics of tracks" in text for text in texts) >= 2
    assert "Free beads" in texts


def test_opening_naparis_menus_loads_no_torch() -> None:
    code = (
        "import sys, napari_perrin._track_widget, napari_perrin._analyze_widget;"
        "import napari_perrin.inspect._inspector, napari_perrin.inspect._table;"
        "import napari_perrin.learn._learn_widget;"
        "import napari_perrin._reader, napari_perrin._writer, napari_perrin._samples;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _texts(menu: Any) -> list[str]:
    # napari fills its menus when they are about to be shown.
    menu.aboutToShow.emit()
    texts = []
    for action in menu.actions():
        texts.append(action.text().replace("&", ""))
        if action.menu() is not None:
            texts += _texts(action.menu())
    return texts
