"""Switches of every track, as tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.engine.switching.inference import Frames, ask_frames
from perrin.engine.switching.network import STATES
from perrin.engine.switching.segments import HALF_WIDTH, Segments, segments_of
from perrin.errors import Progress
from perrin.parameters import Parameters, parameter
from perrin.simulate.phenomenological import IMMOBILE
from perrin.statistics import Switches

__all__ = ["NETWORK_METHOD", "SwitchCalls", "find_switches"]

NETWORK_METHOD = "network"
"""How switches were found, as stated in ``attrs["method"]`` of the tables."""


class SwitchCalls(Parameters):
    """Which of the switches that the network thinks possible are reported."""

    threshold: float = parameter(
        0.5,
        "Least probability of a switch that is reported; higher means fewer false switches and "
        "more missed ones.",
        label="Least probability of a switch",
        gt=0,
        le=1,
    )
    min_segment: int = parameter(
        3,
        "Frames that a segment lasts at least; shorter ones are never reported.",
        unit="frames",
        label="Shortest segment",
        ge=3,
        advanced=True,
    )


def find_switches(
    tracks: pd.DataFrame,
    parameters: SwitchCalls | None = None,
    *,
    exposure: float = 1.0,
    device: str = "auto",
    weights: Path | None = None,
    progress: Progress | None = None,
) -> Switches:
    """Find where the motion of each track changes, and what it is in between.

    Parameters
    ----------
    tracks
        A track table (positions in px); missing frames are known to the network as missing.
    parameters
        How readily a switch is reported.
    exposure
        Share of the frame interval during which the shutter is open, 0 to 1.
    device, weights
        As for :func:`perrin.engine.predict`; weights come from ``perrin train --engine switches``.
    progress
        Called as ``progress("Finding switches", done, total)`` with numbers of frames.

    Returns
    -------
    Switches
        ``per_frame``, one row per localization, sorted by ``particle`` and ``frame``:

        - ``particle``, ``frame``;
        - ``p_switch``: probability that a new state begins here, after the localization before;
        - ``state``: 0 for the slowest level of this track, 1 for the next, ...; segments whose
          diffusivities cannot be told apart share a level;
        - ``motion``: what the segment does, out of :data:`~.network.STATES`;
        - ``diffusivity`` (px²/frame^alpha): generalised diffusivity D of the current state,
          ``<x²> = 2 D t^alpha`` along each axis, with ``diffusivity_lo``, ``diffusivity_hi``
          (5 % and 95 %); 0 where immobile;
        - ``alpha``, ``alpha_lo``, ``alpha_hi``: anomalous exponent; NaN where immobile.

        Of tracks of fewer than 20 localizations, or that never move, nothing is said: NaN.

        ``switches``, one row per switch: ``particle``; ``frame``, the first frame of the new
        segment; ``frame_lo``, ``frame_hi`` (5 % to 95 %); ``diffusivity_before``,
        ``diffusivity_after``, ``alpha_before``, ``alpha_after`` of the segments, NaN or 0 as above.

        ``attrs["method"]`` of both is :data:`NETWORK_METHOD`.

    Raises
    ------
    InputError
        If the table, the device or the weights cannot be used, or ``exposure`` is out of range.
    Cancelled
        If ``progress`` raises it.

    Notes
    -----
    *Ends*: no switch is reported within ``min_segment`` localizations of an end. *Gaps*: a switch
    that may have happened while the particle was not seen is told at the localization after the
    gap. *Blur*: the network has not learnt from blurred tracks.
    """
    chosen = parameters or SwitchCalls()
    frames = ask_frames(
        tracks, exposure=exposure, device=device, weights=weights, progress=progress
    )
    segments = segments_of(frames, chosen.threshold, chosen.min_segment)
    found = Switches(_per_frame(frames, segments), _switches(frames, segments))
    for table in found:
        table.attrs["method"] = NETWORK_METHOD
    return found


def _per_frame(frames: Frames, segments: Segments) -> pd.DataFrame:
    state = segments.state[segments.of_row]
    rests = state == IMMOBILE
    spread = np.exp(HALF_WIDTH * frames.log_diffusivity_scale)
    reach = HALF_WIDTH * frames.alpha_scale
    diffusivity = np.where(rests, 0.0, np.exp(frames.log_diffusivity))
    alpha = np.where(rests, np.nan, frames.alpha)
    names = np.array([*STATES, None], dtype=object)
    return pd.DataFrame(
        {
            "particle": frames.particle,
            "frame": frames.frame,
            "p_switch": frames.p_switch,
            "state": segments.level[segments.of_row],
            "motion": pd.Series(names[state], dtype="str"),
            "diffusivity": diffusivity,
            "diffusivity_lo": diffusivity / spread,
            "diffusivity_hi": diffusivity * spread,
            "alpha": alpha,
            "alpha_lo": (alpha - reach).clip(0),
            "alpha_hi": (alpha + reach).clip(max=2),
        }
    )


def _switches(frames: Frames, segments: Segments) -> pd.DataFrame:
    after = np.flatnonzero(segments.low >= 0)
    rows = segments.starts[after]
    columns: dict[str, npt.NDArray[Any]] = {
        "particle": frames.particle[rows],
        "frame": frames.frame[rows],
        "frame_lo": frames.frame[segments.low[after]],
        "frame_hi": frames.frame[segments.high[after]],
    }
    for name, values in (("diffusivity", segments.diffusivity), ("alpha", segments.exponent)):
        columns[f"{name}_before"] = values[after - 1]
        columns[f"{name}_after"] = values[after]
    return pd.DataFrame(columns)
