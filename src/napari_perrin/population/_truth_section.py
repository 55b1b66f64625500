"""The part of the population view that compares tracks with the truth."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from napari.layers import Tracks
from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_perrin._calibration import METADATA_KEY
from napari_perrin._session import Session
from napari_perrin.inspect._layer_tracks import LayerTracks
from napari_perrin.population._truth_layers import faults_of, remove_faults, show_faults
from perrin.errors import PerrinError
from perrin.models import MODELS
from perrin.samples import load_sample
from perrin.truth import Truth, TruthComparison, compare_with_truth, read_truth
from perrin.truth_scores import score_table, scores_in

__all__ = ["TruthSection"]

_COLUMNS = ("true_alpha", "alpha_error", "true_diffusivity", "true_n_switches", "right", "distance")
_FILES = "Tracks (*.csv *.tsv *.txt *.parquet *.xml)"
_PURPOSE = "For simulated or annotated movies: which spots, links, switches and numbers are right."


class TruthSection(QWidget):
    """Load the truth, see how right tracks and analysis are, and mark faults in the canvas.

    Parameters
    ----------
    session
        The session of the viewer.
    """

    compared = Signal()
    """The tracks were compared with a truth, or no longer are."""
    selected = Signal(object, bool)
    """Tracks were selected by their numbers, and whether that adds to others."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._layer: Tracks | None = None
        self._tracks: LayerTracks | None = None
        self._truths: WeakKeyDictionary[Tracks, Truth] = WeakKeyDictionary()
        # The tracks whose faults are marked.
        self._marked: WeakKeyDictionary[Tracks, LayerTracks] = WeakKeyDictionary()
        self.comparison: TruthComparison | None = None
        self.message = QLabel(_PURPOSE)
        self.message.setWordWrap(True)
        self.load_button = QPushButton("Load truth …")
        self.load_button.setToolTip(
            "A table of the true tracks: positions in pixels, and in columns state, model, alpha "
            "and diffusivity how the particle moves. Beside NAME_tracks.csv, NAME_truth.csv may "
            "hold what is true of each particle."
        )
        self.sample_button = QPushButton("Of the sample")
        self.sample_button.setToolTip("The movie is a sample of Perrin's, whose truth is known.")
        self.forget_button = QPushButton("Remove")
        self.forget_button.setToolTip("Compare no longer, and remove the layers of faults.")
        self.wrong_links = QPushButton("Wrong links")
        self.wrong_links.setToolTip("Select the tracks that jump to another particle.")
        self.wrong_models = QPushButton("Wrong models")
        self.wrong_models.setToolTip("Select the tracks whose model is called wrong.")
        self.scores: dict[str, QLabel] = {}
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(10)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(0, 1)
        buttons, choices = QHBoxLayout(), QHBoxLayout()
        for button in (self.load_button, self.sample_button, self.forget_button):
            buttons.addWidget(button)
        self.choices = QLabel("Select")
        choices.addWidget(self.choices)
        for button in (self.wrong_links, self.wrong_models):
            choices.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.message)
        layout.addLayout(buttons)
        layout.addLayout(self._grid)
        layout.addLayout(choices)
        self.load_button.clicked.connect(self.ask_and_load)
        self.sample_button.clicked.connect(self.load_sample)
        self.forget_button.clicked.connect(lambda: self.set_truth(None))
        self.wrong_links.clicked.connect(self._select_wrong_links)
        self.wrong_models.clicked.connect(self._select_wrong_models)
        session.viewer.layers.events.removed.connect(self._on_removed)

    @property
    def columns(self) -> tuple[str, ...]:
        """What :meth:`beside` adds to the numbers of tracks."""
        return () if self.comparison is None else _COLUMNS

    def beside(self, numbers: pd.DataFrame) -> pd.DataFrame:
        """Put what is true of each track beside its numbers, if the truth is known."""
        return numbers if self.comparison is None else self.comparison.beside(numbers)

    def show_layer(self, layer: Tracks | None, tracks: LayerTracks | None) -> None:
        """Compare the tracks of another layer, if their truth is known."""
        self._layer, self._tracks = layer, tracks
        self._compare()
        if layer is None or self.comparison is None or self._marked.get(layer) is tracks:
            return
        if faults_of(self._session.viewer, layer):
            self._mark()

    def ask_and_load(self) -> None:
        """Ask for a file with the truth."""
        path, _ = QFileDialog.getOpenFileName(self, "The true tracks", "", _FILES)
        if path:
            self.load(path)

    def load(self, path: str) -> None:
        """Compare with the truth in a file."""
        try:
            truth = read_truth(path)
        except PerrinError as error:
            self.message.setText(str(error))
        else:
            self.set_truth(truth)

    def load_sample(self) -> None:
        """Compare with the truth of the sample that the tracks were found in."""
        if (name := self._sample()) is not None:
            sample = load_sample(name)
            self.set_truth(Truth.of(sample.tracks, sample.truth))

    def set_truth(self, truth: Truth | None) -> None:
        """Compare with a truth, or no longer."""
        if self._layer is None:
            return
        if truth is None:
            self._truths.pop(self._layer, None)
            remove_faults(self._session.viewer, self._layer)
        else:
            self._truths[self._layer] = truth
        self._compare()
        self._mark()
        self.compared.emit()

    def _mark(self) -> None:
        """Mark the faults of the tracks as they are."""
        layer, tracks = self._layer, self._tracks
        if layer is not None and tracks is not None and self.comparison is not None:
            self._marked[layer] = tracks
            show_faults(self._session.viewer, layer, self.comparison)

    def _compare(self) -> None:
        layer, tracks = self._layer, self._tracks
        self.comparison, words = None, _PURPOSE
        truth = None if layer is None else self._truths.get(layer)
        scores = pd.DataFrame()
        if layer is not None and tracks is not None and truth is not None:
            analysis = self._session.record(layer).analysis
            try:
                self.comparison = compare_with_truth(truth, tracks.table, analysis)
            except PerrinError as error:
                words = str(error)
            else:
                words = ""
                scores = score_table(self.comparison, analysis)
        self._show(scores)
        self.message.setText(words)
        self.message.setVisible(bool(words))
        self.load_button.setEnabled(tracks is not None)
        self.sample_button.setVisible(self._sample() is not None)
        self.forget_button.setVisible(self.comparison is not None)
        wrong = self._wrong_models()
        self.choices.setVisible(self.comparison is not None)
        self.wrong_links.setVisible(self.comparison is not None)
        self.wrong_models.setVisible(wrong is not None)

    def _show(self, scores: pd.DataFrame) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self.scores, group, line = {}, "", 0
        for score in scores_in(scores):
            if score.group != group:
                group = score.group
                self._grid.addWidget(QLabel(f"<b>{group}</b>"), line, 0, 1, 3)
                line += 1
            value, count = QLabel(score.text), QLabel(f"of {score.n:,}")
            count.setEnabled(False)
            for column, label in enumerate((QLabel(score.score), value, count)):
                # Long words break; numbers stay whole.
                label.setWordWrap(not column)
                if column:
                    label.setAlignment(Qt.AlignmentFlag.AlignRight)
                self._grid.addWidget(label, line, column)
            self.scores[f"{group}: {score.score}"] = value
            line += 1

    def _sample(self) -> str | None:
        """Return the sample that the layer's movie is: the one in the window if nothing says so."""
        if self._layer is None:
            return None
        source = self._session.record(self._layer).source
        if source is not None and (source.movie or source.sample):
            return source.sample
        metadata = (each.metadata.get(METADATA_KEY, {}) for each in self._session.viewer.layers)
        here = {str(noted["sample"]) for noted in metadata if noted.get("sample")}
        return here.pop() if len(here) == 1 else None

    def _on_removed(self, event: Any) -> None:
        layer, viewer = event.value, self._session.viewer
        if isinstance(layer, Tracks):
            # napari may be about to remove others, by their places.
            QTimer.singleShot(0, lambda: remove_faults(viewer, layer))

    def _select_wrong_links(self) -> None:
        if self.comparison is not None:
            links = self.comparison.links
            owned = self.comparison.per_track.dropna(subset=["true_particle"])["particle"]
            wrong = links.loc[~links["right"] & links["particle"].isin(owned), "particle"]
            self.selected.emit(np.unique(wrong.to_numpy(np.int64)), False)

    def _select_wrong_models(self) -> None:
        if (wrong := self._wrong_models()) is not None:
            self.selected.emit(wrong, False)

    def _wrong_models(self) -> Any:
        """Return the tracks whose model is called wrong, if true models are known."""
        analysis = None if self._layer is None else self._session.record(self._layer).analysis
        if self.comparison is None or analysis is None:
            return None
        known = self.comparison.per_track
        if "true_model" not in known:
            return None
        rows = known.merge(analysis.per_track[["particle", "model"]], on="particle")
        rows = rows[rows["true_model"].isin(MODELS) & rows["model"].isin(MODELS)]
        return rows.loc[rows["model"] != rows["true_model"], "particle"].to_numpy(np.int64)
