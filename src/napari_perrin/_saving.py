"""Analyses of the window as folders of results, saved and opened again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from napari.layers import Image, Layer, Tracks

from napari_perrin._calibration import METADATA_KEY, layer_geometry
from napari_perrin._layers import table_of_layer, tracks_layer_data
from napari_perrin._movie_layer import geometry_of
from napari_perrin._samples import open_sample
from napari_perrin._session import Record, Session
from napari_perrin.curate._curator import Curator, noted_by
from napari_perrin.curate._edited import mark_edited, show_analysis
from perrin.errors import InputError
from perrin.pipeline import FINDING_STEPS, Recipe
from perrin.quantities import MODEL
from perrin.results import Source, save_results
from perrin.saved import Saved, open_saved

__all__ = ["open_analysis", "save_analysis"]


def save_analysis(
    session: Session, layer: Tracks, folder: str, *, overwrite: bool = False
) -> list[Path]:
    """Write tracks, tables, recipe, and what was done by hand into a folder, or nothing.

    Parameters
    ----------
    session
        What is known of the layer.
    layer
        The Tracks layer.
    folder
        Made if it does not exist.
    overwrite
        Whether earlier results may be replaced.

    Raises
    ------
    InputError
        If nothing was done yet that could be saved, or tracks are not analysed any more.
    OutputError
        If the folder holds earlier results, or cannot be written to.
    """
    record, curator = session.record(layer), Curator.of(session.viewer)
    if record.analysis is None and record.history is None:
        raise InputError("There is no analysis to save yet: analyze tracks first.")
    if curator.is_busy:
        raise InputError("Tracks that were edited are being analysed anew; save once that is done.")
    if n_lacking := curator.not_analysed(layer):
        raise InputError(
            f"{n_lacking} tracks are not analysed, since that failed after an edit or they came "
            "from elsewhere. Edit or undo something, and it is tried again, or analyze all tracks "
            "anew; then save."
        )
    recipe = (record.recipe or Recipe()).model_copy(update={"filters": curator.filters(layer)})
    curation = None if record.history is None else curator.history(layer).curation
    curated = curation is not None and bool(curation.operations)
    source = _source(record, layer)
    paths = save_results(
        folder,
        # How tracks of unknown origin were found is left out of the recipe.
        recipe=recipe.to_yaml(
            comment=f"made in napari from {layer.name}",
            leave_out=() if record.movie or source.movie or source.sample else FINDING_STEPS,
        ),
        tracks=table_of_layer(layer),
        analysis=None if record.analysis is None else curator.noted(layer, record.analysis),
        curation=curation if curated else None,
        uncurated=curator.history(layer).now.original if curated else None,
        source=source,
        overwrite=overwrite,
    )
    record.unsaved = False
    return paths


def open_analysis(viewer: Any, folder: str) -> tuple[Tracks, Saved]:
    """Show what a folder of results holds: the movie, the tracks, and all that was found and done.

    Returns
    -------
    layer : Tracks
    saved : Saved
        Its ``missing`` says what the folder does not hold, or what could not be opened.

    Raises
    ------
    InputError
        If the folder holds no tracks, or tables that cannot be used; nothing is opened then.
    """
    saved = open_saved(folder)
    analysis = None if saved.analysis is None else noted_by(saved.history, saved.analysis)
    session = Session.of(viewer)
    viewer = session.viewer
    image, problem = _image(viewer, saved)
    saved = replace(saved, missing=(*saved.missing, *problem))
    table, calibration = saved.history.now.table(), saved.recipe.calibration
    flat = image is not None and image.ndim not in (3, 4)
    beneath = None if flat else image
    data = tracks_layer_data(
        table,
        name=saved.source.layer or f"{Path(folder).name} tracks",
        calibration=calibration,
        geometry=None if beneath is None else geometry_of(beneath),
        ndim=None if beneath is None else beneath.ndim,
    )
    layer: Tracks = viewer.add_layer(Layer.create(*data))
    record = session.record(layer)
    record.source, record.recipe = saved.source, saved.recipe
    curator = Curator.of(viewer)
    curator.open(layer, saved.history)
    if analysis is not None:
        show_analysis(layer, table, analysis)
        curator.add_analysis(layer, analysis, saved.recipe)
        wanted = saved.source.color_by or MODEL
        layer.color_by = wanted if wanted in layer.features else MODEL
    mark_edited(layer, bool(saved.history.curation.operations))
    record.unsaved = False
    session.current = layer
    return layer, saved


def _source(record: Record, layer: Tracks) -> Source:
    known = record.source or Source()
    seen: dict[str, str | None] = {"layer": layer.name, "color_by": str(layer.color_by)}
    if layer.source.path is not None:
        seen["tracks"] = layer.source.path
    return known.model_copy(update=seen)


def _image(viewer: Any, saved: Saved) -> tuple[Image | None, tuple[str, ...]]:
    """Return the movie, opened if it is not in the window yet, or sentences about why not."""
    sample = saved.source.sample
    path = None if saved.movie is None else str(saved.movie)
    for layer in viewer.layers:
        noted = layer.metadata.get(METADATA_KEY, {})
        same = path is not None and layer.source.path == path
        if isinstance(layer, Image) and (same or (sample and noted.get("sample") == sample)):
            return layer, ()
    if sample is not None:
        (data,) = open_sample(sample)
        return viewer.add_layer(Layer.create(*data)), ()
    if path is None:
        return None, ()
    try:
        opened = viewer.open(path)
    except Exception as error:
        # Whatever the readers of others raise: the tracks can be shown without the movie.
        return None, (f"The movie {path} could not be opened: {error}",)
    images = [x for x in opened if isinstance(x, Image)]
    for image in images:
        if image.ndim in (3, 4) and not image.rgb:
            for name, value in layer_geometry(saved.recipe.calibration, image.ndim).items():
                setattr(image, name, value)
    return next(iter(images), None), ()
