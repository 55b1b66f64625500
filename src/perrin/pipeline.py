"""The recipe, and the way from a movie to tracks and their analysis."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

import yaml
from pydantic import Field

import perrin
from perrin.analysis import Analysis, AnalysisParameters, analyze
from perrin.curation import CuratedTracks, Curation, curate, with_notes
from perrin.errors import InputError, Progress
from perrin.filters import NO_FILTERS, TrackFilters
from perrin.io import Checkpoint, Movie, as_movie
from perrin.linking import DriftCorrection, Linker, MotionLinker, correct_drift, link
from perrin.localization import Detector, TrackpyDetector, localize
from perrin.parameters import Parameters
from perrin.results import TableFormat, save_results
from perrin.tracks import Calibration

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FINDING_STEPS", "Found", "Recipe", "Result", "analyze_curated", "find_tracks", "run",
    "track_movie",
]  # fmt: skip

RECIPE_VERSION = 1
_SAME = 0.01  # relative difference of calibrations that is rounding
FINDING_STEPS = ("detector", "linker", "drift")
"""The steps that make tracks of a movie; a recipe leaves them out where they were not done."""


class Recipe(Parameters):
    """Every parameter of every step, from a movie to its analysis.

    The same recipe gives the same result in the window, on the command line and in Python.
    """

    version: Literal[1] = Field(default=1, description="Version of the recipe's format.")
    calibration: Calibration = Field(
        default=Calibration(),
        title="Calibration",
        description="Pixel size and frame interval; what is empty is taken from the movie's file.",
    )
    detector: Detector = Field(
        default=TrackpyDetector(),
        title="Localize",
        description="How spots are found in a frame.",
    )
    linker: Linker = Field(
        default=MotionLinker(), title="Link", description="How spots become tracks."
    )
    drift: DriftCorrection = Field(
        default=DriftCorrection(),
        title="Drift",
        description="Whether and how drift of the sample is removed.",
    )
    analysis: AnalysisParameters = Field(
        default=AnalysisParameters(), title="Analyze", description="How tracks are analysed."
    )
    filters: TrackFilters = Field(
        default=TrackFilters(), title="Filter", description="Which tracks count in the end."
    )

    @classmethod
    def checked(cls, **values: Any) -> Self:
        """Build the recipe, turning what is wrong with it into one :class:`InputError`."""
        version = values.get("version", RECIPE_VERSION)
        if version != RECIPE_VERSION:
            raise InputError(
                f"This recipe has the version {version!r}; Perrin {perrin.__version__} reads "
                f"version {RECIPE_VERSION}. Use the Perrin that wrote it, or a newer one."
            )
        return super().checked(**values)

    def to_yaml(self, *, comment: str = "", leave_out: Collection[str] = ()) -> str:
        """Write the recipe as YAML text with every field of every step.

        Parameters
        ----------
        comment
            Where it comes from, for the first line.
        leave_out
            Steps that were not done; whoever reads the file gets their defaults.
        """
        values = self.model_dump(mode="json", exclude=set(leave_out))
        first = ", ".join(
            part for part in (f"Recipe of Perrin {perrin.__version__}", comment) if part
        )
        return f"# {first}\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True)}"

    def with_values(self, changes: Mapping[str, Mapping[str, Any]]) -> Self:
        """Return a recipe with some fields of some steps changed.

        Parameters
        ----------
        changes
            For each step, its new values: ``{"linker": {"search_range": 7}}``.

        Raises
        ------
        InputError
            If a step, a field or a value does not exist or is not allowed.
        """
        values: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        for step, fields in changes.items():
            before = getattr(self, step, None)
            # What was left to its default stays so: such a calibration gives way to the file's.
            kept = before.model_dump(exclude_unset=True) if isinstance(before, Parameters) else {}
            kind = getattr(before, "kind", None)
            if fields.get("kind", kind) != kind:
                kept = {}  # of another kind, with other fields
            values[step] = {**({"kind": kind} if kind else {}), **kept, **fields}
        return type(self).checked(**values)

    def calibrated(self, own: Calibration | None) -> Self:
        """Return the recipe with the empty fields of its calibration filled in.

        Parameters
        ----------
        own
            What the movie or the track table says of itself.
        """
        if own is None:
            return self
        stated = {
            name: value
            for name in self.calibration.model_fields_set
            if (value := getattr(self.calibration, name)) is not None
        }
        return self.model_copy(update={"calibration": own.model_copy(update=stated)})

    def overruled(self, own: Calibration | None, name: str) -> tuple[str, ...]:
        """Say where :meth:`calibrated` puts the recipe before what a file says of itself.

        Parameters
        ----------
        own
            What the movie or the track table says of itself.
        name
            How to call the file.

        Returns
        -------
        tuple of str
            A sentence for each value that differs by more than 1 %.
        """
        notes = []
        for field in self.calibration.model_fields_set & (own or Calibration()).model_fields_set:
            given, said = getattr(self.calibration, field), getattr(own, field)
            if given is None or said is None or math.isclose(given, said, rel_tol=_SAME):
                continue
            info = Calibration.model_fields[field]
            extra = info.json_schema_extra
            unit = f" {extra['unit']}" if isinstance(extra, dict) and "unit" in extra else ""
            what = (info.title or field).lower()
            notes.append(
                f"The {what} that was given, {given:.4g}{unit}, goes before the {said:.4g}{unit} "
                f"that {name} states."
            )
        return tuple(sorted(notes))


@dataclass(frozen=True)
class Result:
    """What became of a movie.

    Attributes
    ----------
    tracks
        The track table, in pixels and frames.
    localizations
        Every spot that was found, linked or not, in pixels and frames.
    analysis
        The analysis of the tracks, in physical units where they are known.
    recipe
        The recipe that made it, with the calibration that was used.
    curation
        What was done to the tracks by hand, if anything.
    uncurated
        The track table before that.
    """

    tracks: pd.DataFrame
    localizations: pd.DataFrame
    analysis: Analysis
    recipe: Recipe
    curation: Curation | None = None
    uncurated: pd.DataFrame | None = None

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        table_format: TableFormat = "csv",
    ) -> list[Path]:
        """Write the tables and ``recipe.yaml`` into a folder, all of them or none.

        See :func:`perrin.results.save_results`, which does it, for the files and the errors.
        """
        return save_results(
            folder,
            recipe=self.recipe.to_yaml(),
            tracks=self.tracks,
            analysis=self.analysis,
            curation=self.curation,
            uncurated=self.uncurated,
            overwrite=overwrite,
            table_format=table_format,
        )


class Found(NamedTuple):
    """What :func:`find_tracks` returns: every spot, linked or not, and the tracks."""

    localizations: pd.DataFrame
    tracks: pd.DataFrame


def find_tracks(
    movie: Movie | Any,
    recipe: Recipe | None = None,
    *,
    device: str = "auto",
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> Found:
    """Do what :func:`track_movie` does, and return the localizations beside the tracks."""
    movie, recipe = _calibrated(movie, recipe)
    localizations = localize(
        movie, recipe.detector, device=device, progress=progress, checkpoint=checkpoint
    )
    tracks = link(localizations, recipe.linker, progress=progress)
    tracks = correct_drift(tracks, recipe.drift, movie, progress=progress)
    tracks.attrs["calibration"] = recipe.calibration
    return Found(localizations, tracks)


def track_movie(
    movie: Movie | Any,
    recipe: Recipe | None = None,
    *,
    device: str = "auto",
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> pd.DataFrame:
    """Localize particles in a movie, link them to tracks, and remove drift.

    Parameters
    ----------
    movie
        A :class:`~perrin.io.Movie`, or an array ``(T, Y, X)`` or ``(T, Z, Y, X)``: numpy, dask,
        Zarr. Only a part of it is in memory at any time.
    recipe
        Parameters of each step; the defaults if not given.
    device
        Where the detector runs: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    progress
        Called as ``progress(what, done, total)``; may raise :class:`~perrin.Cancelled`.
    checkpoint
        Where spots are kept while the movie is localized, so that work that was stopped goes on.

    Returns
    -------
    pandas.DataFrame
        The track table, in pixels and frames; the calibration is in its
        ``attrs["calibration"]``.

    Raises
    ------
    InputError
        If the movie or a parameter cannot be used.
    """
    return find_tracks(
        movie, recipe, device=device, progress=progress, checkpoint=checkpoint
    ).tracks


def run(
    movie: Movie | Any,
    recipe: Recipe | None = None,
    *,
    curation: Curation | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> Result:
    """Track a movie and analyse its tracks.

    Parameters
    ----------
    movie
        A :class:`~perrin.io.Movie`, or an array ``(T, Y, X)`` or ``(T, Z, Y, X)``: numpy, dask,
        Zarr. Only a part of it is in memory at any time.
    recipe
        Parameters of each step; the defaults if not given. Its calibration goes before that of
        the movie, field by field.
    curation
        What was done by hand to the tracks that the same recipe found in the same movie before.
    device
        Where networks and detector run: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    progress
        Called as ``progress(what, done, total)``; may raise :class:`~perrin.Cancelled`.
    checkpoint
        Where spots are kept while the movie is localized, so that work that was stopped goes on.

    Raises
    ------
    InputError
        If the movie or a parameter cannot be used.
    """
    movie, recipe = _calibrated(movie, recipe)
    localizations, tracks = find_tracks(
        movie, recipe, device=device, progress=progress, checkpoint=checkpoint
    )
    curated, analysis = analyze_curated(tracks, recipe, curation, device=device, progress=progress)
    if curation is None:
        return Result(tracks, localizations, analysis, recipe)
    return Result(curated.table(), localizations, analysis, recipe, curation, tracks)


def analyze_curated(
    tracks: pd.DataFrame,
    recipe: Recipe,
    curation: Curation | None = None,
    *,
    device: str = "auto",
    progress: Progress | None = None,
) -> tuple[CuratedTracks, Analysis]:
    """Analyse tracks as a recipe says, after what was done to them by hand.

    Parameters
    ----------
    tracks
        The track table that the curation was made on.
    recipe
        Its calibration, analysis and filters count here.
    curation
        What was done by hand.
    device, progress
        As for :func:`perrin.analyze`.

    Returns
    -------
    tracks : CuratedTracks
    analysis : Analysis
        With filters or a curation, ``per_track`` has the columns that
        :func:`perrin.curation.with_notes` adds.

    Raises
    ------
    InputError
        If the tracks cannot be used, or the curation was made on others.
    """
    curated = (
        CuratedTracks.of(tracks, recipe.filters)
        if curation is None
        else curate(tracks, curation, recipe.filters)
    )
    analysis = analyze(
        tracks if curation is None else curated.table(),
        recipe.calibration,
        device=device,
        parameters=recipe.analysis,
        progress=progress,
    )
    if curation is not None or recipe.filters != NO_FILTERS:
        analysis = with_notes(analysis, curated)
    return curated, analysis


def _calibrated(movie: Movie | Any, recipe: Recipe | None) -> tuple[Movie, Recipe]:
    """Give movie and recipe the one calibration that the work is done with."""
    movie = as_movie(movie)
    recipe = (recipe or Recipe()).calibrated(movie.calibration)
    return as_movie(movie, recipe.calibration), recipe
