"""Tables of a benchmark and their plots as files of one folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from perrin.engine.benchmarks.plots import PLOTS, as_png
from perrin.io import write_together
from perrin.results import check_files

__all__ = ["check_tables", "save"]


def check_tables(folder: Path, names: Sequence[str], *, overwrite: bool = False) -> None:
    """Make sure, before long work begins, that tables can be saved where they are wanted.

    Raises
    ------
    OutputError
        If they cannot.
    """
    check_files(folder, _files(names), overwrite=overwrite)


def save(
    tables: Mapping[str, pd.DataFrame], folder: Path, *, overwrite: bool = False
) -> list[Path]:
    """Write every table and its plot into a folder, all of them or none.

    Parameters
    ----------
    tables
        What a benchmark returned.
    folder
        Made if it does not exist.
    overwrite
        Whether earlier results may be replaced.

    Raises
    ------
    OutputError
        If a file exists or cannot be written; nothing was changed.
    """
    files: dict[str, pd.DataFrame | bytes] = {}
    for name, table in tables.items():
        files[f"{name}.csv"] = table
        if name in PLOTS:
            files[f"{name}.png"] = as_png(PLOTS[name](table))
    return write_together(files, folder, overwrite=overwrite)


def _files(names: Sequence[str]) -> list[str]:
    return [f"{name}.csv" for name in names] + [f"{name}.png" for name in names if name in PLOTS]
