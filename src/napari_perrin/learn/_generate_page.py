"""The page *New tracks*: make tracks that look like given ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Layer
from qtpy.QtWidgets import QVBoxLayout

from napari_perrin._forms import ParameterForm, RowLabel, Section, form_layout
from napari_perrin._layers import table_of_layer, tracks_layer_data
from napari_perrin._usable import counted_rows, missing_tracks
from napari_perrin.learn._page import LearnPage
from perrin.errors import InputError, Progress
from perrin.learn.parameters import Generation, GeneratorTraining

if TYPE_CHECKING:
    from perrin.learn.generate import LearntGenerator

__all__ = ["GeneratePage"]


class GeneratePage(LearnPage):
    """Learn what tracks look like, and make new ones.

    Parameters
    ----------
    viewer
        The viewer the widget is docked in.
    """

    def __init__(self, viewer: Any) -> None:
        self._learnt: tuple[LearntGenerator, GeneratorTraining] | None = None
        super().__init__(
            viewer,
            purpose="Learn what tracks look like, and make new ones: as test data, or to see what "
            "was learnt.",
            has_classes=False,
            use="Make tracks",
        )
        self._source = "tracks"
        self.layer_choice.setToolTip("The Tracks layer that the network learns from.")
        self.use_button.setToolTip("Make new tracks with the network, as another layer.")
        self.parameter_form = ParameterForm(GeneratorTraining)
        self.generation_form = ParameterForm(Generation)
        rows = form_layout()
        rows.addRow(RowLabel("Tracks"), self.layer_choice)
        layout = QVBoxLayout(self.inputs)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(rows)
        layout.addWidget(Section("Options", self.parameter_form))
        below = QVBoxLayout(self.uses)
        below.setContentsMargins(0, 0, 0, 0)
        below.addWidget(self.generation_form)
        self.refresh()

    def missing(self) -> str:
        """Say what is missing before a network can be trained."""
        return missing_tracks(self.layer_choice.layer)

    def prepare(self) -> Callable[[Progress], Any]:
        """Collect the tracks to learn from."""
        if problem := self.missing():
            raise InputError(problem)
        layer = self.layer_choice.layer
        name, table = layer.name, counted_rows(self.session, layer, table_of_layer(layer))
        training = self.parameter_form.parameters()

        def work(progress: Progress) -> Any:
            from perrin.learn.generate import learn_generator

            learnt = learn_generator([table], training, progress=progress, watch=self.watched.emit)
            return name, learnt, training

        return work

    def accept(self, result: Any) -> str:
        """Offer to make tracks."""
        self._source, learnt, training = result
        self._learnt = (learnt, training)
        self.network = learnt.network
        best = learnt.curve["validation_loss"].idxmin()
        self.about.setText(
            f"Learnt from {self._source}; best after {int(learnt.curve['epoch'][best])} epochs."
        )
        return ""

    def write(self, path: Path) -> None:
        """Save the network and its card."""
        from perrin.learn.generate import save_generator

        if self._learnt is not None:
            save_generator(path, *self._learnt)

    def read(self, path: Path) -> str:
        """Load a network."""
        from perrin.learn.generate import load_generator

        self.network, self._learnt, self._source = load_generator(path), None, path.stem
        a = self.network.architecture
        return f"{path.name}: learnt from {a.n_tracks} tracks, {a.interval:g} {a.time_unit} a step."

    @property
    def is_mine(self) -> bool:
        """Whether the network was trained here."""
        return self._learnt is not None

    def prepare_use(self) -> Callable[[Progress], Any]:
        """Collect which tracks to make."""
        network, name = self.network, f"{self._source} (made)"
        if network is None:
            raise InputError("Train a network first, or load one.")
        generation = self.generation_form.parameters()

        def work(progress: Progress) -> Any:
            from perrin.learn.generate import generate_tracks

            return name, generate_tracks(network, generation)

        return work

    def accept_use(self, result: Any) -> str:
        """Open the tracks as a layer."""
        name, table = result
        layer = Layer.create(*tracks_layer_data(table, name=name))
        self.viewer.add_layer(layer)
        return f"Made {table['particle'].nunique()} tracks: the layer '{layer.name}'."
