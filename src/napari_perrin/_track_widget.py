"""The widget *Track particles*: from a movie to a Tracks layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from napari.layers import Image, Layer
from qtpy.QtWidgets import QCheckBox, QLabel, QPushButton, QVBoxLayout

from napari_perrin._calibration import CalibrationForm, find_calibration
from napari_perrin._forms import ParameterForm, RowLabel, Section, form_layout
from napari_perrin._layers import points_layer_data, tracks_layer_data
from napari_perrin._movie_layer import array_of, geometry_of, movie_problem, source_of
from napari_perrin._step_widget import StepWidget
from napari_perrin.preview._panel import PreviewPanel
from perrin.errors import InputError, Progress
from perrin.io import Movie, as_movie
from perrin.pipeline import Recipe, find_tracks
from perrin.results import Source
from perrin.suggestion import Suggestion, suggest_recipe

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TrackWidget"]


class _Found(NamedTuple):
    """What the work returns, and all that is needed to show it once the image may be gone."""

    movie: Movie
    recipe: Recipe
    localizations: pd.DataFrame
    tracks: pd.DataFrame
    geometry: dict[str, Any]
    ndim: int
    source: Source


class TrackWidget(StepWidget):
    """Find particles in every frame of a movie and link them to tracks.

    Parameters
    ----------
    napari_viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(
            napari_viewer,
            Image,
            purpose="Find particles in a movie and link them to tracks.",
            action="Track particles",
        )
        self.layer_choice.setToolTip("The movie to find particles in: frames along the first axis.")
        self.calibration_form = CalibrationForm()
        self.recipe_form = ParameterForm(
            Recipe, skip=("calibration", "analysis", "filters"), unfolded=("detector", "linker")
        )
        detector = self.recipe_form.parts["detector"]
        self.preview = PreviewPanel(self.viewer, detector.parameters, lambda: self.is_running)
        self.suggest_button = QPushButton("Suggest parameters")
        self.suggest_button.setToolTip(
            "Find size of the spots, threshold and search range in the movie itself."
        )
        self.reasons = QLabel()
        self.reasons.setWordWrap(True)
        self._why = Section("Why these", self.reasons, is_open=True)
        self._why.setVisible(False)
        self.show_localizations = QCheckBox("Show localizations as points")
        self.show_localizations.setToolTip(
            "Also add a Points layer with every spot found, linked or not."
        )
        movie_row = form_layout()
        movie_row.addRow(RowLabel("Movie"), self.layer_choice)
        layout = QVBoxLayout(self.inputs)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(movie_row)
        layout.addWidget(self.calibration_form)
        layout.addWidget(self.suggest_button)
        layout.addWidget(self.recipe_form)
        layout.addWidget(self.preview)
        layout.addWidget(self._why)
        layout.addWidget(self.show_localizations)
        self.suggest_button.clicked.connect(self.suggest)
        self.preview.threshold_dragged.connect(self._on_threshold)
        detector.changed.connect(self.preview.wake)
        self.finished.connect(self.preview.refresh)
        self.layer_changed(self.layer_choice.layer)
        self.refresh()

    def missing(self) -> str:
        """Say what is missing before particles can be tracked."""
        if self.layer_choice.layer is None:
            return "Open a movie first, or a sample: File → Open Sample → Perrin."
        return movie_problem(self.layer_choice.layer)

    def refresh(self) -> None:
        """Enable the buttons, or say what is missing."""
        super().refresh()
        self.suggest_button.setEnabled(not self.missing())

    def layer_changed(self, layer: Image | None) -> None:
        """Fill in the calibration of another movie, and look at it."""
        if layer is not None:
            self.calibration_form.show_finding(find_calibration(layer))
        self._why.setVisible(False)
        self.preview.show_movie(None if self.missing() else layer)

    def recipe(self) -> Recipe:
        """Return the recipe that the form describes; raises :class:`perrin.InputError`."""
        recipe = self.recipe_form.parameters()
        return recipe.model_copy(update={"calibration": self.calibration_form.calibration()})

    def suggest(self) -> None:
        """Find parameters in the movie and fill them in."""
        self.run(self._prepare_suggestion, self._accept_suggestion)

    def prepare(self) -> Callable[[Progress], _Found]:
        """Collect the movie and the recipe."""
        layer, recipe = self.layer_choice.layer, self.recipe()
        if problem := self.missing():
            raise InputError(problem)
        array, name, ndim = array_of(layer), layer.name, layer.ndim
        geometry, source = geometry_of(layer), source_of(layer)

        def work(progress: Progress) -> _Found:
            movie = as_movie(array, recipe.calibration, name)
            localizations, tracks = find_tracks(movie, recipe, progress=progress)
            return _Found(movie, recipe, localizations, tracks, geometry, ndim, source)

        return work

    def accept(self, result: _Found) -> str:
        """Add the tracks, and if wanted the localizations, as new layers."""
        self.preview.rest()
        name = result.movie.name
        if self.show_localizations.isChecked():
            self._add(
                points_layer_data(
                    result.localizations,
                    name=f"{name} localizations",
                    geometry=result.geometry,
                    ndim=result.ndim,
                )
            )
        layer = self._add(
            tracks_layer_data(
                result.tracks,
                name=f"{name} tracks",
                calibration=result.recipe.calibration,
                geometry=result.geometry,
                ndim=result.ndim,
            )
        )
        self.session.add_tracks(
            layer, result.movie, result.localizations, result.recipe, result.source
        )
        n_tracks = result.tracks["particle"].nunique()
        return (
            f"{n_tracks} tracks from {len(result.localizations)} localizations "
            f"in {result.movie.n_frames} frames."
        )

    def _prepare_suggestion(self) -> Callable[[Progress], Suggestion]:
        layer, recipe = self.layer_choice.layer, self.recipe()
        array, name = array_of(layer), layer.name

        def work(progress: Progress) -> Suggestion:
            movie = as_movie(array, recipe.calibration, name)
            return suggest_recipe(movie, recipe, progress=progress)

        return work

    def _accept_suggestion(self, suggestion: Suggestion) -> str:
        for step in ("detector", "linker"):
            self.recipe_form.parts[step].set_parameters(getattr(suggestion.recipe, step))
        self.reasons.setText("\n".join(suggestion.reasons))
        self._why.setVisible(True)
        return "Parameters are filled in; look at the preview before you track."

    def _on_threshold(self, value: float) -> None:
        detector = self.recipe_form.parts["detector"]
        parameters: Any = detector.parameters()
        changes = {parameters.threshold_field: value}
        detector.set_parameters(parameters.model_copy(update=changes))

    def _add(self, data: tuple[Any, dict[str, Any], str]) -> Any:
        return self.viewer.add_layer(Layer.create(*data))
