"""The track table, its calibration, and the one function that checks a table.

A track table is a :class:`pandas.DataFrame` with one row per localization: ``particle`` (int),
``frame`` (int), ``x``, and ``y``, ``z`` in 2D and 3D (float, pixels), plus any further columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.errors import InputError
from perrin.parameters import Parameters, parameter

__all__ = [
    "AXES", "Calibration", "TrackIndex", "axes_of", "in_even_pixels", "index_tracks",
    "validate_tracks", "without_flat_z",
]  # fmt: skip

AXES = ("z", "y", "x")
"""Position columns in the order in which arrays hold them."""

_ALIASES = {"particle": ("trajectory", "track_id", "track", "trackid", "particle_id")}


class Calibration(Parameters):
    """Physical size of a pixel and duration of a frame.

    With either left empty, lengths stay in pixels and times in frames, and results say so.
    """

    pixel_size: float | None = parameter(
        None, "Edge length of a pixel in the sample.", unit="µm", label="Pixel size", gt=0
    )
    frame_interval: float | None = parameter(
        None, "Time from one frame to the next.", unit="s", label="Frame interval", gt=0
    )
    z_step: float | None = parameter(
        None, "Distance between the planes of a 3D stack; the pixel size if left empty.",
        unit="µm", label="Z step", gt=0, advanced=True,
    )  # fmt: skip
    exposure: float = parameter(
        1.0,
        "Share of the frame interval during which the shutter is open (motion blur).",
        label="Exposure",
        ge=0,
        le=1,
        advanced=True,
    )

    @property
    def is_physical(self) -> bool:
        """Whether both a pixel size and a frame interval are known."""
        return self.pixel_size is not None and self.frame_interval is not None

    @property
    def length_unit(self) -> str:
        """``"µm"``, or ``"px"`` without a calibration."""
        return "µm" if self.is_physical else "px"

    @property
    def time_unit(self) -> str:
        """``"s"``, or ``"frame"`` without a calibration."""
        return "s" if self.is_physical else "frame"

    @property
    def diffusivity_unit(self) -> str:
        """``"µm²/s"``, or ``"px²/frame"`` without a calibration."""
        return f"{self.length_unit}²/{self.time_unit}"

    @property
    def noise_unit(self) -> str:
        """Unit of a localization error: ``"nm"``, or ``"px"`` without a calibration."""
        return "nm" if self.is_physical else "px"

    def length_scale(self, axis: str = "x") -> float:
        """Length units per pixel along ``axis`` (``"z"``, ``"y"`` or ``"x"``)."""
        if not self.is_physical or self.pixel_size is None:
            if self.z_step is not None and self.pixel_size is not None and axis == "z":
                return self.z_step / self.pixel_size
            return 1.0
        if axis == "z" and self.z_step is not None:
            return self.z_step
        return self.pixel_size

    @property
    def time_scale(self) -> float:
        """Time units per frame."""
        if not self.is_physical or self.frame_interval is None:
            return 1.0
        return self.frame_interval

    @property
    def diffusivity_scale(self) -> float:
        """Factor from px²/frame to :attr:`diffusivity_unit`."""
        return self.length_scale() ** 2 / self.time_scale

    @property
    def noise_scale(self) -> float:
        """Factor from px to :attr:`noise_unit`."""
        return self.length_scale() * 1000 if self.is_physical else 1.0


class TrackIndex(NamedTuple):
    """Where the tracks of a checked table lie: ``particles[i]`` in rows ``starts[i]:stops[i]``."""

    particles: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    stops: npt.NDArray[np.int64]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Number of localizations of each track."""
        return self.stops - self.starts

    def spans(self, frame: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Frames from the first to the last localization of each track, both included.

        Parameters
        ----------
        frame
            The table's column ``frame``.
        """
        return np.asarray(frame[self.stops - 1] - frame[self.starts] + 1)


def axes_of(table: pd.DataFrame) -> tuple[str, ...]:
    """Return the position columns of a table: ``("x",)``, ``("y", "x")`` or ``("z", "y", "x")``."""
    if "z" in table.columns:
        return AXES
    return ("y", "x") if "y" in table.columns else ("x",)


def in_even_pixels(table: pd.DataFrame, calibration: Calibration) -> pd.DataFrame:
    """Give every axis of a table, and its error, the length unit of x: axes can be pooled then."""
    ratio = calibration.length_scale("z") / calibration.length_scale("x")
    if "z" in axes_of(table) and ratio != 1:
        along_z = [name for name in ("z", "z_err") if name in table.columns]
        return table.assign(**{name: table[name] * ratio for name in along_z})
    return table


def without_flat_z(tracks: pd.DataFrame) -> pd.DataFrame:
    """Drop ``z`` if all localizations lie in one plane: many programs write it in 2D, too.

    Analysed in 3D, such tracks would have two thirds of their diffusivity.
    """
    if "z" in tracks.columns and len(tracks) and (tracks["z"] == tracks["z"].iloc[0]).all():
        return tracks.drop(columns="z")
    return tracks


def index_tracks(tracks: pd.DataFrame) -> TrackIndex:
    """Locate each track in a table that :func:`validate_tracks` returned."""
    particle = tracks["particle"].to_numpy(np.int64)
    if particle.size == 0:
        empty = np.empty(0, np.int64)
        return TrackIndex(empty, empty, empty)
    edges = np.flatnonzero(np.diff(particle)) + 1
    starts = np.concatenate(([0], edges)).astype(np.int64)
    stops = np.concatenate((edges, [particle.size])).astype(np.int64)
    return TrackIndex(particle[starts], starts, stops)


def validate_tracks(tracks: pd.DataFrame, *, source: str = "the track table") -> pd.DataFrame:
    """Check a track table and return it in the one form that the rest of Perrin expects.

    The result is a new table sorted by ``particle`` and ``frame``, with a fresh index, integer
    ``particle`` and ``frame`` and float positions; every other column is kept. A trajectory
    column under another tracker's usual name (``trajectory``, ``TRACK_ID``, ...; capitals do not
    matter) is renamed.
    Gaps in ``frame`` are allowed and kept.

    Parameters
    ----------
    tracks
        One row per localization.
    source
        How to call the table in error messages, for example the file's name.

    Raises
    ------
    InputError
        If a column is missing or not numeric, a value is empty or infinite, a frame or particle
        number is not whole, or one particle has two rows in one frame. The message names the
        column, the row and the remedy.
    """
    if not isinstance(tracks, pd.DataFrame):
        raise InputError(
            f"{source} is a {type(tracks).__name__}; give a pandas DataFrame with the columns "
            "'particle', 'frame', 'y' and 'x'."
        )
    if _is_standard(tracks):
        return tracks.reset_index(drop=True)
    table = _with_standard_names(tracks)
    axes = axes_of(table)
    _require(table, ("particle", "frame", *axes), source)
    table = table.copy(deep=False)
    for column in ("particle", "frame"):
        table[column] = _whole(table, column, source)
    for column in axes:
        table[column] = _numeric(table, column, source).astype(np.float64)
    table = table.sort_values(["particle", "frame"], kind="stable")
    repeated = table.duplicated(["particle", "frame"], keep="first").to_numpy()
    if repeated.any():
        first = table.iloc[int(np.flatnonzero(repeated)[0])]
        raise InputError(
            f"{source} has {int(repeated.sum())} rows that repeat a particle in the same frame; "
            f"the first is particle {int(first['particle'])} in frame {int(first['frame'])} "
            f"(row {first.name}). Keep one localization per particle and frame."
        )
    return table.reset_index(drop=True)


def _is_standard(tracks: pd.DataFrame) -> bool:
    """Whether a table is already in the one form; finding out is 50 times faster than making it."""
    axes = axes_of(tracks)
    columns = tracks.columns
    if not columns.is_unique or not {"particle", "frame", *axes} <= set(columns):
        return False
    # Every look at a column costs time that counts where one track is looked at.
    numbers = [tracks[name] for name in ("particle", "frame")]
    positions = [tracks[axis] for axis in axes]
    if any(column.dtype != np.int64 for column in numbers):
        return False
    if any(column.dtype != np.float64 for column in positions):
        return False
    particle, frame = (column.to_numpy() for column in numbers)
    same = particle[1:] == particle[:-1]
    in_order = np.where(same, frame[1:] > frame[:-1], particle[1:] > particle[:-1])
    finite = all(np.isfinite(column.to_numpy()).all() for column in positions)
    return bool(in_order.all()) and finite


def _with_standard_names(tracks: pd.DataFrame) -> pd.DataFrame:
    renames = {}
    for standard, others in _ALIASES.items():
        if standard not in tracks.columns:
            found = [name for name in tracks.columns if str(name).lower() in others]
            if len(found) == 1:
                renames[found[0]] = standard
    return tracks.rename(columns=renames)


def _require(table: pd.DataFrame, columns: Iterable[str], source: str) -> None:
    missing = [name for name in columns if name not in table.columns]
    if missing:
        have = ", ".join(map(str, table.columns)) or "none"
        plural = "s" if len(missing) > 1 else ""
        raise InputError(
            f"{source} lacks the column{plural} {', '.join(map(repr, missing))} (it has: {have}). "
            "A track table needs 'particle', 'frame', 'x' and, in 2D, 'y'; rename your columns to "
            "these."
        )


def _numeric(table: pd.DataFrame, column: str, source: str) -> npt.NDArray[np.float64]:
    values = table[column]
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        row = int(bad[0])
        value = values.iloc[row]
        what = (
            f"the text {value!r}"
            if isinstance(value, str)
            else "an infinite value"
            if not pd.isna(value)
            else "an empty value"
        )
        more = f" ({bad.size} such rows in all)" if bad.size > 1 else ""
        raise InputError(
            f"{source} has {what} in column '{column}', row {values.index[row]}{more}. "
            "Every localization needs a number there: correct or remove the row."
        )
    return np.asarray(numbers, dtype=np.float64)


def _whole(table: pd.DataFrame, column: str, source: str) -> npt.NDArray[np.int64]:
    if pd.api.types.is_integer_dtype(table[column].dtype) and not table[column].hasnans:
        return table[column].to_numpy(np.int64)
    numbers = _numeric(table, column, source)
    fractional = np.flatnonzero(numbers != np.floor(numbers))
    if fractional.size:
        row = int(fractional[0])
        raise InputError(
            f"{source} has {numbers[row]:g} in column '{column}', row {table.index[row]}; "
            f"'{column}' counts in whole numbers. If these are times, divide them by the frame "
            "interval."
        )
    return numbers.astype(np.int64)
