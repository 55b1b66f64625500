"""The widget *Population*: all tracks together, to select among, beside the truth if known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from napari.layers import Tracks
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QSignalBlocker, QTimer, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_perrin._fields import ignore_wheel
from napari_perrin._forms import RowLabel, Section, fill_with_page, form_layout
from napari_perrin._jobs import Job
from napari_perrin.inspect._plot_style import PlotColors
from napari_perrin.inspect._side_view import SideView
from napari_perrin.population._panels import Values
from napari_perrin.population._plots import PopulationPlots
from napari_perrin.population._states import StatesView
from napari_perrin.population._truth_section import TruthSection
from perrin.analysis import Analysis
from perrin.curation import only_kept
from perrin.errors import PerrinError
from perrin.io import write_together
from perrin.population import PopulationStates, count_models, numbers_of, population_states
from perrin.quantities import MODEL, PER_TRACK, quantity_of

__all__ = ["PopulationWidget"]

_FIRST = ("diffusivity", "alpha")
_LETTERS = 8
_NARROW = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
_TO_ANALYZE = "Not analysed yet: Plugins → Perrin → Analyze tracks says how tracks move."
# Filters are dragged; states are looked for once they rest.
_REST_MS = 300
_FILES = ("tracks.csv", "models.csv", "states.csv", "transitions.csv")


class PopulationWidget(SideView):
    """Show all tracks together, and select among them.

    Parameters
    ----------
    napari_viewer
        Given by napari.
    """

    looked = Signal()
    """States were looked for, and found or not."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.numbers = pd.DataFrame()
        self.states: PopulationStates | None = None
        self._job: Job | None = None
        self._looked_in: tuple[Analysis | None, npt.NDArray[np.int64]] | None = None
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_REST_MS)
        self._later.timeout.connect(self._find_states)
        self._names: list[str] = []
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.x_choice, self.y_choice = QComboBox(), QComboBox()
        for choice, axis in ((self.x_choice, "to the right"), (self.y_choice, "upwards")):
            choice.setToolTip(f"The quantity that is drawn {axis}.")
            choice.setSizeAdjustPolicy(_NARROW)
            choice.setMinimumContentsLength(_LETTERS)
            choice.currentIndexChanged.connect(self._draw)
            ignore_wheel(choice)
        self.lasso_button = QToolButton()
        self.lasso_button.setText("Lasso")
        self.lasso_button.setCheckable(True)
        self.lasso_button.setToolTip(
            "Draw round the points to select, instead of a rectangle. With Shift or Ctrl held, "
            "what is selected adds to the selection."
        )
        self.clear_button = QPushButton("Select none")
        self.clear_button.setToolTip("Select no track, here and in the canvas.")
        self.count = QLabel()
        self.count.setWordWrap(True)
        self.figure_button = QPushButton("Save figure …")
        self.figure_button.setToolTip("Save these plots as a PDF, SVG or PNG.")
        self.numbers_button = QPushButton("Save numbers …")
        self.numbers_button.setToolTip(
            "Save the numbers behind these plots as CSV tables in a folder: "
            f"{', '.join(_FILES)}. Nothing is overwritten."
        )
        self.states_message = QLabel()
        self.states_message.setWordWrap(True)
        self._rejected: frozenset[int] = frozenset()
        self.truth = TruthSection(self.session)
        self._plots_place, self._states_place = QVBoxLayout(), QVBoxLayout()
        self._build()
        self._make_plots()

        self.lasso_button.toggled.connect(self._on_lasso)
        self.clear_button.clicked.connect(lambda: self._select(np.empty(0, np.int64), False))
        self.figure_button.clicked.connect(self.ask_and_save_figure)
        self.numbers_button.clicked.connect(self.ask_and_save_numbers)
        self.truth.compared.connect(self._on_compared)
        self.truth.selected.connect(self._select)
        self.session.shown_changed.connect(self._on_shown)
        self.session.curated.connect(self._on_curated)
        self.viewer.events.theme.connect(self._on_theme)
        self.begin()

    @property
    def analysis(self) -> Analysis | None:
        """The analysis of the layer."""
        return None if self.layer is None else self.session.record(self.layer).analysis

    def show_layer(self) -> None:
        """Show the tracks of another layer."""
        self.truth.show_layer(self.layer, self.tracks)
        self._collect()
        self._find_states()

    def show_selection(self) -> None:
        """Let the selected tracks stand out."""
        if self.analysis is not None:
            self.plots.select(self._chosen())
            self._say()

    def ask_and_save_figure(self) -> None:
        """Ask for a file and save the figure there."""
        if chosen := self.ask_for_figure("Save the figure", "population"):
            path, overwrite = chosen
            self.save_figure(path, overwrite=overwrite)

    def save_figure(self, path: str, *, overwrite: bool = False) -> None:
        """Save the figure; over a file only where that was agreed to."""
        if self.analysis is None:
            return
        from perrin.population_figure import population_figure

        shown = replace(self.analysis, per_track=self.numbers)
        x, y = self._chosen_names()
        self.write_figure(
            lambda: population_figure(shown, x=x, y=y, states=self.states),
            path,
            overwrite=overwrite,
        )

    def ask_and_save_numbers(self) -> None:
        """Ask for a folder and save the numbers there."""
        folder = QFileDialog.getExistingDirectory(self, "Save numbers into a folder")
        if folder:
            self.save_numbers(folder)

    def save_numbers(self, folder: str) -> None:
        """Save the numbers of tracks, models, states and transitions; never over other files."""
        files = {
            "tracks.csv": self.numbers.assign(selected=self._chosen()),
            "models.csv": count_models(self.numbers),
        }
        if self.states is not None:
            files["states.csv"] = self.states.table
            files["transitions.csv"] = (
                pd.DataFrame(self.states.transition)
                .rename_axis("from")
                .add_prefix("to_")
                .reset_index()
            )
        files = {f"population_{name}": table for name, table in files.items()}
        try:
            paths = write_together(files, folder)
        except PerrinError as error:
            show_error(str(error))
        else:
            show_info(f"Saved {', '.join(path.name for path in paths)} in {folder}.")

    def _build(self) -> None:
        about = QLabel("See all tracks together, and select among them by dragging and clicking.")
        about.setWordWrap(True)
        head = form_layout()
        head.addRow(RowLabel("Tracks"), self.layer_choice)
        axes = QHBoxLayout()
        for words, choice in (("y", self.y_choice), ("over x", self.x_choice)):
            axes.addWidget(QLabel(words))
            axes.addWidget(choice, 1)
        tools = QHBoxLayout()
        tools.addWidget(self.count, 1)
        tools.addWidget(self.lasso_button)
        tools.addWidget(self.clear_button)
        states = QWidget()
        column = QVBoxLayout(states)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.states_message)
        column.addLayout(self._states_place)
        save = QHBoxLayout()
        save.addWidget(self.figure_button)
        save.addWidget(self.numbers_button)
        self.content = QWidget()
        content = QVBoxLayout(self.content)
        content.setContentsMargins(0, 0, 0, 0)
        content.addLayout(axes)
        content.addLayout(self._plots_place)
        content.addLayout(tools)
        content.addWidget(Section("States that tracks share", states, is_open=True))
        content.addLayout(save)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(10, 6, 10, 6)
        layout.setSpacing(6)
        layout.addWidget(about)
        layout.addLayout(head)
        layout.addWidget(self.message)
        layout.addWidget(self.content)
        layout.addWidget(Section("Compare with the truth", self.truth))
        layout.addStretch(1)
        fill_with_page(self, page, QScrollArea())

    def _make_plots(self) -> None:
        colors = PlotColors.of_theme(self.viewer.theme)
        self.plots, self.states_view = PopulationPlots(colors), StatesView(colors)
        self._plots_place.addWidget(self.plots)
        self._states_place.addWidget(self.states_view)
        self.plots.lasso = self.lasso_button.isChecked()
        self.plots.selected.connect(lambda chosen, add: self._select(self._particles[chosen], add))
        self.states_view.selected.connect(self._select)

    def _collect(self) -> None:
        """Collect the numbers of the tracks that count."""
        self.numbers, analysis = pd.DataFrame({"particle": []}), self.analysis
        if self.tracks is not None and self.layer is not None:
            numbers = self.truth.beside(self.tracks.numbers(analysis))
            record = self.session.record(self.layer)
            self._rejected = record.rejected
            counted = record.counts(numbers["particle"].to_numpy(np.int64))
            self.numbers = numbers[counted].reset_index(drop=True)
        self._particles = self.numbers["particle"].to_numpy(np.int64)
        self.message.setText(self.problem or ("" if analysis is not None else _TO_ANALYZE))
        self.message.setVisible(bool(self.message.text()))
        self.content.setVisible(analysis is not None and self.tracks is not None)
        self._fill_choices()
        self._draw()

    def _fill_choices(self) -> None:
        before = self._chosen_names()
        known = [*PER_TRACK, *self.truth.columns]
        self._names = [x for x in known if x in self.numbers and x != MODEL]
        titles = [quantity_of(name).title(self.calibration) for name in self._names]
        for choice, name, first in zip((self.x_choice, self.y_choice), before, _FIRST, strict=True):
            with QSignalBlocker(choice):
                choice.clear()
                choice.addItems(titles)
                chosen = next((x for x in (name, first) if x in self._names), None)
                choice.setCurrentIndex(-1 if chosen is None else self._names.index(chosen))

    def _chosen_names(self) -> tuple[str, str]:
        x, y = (
            self._names[choice.currentIndex()] if 0 <= choice.currentIndex() < len(self._names)
            else ""
            for choice in (self.x_choice, self.y_choice)
        )  # fmt: skip
        return x, y

    def choose(self, x: str, y: str) -> None:
        """Choose the quantities of the axes."""
        self.x_choice.setCurrentIndex(self._names.index(x))
        self.y_choice.setCurrentIndex(self._names.index(y))

    def _draw(self, _index: int = 0) -> None:
        x, y = self._chosen_names()
        if x and y and self.analysis is not None:
            self.plots.show_tracks(self.numbers, self._values(x), self._values(y))
            self.show_selection()

    def _values(self, name: str) -> Values:
        quantity = quantity_of(name)
        return Values(quantity, quantity.title(self.calibration), numbers_of(self.numbers, name))

    def _chosen(self) -> npt.NDArray[np.bool_]:
        wanted = np.fromiter(self.selection, np.int64, len(self.selection))
        return np.isin(self._particles, wanted)

    def _select(self, particles: npt.NDArray[np.int64], add: bool) -> None:
        if self.layer is not None:
            chosen = frozenset(particles.tolist())
            self.session.select(self.layer, chosen | self.selection if add else chosen)

    def _say(self) -> None:
        n_tracks, n_chosen = len(self.numbers), int(self._chosen().sum())
        words = f"{n_chosen:,} of {n_tracks:,} tracks selected"
        names = [name for name in self._chosen_names() if name]
        if names and n_tracks:
            values = [numbers_of(self.numbers, name) for name in names]
            placed = np.logical_and.reduce([np.isfinite(each) for each in values])
            if n_silent := int((~placed).sum()):
                words += f"; {n_silent:,} have no value"
        self.count.setText(words)
        self.clear_button.setEnabled(bool(self.selection))

    def _find_states(self) -> None:
        """Look for states that the tracks shown share, in the background."""
        analysis, particles, before = self.analysis, self._particles, self._looked_in
        self._later.stop()
        if before is not None and before[0] is analysis and np.array_equal(before[1], particles):
            return
        self._looked_in = analysis, particles
        self.states, self._job = None, None
        self.states_view.hide()
        self.states_message.setText("Looking for states …")
        self.states_message.setVisible(analysis is not None)
        if analysis is None:
            return
        counted = analysis.per_track["particle"].isin(particles)
        counts = replace(analysis, per_track=analysis.per_track.assign(kept=counted))
        job = self._job = Job(lambda _: population_states(only_kept(counts)[0]), quiet=True)
        job.succeeded.connect(lambda states: self._on_states(job, states))
        job.failed.connect(lambda error: self._on_no_states(job, error))
        job.start()

    def _on_states(self, job: Job, states: PopulationStates) -> None:
        if job is self._job:
            self.states = states
            self._show_states()
            self.looked.emit()

    def _show_states(self) -> None:
        self.states_view.setVisible(self.states is not None)
        if self.states is not None:
            self.states_message.setText(
                f"Of {self.states.n_tracks:,} tracks, which switched between them:"
            )
            self.states_view.show_states(self.states, self.calibration)

    def _on_no_states(self, job: Job, error: Exception) -> None:
        if job is self._job:
            self.states_message.setText(str(error))
            self.looked.emit()

    def _on_lasso(self, lasso: bool) -> None:
        self.plots.lasso = lasso

    def _on_shown(self, layer: Tracks) -> None:
        if layer is self.layer:
            self._collect()
            self._later.start()

    def _on_curated(self, layer: Tracks) -> None:
        # Most of what is done by hand leaves the tracks that count as they are.
        if layer is self.layer and self.session.record(layer).rejected != self._rejected:
            self._collect()
            self._later.start()

    def _on_compared(self) -> None:
        self._collect()

    def _on_theme(self, _event: Any = None) -> None:
        for old in (self.plots, self.states_view):
            old.deleteLater()
        self._make_plots()
        self._draw()
        self._show_states()
