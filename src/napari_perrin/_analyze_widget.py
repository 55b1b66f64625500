"""The widget *Analyze tracks*: models, exponents, diffusivities and switches of a Tracks layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from napari.layers import Tracks
from qtpy.QtCore import QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QComboBox, QFileDialog, QPushButton, QVBoxLayout, QWidget

from napari_perrin._calibration import CalibrationForm, find_calibration
from napari_perrin._close_guard import CloseGuard, ask_folder
from napari_perrin._features import add_features, analysis_features
from napari_perrin._forms import ParameterForm, RowLabel, Section, form_layout
from napari_perrin._layers import table_of_layer
from napari_perrin._results_view import ResultsView
from napari_perrin._saving import open_analysis, save_analysis
from napari_perrin._step_widget import StepWidget
from napari_perrin._usable import gone_meanwhile, missing_tracks
from napari_perrin.curate._curator import Curator
from perrin.analysis import Analysis, AnalysisParameters, analyze
from perrin.errors import InputError, PerrinError, Progress
from perrin.pipeline import Recipe
from perrin.quantities import MODEL

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AnalyzeWidget"]

_DEVICES = {
    "Best there is": "auto",
    "CPU": "cpu",
    "NVIDIA GPU (CUDA)": "cuda",
    "Apple GPU (MPS)": "mps",
}


class _Judged(NamedTuple):
    layer: Tracks
    data: Any
    analysis: Analysis
    features: pd.DataFrame
    recipe: Recipe
    device: str


class AnalyzeWidget(StepWidget):
    """Say for every track how it moves, how anomalous, how fast, and where that changes.

    Parameters
    ----------
    napari_viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(
            napari_viewer,
            Tracks,
            purpose="See how each track moves, and where that changes.",
            action="Analyze tracks",
        )
        self.layer_choice.setToolTip("The Tracks layer that is analysed.")
        self.calibration_form = CalibrationForm()
        self.parameter_form = ParameterForm(AnalysisParameters)
        self.device_choice = QComboBox()
        self.device_choice.addItems(list(_DEVICES))
        self.device_choice.setToolTip("Where the networks run.")
        self.results = ResultsView()
        self.open_button = QPushButton("Open analysis …")
        self.open_button.setToolTip(
            "Open a folder of results, of the window or the command line: movie, tracks, analysis, "
            "filters, and what was done by hand."
        )

        rows = form_layout()
        rows.addRow(RowLabel("Tracks"), self.layer_choice)
        options = QWidget()
        options_layout = QVBoxLayout(options)
        options_layout.setContentsMargins(0, 0, 0, 0)
        device_row = form_layout()
        device_row.addRow(RowLabel("Compute on"), self.device_choice)
        options_layout.addLayout(device_row)
        options_layout.addWidget(self.parameter_form)
        layout = QVBoxLayout(self.inputs)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(rows)
        layout.addWidget(self.calibration_form)
        layout.addWidget(Section("Options", options))
        outputs = QVBoxLayout(self.outputs)
        outputs.setContentsMargins(0, 0, 0, 0)
        outputs.addWidget(self.results)
        outputs.addWidget(self.open_button)

        self.results.save_requested.connect(self.ask_and_save)
        self.open_button.clicked.connect(self.ask_and_open)
        self.session.analyzed.connect(self._on_results)
        self.session.curated.connect(self._on_results)
        self.session.current_changed.connect(self._on_current)
        if self.session.current is not None:
            self.layer_choice.layer = self.session.current
        self.layer_changed(self.layer_choice.layer)
        self.refresh()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Guard what is found from here on when the window is closed."""
        super().showEvent(event)
        # It has its place in the window only after this.
        QTimer.singleShot(0, self._guard)

    def missing(self) -> str:
        """Say what is missing before tracks can be analysed."""
        return missing_tracks(self.layer_choice.layer)

    def layer_changed(self, layer: Tracks | None) -> None:
        """Show another layer's calibration and results."""
        if layer is None:
            self.results.show_layer(None, None, self.calibration_form.calibration())
            return
        self.calibration_form.show_finding(find_calibration(layer))
        self._show_results(layer)

    def prepare(self) -> Callable[[Progress], _Judged]:
        """Collect the tracks and the parameters."""
        if problem := self.missing():
            raise InputError(problem)
        layer = self.layer_choice.layer
        data, table = layer.data, table_of_layer(layer)
        recipe = (self.session.record(layer).recipe or Recipe()).model_copy(
            update={
                "calibration": self.calibration_form.calibration(),
                "analysis": self.parameter_form.parameters(),
            }
        )
        device = _DEVICES[self.device_choice.currentText()]

        def work(progress: Progress) -> _Judged:
            analysis = analyze(
                table,
                recipe.calibration,
                device=device,
                parameters=recipe.analysis,
                progress=progress,
            )
            features = analysis_features(table, analysis)
            return _Judged(layer, data, analysis, features, recipe, device)

        return work

    def accept(self, result: _Judged) -> str:
        """Write the analysis into the layer's features and colour it by model."""
        layer = result.layer
        if gone := gone_meanwhile(self.viewer, layer, result.data, "Analyze it again."):
            return gone
        add_features(layer, result.features, result.analysis.calibration)
        curator = Curator.of(self.viewer)
        curator.add_analysis(layer, result.analysis, result.recipe, result.device)
        self.session.current = layer
        # What is shown is what is saved; another may have been chosen meanwhile.
        self.layer_choice.layer = layer
        self._show_results(layer)
        self.results.color_by(MODEL)
        return ""

    def ask_and_save(self) -> None:
        """Ask for a folder and save the analysis there."""
        layer = self.layer_choice.layer
        if layer is not None and (chosen := ask_folder(self, layer.name)) is not None:
            self.save(chosen[0], overwrite=chosen[1])

    def save(self, folder: str, *, overwrite: bool = False) -> None:
        """Save the analysis into a folder; over earlier results only where that was agreed to."""
        layer = self.layer_choice.layer
        try:
            if layer is None:
                raise InputError(self.missing())
            paths = save_analysis(self.session, layer, folder, overwrite=overwrite)
        except PerrinError as error:
            self.show_failure(error)
        else:
            self.say(f"Saved {', '.join(path.name for path in paths)} in {folder}.")

    def ask_and_open(self) -> None:
        """Ask for a folder of results and open it."""
        if folder := QFileDialog.getExistingDirectory(self, "Open a folder of results"):
            self.open(folder)

    def open(self, folder: str) -> None:
        """Show what a folder of results holds, and say what it does not hold."""
        try:
            layer, saved = open_analysis(self.viewer, folder)
        except PerrinError as error:
            self.show_failure(error)
            return
        self.layer_choice.layer = layer
        self.parameter_form.set_parameters(saved.recipe.analysis)
        self.say(" ".join((f"Opened {folder}.", *saved.missing)))

    def _lock(self, locked: bool) -> None:
        super()._lock(locked)
        self.open_button.setEnabled(not locked)

    def _show_results(self, layer: Tracks) -> None:
        analysis = self.session.record(layer).analysis
        calibration = (
            find_calibration(layer).calibration if analysis is None else analysis.calibration
        )
        self.results.show_layer(layer, analysis, calibration)

    def _guard(self) -> None:
        CloseGuard.install_around(self, self.session)

    def _on_results(self, layer: Tracks) -> None:
        if layer is self.layer_choice.layer and not self.is_running:
            self._show_results(layer)

    def _on_current(self, layer: Tracks | None) -> None:
        if layer is not None and not self.is_running:
            self.layer_choice.layer = layer
