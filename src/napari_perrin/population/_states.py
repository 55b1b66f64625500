"""The states that tracks share: how often, how long, and from which to which."""

from __future__ import annotations

from html import escape

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_perrin.inspect._panel import Panel, PlotArea
from napari_perrin.inspect._plot_style import PlotColors, label_axis
from napari_perrin.population._selecting import SelectingBox, Shape
from perrin.inspection import state_color
from perrin.population import PopulationStates
from perrin.tracks import Calibration

__all__ = ["StatesView"]

_HEIGHT = 170
_LEFT_WIDTH = 52
_DARK_TEXT = 0.55


class _Occupancy(Panel):
    def __init__(self, colors: PlotColors) -> None:
        self.box = SelectingBox(colors, Shape.ACROSS)
        super().__init__(colors, "Time in each state", view_box=self.box)
        self.getAxis("left").setWidth(_LEFT_WIDTH)
        label_axis(self, colors, "left", "share")
        self._bars = pg.BarGraphItem(x=[0], height=[0], width=0.7, pen=None)
        self._errors = pg.ErrorBarItem(
            x=np.zeros(1), y=np.zeros(1), beam=0.18, pen=pg.mkPen(colors.text, width=1.2)
        )
        for item in (self._bars, self._errors):
            self.addItem(item)

    def draw(self, states: PopulationStates) -> None:
        table = states.table
        places = np.arange(len(table), dtype=np.float64)
        share = table["occupancy"].to_numpy()
        brushes = [state_color(number) for number in table["state"]]
        self._bars.setOpts(x=places, height=share, brushes=brushes)
        self._errors.setData(
            x=places, y=share, top=(table["occupancy_hi"] - share).clip(0).to_numpy(),
            bottom=(share - table["occupancy_lo"]).clip(0).to_numpy(),
        )  # fmt: skip
        names = [f"{row.state}: {row.motion}" for row in table.itertuples()]
        self.getAxis("bottom").setTicks([list(enumerate(names))])
        self.setXRange(-0.5, len(table) - 0.5, padding=0)
        self.setYRange(0, 1, padding=0.02)


class _Transitions(Panel):
    def __init__(self, colors: PlotColors) -> None:
        super().__init__(colors, "To the next frame")
        self.invertY(True)
        label_axis(self, colors, "bottom", "to state")
        label_axis(self, colors, "left", "from state")
        self._image = pg.ImageItem(axisOrder="row-major")
        self._image.setColorMap(pg.ColorMap([0.0, 1.0], [colors.background, colors.fit]))
        self.addItem(self._image)
        self._words: list[pg.TextItem] = []

    def draw(self, states: PopulationStates) -> None:
        matrix, n_states = states.transition, len(states.transition)
        self._image.setImage(matrix, levels=(0, 1))
        for word in self._words:
            self.removeItem(word)
        self._words = []
        for row, column in np.ndindex(n_states, n_states):
            value = float(matrix[row, column])
            light = value < _DARK_TEXT
            color = self.colors.text if light else self.colors.background
            word = pg.TextItem(f"{value:.3f}", color=color, anchor=(0.5, 0.5))
            word.setPos(column + 0.5, row + 0.5)
            self.addItem(word, ignoreBounds=True)
            self._words.append(word)
        ticks = [[(number + 0.5, str(number)) for number in range(n_states)]]
        for side in ("bottom", "left"):
            self.getAxis(side).setTicks(ticks)
        self.setXRange(0, n_states, padding=0)
        self.setYRange(0, n_states, padding=0)


class StatesView(QWidget):
    """Occupancies, transitions and numbers of the states that tracks share.

    Parameters
    ----------
    colors
        The colours of napari's theme.
    """

    selected = Signal(object, bool)
    """Tracks were selected by their numbers, and whether that adds to others."""

    def __init__(self, colors: PlotColors) -> None:
        super().__init__()
        self._states: PopulationStates | None = None
        self.area = PlotArea(colors)
        self.area.setFixedHeight(_HEIGHT)
        self.occupancy, self.transitions = _Occupancy(colors), _Transitions(colors)
        self.area.addItem(self.occupancy, 0, 0)
        self.area.addItem(self.transitions, 0, 1)
        layout = self.area.ci.layout
        for place, stretch in enumerate((3, 2)):
            layout.setColumnPreferredWidth(place, stretch)
            layout.setColumnStretchFactor(place, stretch)
        self.numbers = QLabel()
        self.numbers.setTextFormat(Qt.TextFormat.RichText)
        self.numbers.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.numbers.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.area)
        column.addWidget(self.numbers)
        self.occupancy.box.clicked.connect(self._on_bar)
        self.area.setToolTip(
            "Bars: share of all frames, with its 5 % to 95 % range; a click selects the tracks "
            "that are in this state most of the time. Squares: probability to be in the state of "
            "the column one frame after being in that of the row."
        )

    def show_states(self, states: PopulationStates, calibration: Calibration) -> None:
        """Show states."""
        self._states = states
        self.occupancy.draw(states)
        self.transitions.draw(states)
        self.numbers.setText(_numbers(states, calibration))

    def _on_bar(self, x: float, _y: float, add: bool) -> None:
        if self._states is not None:
            self.selected.emit(mostly_in(self._states, round(x)), add)


def mostly_in(states: PopulationStates, state: int) -> npt.NDArray[np.int64]:
    """Return the tracks that are in a state more than in any other."""
    here = states.shares.argmax(axis=1) == state
    return np.asarray(states.particles[here & (states.shares.sum(axis=1) > 0)])


def _numbers(states: PopulationStates, calibration: Calibration) -> str:
    """Write one line for each state."""
    lines = []
    for row in states.table.to_dict("records"):
        words = f"<b style='color:{state_color(row['state'])}'>■</b> {row['state']}: "
        words += escape(str(row["motion"]))
        if row["diffusivity"] > 0:
            words += ", D = {diffusivity:.3g} ± {diffusivity_se:.1g}".format_map(row)
            words += f" {calibration.diffusivity_unit}"
            words += ", α = {alpha:.2f} ± {alpha_se:.2f}".format_map(row)
        words += ", {share:.0%} ({low:.0%} to {high:.0%}) of the time".format(
            share=row["occupancy"], low=row["occupancy_lo"], high=row["occupancy_hi"]
        )
        if np.isfinite(row["dwell"]):
            words += ", stays {dwell:.3g} ({dwell_lo:.3g} to {dwell_hi:.3g})".format_map(row)
            words += f" {calibration.time_unit}"
        lines.append(words)
    return "<br>".join(lines)
