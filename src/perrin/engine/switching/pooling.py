"""What tracks gain from those recorded with them: switches, diffusivities and exponents."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.engine.switching.inference import Frames
from perrin.engine.switching.paths import HiddenStates, needed, p_switch_of, walks_of
from perrin.engine.switching.population import SharedStates, shared_states
from perrin.engine.switching.segments import joined, segments_of

__all__ = ["Pooled", "pooled"]

Array = npt.NDArray[np.float64]

_ALIKE = 0.9  # probability of one state from which a switch between two segments is none
_NARROW = 0.5  # spread of log D between particles up to which a state is surely not several
_WEIGHT = 0.4  # of what the shared states say of switches, beside the network
_SHARP = (0.2, 0.1)
"""Spreads of log D and alpha between the particles of a state up to which it says it all."""
_BESIDE = 0.05
"""Share of the time up to which a state is rare: it may be spurious, and needs not be sharp."""
_SURE = 1e-5  # distance of a probability from 0 and 1 beyond which it says no more
_RARE = 1e-3  # least probability per frame to change to another state, to begin with


class Pooled(NamedTuple):
    """What is known of tracks that share their states.

    Attributes
    ----------
    frames
        What was said of each localization, with the probabilities of switches that are known now.
    states
        The states, and the segments of the tracks with what they gained from each other.
    """

    frames: Frames
    states: SharedStates


def pooled(
    frames: Frames, tracks: pd.DataFrame, *, exposure: float, threshold: float, shortest: int
) -> Pooled:
    """Let the tracks of one movie, or of several recorded alike, gain from each other.

    Parameters
    ----------
    frames
        What the network says.
    tracks
        The track table of which it says it.
    exposure
        Share of the frame interval during which the shutter was open.
    threshold, shortest
        As for :func:`~.segments.segments_of`.

    Raises
    ------
    InputError
        As for :func:`~.population.shared_states`.

    Notes
    -----
    States are found from the network's segments. A hidden semi-Markov model (:mod:`~.paths`) then
    goes through all tracks again, knowing them (but for rare ones that explain nothing, as mixed
    segments leave them behind): how likely a switch is at each frame is the weighted geometric mean
    of its odds (0.4) and the network's (0.6), which knows of compartments and of states that few
    particles share, once both count frames alike. Where particles of a state hardly differ, the
    model is all there is to know, and its odds are taken alone. A switch between two segments that
    are of one state with a probability of 0.9 is none, unless the state's particles differ so much
    in diffusivity that several states may hide in it. The states are found again each time. The
    weights were chosen on simulated fields of view of their own.
    """
    # States come out better of segments that are too many than of mixed ones.
    segments = segments_of(frames, threshold, shortest, verified=False)
    states = shared_states(segments, tracks=tracks, exposure=exposure, n_resamples=0)
    if len(states.states) > 1:
        frames = frames._replace(p_switch=_p_switch(frames, states, tracks, exposure, shortest))
    segments = segments_of(frames, threshold, shortest)

    def again() -> SharedStates:
        return shared_states(
            segments, tracks=tracks, exposure=exposure, noise=states.noise, n_resamples=0
        )

    states = again()
    later = np.flatnonzero(segments.low >= 0)
    share = states.responsibility * ~(states.states["log_diffusivity_sd"].to_numpy() > _NARROW)
    alike = later[(share[later] * share[later - 1]).sum(1) > _ALIKE]
    if len(states.states) > 1 and alike.size:
        segments = joined(frames, segments, alike)
        states = again()
    return Pooled(frames, states)


def _p_switch(
    frames: Frames, states: SharedStates, tracks: pd.DataFrame, exposure: float, shortest: int
) -> Array:
    """Join what the network says of switches with what the states say of them."""
    walks = walks_of(tracks)
    told = np.zeros(frames.p_switch.size)
    occupancy = states.states["occupancy"].to_numpy()
    hidden, occupancy = needed(walks, _hidden(states, exposure, shortest), occupancy, _BESIDE)
    told[walks.row] = p_switch_of(walks, hidden)
    told = _aligned(told, frames)
    wide = ~hidden.rests & (hidden.spread > _SHARP).any(1)
    weight = _WEIGHT if occupancy[wide].sum() > _BESIDE else 1.0
    odds = weight * _log_odds(told) + (1 - weight) * _log_odds(frames.p_switch)
    return np.asarray(1 / (1 + np.exp(-odds)))


def _aligned(told: Array, frames: Frames) -> Array:
    """Let a state begin where the network has it begin.

    A particle that is caught on its way makes the step **to** a frame in its new state, one that
    changes by itself the step **from** it. What the states say is of steps and knows nothing of
    that; the network has learnt to tell. So the states' switches are one frame later if they agree
    better with the network's there.
    """
    said = np.nan_to_num(frames.p_switch)
    later = np.append(0.0, told[:-1])
    # Neither the first localization of a track nor the last begins anything.
    later[frames.bounds[:-1]] = 0
    later[frames.bounds[1:] - 1] = 0
    return later if later @ said > told @ said else told


def _hidden(shared: SharedStates, exposure: float, shortest: int) -> HiddenStates:
    assert shared.noise is not None
    table = shared.states
    rests = ~(table["diffusivity"].to_numpy() > 0)
    start = table["occupancy"].to_numpy() + _RARE
    known = ~np.isnan(shared.transition)  # of states that segments are in
    transition = np.where(known, shared.transition, np.eye(start.size)).clip(_RARE)
    return HiddenStates(
        rests,
        np.stack((np.log(table["diffusivity"].where(~rests, 1.0)), table["alpha"]), 1),
        table[["log_diffusivity_sd", "alpha_sd"]].to_numpy(),
        start / start.sum(),
        transition / transition.sum(1, keepdims=True),
        shared.noise,
        exposure,
        shortest,
    )


def _log_odds(p: Array) -> Array:
    p = p.clip(_SURE, 1 - _SURE)
    return np.asarray(np.log(p / (1 - p)))
