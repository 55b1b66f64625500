"""The widget *Inspect tracks*: one track by itself, what it is and why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_perrin._forms import RowLabel, Section, fill_with_page, form_layout
from napari_perrin._jobs import Job
from napari_perrin.curate._actions import CurationActions
from napari_perrin.curate._bar import CurateBar
from napari_perrin.inspect._canvas import NEXT_KEY, PREVIOUS_KEY
from napari_perrin.inspect._plot_style import PlotColors
from napari_perrin.inspect._plots import TrackPlots
from napari_perrin.inspect._side_view import SideView
from perrin.errors import Progress
from perrin.inspection import TrackReport, flags_of, inspect_track, numbers_of
from perrin.models import MODEL_COLORS

__all__ = ["InspectorWidget"]

_HINT = f"Click a track in the canvas, or press {PREVIOUS_KEY} and {NEXT_KEY} to step through them."


class InspectorWidget(SideView):
    """Show one track: its path, how it moves, when that changes, and how sure that is.

    Parameters
    ----------
    napari_viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.report: TrackReport | None = None
        about = QLabel("See one track by itself: what it is, and why.")
        about.setWordWrap(True)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.heading = QLabel()
        self.heading.setTextFormat(Qt.TextFormat.RichText)
        self.previous_button = _step_button(Qt.ArrowType.LeftArrow, "previous", PREVIOUS_KEY)
        self.next_button = _step_button(Qt.ArrowType.RightArrow, "next", NEXT_KEY)
        self.save_button = QPushButton("Save figure …")
        self.save_button.setToolTip("Save what is known of this track as a PDF, SVG or PNG.")
        self.bar = CurateBar(self.session, CurationActions(self.viewer, self.canvas))
        self.plots = self._make_plots()
        self.flags = QLabel()
        self.flags.setWordWrap(True)
        self.numbers: dict[str, QLabel] = {}
        self._numbers_layout = form_layout()

        choice = form_layout()
        choice.addRow(RowLabel("Tracks"), self.layer_choice)
        head = QHBoxLayout()
        head.addWidget(self.previous_button)
        head.addWidget(self.next_button)
        head.addWidget(self.heading, 1)
        head.addWidget(self.save_button)
        self.content = QWidget()
        content = QVBoxLayout(self.content)
        content.setContentsMargins(0, 0, 0, 0)
        content.addWidget(self.flags)
        content.addWidget(self.plots)
        content.addLayout(self._numbers_layout)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(10, 6, 10, 6)
        layout.setSpacing(6)
        layout.addWidget(about)
        layout.addLayout(choice)
        layout.addLayout(head)
        layout.addWidget(Section("Curate", self.bar, is_open=True))
        layout.addWidget(self.message)
        layout.addWidget(self.content)
        layout.addStretch(1)
        fill_with_page(self, page, QScrollArea())

        self.previous_button.clicked.connect(lambda: self.canvas.step(-1))
        self.next_button.clicked.connect(lambda: self.canvas.step(1))
        self.save_button.clicked.connect(self.ask_and_save)
        self.viewer.dims.events.point.connect(self._on_frame)
        self.viewer.events.theme.connect(self._on_theme)
        self.begin()
        self._warm_up()

    def show_layer(self) -> None:
        """Show the selected track of another layer."""
        self.report = None
        self.show_selection()

    def show_selection(self) -> None:
        """Show the track that is selected; of several, the one shown already or the first."""
        chosen = self._chosen()
        self.report = None
        if chosen is not None and self.tracks is not None and self.layer is not None:
            self.report = inspect_track(
                self.tracks.rows(chosen),
                chosen,
                self.session.record(self.layer).analysis,
                self.calibration,
            )
        self._show_report()

    def ask_and_save(self) -> None:
        """Ask for a file and save the figure of the track there."""
        if self.report is None:
            return
        name = f"track_{self.report.particle}"
        if chosen := self.ask_for_figure("Save the figure of the track", name):
            path, overwrite = chosen
            self.save(path, overwrite=overwrite)

    def save(self, path: str, *, overwrite: bool = False) -> None:
        """Save the figure of the track; over a file only where that was agreed to."""
        if self.report is None:
            return
        from perrin.track_figure import track_figure

        report = self.report
        self.write_figure(lambda: track_figure(report), path, overwrite=overwrite)

    def _chosen(self) -> int | None:
        if self.tracks is None or not self.selection:
            return None
        if self.report is not None and self.report.particle in self.selection:
            return self.report.particle
        here = self.tracks.among(self.selection)
        return int(here[0]) if here.size else None

    def _show_report(self) -> None:
        report = self.report
        for button in (self.previous_button, self.next_button):
            button.setEnabled(self.tracks is not None)
        self.content.setVisible(report is not None)
        self.save_button.setVisible(report is not None)
        self.message.setText(self._words())
        self.message.setVisible(bool(self.message.text()))
        self.heading.setText("" if report is None else self._title(report))
        if report is None:
            return
        flags = [words[:1].upper() + words[1:] for words in flags_of(report)]
        self.flags.setText("\n".join(f"⚠ {words}." for words in flags))
        self.flags.setVisible(bool(flags))
        self._show_numbers(report)
        self.plots.show_report(report)
        self._on_frame()

    def _words(self) -> str:
        if self.problem:
            return self.problem
        if self.report is None:
            return _HINT
        if self.report.answer is None:
            return "Not analysed yet: Plugins → Perrin → Analyze tracks says how it moves."
        return ""

    def _title(self, report: TrackReport) -> str:
        color = MODEL_COLORS.get(report.model or "")
        model = f" <span style='color:{color}'>■</span> {report.model}" if color else ""
        others = f" (of {len(self.selection)} selected)" if len(self.selection) > 1 else ""
        return f"<b>Track {report.particle}</b>{others}{model}"

    def _show_numbers(self, report: TrackReport) -> None:
        numbers = numbers_of(report)
        if list(numbers) != list(self.numbers):
            while self._numbers_layout.rowCount():
                self._numbers_layout.removeRow(0)
            self.numbers = {title: QLabel() for title in numbers}
            for title, label in self.numbers.items():
                label.setWordWrap(True)
                label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                self._numbers_layout.addRow(RowLabel(title), label)
        for title, text in numbers.items():
            self.numbers[title].setText(text)

    def _on_frame(self, _event: Any = None) -> None:
        if self.report is not None and self.layer is not None:
            frame = self.canvas.frame(self.layer)
            self.plots.show_time(frame * self.report.calibration.time_scale)

    def _on_time_chosen(self, time: float) -> None:
        if self.report is not None and self.layer is not None:
            self.canvas.show_frame(self.layer, round(time / self.report.calibration.time_scale))
            # The line rests on whole frames.
            self._on_frame()

    def _make_plots(self) -> TrackPlots:
        plots = TrackPlots(PlotColors.of_theme(self.viewer.theme))
        plots.time_chosen.connect(self._on_time_chosen)
        return plots

    def _on_theme(self, _event: Any = None) -> None:
        before, self.plots = self.plots, self._make_plots()
        if (layout := self.content.layout()) is not None:
            layout.replaceWidget(before, self.plots)
        before.deleteLater()
        self._show_report()

    def _warm_up(self) -> None:
        """Load what the first track needs, which takes seconds, before anybody clicks."""
        self._warming = Job(_inspect_some_track)
        self._warming.start()


def _inspect_some_track(_progress: Progress) -> None:
    steps = np.random.default_rng(0).normal(size=30)
    track = {"particle": 0, "frame": np.arange(30), "x": steps.cumsum()}
    inspect_track(pd.DataFrame(track), 0)


def _step_button(arrow: Qt.ArrowType, which: str, key: str) -> QToolButton:
    button = QToolButton()
    button.setArrowType(arrow)
    button.setToolTip(f"Inspect the {which} track (key {key}).")
    return button
