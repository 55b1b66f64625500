"""Segments of tracks in the format in which the second AnDi challenge takes answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perrin.errors import InputError
from perrin.io._atomic import atomic_write
from perrin.models import STATES

if TYPE_CHECKING:
    from perrin.analysis import Analysis

__all__ = ["write_challenge"]

_UNIT = "px²/frame"


def write_challenge(analysis: Analysis, path: Path, *, overwrite: bool = False) -> Path:
    """Write the segments of one field of view as the second AnDi challenge wants them.

    One line per track: its number, then diffusivity, exponent, state (0 immobile, 1 confined, 2
    free, 3 directed) and the frame after the last of each segment, counted from the track's first
    frame, all separated by commas. In the challenge's folders the file is called
    ``track_2/exp_<i>/fov_<j>.txt``.

    Parameters
    ----------
    analysis
        What :func:`perrin.analyze` found without a calibration, switches by the network. Tracks of
        which the network says nothing are left out.
    path
        The text file.
    overwrite
        Whether an earlier file may be replaced.

    Raises
    ------
    InputError
        If the analysis is not in pixels and frames, or does not say what motion each segment is.
    OutputError
        If the file exists or cannot be written.
    """
    frames = analysis.per_frame
    if not (frames["diffusivity_unit"] == _UNIT).all():
        raise InputError(
            "The AnDi challenge counts in pixels and frames. Analyse the tracks without pixel size "
            "and frame interval to write answers for it."
        )
    if frames["motion"].isna().all():
        raise InputError(
            "The AnDi challenge asks for the motion of every segment, of which this analysis says "
            "nothing. Analyse with switches found by the network."
        )
    begins = set(zip(analysis.switches["particle"], analysis.switches["frame"], strict=True))
    lines = []
    for particle, track in frames.groupby("particle"):
        if track["motion"].isna().any():
            continue
        frame = track["frame"].to_numpy()
        cut = np.flatnonzero([(particle, f) in begins for f in frame])
        starts, stops = np.append(0, cut), np.append(cut, len(frame))
        words = [f"{particle}"]
        for start, stop in zip(starts, stops, strict=True):
            part = track.iloc[start:stop]
            end = frame[-1] + 1 if stop == len(frame) else frame[stop]
            words += [
                f"{part['diffusivity'].median():.6g}",
                f"{np.nan_to_num(part['alpha'].median()):.4g}",
                f"{STATES.index(part['motion'].iloc[0])}",
                f"{end - frame[0]}",
            ]
        lines.append(",".join(words))
    with atomic_write(path, overwrite=overwrite) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
