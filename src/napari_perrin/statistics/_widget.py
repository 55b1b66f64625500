"""The widget *Statistics of tracks*: what ``perrin stats`` computes, as plots in the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from napari.layers import Tracks
from qtpy.QtWidgets import QFileDialog, QLabel, QPushButton, QVBoxLayout

from napari_perrin._calibration import CalibrationForm, find_calibration
from napari_perrin._forms import ParameterForm, RowLabel, Section, form_layout
from napari_perrin._layers import table_of_layer
from napari_perrin._step_widget import StepWidget
from napari_perrin._usable import counted_rows, missing_tracks
from napari_perrin.inspect._plot_style import PlotColors
from napari_perrin.statistics._conditions import ConditionsForm
from napari_perrin.statistics._pages import StatisticsPages
from perrin.errors import InputError, PerrinError, Progress
from perrin.measurement import (
    Measurement,
    MeasurementPlan,
    common_calibration,
    join_named,
    measure_tracks,
)

__all__ = ["StatisticsWidget"]


class _Measured(NamedTuple):
    """What was measured, and the names of its layers."""

    measurement: Measurement
    source: str


class StatisticsWidget(StepWidget):
    """Measure tracks as a whole, and compare two conditions.

    Parameters
    ----------
    napari_viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(
            napari_viewer,
            Tracks,
            purpose="Measure tracks as a whole: MSD, states, ergodicity, displacements.",
            action="Measure tracks",
        )
        self.measured: _Measured | None = None
        self.layer_choice.setToolTip("The Tracks layer that is measured.")
        self.run_button.setToolTip("Measure these tracks, and those of the conditions below.")
        self.calibration_form = CalibrationForm()
        self.plan_form = ParameterForm(MeasurementPlan, skip=("calibration",))
        self.conditions_form = ConditionsForm(self.viewer)
        self.save_button = QPushButton("Save figure and numbers …")
        self.save_button.setToolTip(
            "Write all tables, the figures and the settings into a folder, as perrin stats does."
        )
        self.pages = self._make_pages()
        self.of_layers = QLabel()
        self.of_layers.setWordWrap(True)
        rows = form_layout()
        rows.addRow(RowLabel("Tracks"), self.layer_choice)
        layout = QVBoxLayout(self.inputs)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(rows)
        layout.addWidget(self.calibration_form)
        self.more = Section("More movies and conditions", self.conditions_form)
        layout.addWidget(self.more)
        layout.addWidget(Section("Options", self.plan_form))
        self._outputs = QVBoxLayout(self.outputs)
        self._outputs.setContentsMargins(0, 0, 0, 0)
        self._outputs.addWidget(self.of_layers)
        self._outputs.addWidget(self.pages)
        self._outputs.addWidget(self.save_button)
        self.outputs.setVisible(False)
        self.save_button.clicked.connect(self.ask_and_save)
        self.session.current_changed.connect(self._on_current)
        self.viewer.events.theme.connect(self._on_theme)
        if self.session.current is not None:
            self.layer_choice.layer = self.session.current
        self.layer_changed(self.layer_choice.layer)
        self.refresh()

    def missing(self) -> str:
        """Say what is missing before tracks can be measured."""
        return missing_tracks(self.layer_choice.layer)

    def layer_changed(self, layer: Tracks | None) -> None:
        """Fill in the calibration of another layer, and offer the others beside it."""
        if layer is not None:
            self.calibration_form.show_finding(find_calibration(layer))
        self.conditions_form.show_first(layer)

    def prepare(self) -> Callable[[Progress], _Measured]:
        """Collect the tracks of all layers and the parameters."""
        if problem := self.missing():
            raise InputError(problem)
        groups = self.conditions_form.conditions()
        layers = [layer for group in groups.values() for layer in group]
        common_calibration(
            {f"'{layer.name}'": find_calibration(layer).calibration for layer in layers},
            "give their layers the same scale",
        )
        plan = self.plan_form.parameters().model_copy(
            update={"calibration": self.calibration_form.calibration()}
        )
        tables = {
            name: join_named(
                {
                    layer.name: counted_rows(self.session, layer, table_of_layer(layer))
                    for layer in group
                }
            )
            for name, group in groups.items()
        }
        source = ", ".join(layer.name for layer in layers)

        def work(progress: Progress) -> _Measured:
            return _Measured(
                measure_tracks(tables, plan, must_compare=False, progress=progress), source
            )

        return work

    def accept(self, result: _Measured) -> str:
        """Show what was measured."""
        self.measured = result
        self.of_layers.setText(f"Measured: {result.source}")
        self.pages.show_measurement(result.measurement)
        self.outputs.setVisible(True)
        return ""

    def ask_and_save(self) -> None:
        """Ask for a folder and save everything there."""
        folder = QFileDialog.getExistingDirectory(self, "Save figure and numbers into a folder")
        if folder:
            self.save(folder)

    def save(self, folder: str) -> None:
        """Write what ``perrin stats`` writes into a folder; never over earlier results."""
        if self.measured is None:
            return
        try:
            paths = self.measured.measurement.save(folder, source=self.measured.source)
        except PerrinError as error:
            self.show_failure(error)
        else:
            self.say(f"Saved {', '.join(path.name for path in paths)} in {folder}.")

    def _make_pages(self) -> StatisticsPages:
        return StatisticsPages(PlotColors.of_theme(self.viewer.theme))

    def _on_theme(self, _event: Any = None) -> None:
        before, self.pages = self.pages, self._make_pages()
        self._outputs.replaceWidget(before, self.pages)
        before.deleteLater()
        if self.measured is not None:
            self.pages.show_measurement(self.measured.measurement)

    def _on_current(self, layer: Tracks | None) -> None:
        if layer is not None and not self.is_running:
            self.layer_choice.layer = layer
