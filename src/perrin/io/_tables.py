"""Tables in and out: CSV and Parquet."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import pandas as pd

from perrin.errors import InputError
from perrin.io._atomic import atomic_write, probe_files

__all__ = [
    "check_file", "check_suffix", "check_table", "read_table", "write_frame", "write_table",
]  # fmt: skip

_TEXT = (".csv", ".tsv", ".txt")
_PARQUET = (".parquet", ".pq")
_COMMA_NUMBER = r"\s*[-+]?(\d+(,\d*)?|,\d+)([eE][-+]?\d+)?\s*"
# From 3.1 on, pandas reads every digit without being asked, and warns if it is.
_EXACT: dict[str, Any] = (
    {}
    if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1)
    else {"float_precision": "round_trip"}
)


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a CSV or Parquet table as it is.

    The separator (comma, semicolon, tab) is recognised, and so is a comma for the decimal point;
    rows of a CSV are indexed as a spreadsheet counts them, the first below the header being row 2.

    Raises
    ------
    InputError
        If the file is missing, empty, not a table, or Parquet is not installed.
    """
    path = Path(path)
    check_file(path)
    suffix = path.suffix.lower()
    if suffix in _PARQUET:
        return _read_parquet(path)
    if suffix not in _TEXT:
        known = ", ".join((*_TEXT, ".parquet", ".xml", ".geff"))
        raise InputError(f"{path.name} is not a table that Perrin reads ({known}).")
    try:
        table = _read_text(path)
    except (pd.errors.EmptyDataError, StopIteration):
        raise InputError(f"{path.name} is empty; it should hold a header and rows.") from None
    except (pd.errors.ParserError, UnicodeError, csv.Error) as error:
        raise InputError(
            f"{path.name} is not a readable table: {error}. Save it as CSV (UTF-8), one row per "
            "localization, with a header."
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    return table


def write_table(
    table: pd.DataFrame, path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a table as CSV (``.csv``; ``.tsv`` with tabs) or Parquet (``.parquet``), by suffix.

    Numbers are written with all their digits: reading the file gives the same values. The index is
    not written.

    Parameters
    ----------
    table
        Any table.
    path
        The file to make; it appears only when it is complete.
    overwrite
        Whether a file of this name may be replaced.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    InputError
        If the suffix is unknown, or Parquet is not installed.
    OutputError
        If the file exists or cannot be written; nothing was changed.
    """
    path = Path(path)
    check_suffix(path)
    with atomic_write(path, overwrite=overwrite) as temporary:
        write_frame(table, temporary)
    return path


def check_table(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Make sure, before long work begins, that :func:`write_table` will be able to write.

    Parameters
    ----------
    path, overwrite
        As for :func:`write_table`.

    Raises
    ------
    InputError, OutputError
        As :func:`write_table` does.
    """
    check_suffix(Path(path))
    probe_files([path], overwrite=overwrite)


def check_suffix(path: Path) -> None:
    """Raise :class:`InputError` unless tables can be written under this name."""
    suffix = path.suffix.lower()
    if suffix not in (*_TEXT, *_PARQUET):
        raise InputError(
            f"{path.name}: tables are written as .csv, .tsv or .parquet; tracks as .xml and .geff "
            "too, by 'perrin convert'."
        )
    if suffix in _PARQUET:
        _require_pyarrow(path)


def write_frame(table: pd.DataFrame, path: Path) -> None:
    """Write a table to a file that is already there to be filled."""
    suffix = path.suffix.lower()
    if suffix in _PARQUET:
        plain = table.copy(deep=False)
        plain.attrs = {}  # Parquet keeps attrs as JSON, which a Calibration is not
        plain.to_parquet(path, index=False, engine="pyarrow")
    else:
        table.to_csv(path, index=False, sep="," if suffix == ".csv" else "\t", encoding="utf-8")


def check_file(path: Path) -> None:
    """Raise :class:`InputError` unless the path is a file that is not empty."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the table itself.")
    if not path.exists():
        raise InputError(f"There is no file {path}. Check its name and folder.")
    if path.stat().st_size == 0:
        raise InputError(f"{path.name} is empty (0 bytes); it should hold a header and rows.")


def _read_text(path: Path) -> pd.DataFrame:
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = next(file)
    separator = max(",;\t", key=header.count)
    table = _read_separated(path, separator, ".")
    # European spreadsheets separate with semicolons because the comma is their decimal point.
    if separator != "," and any(_has_decimal_comma(table[name]) for name in table.columns):
        other = _read_separated(path, separator, ",")
        if all(_is_numeric(other[name]) for name in table.columns if _is_numeric(table[name])):
            table = other
    table.columns = [str(name).strip() for name in table.columns]
    # The index that pandas writes unless told not to.
    table = table.drop(columns=[name for name in table.columns[:1] if name.startswith("Unnamed:")])
    table.index = pd.RangeIndex(2, len(table) + 2)
    return table


def _read_separated(path: Path, separator: str, decimal: str) -> pd.DataFrame:
    table: pd.DataFrame = pd.read_csv(
        path, sep=separator, decimal=decimal, encoding="utf-8-sig", low_memory=False, **_EXACT
    )
    return table


def _is_numeric(column: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column.dtype))


def _has_decimal_comma(column: pd.Series[Any]) -> bool:
    """Whether a column is text only because its numbers have a comma for a point."""
    if _is_numeric(column):
        return False
    texts = column.dropna().astype(str)
    return bool(
        len(texts)
        and texts.str.contains(",", regex=False).any()
        and texts.str.fullmatch(_COMMA_NUMBER).all()
    )


def _read_parquet(path: Path) -> pd.DataFrame:
    _require_pyarrow(path)
    try:
        return pd.read_parquet(path, engine="pyarrow")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path.name} is not a readable Parquet file: {error}. Export it again."
        ) from error


def _require_pyarrow(path: Path) -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise InputError(
            f"{path.name}: Parquet needs one more package; install it with "
            "'pip install napari-perrin[parquet]', or use CSV."
        ) from None
