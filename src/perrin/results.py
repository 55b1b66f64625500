"""A folder of results: which files it holds, and how they get there, all of them or none."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from perrin.errors import InputError, OutputError
from perrin.io import ANALYSIS_TABLES, probe_files, with_calibration, write_together
from perrin.parameters import Parameters

if TYPE_CHECKING:
    import pandas as pd

    from perrin.analysis import Analysis
    from perrin.curation import Curation

__all__ = [
    "ANALYSIS_TABLES",
    "CURATION_FILE",
    "OVERVIEW_FIGURE",
    "RECIPE_FILE",
    "SOURCE_FILE",
    "TRACKS_TABLE",
    "UNCURATED_TABLE",
    "Source",
    "TableFormat",
    "check_files",
    "check_folder",
    "recipe_beside",
    "save_results",
    "source_of_tracks",
]

TRACKS_TABLE = "tracks"
UNCURATED_TABLE = "tracks_uncurated"
CURATION_FILE = "curation.yaml"
SOURCE_FILE = "source.yaml"
OVERVIEW_FIGURE = "overview.png"
RECIPE_FILE = "recipe.yaml"

TableFormat = Literal["csv", "parquet"]
"""How tables are written; Parquet needs the extra ``napari-perrin[parquet]``."""
_FORMATS: tuple[TableFormat, ...] = ("csv", "parquet")


class Source(Parameters):
    """Where results came from, and how they were looked at: what opening them again needs."""

    version: Literal[1] = Field(default=1, description="Version of the file's format.")
    movie: str | None = Field(default=None, description="The file of the movie.")
    sample: str | None = Field(default=None, description="The sample that the movie is.")
    tracks: str | None = Field(default=None, description="The file of tracks made elsewhere.")
    layer: str | None = Field(default=None, description="Name of the layer in the window.")
    color_by: str | None = Field(default=None, description="What the layer was coloured by.")


def check_folder(
    folder: str | os.PathLike[str],
    *,
    tracks: bool = True,
    analysis: bool = True,
    overwrite: bool = False,
) -> None:
    """Make sure, before long work begins, that its results can be saved where they are wanted.

    Parameters
    ----------
    folder
        Where :func:`save_results` will write; it need not exist.
    tracks, analysis
        Whether there will be a track table, and the tables of an analysis.
    overwrite
        Whether earlier results may be replaced.

    Raises
    ------
    OutputError
        If the folder holds earlier results (and ``overwrite`` is false) or cannot be written to.
        The message names the folder.
    """
    check_files(
        folder,
        [path.name for path in _earlier(Path(folder), tracks, analysis)],
        overwrite=overwrite,
    )


def check_files(
    folder: str | os.PathLike[str], names: Sequence[str], *, overwrite: bool = False
) -> None:
    """Make sure that files of these names can be written into a folder.

    Parameters
    ----------
    folder
        It need not exist.
    names
        What will be written there.
    overwrite
        Whether earlier files of these names may be replaced.

    Raises
    ------
    OutputError
        As :func:`check_folder` does.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; choose a folder for the results.")
    existing = [name for name in names if os.path.lexists(folder / name)]
    if existing and not overwrite:
        raise OutputError(
            f"The folder {folder} holds earlier results ({', '.join(existing)}), which were left "
            "as they are. Choose another folder, or allow overwriting (on the command line: "
            "--overwrite)."
        )
    # Two files, so that an error speaks of the folder and not of a file that nobody asked for.
    trials = [folder / ".perrin-trial-1", folder / ".perrin-trial-2"]
    probe_files(trials, overwrite=True, make_folders=True)


def save_results(
    folder: str | os.PathLike[str],
    *,
    recipe: str,
    tracks: pd.DataFrame | None = None,
    analysis: Analysis | None = None,
    curation: Curation | None = None,
    uncurated: pd.DataFrame | None = None,
    source: Source | None = None,
    overwrite: bool = False,
    table_format: TableFormat = "csv",
) -> list[Path]:
    """Write result tables and the recipe that made them: all of them, or nothing.

    Parameters
    ----------
    folder
        Where to; made if it does not exist.
    recipe
        Text of ``recipe.yaml``.
    tracks
        The track table, in pixels and frames, as ``tracks.csv``.
    analysis
        Its tables, as ``per_track.csv``, ``per_frame.csv`` and ``switches.csv``, and what they say
        of all tracks together, as ``overview.png``.
    curation
        What was done to the tracks by hand, as ``curation.yaml``.
    uncurated
        The track table before that, as ``tracks_uncurated.csv``.
    source
        Where it all came from, as ``source.yaml``.
    overwrite
        Whether earlier results may be replaced. Tables of an earlier analysis that new tracks
        make outdated are removed; other files in the folder are never touched.
    table_format
        ``"csv"`` or ``"parquet"``.

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    OutputError
        If the folder holds earlier results (and ``overwrite`` is false) or cannot be written to,
        or the disk is full. Nothing that was there has then been changed.
    """
    folder = Path(folder)
    if table_format not in _FORMATS:
        raise InputError(f"Tables are written as 'csv' or 'parquet', not {table_format!r}.")
    check_folder(
        folder, tracks=tracks is not None, analysis=analysis is not None, overwrite=overwrite
    )
    outdated = _earlier(folder, tracks is not None, analysis is not None)
    files: dict[str, pd.DataFrame | str | bytes] = {}
    if tracks is not None:
        files[f"{TRACKS_TABLE}.{table_format}"] = with_calibration(tracks)
    if analysis is not None:
        files |= {f"{name}.{table_format}": getattr(analysis, name) for name in ANALYSIS_TABLES}
        files[OVERVIEW_FIGURE] = _overview(analysis, tracks)
    if curation is not None:
        files[CURATION_FILE] = curation.to_yaml()
    if uncurated is not None:
        files[f"{UNCURATED_TABLE}.{table_format}"] = with_calibration(uncurated)
    if source is not None:
        files[SOURCE_FILE] = source.to_yaml()
    paths = write_together({**files, RECIPE_FILE: recipe}, folder, overwrite=overwrite)
    for path in outdated:
        if path not in paths:
            path.unlink(missing_ok=True)
    return paths


def recipe_beside(table: str | os.PathLike[str]) -> Path | None:
    """Find the recipe that Perrin saved beside a result table, if there is one."""
    path = Path(table)
    beside = path.parent / RECIPE_FILE
    return beside if path.stem in (TRACKS_TABLE, UNCURATED_TABLE) and beside.is_file() else None


def source_of_tracks(table: str | os.PathLike[str]) -> Source:
    """Return where a track table came from: the file itself, and what Perrin saved beside it."""
    path = Path(table).resolve()
    beside = path.parent / SOURCE_FILE
    known = Source.read(beside) if beside.is_file() else Source()
    return known.model_copy(update={"tracks": str(path)})


def _earlier(folder: Path, tracks: bool, analysis: bool) -> list[Path]:
    """List earlier results that new ones would replace or make outdated."""
    names: Sequence[str] = (TRACKS_TABLE, UNCURATED_TABLE) if tracks else ()
    # New tracks leave nothing of an earlier analysis true.
    names = [*names, *(ANALYSIS_TABLES if analysis or tracks else ())]
    files = [f"{name}.{suffix}" for name in names for suffix in _FORMATS]
    files += [OVERVIEW_FIGURE] if analysis or tracks else []
    files += [CURATION_FILE] if tracks else []
    files += [SOURCE_FILE, RECIPE_FILE]
    return [folder / name for name in files if os.path.lexists(folder / name)]


def _overview(analysis: Analysis, tracks: pd.DataFrame | None) -> bytes:
    from perrin.curation import only_kept
    from perrin.population import population_states
    from perrin.population_figure import population_figure

    analysis, tracks = only_kept(analysis, tracks)
    try:
        states = population_states(analysis)
    except InputError:
        # Too few tracks for states; everything else can be drawn.
        states = None
    picture = io.BytesIO()
    population_figure(analysis, tracks=tracks, states=states).savefig(picture, format="png")
    return picture.getvalue()
