"""Switches of every track, as tables, from the network's answers."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.engine.scale import HALF_WIDTH
from perrin.engine.switching.inference import Frames, ask_frames
from perrin.engine.switching.methods import NETWORK_METHOD, SwitchCalls
from perrin.engine.switching.pooling import Pooled, pooled
from perrin.engine.switching.segments import Segments, segments_of
from perrin.errors import InputError, Progress
from perrin.models import STATES
from perrin.simulate.phenomenological import IMMOBILE
from perrin.statistics import Switches

__all__ = ["by_network"]


def by_network(
    tracks: pd.DataFrame,
    parameters: SwitchCalls,
    *,
    exposure: float,
    device: str,
    weights: Path | None,
    progress: Progress | None,
) -> Switches:
    """Ask the network and make tables of its answers; see :func:`~.methods.find_switches`."""
    frames = ask_frames(
        tracks, exposure=exposure, device=device, weights=weights, progress=progress
    )
    shared = _shared(frames, tracks, parameters, exposure) if parameters.shared_states else None
    if shared is None:
        segments = segments_of(frames, parameters.switch_threshold, parameters.min_segment)
    else:
        segments = shared.states.segments
        frames = _of_segments(shared.frames, segments)
    tables = Switches(_per_frame(frames, segments), _switches(frames, segments))
    for table in tables:
        table.attrs["method"] = NETWORK_METHOD
    return tables


def _shared(
    frames: Frames, tracks: pd.DataFrame, parameters: SwitchCalls, exposure: float
) -> Pooled | None:
    """Let tracks gain from each other, if they are enough to share anything."""
    with suppress(InputError):
        return pooled(
            frames,
            tracks,
            exposure=exposure,
            threshold=parameters.switch_threshold,
            shortest=parameters.min_segment,
        )
    return None


def _of_segments(frames: Frames, segments: Segments) -> Frames:
    """Let every frame say what its segment says."""
    known = (segments.state >= 0)[segments.of_row]
    values = {
        name: np.where(known, getattr(segments, name)[segments.of_row], np.nan)
        for name in ("log_diffusivity", "log_diffusivity_scale", "alpha", "alpha_scale")
    }
    return frames._replace(**values)


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
