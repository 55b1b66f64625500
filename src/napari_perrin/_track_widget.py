"""The widget *Track particles*: from a movie to a Tracks layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from napari.layers import Image, Layer
from qtpy.QtWidgets import QCheckBox, QVBoxLayout

from napari_perrin._calibration import CalibrationForm, find_calibration
from napari_perrin._forms import ParameterForm, RowLabel, form_layout
from napari_perrin._layers import points_layer_data, tracks_layer_data
from napari_perrin._step_widget import StepWidget
from perrin.errors import InputError, Progress
from perrin.io import Movie, as_movie
from perrin.pipeline import Recipe, find_tracks

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TrackWidget", "movie_problem"]

_GEOMETRY = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


class _Found(NamedTuple):
    """What the work returns, and all that is needed to show it once the image may be gone."""

    movie: Movie
    recipe: Recipe
    localizations: pd.DataFrame
    tracks: pd.DataFrame
    geometry: dict[str, Any]
    ndim: int


def movie_problem(layer: Image) -> str:
    """Say why an image layer is no movie that can be tracked, or return an empty string."""
    if layer.rgb:
        return (
            f"'{layer.name}' is a colour (RGB) image. Tracking needs one channel: right-click the "
            "layer and choose 'Split RGB', then choose one of its channels."
        )
    if layer.ndim < 3:
        return (
            f"'{layer.name}' is a single picture. Tracking needs a movie: frames along the first "
            "axis. Open the files as a stack (File → Open Files as Stack)."
        )
    if layer.ndim > 4:
        return (
            f"'{layer.name}' has {layer.ndim} axes. Tracking needs time, (z), y and x: right-click "
            "the layer and choose 'Split Stack' to separate channels or positions."
        )
    shape = _array_of(layer).shape
    if shape[0] < 2:
        return f"'{layer.name}' has a single frame along its first axis, so nothing moves in it."
    return ""


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
        self.calibration_form = CalibrationForm()
        self.recipe_form = ParameterForm(
            Recipe, skip=("calibration", "analysis", "filters"), unfolded=("detector", "linker")
        )
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
        layout.addWidget(self.recipe_form)
        layout.addWidget(self.show_localizations)
        self.layer_changed(self.layer_choice.layer)
        self.refresh()

    def missing(self) -> str:
        """Say what is missing before particles can be tracked."""
        if self.layer_choice.layer is None:
            return "Open a movie first, or a sample: File → Open Sample → Perrin."
        return movie_problem(self.layer_choice.layer)

    def layer_changed(self, layer: Image | None) -> None:
        """Fill in the calibration of another movie."""
        if layer is not None:
            self.calibration_form.show_finding(find_calibration(layer))

    def recipe(self) -> Recipe:
        """Return the recipe that the form describes; raises :class:`perrin.InputError`."""
        recipe = self.recipe_form.parameters()
        return recipe.model_copy(update={"calibration": self.calibration_form.calibration()})

    def prepare(self) -> Callable[[Progress], _Found]:
        """Collect the movie and the recipe."""
        layer, recipe = self.layer_choice.layer, self.recipe()
        if problem := self.missing():
            raise InputError(problem)
        array, name, ndim = _array_of(layer), layer.name, layer.ndim
        geometry = {key: getattr(layer, key) for key in _GEOMETRY}

        def work(progress: Progress) -> _Found:
            movie = as_movie(array, recipe.calibration, name)
            localizations, tracks = find_tracks(movie, recipe, progress=progress)
            return _Found(movie, recipe, localizations, tracks, geometry, ndim)

        return work

    def accept(self, result: _Found) -> str:
        """Add the tracks, and if wanted the localizations, as new layers."""
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
        self.session.add_tracks(layer, result.movie, result.localizations, result.recipe)
        n_tracks = result.tracks["particle"].nunique()
        return (
            f"{n_tracks} tracks from {len(result.localizations)} localizations "
            f"in {result.movie.n_frames} frames."
        )

    def _add(self, data: tuple[Any, dict[str, Any], str]) -> Any:
        return self.viewer.add_layer(Layer.create(*data))


def _array_of(layer: Image) -> Any:
    return layer.data[0] if layer.multiscale else layer.data
