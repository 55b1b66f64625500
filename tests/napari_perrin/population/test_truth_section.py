"""*Compare with the truth* in the real window: scores, faults in the canvas, selecting them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Points, Tracks
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_perrin._calibration import METADATA_KEY
from napari_perrin._session import Session
from napari_perrin.curate._curator import Curator
from napari_perrin.inspect._layer_tracks import LayerTracks
from napari_perrin.population import _truth_section
from napari_perrin.population._widget import PopulationWidget
from perrin.io import write_table
from perrin.results import Source

LEFT = Qt.MouseButton.LeftButton


def test_faults_are_counted_marked_and_selected(
    viewer: Any, dock: Any, analyzed: Tracks, session: Session, tmp_path: Path, qtbot: Any,
    monkeypatch: Any,
) -> None:  # fmt: skip
    table = LayerTracks.of(analyzed).table.copy()
    # In truth there are ten particles: the tenth was missed, track 20 has two localizations that
    # are none, and from frame 25 on track 30 is the particle of track 40 and the other way round.
    missed = table[table["particle"] == 10].assign(particle=100, y=lambda t: t["y"] + 40)
    true = table[(table["particle"] != 20) | (table["frame"] > 1)]
    late = true["frame"] >= 25
    swapped = true["particle"].where(~late, true["particle"].replace({30: 40, 40: 30}))
    true = pd.concat([true.assign(particle=swapped), missed]).assign(alpha=1.0, model="LW")
    path = tmp_path / "truth.csv"
    write_table(true, path)

    widget: PopulationWidget = dock("Population")
    section = widget.truth
    section.parent().button.setChecked(True)
    choice = staticmethod(lambda *_args: (str(path), ""))
    monkeypatch.setattr(_truth_section.QFileDialog, "getOpenFileName", choice)
    qtbot.mouseClick(section.load_button, LEFT)
    shown = {name: label.text() for name, label in section.scores.items()}
    found, n_true = len(table) - 2, len(true)
    assert shown["Localizations: found (recall)"] == f"{100 * found / n_true:.1f} %"
    assert shown["Localizations: right (precision)"] == f"{100 * found / len(table):.1f} %"
    assert shown["Localizations: error (root mean square)"] == "0 nm"
    assert shown["Tracks: found (recall)"].startswith("90.0 (")

    layers = {layer.name: layer for layer in viewer.layers}
    marks = layers["walkers: missed localizations"]
    assert isinstance(marks, Points)
    assert len(marks.data) == len(missed)
    assert len(layers["walkers: false localizations"].data) == 2
    gone = layers["walkers: missed tracks"]
    assert np.unique(gone.features["particle"]).tolist() == [100]
    assert len(np.unique(gone.track_colors[:, :3], axis=0)) == 1
    assert session.current is analyzed

    qtbot.mouseClick(section.wrong_links, LEFT)
    record = session.record(analyzed)
    assert record.selection == {20, 30, 40}
    qtbot.mouseClick(section.wrong_models, LEFT)
    analysis = record.analysis
    assert analysis is not None
    called = analysis.per_track.dropna(subset=["model"])
    assert record.selection == set(called.loc[called["model"] != "LW", "particle"])

    # Marks follow edits of the tracks, hidden or not.
    viewer.layers["walkers: missed localizations"].visible = False
    curator = Curator.of(viewer)
    curator.delete(analyzed, 20, 0)
    assert len(viewer.layers["walkers: false localizations"].data) == 1
    curator.undo(analyzed)
    assert len(viewer.layers["walkers: false localizations"].data) == 2
    assert not viewer.layers["walkers: missed localizations"].visible
    qtbot.waitUntil(lambda: not curator.is_busy, timeout=60_000)

    # What is true can be looked at in the plots.
    widget.choose("true_alpha", "alpha_error")
    numbers = widget.numbers.set_index("particle")
    np.testing.assert_allclose(numbers["alpha_error"], numbers["alpha"] - 1.0)

    qtbot.mouseClick(section.forget_button, LEFT)
    names = [layer.name for layer in viewer.layers]
    assert [name for name in names if name != "walkers: switches"] == ["walkers"]
    assert not section.scores
    assert "true_alpha" not in widget.numbers


def test_a_file_that_is_no_truth_is_said_to_be_none(
    dock: Any, analyzed: Tracks, tmp_path: Path
) -> None:
    widget: PopulationWidget = dock("Population")
    widget.truth.load(str(tmp_path / "nothing.csv"))
    assert "nothing.csv" in widget.truth.message.text()
    (tmp_path / "no_tracks.csv").write_text("a,b\n1,2\n")
    widget.truth.load(str(tmp_path / "no_tracks.csv"))
    assert "lacks the columns" in widget.truth.message.text()
    assert widget.truth.comparison is None


def test_samples_bring_their_truth(viewer: Any, dock: Any, analyzed: Tracks, qtbot: Any) -> None:
    widget: PopulationWidget = dock("Population")
    widget.truth.parent().button.setChecked(True)
    assert widget.truth.sample_button.isHidden()
    noted = {METADATA_KEY: {"sample": "five_models"}}
    viewer.add_image(np.zeros((40, 96, 96)), metadata=noted)
    widget.show_layer()
    assert not widget.truth.sample_button.isHidden()
    # Of two samples in the window only the layer itself can say which.
    viewer.add_image(np.zeros((40, 96, 96)), metadata={METADATA_KEY: {"sample": "free_beads"}})
    widget.show_layer()
    assert widget.truth.sample_button.isHidden()
    record = Session.of(viewer).record(analyzed)
    record.source = Source(movie="mine.tif")
    widget.show_layer()
    assert widget.truth.sample_button.isHidden()
    record.source = Source(sample="five_models")
    widget.show_layer()
    assert not widget.truth.sample_button.isHidden()
    qtbot.mouseClick(widget.truth.sample_button, LEFT)
    assert widget.truth.comparison is not None
    assert len(widget.truth.comparison.truth.per_track) == 25
    # Marks go with their tracks.
    assert any("missed" in layer.name for layer in viewer.layers)
    viewer.layers.remove("walkers")
    QApplication.processEvents()
    assert not any("walkers" in layer.name for layer in viewer.layers)
