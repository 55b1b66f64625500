"""The page *In a potential* of *Learn from tracks*: mobility or mass from a known potential."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from napari.layers import Image, Tracks
from qtpy.QtWidgets import QFileDialog, QLabel, QPushButton, QVBoxLayout

from napari_perrin._calibration import CalibrationForm, find_calibration
from napari_perrin._features import add_features, color_by
from napari_perrin._forms import ParameterForm, RowLabel, form_layout
from napari_perrin._layer_choice import LayerChoice
from napari_perrin._layers import table_of_layer
from napari_perrin._step_widget import StepWidget
from napari_perrin._usable import gone_meanwhile, missing_tracks
from napari_perrin.inspect._hit_test import data_to_world
from perrin.errors import InputError, PerrinError, Progress
from perrin.io import write_table
from perrin.learn.property.fit import FLAGS, PotentialFit, fit_in_potential
from perrin.simulate.potential import Potential
from perrin.tracks import Calibration

__all__ = ["PropertyPage"]

_WORDS = {
    "too_short": "too short",
    "leaves_image": "outside the image at times",
    "no_force_seen": "might as well feel no force",
    "climbs": "moving against the force: is the sign of the potential right?",
}
assert set(_WORDS) == set(FLAGS)


class _Fitted(NamedTuple):
    layer: Tracks
    data: Any
    of_row: pd.DataFrame
    found: pd.DataFrame
    fit: PotentialFit
    calibration: Calibration


class PropertyPage(StepWidget):
    """Measure the mobility or the mass of every particle from its track in a known potential.

    Parameters
    ----------
    napari_viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(
            napari_viewer,
            Tracks,
            purpose="Where the potential energy is known as an image: how easily each particle "
            "moves in it, or how heavy it is.",
            action="Measure",
        )
        self.layer_choice.setToolTip("The Tracks layer whose particles are measured.")
        self.image_choice = LayerChoice(self.viewer, Image)
        self.image_choice.setToolTip(
            "The image of the potential energy, one number per pixel; it lies where the window "
            "shows it."
        )
        self.run_button.setToolTip("Measure every particle from its track in this potential.")
        self.calibration_form = CalibrationForm()
        self.parameter_form = ParameterForm(PotentialFit)
        self.answer = QLabel()
        self.answer.setWordWrap(True)
        self.save_button = QPushButton("Save table …")
        self.save_button.setToolTip(
            "Write what was measured of each particle, with units and intervals, as a CSV table."
        )
        self.save_button.setEnabled(False)
        self._found: pd.DataFrame | None = None

        rows = form_layout()
        rows.addRow(RowLabel("Tracks"), self.layer_choice)
        rows.addRow(RowLabel("Potential"), self.image_choice)
        layout = QVBoxLayout(self.inputs)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(rows)
        layout.addWidget(self.calibration_form)
        layout.addWidget(self.parameter_form)
        outputs = QVBoxLayout(self.outputs)
        outputs.setContentsMargins(0, 0, 0, 0)
        outputs.addWidget(self.answer)
        outputs.addWidget(self.save_button)

        self.image_choice.chosen.connect(self.refresh)
        self.save_button.clicked.connect(self.ask_and_save)
        self.layer_changed(self.layer_choice.layer)
        self.refresh()

    def missing(self) -> str:
        """Say what is missing before anything can be measured."""
        if problem := missing_tracks(self.layer_choice.layer):
            return problem
        if self.image_choice.layer is None:
            return "Open an image of the potential energy."
        return ""

    def layer_changed(self, layer: Tracks | None) -> None:
        """Show another layer's calibration."""
        if layer is not None:
            self.calibration_form.show_finding(find_calibration(layer))

    def prepare(self) -> Callable[[Progress], _Fitted]:
        """Collect the tracks, in pixels of the image, and the potential."""
        if problem := self.missing():
            raise InputError(problem)
        layer, image = self.layer_choice.layer, self.image_choice.layer
        if image.rgb or image.data.ndim != 2:
            raise InputError(
                f"The layer '{image.name}' has the shape {image.data.shape}; a potential is one "
                "image of one channel. Choose another layer, or project this one along its axes."
            )
        potential = Potential(np.asarray(image.data))
        data, table = layer.data, table_of_layer(layer)
        on_image, ratio = _on_image(table, layer, image)
        fit = self.parameter_form.parameters()
        calibration = self.calibration_form.calibration()
        if calibration.pixel_size is not None:
            pixel_size = calibration.pixel_size * ratio
            calibration = calibration.model_copy(update={"pixel_size": pixel_size})

        def work(progress: Progress) -> _Fitted:
            found = fit_in_potential(on_image, potential, fit, calibration, progress=progress)
            names = [f"{fit.quantity}{end}" for end in ("", "_lo", "_hi")]
            of_row = found.set_index("particle").loc[table["particle"], names]
            return _Fitted(layer, data, of_row.reset_index(drop=True), found, fit, calibration)

        return work

    def accept(self, result: _Fitted) -> str:
        """Write the answers into the layer's features and colour it by them."""
        layer = result.layer
        if gone := gone_meanwhile(self.viewer, layer, result.data, "Measure it again."):
            return gone
        add_features(layer, result.of_row, find_calibration(layer).calibration)
        color_by(layer, result.fit.quantity)
        self.session.current = layer
        self._found = result.found
        self.save_button.setEnabled(True)
        self.answer.setText(_said(result))
        return ""

    def ask_and_save(self) -> None:
        """Ask for a file and save the table there."""
        path, _ = QFileDialog.getSaveFileName(self, "Save the table", "property.csv", "*.csv")
        if path:
            self.save(Path(path))

    def save(self, path: Path) -> None:
        """Save the table of what was measured."""
        if self._found is None:
            return
        try:
            write_table(self._found, path, overwrite=True)  # the dialog has asked
        except PerrinError as error:
            self.show_failure(error)
        else:
            self.say(f"Saved {path.name}.")


def _on_image(table: pd.DataFrame, layer: Tracks, image: Image) -> tuple[pd.DataFrame, float]:
    """Tracks in pixels of the image, and how many of their pixels one of those is long."""
    here, there = (" by ".join(map(str, each.units[-2:])) for each in (image, layer))
    if here != there:
        raise InputError(
            f"The layer '{image.name}' is in {here}, and '{layer.name}' in {there}: where the "
            "tracks lie in the potential is not known. Give both the same units, and a scale in "
            "them, for instance with layer.units and layer.scale in napari's console."
        )
    to_world, origin = data_to_world(layer)
    to_image, corner = data_to_world(image)
    matrix = np.linalg.solve(to_image, to_world[-2:, -2:])
    # Of pixels of one shape nothing is left but a turn and a length.
    squared = matrix.T @ matrix
    length = float(np.sqrt(np.trace(squared) / 2))
    if not np.allclose(squared, length**2 * np.eye(2), rtol=0, atol=2e-3 * length**2):
        raise InputError(
            f"The pixels of '{image.name}' have another shape than those of '{layer.name}'. Give "
            "both layers pixels that are square."
        )
    offset = np.linalg.solve(to_image, origin[-2:] - corner)
    y, x = matrix @ table[["y", "x"]].to_numpy().T + offset[:, None]
    return table.assign(y=y, x=x), 1 / length


def _said(result: _Fitted) -> str:
    """Say the median with its unit, and what went wrong with how many tracks."""
    found, name = result.found, result.fit.quantity
    values = found[name].dropna()
    what = name.replace("_", " ").capitalize()
    lines = [
        f"Measured: {result.layer.name}",
        f"{what} of {len(values)} of {len(found)} particles.",
    ]
    if len(values):
        unit = found[f"{name}_unit"].iloc[0]
        low, middle, high = values.quantile([0.25, 0.5, 0.75])
        lines.append(f"Median {middle:.3g} {unit}; half of them {low:.3g} to {high:.3g}.")
    for flag, words in _WORDS.items():
        if n := int((found["flags"] == flag).sum()):
            lines.append(f"{n} {words}.")
    if result.fit.energy_unit == PotentialFit().energy_unit:
        lines.append("The unit of the potential is not known: energies are in levels of the image.")
    if not result.calibration.is_physical:
        lines.append("Without a calibration, lengths are pixels and times are frames.")
    return "\n".join(lines)
