"""What an analysis found: colours and their legend, a short summary, and saving."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Tracks
from qtpy.QtCore import QSignalBlocker, QTimer, Signal
from qtpy.QtWidgets import QComboBox, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_perrin._calibration import METADATA_KEY
from napari_perrin._colors import UNKNOWN, CodeColormap, RangeColormap, code_names, colormap_for
from napari_perrin._features import color_by, color_over
from napari_perrin._forms import RowLabel, form_layout
from napari_perrin._layers import ROW
from napari_perrin._legend import CodeLegend, Legend, RangeLegend
from perrin.analysis import FLAGS, Analysis
from perrin.curation import only_kept
from perrin.quantities import MODEL, PER_FRAME, PER_TRACK, quantity_of
from perrin.summary import NOT_JUDGED, summarize
from perrin.tracks import Calibration

__all__ = ["ResultsView", "summary_of"]


def summary_of(analysis: Analysis) -> dict[str, str]:
    """Return the few numbers worth reading first, as label and text.

    They are those of :func:`perrin.summary.summarize`: medians over the tracks that have the
    number.
    """
    analysis, _ = only_kept(analysis)
    rows = summarize(analysis).set_index("model").to_dict("index")
    everything, calibration = rows["all"], analysis.calibration
    n_tracks = int(everything["tracks"])
    n_silent = int(rows[NOT_JUDGED]["tracks"]) if NOT_JUDGED in rows else 0
    n_switches = int(everything["switches"])
    n_switching = analysis.switches["particle"].nunique()
    return {
        "Tracks": f"{n_tracks}, {n_tracks - n_silent} of them judged",
        "Median α": _number(everything["alpha"], ""),
        "Median D": _number(everything["diffusivity"], calibration.diffusivity_unit),
        "Median error": _number(everything["noise"], calibration.noise_unit),
        "Switches": f"{n_switches} in {n_switching} tracks" if n_switches else "none found",
    }


class ResultsView(QWidget):
    """Colours, legend, summary and *Save analysis* of one Tracks layer."""

    save_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._layer: Tracks | None = None
        self._calibration = Calibration()
        self._features: list[str] = []
        self._colored_by: tuple[str, Any] = ("", None)
        self.color_choice = QComboBox()
        self.color_choice.setToolTip("The number, or the model, that tracks are coloured by.")
        self.color_choice.setMinimumContentsLength(12)
        self.legend = Legend()
        self.summary: dict[str, QLabel] = {}
        self._summary_box = QWidget()
        self._summary_layout = form_layout(self._summary_box)
        self.save_button = QPushButton("Save analysis …")
        self.save_button.setToolTip(
            "Write the tracks, the tables of the analysis, an overview, the recipe, and what was "
            "done by hand into a folder."
        )
        row = form_layout()
        row.addRow(RowLabel("Colour by"), self.color_choice)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(row)
        layout.addWidget(self.legend)
        layout.addWidget(self._summary_box)
        layout.addWidget(self.save_button)
        self.color_choice.activated.connect(self._on_activated)
        self.save_button.clicked.connect(self.save_requested)
        self.show_layer(None, None, Calibration())

    def show_layer(
        self, layer: Tracks | None, analysis: Analysis | None, calibration: Calibration
    ) -> None:
        """Show another layer, with its analysis if it has one."""
        if self._layer is not None:
            self._layer.events.color_by.disconnect(self._on_colored)
            self._layer.events.properties.disconnect(self._on_colored)
        self._layer, self._calibration = layer, calibration
        if layer is not None:
            layer.events.color_by.connect(self._on_colored)
            layer.events.properties.connect(self._on_colored)
        self.setVisible(layer is not None)
        self._summary_box.setVisible(analysis is not None)
        self.save_button.setVisible(analysis is not None)
        while self._summary_layout.rowCount():
            self._summary_layout.removeRow(0)
        self.summary = {}
        for title, text in summary_of(analysis).items() if analysis is not None else ():
            self.summary[title] = QLabel(text)
            self.summary[title].setWordWrap(True)
            self._summary_layout.addRow(RowLabel(title), self.summary[title])
        self._on_colored()

    def color_by(self, feature: str) -> None:
        """Colour the layer by one of its features."""
        if self._layer is not None:
            color_by(self._layer, feature)

    def _on_activated(self, index: int) -> None:
        self.color_by(self._features[index])

    def _on_colored(self, event: Any = None) -> None:
        layer = self._layer
        if layer is None:
            self.legend.show_content(None)
            return
        before, self._colored_by = self._colored_by, (layer.color_by, self._colormap_of(layer))
        same = all(now is then for now, then in zip(self._colored_by, before, strict=True))
        if same and event is not None and event.type == "color_by":
            # Tracks were hidden or let stand out: their colours mean the same.
            return
        self._features = _colorable(layer)
        with QSignalBlocker(self.color_choice):
            self.color_choice.clear()
            self.color_choice.addItems(
                [quantity_of(name).title(self._calibration) for name in self._features]
            )
            if layer.color_by in self._features:
                self.color_choice.setCurrentIndex(self._features.index(layer.color_by))
        self.legend.show_content(self._legend_of(layer))

    @staticmethod
    def _colormap_of(layer: Tracks) -> Any:
        return layer.colormaps_dict.get(layer.color_by)

    def _legend_of(self, layer: Tracks) -> QWidget | None:
        feature = layer.color_by
        if feature == "track_id" or feature not in layer.features:
            return None
        values = layer.features[feature].to_numpy()
        colormap = self._colormap_of(layer) or colormap_for(feature, values)
        starts = np.flatnonzero(np.diff(layer.data[:, 0], prepend=-1))
        if isinstance(colormap, CodeColormap):
            # Most features are of whole tracks; those over time are counted frame by frame.
            over_time = feature in {name for name, _ in PER_FRAME.values()}
            codes = np.nan_to_num(values if over_time else values[starts], nan=UNKNOWN)
            unknown = NOT_JUDGED if feature == MODEL else "not known"
            return CodeLegend(colormap, codes.astype(np.int64), _names(layer, feature), unknown)
        if isinstance(colormap, RangeColormap):
            known = np.add.reduceat(np.isfinite(values).astype(np.int64), starts) > 0
            title = quantity_of(feature).title(self._calibration)
            legend = RangeLegend(colormap, title, int((~known).sum()))
            # The legend that says so is replaced by another: only once it has said it.
            legend.limits_changed.connect(
                lambda limits: QTimer.singleShot(0, lambda: color_over(layer, feature, limits))
            )
            return legend
        return None


def _names(layer: Tracks, feature: str) -> Sequence[str]:
    """Return what the codes of a feature stand for."""
    given = layer.metadata.get(METADATA_KEY, {}).get("names", {}).get(feature)
    return given or code_names(feature) or ()


def _colorable(layer: Tracks) -> list[str]:
    here = {
        str(name)
        for name in layer.features
        if pd.api.types.is_numeric_dtype(layer.features[name].dtype)
    } - {ROW, "particle"}
    ours = [*PER_TRACK, *(feature for feature, _ in PER_FRAME.values()), *FLAGS]
    known = [name for name in ours if name in here]
    others = [str(name) for name in layer.features if name in here and name not in known]
    return [*(["track_id"] if MODEL not in known else []), *known,
            *(name for name in others if name != "track_id"),
            *(["track_id"] if MODEL in known else [])]  # fmt: skip


def _number(value: float, unit: str) -> str:
    return "not known" if np.isnan(value) else f"{value:.3g} {unit}".strip()
