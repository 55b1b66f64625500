"""Tracks in and out: tables with a calibration, TrackMate XML and GEFF."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from perrin.errors import InputError
from perrin.io._atomic import atomic_folder, atomic_write
from perrin.io._tables import check_file, read_table, write_table
from perrin.io._trackmate import read_trackmate_csv, read_trackmate_xml
from perrin.io._trackmate_writing import write_trackmate
from perrin.tracks import Calibration, validate_tracks, without_flat_z

__all__ = ["read_tracks", "with_calibration", "write_tracks"]

_CALIBRATION_COLUMNS = ("pixel_size", "frame_interval", "z_step", "exposure")
_STANDARD = ("particle", "frame", "z", "y", "x")


def read_tracks(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read tracks from CSV, Parquet, TrackMate XML or GEFF.

    Parameters
    ----------
    path
        ``.csv``, ``.tsv`` or ``.txt``
            One row per localization with the columns ``particle``, ``frame``, ``y``, ``x`` (and
            ``z``) in pixels, as trackpy makes them; comma, semicolon or tab between them.
            ``trajectory``, ``track_id`` and the like are understood as ``particle``, and capitals
            do not matter. TrackMate's "Spots" table is understood too.
        ``.parquet``
            The same columns (needs pyarrow).
        ``.xml``
            TrackMate's own file or its "Export tracks to XML file".
        ``.geff``
            A folder in the graph exchange file format (needs geff).

    Returns
    -------
    pandas.DataFrame
        As :func:`perrin.validate_tracks` returns it, without ``z`` where it is the same
        everywhere, as many programs write it of movies in 2D (a GEFF file of Perrin's own keeps
        it). ``attrs["calibration"]`` is a :class:`perrin.Calibration` if the file states one.

    Raises
    ------
    InputError
        If the file cannot be read or is no track table. The message names the column, the row (for
        CSV, as a spreadsheet counts them: the header is row 1) and the remedy.

    Notes
    -----
    A calibration is kept in the constant columns ``pixel_size`` (µm), ``frame_interval`` (s), and
    where known ``z_step`` (µm) and ``exposure`` (share of the frame interval), which
    :func:`write_tracks` adds and this function takes out again.
    TrackMate works in physical units: from its own files positions are converted to pixels. Its
    exports do not say the pixel size, so that one length unit is taken as one pixel.
    """
    path = Path(path)
    calibration: Calibration | None
    suffix = path.suffix.lower()
    if suffix != ".geff" or not path.is_dir():
        check_file(path)
    if suffix == ".geff":
        tracks, calibration = _geff(path).read_geff(path)
    elif suffix == ".xml":
        tracks, calibration = read_trackmate_xml(path)
    else:
        table = read_table(path)
        if {"TRACK_ID", "POSITION_X"} <= set(table.columns):
            tracks, calibration = read_trackmate_csv(table, path.name)
        else:
            tracks, calibration = _take_calibration(_standard_names(table), path.name)
    tracks = validate_tracks(tracks, source=path.name)
    if suffix != ".geff":  # which says itself whether it is of Perrin, and flat on purpose
        tracks = without_flat_z(tracks)
    if calibration is not None and calibration != Calibration():
        tracks.attrs["calibration"] = calibration
    return tracks


def write_tracks(
    tracks: pd.DataFrame, path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Check a track table and write it as CSV, Parquet, TrackMate XML or GEFF, by suffix.

    The calibration in ``tracks.attrs["calibration"]``, if any, goes along, so that the file stands
    alone; see :func:`read_tracks`. In CSV and Parquet positions stay in pixels, and the calibration
    is constant columns. TrackMate XML is in µm and s, keeps of further columns ``quality`` and
    ``radius``, and has no tracks of a single localization. GEFF keeps everything: pixels and
    frames, with the calibration as the scale of the axes.

    Raises
    ------
    InputError
        If the table is no track table or holds no tracks, the file's suffix is unknown, or a
        package is missing.
    OutputError
        If the file exists or cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    calibration = tracks.attrs.get("calibration")
    checked = validate_tracks(tracks)
    if calibration is not None:
        checked.attrs["calibration"] = calibration
    if suffix not in (".xml", ".geff"):
        return write_table(with_calibration(checked), path, overwrite=overwrite)
    if checked.empty:
        raise InputError(f"There are no tracks to write to {path.name}.")
    if suffix == ".xml":
        with atomic_write(path, overwrite=overwrite) as temporary:
            write_trackmate(checked, temporary)
    else:
        geff = _geff(path)
        with atomic_folder(path, overwrite=overwrite) as temporary:
            geff.write_geff(checked, temporary)
    return path


def _geff(path: Path) -> Any:
    try:
        from perrin.io import _geff as module
    except ImportError:
        raise InputError(
            f"{path.name}: GEFF needs one more package; install it with "
            "'pip install napari-perrin[geff]', or use CSV."
        ) from None
    return module


def with_calibration(tracks: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its calibration as constant columns at the end."""
    calibration = tracks.attrs.get("calibration")
    if calibration is None:
        return tracks
    default = Calibration()
    values = {
        name: getattr(calibration, name)
        for name in _CALIBRATION_COLUMNS
        if getattr(calibration, name) != getattr(default, name)
    }
    return tracks.assign(**values)


def _standard_names(table: pd.DataFrame) -> pd.DataFrame:
    """Put ``X``, ``Frame``, ... in lower case where that makes them columns that we know."""
    renames: dict[Any, str] = {}
    for name in table.columns:
        lower = str(name).lower()
        if lower in _STANDARD and lower not in table.columns and lower not in renames.values():
            renames[name] = lower
    return table.rename(columns=renames)


def _take_calibration(table: pd.DataFrame, name: str) -> tuple[pd.DataFrame, Calibration | None]:
    present = [column for column in _CALIBRATION_COLUMNS if column in table.columns]
    if not present or table.empty:
        return table, None
    values: dict[str, Any] = {}
    for column in present:
        numbers = pd.to_numeric(table[column], errors="coerce").unique()
        numbers = numbers[~np.isnan(numbers)]
        if len(numbers) > 1:
            raise InputError(
                f"{name} has different values in column '{column}' ({numbers[0]:g}, "
                f"{numbers[1]:g}, ...). A table holds one recording; split it."
            )
        if len(numbers) == 1:
            values[column] = float(numbers[0])
    return table.drop(columns=present), Calibration.checked(**values)
