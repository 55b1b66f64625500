"""*Analyze tracks* in the real window: features, colours, legend, summary, saving."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from napari.layers import Layer
from pandas.testing import assert_frame_equal
from qtpy.QtCore import Qt

from napari_perrin import _analyze_widget
from napari_perrin._colors import UNKNOWN
from napari_perrin._layers import table_of_layer, tracks_layer_data
from napari_perrin._session import Session
from perrin.analysis import analyze
from perrin.inspection import STATE_COLORS
from perrin.io import read_table
from perrin.models import MODEL_COLORS, MODELS, MOTION_COLORS, STATES, UNKNOWN_COLOR
from perrin.pipeline import Recipe
from perrin.summary import summarize
from perrin.tracks import Calibration, validate_tracks

CALIBRATION = Calibration(pixel_size=0.1, frame_interval=0.05)


@pytest.fixture
def layer(viewer: Any, tracks: pd.DataFrame) -> Any:
    """A Tracks layer in the viewer."""
    data = tracks_layer_data(validate_tracks(tracks), name="walkers", calibration=CALIBRATION)
    viewer.add_layer(Layer.create(*data))
    return viewer.layers["walkers"].__wrapped__


@pytest.fixture
def analyzed(dock: Any, run: Any, layer: Any) -> Any:
    """The widget after one run."""
    widget = dock("Analyze tracks")
    run(widget)
    assert widget.message.text() == ""
    return widget


def test_the_analysis_becomes_features(analyzed: Any, layer: Any, tracks: pd.DataFrame) -> None:
    expected = analyze(validate_tracks(tracks), CALIBRATION).per_track.set_index("particle")
    features = layer.features
    for particle, row in expected.iterrows():
        mine = features[features["particle"] == particle]
        code = MODELS.index(row["model"]) if isinstance(row["model"], str) else UNKNOWN
        assert (mine["model"] == code).all()
        for name in ("alpha", "diffusivity", "noise", "p_fbm", "n_points"):
            value = np.nan if pd.isna(row[name]) else float(row[name])
            np.testing.assert_array_equal(mine[name].to_numpy(float), np.full(len(mine), value))
        assert (mine["too_short"] == int("too_short" in str(row["flags"]))).all()
    assert {"p_switch", "state", "frame_diffusivity", "frame_alpha"} <= set(features)
    # Five points are too few: said so, not judged.
    short = features[features["particle"] == tracks["particle"].max()]
    assert (short["model"] == UNKNOWN).all()
    assert (short["too_short"] == 1).all()


def test_tracks_are_coloured_by_model_and_the_legend_says_so(analyzed: Any, layer: Any) -> None:
    assert layer.color_by == "model"
    codes = layer.features["model"].to_numpy()
    colors = [to_rgba(MODEL_COLORS[name]) for name in MODELS] + [to_rgba(UNKNOWN_COLOR)]
    np.testing.assert_allclose(layer.track_colors, np.array(colors)[codes], atol=1e-6)
    texts = list(analyzed.results.legend.texts())
    per_track = pd.Series(codes).groupby(layer.data[:, 0]).first()
    for code, name in [*enumerate(MODELS), (UNKNOWN, "not judged")]:
        assert texts[texts.index(name) + 1] == str(int((per_track == code).sum()))


def test_colouring_by_any_number_shows_its_range_and_unit(analyzed: Any, layer: Any) -> None:
    box = analyzed.results.color_choice
    for entry, feature in {
        "Anomalous exponent α": "alpha",
        "Diffusivity D (µm²/s)": "diffusivity",
        "Localization error (nm)": "noise",
        "Probability of FBM": "p_fbm",
        "α over time": "frame_alpha",
        "Brightness (mass)": "mass",
    }.items():
        index = box.findText(entry)
        box.setCurrentIndex(index)
        box.activated.emit(index)
        assert layer.color_by == feature
        assert (layer.track_colors[:, 3] == 1).all()
        texts = list(analyzed.results.legend.texts())
        assert texts[0].startswith(entry)
        low, middle, high = (float(text) for text in texts[1:4])
        assert low < middle < high
        unknown = layer.features[feature].isna().groupby(layer.data[:, 0]).all().sum()
        assert (f"not known: {unknown} tracks" in texts) == (unknown > 0)


def test_the_range_of_the_colours_is_typed_and_fitted(
    analyzed: Any, layer: Any, qtbot: Any
) -> None:
    results = analyzed.results
    results.color_by("diffusivity")
    natural = layer.colormaps_dict["diffusivity"].limits
    known = layer.features["diffusivity"].dropna()
    assert natural == pytest.approx(np.percentile(known, (2, 98)))

    def type_into(edit: Any, text: str) -> None:
        edit.clear()
        qtbot.keyClicks(edit, text)
        qtbot.keyClick(edit, Qt.Key.Key_Return)

    type_into(results.legend.content.high, "7,5")
    qtbot.waitUntil(lambda: layer.colormaps_dict["diffusivity"].limits[1] == 7.5)
    assert layer.colormaps_dict["diffusivity"].limits[0] == natural[0]
    assert results.legend.texts()[3] == "7.5"
    # No range: what was there comes back.
    for nonsense in ("much", "0", "-3"):
        type_into(results.legend.content.high, nonsense)
        assert results.legend.content.high.text() == "7.5"
    qtbot.mouseClick(results.legend.content.fit_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: layer.colormaps_dict["diffusivity"].limits == natural)


@pytest.mark.parametrize(
    ("feature", "names", "colors"),
    [
        ("motion", STATES, [MOTION_COLORS[name] for name in STATES]),
        ("state", ("0, the slowest", "1", "2", "3", "4"), STATE_COLORS),
        ("too_short", ("no", "yes"), ("#4477AA", "#EE6677")),
    ],
)
def test_codes_have_a_legend_with_fixed_colours(
    analyzed: Any, layer: Any, feature: str, names: Sequence[str], colors: Sequence[str]
) -> None:
    analyzed.results.color_by(feature)
    codes = layer.features[feature].to_numpy(float)
    every = [to_rgba(color) for color in (*colors, UNKNOWN_COLOR)]
    known = np.where(codes >= 0, codes, len(colors)).astype(int)
    np.testing.assert_allclose(layer.track_colors, np.array(every)[known], atol=1e-6)
    texts = list(analyzed.results.legend.texts())
    assert texts[: 3 * len(names) : 3] == list(names)
    counted = [int(text.replace(",", "")) for text in texts[1::3]]
    n_rows = layer.data[:, 0].max() + 1 if feature == "too_short" else len(layer.data)
    assert sum(counted) == n_rows


def test_colouring_in_naparis_own_control_is_followed(analyzed: Any, layer: Any) -> None:
    layer.color_by = "alpha"
    assert analyzed.results.color_choice.currentText() == "Anomalous exponent α"
    assert (layer.track_colors[:, 3] == 1).all()


def test_the_summary_is_the_one_of_the_command_line(analyzed: Any, layer: Any) -> None:
    analysis = Session.of(analyzed.viewer).record(layer).analysis
    everything = summarize(analysis).set_index("model").loc["all"]
    shown = {title: label.text() for title, label in analyzed.results.summary.items()}
    assert shown["Median D"] == f"{everything['diffusivity']:.3g} µm²/s"
    assert shown["Median α"].split()[0] == (
        "not" if np.isnan(everything["alpha"]) else f"{everything['alpha']:.3g}"
    )
    assert shown["Tracks"].startswith(f"{everything['tracks']:.0f},")


def test_saved_tables_are_the_ones_computed(
    analyzed: Any, layer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Any
) -> None:
    folder = tmp_path / "results"
    monkeypatch.setattr(
        _analyze_widget.QFileDialog, "getExistingDirectory", lambda *_args: str(folder)
    )
    qtbot.mouseClick(analyzed.results.save_button, Qt.MouseButton.LeftButton)
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "tracks.csv", "per_track.csv", "per_frame.csv", "switches.csv", "overview.png",
        "recipe.yaml", "source.yaml",
    }  # fmt: skip
    analysis = Session.of(analyzed.viewer).record(layer).analysis
    saved = read_table(folder / "per_track.csv")
    for name in ("particle", "diffusivity", "noise"):
        np.testing.assert_array_equal(saved[name], analysis.per_track[name].to_numpy(float))
    assert Recipe.read(folder / "recipe.yaml").calibration == CALIBRATION
    # These tracks were not found here, so the recipe does not say how.
    assert "detector" not in (folder / "recipe.yaml").read_text()
    assert str(folder) in analyzed.message.text()


def test_earlier_results_are_never_overwritten(
    analyzed: Any, tmp_path: Path, notifications: list[str]
) -> None:
    (tmp_path / "per_track.csv").write_text("precious")
    analyzed.save(str(tmp_path))
    assert (tmp_path / "per_track.csv").read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["per_track.csv"]
    assert "per_track.csv" in analyzed.message.text()
    assert notifications == [analyzed.message.text()]


def test_without_a_calibration_results_are_in_pixels(
    viewer: Any, dock: Any, run: Any, tracks: pd.DataFrame
) -> None:
    viewer.add_layer(Layer.create(*tracks_layer_data(validate_tracks(tracks), name="bare")))
    widget = dock("Analyze tracks")
    assert "pixels and frames" in widget.calibration_form.origin.text()
    run(widget)
    assert widget.results.summary["Median D"].text().endswith("px²/frame")


def test_the_calibration_can_be_entered_by_hand(
    viewer: Any, dock: Any, run: Any, tracks: pd.DataFrame
) -> None:
    viewer.add_layer(Layer.create(*tracks_layer_data(validate_tracks(tracks), name="bare")))
    widget = dock("Analyze tracks")
    widget.calibration_form.form.fields["pixel_size"].value = 0.1
    widget.calibration_form.form.fields["frame_interval"].value = 0.05
    run(widget)
    analysis = Session.of(viewer).record(viewer.layers["bare"].__wrapped__).analysis
    assert analysis.calibration == CALIBRATION
    assert_frame_equal(analysis.per_track, analyze(validate_tracks(tracks), CALIBRATION).per_track)


def test_a_corrected_pixel_size_is_the_one_analysed_with(
    viewer: Any, dock: Any, run: Any, movie: np.ndarray
) -> None:
    viewer.add_image(movie, name="beads", scale=(0.05, 9, 9), units=("s", "um", "um"))
    track = dock("Track particles")
    track.calibration_form.form.fields["pixel_size"].value = 0.1
    run(track)
    analyze_widget = dock("Analyze tracks")
    assert analyze_widget.calibration_form.calibration() == CALIBRATION
    # Until the layer itself is given another scale.
    viewer.layers["beads tracks"].scale = (0.05, 0.2, 0.2)
    analyze_widget.layer_changed(viewer.layers["beads tracks"])
    assert analyze_widget.calibration_form.calibration().pixel_size == 0.2


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An analysis that waits between two progress reports until it is let go."""
    reached, go = threading.Event(), threading.Event()

    def slow(*args: Any, progress: Any, **options: Any) -> Any:
        progress("judging", 0, 2)
        reached.set()
        assert go.wait(60)
        progress("judging", 1, 2)
        return analyze(*args, progress=progress, **options)

    monkeypatch.setattr(_analyze_widget, "analyze", slow)
    yield reached, go
    go.set()


def test_cancel_leaves_the_layer_as_it_was(
    viewer: Any, dock: Any, layer: Any, held: Any, qtbot: Any
) -> None:
    reached, go = held
    widget, before = dock("Analyze tracks"), layer.features.copy()
    qtbot.mouseClick(widget.run_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(reached.is_set, timeout=60_000)
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        qtbot.mouseClick(widget.cancel_button, Qt.MouseButton.LeftButton)
        go.set()
    assert_frame_equal(layer.features, before)
    assert widget.message.text() == "Cancelled; nothing was changed."
    assert not widget.results.save_button.isVisible()


def test_the_layer_may_be_removed_while_it_is_analysed(
    viewer: Any, dock: Any, layer: Any, held: Any, qtbot: Any, notifications: list[str]
) -> None:
    reached, go = held
    widget = dock("Analyze tracks")
    qtbot.mouseClick(widget.run_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(reached.is_set, timeout=60_000)
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        viewer.layers.remove("walkers")
        go.set()
    assert "was removed meanwhile" in widget.message.text()
    assert notifications == []
    assert not widget.run_button.isEnabled()


def test_a_layer_that_is_edited_meanwhile_gets_no_stale_numbers(
    viewer: Any, dock: Any, layer: Any, held: Any, qtbot: Any, notifications: list[str]
) -> None:
    reached, go = held
    widget = dock("Analyze tracks")
    qtbot.mouseClick(widget.run_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(reached.is_set, timeout=60_000)
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        moved = layer.data.copy()
        moved[:, 2:] += 1
        layer.data = moved
        go.set()
    assert "was edited meanwhile. Analyze it again" in widget.message.text()
    assert "model" not in layer.features


def test_tracks_that_make_no_table_are_refused_with_a_sentence(
    viewer: Any, dock: Any, notifications: list[str]
) -> None:
    viewer.add_tracks(np.array([[0, 0, 1, 1], [0, 0, 2, 2]]), name="double")
    widget = dock("Analyze tracks")
    widget.run_button.click()
    assert "'double'" in widget.message.text()
    assert "Keep one localization per particle and frame" in widget.message.text()
    assert notifications == [widget.message.text()]


def test_without_tracks_the_way_to_them_is_said(viewer: Any, dock: Any) -> None:
    widget = dock("Analyze tracks")
    assert not widget.run_button.isEnabled()
    assert "Track particles first" in widget.message.text()
    assert not widget.results.isVisible()


def test_results_belong_to_their_layer(
    viewer: Any, analyzed: Any, layer: Any, choose: Any, tracks: pd.DataFrame
) -> None:
    viewer.add_layer(Layer.create(*tracks_layer_data(validate_tracks(tracks), name="fresh")))
    choose(analyzed.layer_choice, "fresh")
    assert not analyzed.results.save_button.isVisible()
    assert analyzed.results.summary == {}
    choose(analyzed.layer_choice, "walkers")
    assert analyzed.results.save_button.isVisible()
    assert analyzed.results.summary["Tracks"].text()


def test_analysing_twice_gives_the_same_and_one_table(
    analyzed: Any, run: Any, layer: Any, tracks: pd.DataFrame
) -> None:
    first = layer.features.copy()
    run(analyzed)
    assert_frame_equal(layer.features, first)
    assert_frame_equal(table_of_layer(layer), validate_tracks(tracks))


def test_what_is_saved_is_what_is_shown_whatever_was_chosen_meanwhile(
    viewer: Any, dock: Any, layer: Any, held: Any, qtbot: Any, tracks: pd.DataFrame
) -> None:
    reached, go = held
    widget = dock("Analyze tracks")
    widget.device_choice.setCurrentText("CPU")
    qtbot.mouseClick(widget.run_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(reached.is_set, timeout=60_000)
    assert not widget.open_button.isEnabled()
    viewer.add_layer(Layer.create(*tracks_layer_data(validate_tracks(tracks), name="fresh")))
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        widget.layer_choice.layer = viewer.layers["fresh"].__wrapped__
        go.set()
    assert widget.layer_choice.layer is layer
    assert widget.open_button.isEnabled()
    assert widget.session.record(layer).device == "cpu"
