"""Several results written together: all of them or none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from perrin.errors import InputError
from perrin.io._atomic import atomic_files
from perrin.io._tables import check_suffix, write_frame

if TYPE_CHECKING:
    from perrin.analysis import Analysis

__all__ = ["ANALYSIS_TABLES", "write_analysis", "write_together"]

ANALYSIS_TABLES = ("per_track", "per_frame", "switches")


def write_analysis(
    analysis: Analysis, folder: str | os.PathLike[str], *, overwrite: bool = False
) -> list[Path]:
    """Write ``per_track.csv``, ``per_frame.csv`` and ``switches.csv`` into a folder.

    Parameters
    ----------
    analysis
        What :func:`perrin.analyze` returned. Its tables are written as they are, in its units.
    folder
        Made if it does not exist.
    overwrite
        Whether files of these names may be replaced.

    Returns
    -------
    list of pathlib.Path
        The three files.

    Raises
    ------
    OutputError
        If a file exists or cannot be written; then none of the three was written or changed.
    """
    tables = {f"{name}.csv": getattr(analysis, name) for name in ANALYSIS_TABLES}
    return write_together(tables, folder, overwrite=overwrite)


def write_together(
    files: Mapping[str, pd.DataFrame | str | bytes],
    folder: str | os.PathLike[str],
    *,
    overwrite: bool = False,
) -> list[Path]:
    """Write tables, texts and pictures into a folder, all of them or none.

    Parameters
    ----------
    files
        What to write under which name: a table (CSV or Parquet, by suffix), a text, or bytes as
        they are.
    folder
        Made if it does not exist.
    overwrite
        Whether files of these names may be replaced.

    Returns
    -------
    list of pathlib.Path
        The files, in the order given.

    Raises
    ------
    InputError
        If a table's suffix is unknown.
    OutputError
        If a file exists or cannot be written; nothing was changed.
    """
    if not files:
        raise InputError("There is nothing to write.")
    paths = [Path(folder) / name for name in files]
    for path, content in zip(paths, files.values(), strict=True):
        if isinstance(content, pd.DataFrame):
            check_suffix(path)
    with atomic_files(paths, overwrite=overwrite, make_folders=True) as temporaries:
        for temporary, content in zip(temporaries, files.values(), strict=True):
            if isinstance(content, str):
                temporary.write_text(content, encoding="utf-8", newline="\n")
            elif isinstance(content, bytes):
                temporary.write_bytes(content)
            else:
                write_frame(content, temporary)
    return paths
