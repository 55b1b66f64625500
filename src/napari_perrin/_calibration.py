"""Where a layer's pixel size and frame interval come from, and the form that shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pint
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_perrin._forms import ParameterForm
from napari_perrin._layer_file import file_of
from perrin.errors import PerrinError
from perrin.tracks import Calibration

__all__ = [
    "METADATA_KEY",
    "CalibrationForm",
    "Finding",
    "find_calibration",
    "layer_geometry",
]

METADATA_KEY = "perrin"
"""Key under which Perrin keeps its own entries in ``layer.metadata``."""


class Finding(NamedTuple):
    """A calibration and one sentence about where it was found."""

    calibration: Calibration
    origin: str


def find_calibration(layer: Any) -> Finding:
    """Find the pixel size and frame interval of an Image or Tracks layer.

    The layer's own units come first, then what Perrin noted in its metadata, then the metadata of
    the file it was opened from; each fills in what the ones before it left open. Where tracks were
    made or analysed with other numbers than the layer's scale says, those numbers come first,
    until the scale is changed again.
    """
    found: dict[str, float] = {}
    origins: list[str] = []
    sources = [
        ("the layer's scale", _from_units),
        ("the layer's metadata", _from_metadata),
        ("the file's metadata", _from_file),
    ]
    if _noted(layer).get("scale") == tuple(layer.scale):
        sources[:2] = [("the numbers used before", _from_metadata), sources[0]]
    for origin, look in sources:
        values = {key: value for key, value in look(layer).items() if key not in found}
        if values.keys() & {"pixel_size", "frame_interval"}:
            origins.append(origin)
        found |= values
    calibration = Calibration.checked(**found)
    return Finding(calibration, _origin_sentence(calibration, origins))


def layer_geometry(calibration: Calibration, ndim: int) -> dict[str, Any]:
    """Return ``scale``, ``units`` and ``axis_labels`` for a layer that has no image to follow.

    Parameters
    ----------
    calibration
        Without pixel size and frame interval the layer stays in pixels and frames.
    ndim
        3 for ``(t, y, x)``, 4 for ``(t, z, y, x)``.
    """
    labels = ("t", "z", "y", "x")[-ndim:] if ndim == 4 else ("t", "y", "x")
    if not calibration.is_physical:
        return {"axis_labels": labels}
    lengths = [calibration.length_scale(axis) for axis in labels[1:]]
    return {
        "scale": (calibration.time_scale, *lengths),
        "units": ("s", *["um"] * len(lengths)),
        "axis_labels": labels,
    }


def _noted(layer: Any) -> Mapping[str, Any]:
    noted = layer.metadata.get(METADATA_KEY, {})
    return noted if isinstance(noted, Mapping) else {}


def _from_units(layer: Any) -> dict[str, float]:
    scale = [float(value) for value in layer.scale]
    units = list(layer.units)
    if len(scale) < 3:
        return {}
    found: dict[str, float | None] = {
        "frame_interval": _in_unit(scale[0], units[0], "second"),
        "pixel_size": _in_unit(scale[-1], units[-1], "micrometer"),
    }
    if len(scale) == 4:
        found["z_step"] = _in_unit(scale[1], units[1], "micrometer")
    return {key: value for key, value in found.items() if value is not None and value > 0}


def _in_unit(value: float, unit: Any, wanted: str) -> float | None:
    if str(unit) == wanted:
        return value
    try:
        registry: Any = pint.application_registry
        return float(registry.Quantity(value, str(unit)).to(wanted).magnitude)
    except pint.PintError:
        # "pixel" is what napari says when nobody told it a unit.
        return None


def _from_metadata(layer: Any) -> dict[str, float]:
    values = _noted(layer).get("calibration", {})
    names = Calibration.model_fields
    return {key: value for key, value in values.items() if key in names and value is not None}


def _from_file(layer: Any) -> dict[str, float]:
    if (file := file_of(layer)) is None:
        return {}
    return file.calibration.model_dump(exclude_none=True, exclude_defaults=True)


def _origin_sentence(calibration: Calibration, origins: list[str]) -> str:
    if calibration.is_physical:
        return f"From {' and '.join(origins)}."
    missing = [
        name
        for name, value in (
            ("pixel size", calibration.pixel_size),
            ("frame interval", calibration.frame_interval),
        )
        if value is None
    ]
    return (
        f"The {' and the '.join(missing)} {'is' if len(missing) == 1 else 'are'} not stated: "
        "enter them, or results are in pixels and frames."
    )


class CalibrationForm(QWidget):
    """Pixel size and frame interval, with a sentence about where they were found."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.form = ParameterForm(Calibration)
        self.origin = QLabel()
        self.origin.setWordWrap(True)
        self.origin.setEnabled(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.form)
        self.form.add_note(self.origin)
        self._filling = False
        self.form.changed.connect(self._on_edit)
        self.show_finding(Finding(Calibration(), ""))

    def calibration(self) -> Calibration:
        """Return what the form says; raises :class:`perrin.InputError` with a sentence."""
        return self.form.parameters()

    def show_finding(self, finding: Finding) -> None:
        """Fill the form in."""
        self._filling = True
        self.form.set_parameters(finding.calibration)
        self._filling = False
        self._say(finding.origin)
        self.changed.emit()

    def _on_edit(self) -> None:
        if self._filling:
            return
        try:
            calibration = self.calibration()
        except PerrinError as error:
            self._say(str(error))
        else:
            self._say("" if calibration.is_physical else _origin_sentence(calibration, []))
            self.changed.emit()

    def _say(self, text: str) -> None:
        self.origin.setText(text)
        self.origin.setVisible(bool(text))
