"""How the steps of tracks are measured, so that those of several recordings can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.errors import InputError
from perrin.tracks import AXES, Calibration, axes_of, in_even_pixels, index_tracks

__all__ = ["Sampling", "Stretch", "common_sampling", "stretches_of"]

Array = npt.NDArray[np.float64]

_TOLERANCE = 0.02  # of a frame
_MOST_SPARSE = 5


@dataclass(frozen=True)
class Sampling:
    """How the steps of tracks are measured, so that those of other recordings can be compared.

    Attributes
    ----------
    axes
        Position columns that are used.
    interval
        Time of one step, in ``time_unit``.
    length_unit, time_unit
        ``"µm"`` and ``"s"``, or ``"px"`` and ``"frame"`` without a calibration.
    pixel_size
        That of the first recording, µm; None without a calibration.
    """

    axes: tuple[str, ...]
    interval: float
    length_unit: str
    time_unit: str
    pixel_size: float | None = None


@dataclass(frozen=True)
class Stretch:
    """Consecutive steps of one track, without a gap.

    Attributes
    ----------
    track
        Position of the track among all.
    steps
        Displacements, shape ``(n_steps, n_axes)``.
    """

    track: int
    steps: Array


def common_sampling(given: Sequence[tuple[str, pd.DataFrame]], in_plane: bool) -> Sampling:
    """Find how the steps of several recordings can be measured alike.

    Raises
    ------
    InputError
        If they cannot.
    """
    calibrations = [_calibration_of(table) for _, table in given]
    physical = {calibration.is_physical for calibration, _ in calibrations}
    if len(physical) > 1:
        without = next(n for (n, t) in given if not _calibration_of(t)[0].is_physical)
        raise InputError(
            f"The tracks of '{without}' lack pixel size or frame interval, others have them. Give "
            "them to all, or speeds cannot be compared."
        )
    widest = max((axes_of(table) for _, table in given), key=len)
    flat = min((axes_of(table) for _, table in given), key=len)
    if "y" in widest and "y" not in flat:
        raise InputError("Some tracks have x alone, others y too. Give all the same axes.")
    axes = tuple(axis for axis in AXES if axis in widest and not (in_plane and axis == "z"))
    calibration = calibrations[0][0]
    intervals = [interval for _, interval in calibrations]
    for times in range(1, _MOST_SPARSE + 1):
        common = times * max(intervals)
        if all(_is_multiple(common, interval) for interval in intervals):
            pixel_size = calibration.pixel_size if calibration.is_physical else None
            return Sampling(
                axes, common, calibration.length_unit, calibration.time_unit, pixel_size
            )
    said = ", ".join(f"{i:g}" for i in sorted(set(intervals)))
    raise InputError(
        f"The frame intervals of the recordings ({said} {calibration.time_unit}) have no common "
        f"multiple up to {_MOST_SPARSE} times the longest. Compare recordings whose frame "
        "intervals fit each other."
    )


def stretches_of(
    table: pd.DataFrame, sampling: Sampling, least_steps: int, *, source: str = "the tracks"
) -> list[Stretch]:
    """Cut the tracks of a checked table into stretches, measured as ``sampling`` says.

    Raises
    ------
    InputError
        If the table cannot be measured so.
    """
    calibration, interval = _calibration_of(table)
    if sampling.length_unit != calibration.length_unit:
        raise InputError(
            f"The lengths of {source} are in {calibration.length_unit}, those of the network in "
            f"{sampling.length_unit}. Give pixel size and frame interval to all, or to none."
        )
    ratio = sampling.interval / interval
    every = round(ratio)
    if not _is_multiple(sampling.interval, interval):
        raise InputError(
            f"The frames of {source} are {interval:g} {sampling.time_unit} apart, the steps of the "
            f"network {sampling.interval:g} {sampling.time_unit}, which is no whole multiple. "
            "Compare recordings whose frame intervals fit each other."
        )
    lacking = [axis for axis in sampling.axes if axis not in table.columns]
    if lacking and lacking != ["z"]:
        raise InputError(f"There is no '{lacking[0]}' in {source}, but the network needs it.")
    even = in_even_pixels(table, calibration)
    axes = [even[a].to_numpy() if a in even else np.zeros(len(even)) for a in sampling.axes]
    positions = np.column_stack(axes) * calibration.length_scale()
    frame = table["frame"].to_numpy(np.int64)
    stretches = []
    index = index_tracks(table)
    for track, (start, stop) in enumerate(zip(index.starts, index.stops, strict=True)):
        # Frames are counted from each track's own first one, so that no track loses its start.
        kept = start + np.flatnonzero((frame[start:stop] - frame[start]) % every == 0)
        breaks = np.flatnonzero(np.diff(frame[kept]) != every) + 1
        for part in np.split(kept, breaks):
            if part.size > least_steps:
                stretches.append(Stretch(track, np.diff(positions[part], axis=0)))
    return stretches


def _calibration_of(table: pd.DataFrame) -> tuple[Calibration, float]:
    calibration = table.attrs.get("calibration") or Calibration()
    return calibration, calibration.time_scale


def _is_multiple(long: float, short: float) -> bool:
    ratio = long / short
    return round(ratio) >= 1 and abs(ratio - round(ratio)) <= _TOLERANCE
