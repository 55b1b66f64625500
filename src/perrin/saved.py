"""A folder of results, opened again: tracks, analysis, recipe, and what was done by hand."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from perrin.analysis import Analysis
from perrin.curation import Curation, History
from perrin.errors import InputError
from perrin.io import read_table, read_tracks
from perrin.pipeline import Recipe
from perrin.results import (
    ANALYSIS_TABLES,
    CURATION_FILE,
    RECIPE_FILE,
    SOURCE_FILE,
    TRACKS_TABLE,
    UNCURATED_TABLE,
    Source,
)
from perrin.summary import kept_rows

__all__ = ["Saved", "is_saved", "kept_beside", "open_saved"]

_SUFFIXES = (".csv", ".parquet")
_TEXTS = (
    "model", "diffusivity_by", "flags", "diffusivity_unit", "noise_unit", "verdict", "label",
    "motion", "method", "model_before", "model_after",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Saved:
    """What a folder of results holds.

    Attributes
    ----------
    folder
        The folder.
    history
        The tracks as they were, what was done to them by hand, and the filters.
    analysis
        The analysis of the tracks as they are, if it is there.
    recipe
        The recipe, with the calibration that was used.
    source
        Where it came from, and how it was looked at.
    movie
        The file of the movie, if it is still there.
    missing
        Sentences about what is not there.
    """

    folder: Path
    history: History
    analysis: Analysis | None
    recipe: Recipe
    source: Source
    movie: Path | None
    missing: tuple[str, ...]


def is_saved(folder: str | os.PathLike[str]) -> bool:
    """Say whether a folder looks like results of Perrin."""
    names = (TRACKS_TABLE, *ANALYSIS_TABLES)
    return Path(folder).is_dir() and any(_table(Path(folder), name) for name in names)


def open_saved(folder: str | os.PathLike[str]) -> Saved:
    """Read what ``perrin track``, ``analyze`` or ``run``, or the window, saved in a folder.

    Raises
    ------
    InputError
        If it holds no tracks and does not say where they are, or a file of it cannot be used.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}. Choose a folder of results.")
    if not is_saved(folder):
        raise InputError(
            f"The folder {folder} holds no results of Perrin: neither {TRACKS_TABLE}.csv nor "
            f"{', '.join(ANALYSIS_TABLES)}.csv. Choose the folder that results were saved in."
        )
    missing: list[str] = []
    source = Source.read(folder / SOURCE_FILE) if (folder / SOURCE_FILE).is_file() else Source()
    tracks = read_tracks(_tracks_file(folder, source))
    recipe = _recipe(folder, missing).calibrated(tracks.attrs.get("calibration"))
    history = _history(folder, tracks, recipe, missing)
    analysis = _analysis(folder, recipe, missing)
    if analysis is not None:
        _check_same(folder, history, analysis)
    movie = _movie(folder, source, missing)
    return Saved(folder, history, analysis, recipe, source, movie, tuple(missing))


def kept_beside(path: str | os.PathLike[str], tracks: pd.DataFrame) -> pd.DataFrame:
    """Leave out the tracks that the analysis beside a table says were rejected or filtered.

    Parameters
    ----------
    path
        Where the tracks were read from.
    tracks
        The track table; returned as it is unless it is Perrin's own ``tracks.csv`` beside a
        ``per_track.csv`` with a column ``kept``.

    Raises
    ------
    InputError
        If none is left.
    """
    path = Path(path)
    beside = _table(path.parent, ANALYSIS_TABLES[0])
    if path.stem != TRACKS_TABLE or beside is None:
        return tracks
    answers = read_table(beside)
    left_out = answers.drop(kept_rows(answers).index)
    counted = ~tracks["particle"].isin(left_out["particle"])
    if counted.all():
        return tracks
    if not counted.any():
        raise InputError(
            f"{beside} says that all tracks in {path.name} were rejected or filtered out."
        )
    return tracks[counted].reset_index(drop=True)


def _table(folder: Path, name: str) -> Path | None:
    files = (folder / f"{name}{suffix}" for suffix in _SUFFIXES)
    return next((file for file in files if file.is_file()), None)


def _tracks_file(folder: Path, source: Source) -> Path:
    here = _table(folder, UNCURATED_TABLE) or _table(folder, TRACKS_TABLE)
    if here is not None:
        return here
    elsewhere = _found(folder, source.tracks)
    if elsewhere is None:
        said = f", and {source.tracks}, which they were analysed from, is gone" * bool(
            source.tracks
        )
        raise InputError(
            f"The folder {folder} is incomplete: there is no {TRACKS_TABLE}.csv in it{said}. Put "
            f"the table of tracks there under the name {TRACKS_TABLE}.csv."
        )
    return elsewhere


def _recipe(folder: Path, missing: list[str]) -> Recipe:
    if (folder / RECIPE_FILE).is_file():
        return Recipe.read(folder / RECIPE_FILE)
    missing.append(f"{RECIPE_FILE} is not there, so that parameters are the defaults.")
    return Recipe()


def _history(folder: Path, tracks: pd.DataFrame, recipe: Recipe, missing: list[str]) -> History:
    if not (folder / CURATION_FILE).is_file():
        return History(tracks, recipe.filters)
    if _table(folder, UNCURATED_TABLE) is None:
        missing.append(
            f"{UNCURATED_TABLE}.csv is not there, so that the curation cannot be undone, and "
            "verdicts and labels are not known."
        )
        return History(tracks, recipe.filters)
    return History.replayed(tracks, Curation.read(folder / CURATION_FILE), recipe.filters)


def _analysis(folder: Path, recipe: Recipe, missing: list[str]) -> Analysis | None:
    files = {name: _table(folder, name) for name in ANALYSIS_TABLES}
    absent = [f"{name}.csv" for name, file in files.items() if file is None]
    if absent:
        missing.append(
            f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not there, so that there "
            "is no analysis yet: analyze the tracks."
        )
        return None
    tables = {name: _typed(read_table(file)) for name, file in files.items() if file is not None}
    return Analysis(**tables, calibration=recipe.calibration, parameters=recipe.analysis)


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Give columns of which a file holds nothing, or no row, the type they were made with."""
    table = table.reset_index(drop=True)
    for name in table:
        column = table[name]
        if name in _TEXTS:
            texts = ["" if name == "flags" and pd.isna(x) else None if pd.isna(x) else str(x)
                     for x in column]  # fmt: skip
            table[name] = pd.Series(texts, column.index, dtype="str")
        elif column.dtype == object:
            whole = name in ("particle", "frame", "frame_lo", "frame_hi")
            table[name] = column.astype("int64" if whole else "float64")
    return table


def _check_same(folder: Path, history: History, analysis: Analysis) -> None:
    rows = history.now.table()[["particle", "frame"]].reset_index(drop=True)
    if not rows.equals(analysis.per_frame[["particle", "frame"]].reset_index(drop=True)):
        raise InputError(
            f"The tables in {folder} do not belong together: per_frame.csv is of other tracks than "
            f"{TRACKS_TABLE}.csv. Analyze {TRACKS_TABLE}.csv again, into another folder."
        )


def _movie(folder: Path, source: Source, missing: list[str]) -> Path | None:
    found = _found(folder, source.movie)
    if found is None and source.sample is None:
        missing.append(
            "Which movie it was is not known."
            if source.movie is None
            else f"The movie {source.movie} is not there any more."
        )
    return found


def _found(folder: Path, name: str | None) -> Path | None:
    """Look for a source where it was, then beside the folder and in it: both may have moved."""
    if name is None:
        return None
    # Saved on another system, the name may have the other kind of slashes.
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    if not last:
        return None
    # What was saved may itself be a folder: OME-Zarr, GEFF.
    places = (Path(name), folder.parent / last, folder / last)
    return next((place for place in places if place.exists()), None)
