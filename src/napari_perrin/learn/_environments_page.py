"""The page *Environments*: tell classes of tracks apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from qtpy.QtWidgets import QLabel, QVBoxLayout

from napari_perrin._calibration import find_calibration
from napari_perrin._colors import UNKNOWN
from napari_perrin._features import add_features, color_by
from napari_perrin._forms import ParameterForm, RowLabel, Section, form_layout
from napari_perrin._layers import export_table, table_of_layer
from napari_perrin._usable import NO_TRACKS, counted_rows, gone_meanwhile
from napari_perrin.inspect._plot_style import PlotColors
from napari_perrin.learn._class_table import BY_LABEL, ClassTable
from napari_perrin.learn._page import LearnPage
from napari_perrin.learn._training_plots import ConfusionTable
from perrin.errors import InputError, Progress
from perrin.inspection import state_color
from perrin.learn.labelled import by_column
from perrin.learn.parameters import ENVIRONMENT, EnvironmentTraining

if TYPE_CHECKING:
    from perrin.learn.environments import Environments

__all__ = ["EnvironmentsPage"]


class EnvironmentsPage(LearnPage):
    """Learn to tell in which environment tracks were recorded, and say it of others.

    Parameters
    ----------
    viewer
        The viewer the widget is docked in.
    """

    def __init__(self, viewer: Any) -> None:
        self._learnt: tuple[Environments, EnvironmentTraining] | None = None
        super().__init__(
            viewer,
            purpose="Learn to tell in which environment a cell or particle was recorded.",
            has_classes=True,
            use="Call the environments",
        )
        self.layer_choice.setToolTip("The Tracks layer whose tracks are judged.")
        self.use_button.setToolTip(
            "Say of each track of this layer which environment it is from, and how sure that is."
        )
        self.classes = ClassTable(self.viewer)
        self.parameter_form = ParameterForm(EnvironmentTraining)
        self.confusion = ConfusionTable(PlotColors.of_theme(self.viewer.theme))
        self.training_outputs.addWidget(self.confusion)
        layout = QVBoxLayout(self.inputs)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.classes)
        layout.addWidget(Section("Options", self.parameter_form))
        rows = form_layout(self.uses)
        rows.addRow(RowLabel("Of the tracks"), self.layer_choice)
        self.legend = QLabel()
        self.legend.setWordWrap(True)
        self.use_outputs.addWidget(self.legend)
        self.classes.changed.connect(self.refresh)
        self.refresh()

    def missing(self) -> str:
        """Say what is missing before a network can be trained."""
        if not self.classes.rowCount():
            return NO_TRACKS
        chosen = self.classes.chosen()
        if any(not name for _, name in chosen):
            return "Type the class of every ticked layer."
        names = {name for _, name in chosen}
        if len(names) < 2 and BY_LABEL not in names:
            return "Tick layers of at least two classes."
        return ""

    def prepare(self) -> Callable[[Progress], Any]:
        """Collect the tracks of each class."""
        if problem := self.missing():
            raise InputError(problem)
        recordings: list[tuple[str, pd.DataFrame]] = []
        for layer, name in self.classes.chosen():
            table = counted_rows(self.session, layer, export_table(layer))
            recordings += by_column(table) if name == BY_LABEL else [(name, table)]
        training = self.parameter_form.parameters()
        self.confusion.hide()
        self.legend.hide()

        def work(progress: Progress) -> Any:
            from perrin.learn.environments import learn_environments

            learnt = learn_environments(
                recordings, training, progress=progress, watch=self.watched.emit
            )
            return learnt, training

        return work

    def accept(self, result: Any) -> str:
        """Show how good the network is."""
        self._learnt = result
        learnt: Environments = result[0]
        self.network = learnt.network
        report = learnt.report
        accuracy = report.accuracy()
        self.plot.show_accuracy(accuracy)
        self.confusion.show_counts(report.confusion())
        (whole,) = accuracy[accuracy["n_steps"] == 0].to_dict("records")
        self.about.setText(
            f"Of {int(whole['n_pieces'])} tracks held out, {whole['accuracy']:.0%} were called "
            f"right ({', '.join(f'{name} {whole[name]:.0%}' for name in report.names)})."
        )
        return " ".join(report.caveats())

    def write(self, path: Path) -> None:
        """Save the network and its card."""
        from perrin.learn.environments import save_environments

        if self._learnt is not None:
            save_environments(path, *self._learnt)

    def read(self, path: Path) -> str:
        """Load a network."""
        from perrin.learn.environments import load_environments

        self.network = load_environments(path)
        self._learnt = None
        self.confusion.hide()
        return f"{path.name}: tells {', '.join(self.network.architecture.classes)} apart."

    @property
    def is_mine(self) -> bool:
        """Whether the network was trained here."""
        return self._learnt is not None

    def can_use(self) -> bool:
        """Whether there are tracks to judge."""
        return self.layer_choice.layer is not None

    def prepare_use(self) -> Callable[[Progress], Any]:
        """Collect the tracks to judge."""
        layer, network = self.layer_choice.layer, self.network
        if layer is None or network is None:
            raise InputError("Train or load a network, and choose the tracks to judge.")
        data, table = layer.data, table_of_layer(layer)

        def work(progress: Progress) -> Any:
            from perrin.learn.environments import apply_environments

            called = apply_environments(table, network, progress=progress)
            of_row = called.set_index("particle").loc[table["particle"]].reset_index(drop=True)
            return layer, data, of_row, network.architecture.classes

        return work

    def accept_use(self, result: Any) -> str:
        """Write what was called into the layer's features and colour it."""
        layer, data, called, classes = result
        if gone := gone_meanwhile(self.viewer, layer, data, "Judge it again."):
            return gone
        codes = {name: code for code, name in enumerate(classes)}
        code = called[ENVIRONMENT].map(codes).fillna(UNKNOWN).astype(np.int64)
        features = called.assign(**{ENVIRONMENT: code})
        calibration = find_calibration(layer).calibration
        add_features(layer, features, calibration, names={ENVIRONMENT: classes})
        color_by(layer, ENVIRONMENT)
        self.session.current = layer
        counts = table_of_layer(layer)["particle"].groupby(code.to_numpy()).nunique()
        parts = [
            f"<span style='color:{state_color(i)}'>●</span> {name} {counts.get(i, 0)}"
            for i, name in enumerate(classes)
        ]
        self.legend.setText("&nbsp; ".join(parts))
        self.legend.show()
        short = int(counts.get(UNKNOWN, 0))
        return f"{short} tracks are too short to judge." if short else ""
