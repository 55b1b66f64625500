"""Segments: stretches of a track in which the particle keeps one state."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.engine.scale import HALF_WIDTH
from perrin.engine.switching.decode import choose_switches
from perrin.engine.switching.gradual import drop_gradual
from perrin.engine.switching.inference import Frames
from perrin.engine.switching.verify import add_seen, drop_unseen
from perrin.models import STATES
from perrin.simulate.phenomenological import IMMOBILE
from perrin.tracks import index_tracks

__all__ = ["Segments", "joined", "segments_of", "segments_of_tables"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_APART = 2.0  # scales by which levels of one track differ


class Segments(NamedTuple):
    """Segments of all tracks, in the order of the table.

    Attributes
    ----------
    of_row
        Segment of each localization.
    starts
        First localization of each segment.
    track
        Number of the track that each belongs to.
    low, high
        Localizations between which it began, with 90 % probability; -1 where a track begins.
    log_diffusivity, log_diffusivity_scale, alpha, alpha_scale
        Median and Laplacian scale, each segment.
    n_points
        Localizations in each segment.
    duration
        Frames from its first localization to that of the next segment, or to the frame after its
        last one where the track ends.
    p_state
        Mean of the probabilities of each state, shape ``(n_segments, 4)``, over localizations about
        which the network says something, as all the above.
    state
        Code of the most probable state, -1 if the network says nothing about the segment.
    level
        0 for the slowest level of its track, 1 for the next; segments whose diffusivities cannot
        be told apart share a level.
    """

    of_row: Ints
    starts: Ints
    track: Ints
    low: Ints
    high: Ints
    log_diffusivity: Array
    log_diffusivity_scale: Array
    alpha: Array
    alpha_scale: Array
    n_points: Ints
    duration: Ints
    p_state: Array
    state: Ints
    level: Ints

    def moved(self, log_diffusivity: Array, alpha: Array, variance: Array, state: Ints) -> Segments:
        """Return the segments with other values; ``variance`` is ``(n_segments, 2)``."""
        scale = np.sqrt(variance / 2)  # of Laplacians
        of_level = np.where(state == IMMOBILE, -np.inf, log_diffusivity)
        return self._replace(
            log_diffusivity=log_diffusivity,
            log_diffusivity_scale=scale[:, 0],
            alpha=alpha,
            alpha_scale=scale[:, 1],
            state=state,
            level=_levels(self.track, of_level, scale[:, 0]),
        )

    @property
    def diffusivity(self) -> Array:
        """Generalised diffusivity, px²/frame^alpha; 0 where immobile."""
        return np.where(self.state == IMMOBILE, 0.0, np.exp(self.log_diffusivity))

    @property
    def exponent(self) -> Array:
        """Anomalous exponent; NaN where immobile."""
        return np.where(self.state == IMMOBILE, np.nan, self.alpha)


def segments_of(
    frames: Frames, threshold: float, shortest: int, *, verified: bool = True
) -> Segments:
    """Cut tracks into segments.

    Parameters
    ----------
    frames
        What the network says.
    threshold, shortest
        Least probability of a switch, and fewest localizations between two; see
        :func:`~.decode.choose_switches`.
    verified
        Whether switches are taken back that do not show in mean squared displacements, possible
        ones added that do so clearly (:mod:`~.verify`), and those taken back that a gradual change
        explains (:mod:`~.gradual`).

    Notes
    -----
    Diffusivity (its logarithm) and exponent of a segment are averages over its frames, weighted by
    the inverse squares of their uncertainties, which are largest beside switches; the uncertainty
    is the frames' harmonic mean, since what the frames of a segment say is not independent.
    """
    n = frames.particle.size
    low, high = np.empty(n, np.int64), np.empty(n, np.int64)
    known = ~np.isnan(frames.alpha)
    p = np.where(known, frames.p_switch, 0.0)
    choose_switches(p, frames.bounds, threshold, shortest, low, high)
    if verified:
        seen = frames.position, frames.frame, frames.bounds
        drop_unseen(*seen, low, high)
        add_seen(p, *seen, threshold, low, high)
        # A place that was added may have shown only what another one explains.
        drop_unseen(*seen, low, high)
        drop_gradual(*seen, low, high)
    return _cut(frames, known, low, high)


def joined(frames: Frames, segments: Segments, some: Ints) -> Segments:
    """Let some segments, none of them the first of its track, be part of those before them."""
    low, high = np.full((2, frames.particle.size), -1)
    low[segments.starts], high[segments.starts] = segments.low, segments.high
    low[segments.starts[some]] = -1
    return _cut(frames, ~np.isnan(frames.alpha), low, high)


def segments_of_tables(per_frame: pd.DataFrame, switches: pd.DataFrame) -> Segments:
    """Return the segments that an analysis describes.

    Parameters
    ----------
    per_frame, switches
        Tables of a :class:`perrin.analysis.Analysis` whose switches the network found.

    Returns
    -------
    Segments
        Diffusivities in the unit of the tables. Of the kinds of motion the tables say only which
        is the most probable: it has all the probability.
    """
    particle = per_frame["particle"].to_numpy(np.int64)
    frame = per_frame["frame"].to_numpy(np.int64)
    index = index_tracks(per_frame)
    numbers = {
        name: per_frame[name].to_numpy(np.float64, na_value=np.nan)
        for name in (*_with_bounds("diffusivity"), *_with_bounds("alpha"))
    }
    motion = per_frame["motion"].map({name: code for code, name in enumerate(STATES)})
    state = motion.fillna(-1).to_numpy(np.int64)
    moves = state > IMMOBILE
    diffusivity, low, high = (numbers[name] for name in _with_bounds("diffusivity"))
    alpha, alpha_low, alpha_high = (numbers[name] for name in _with_bounds("alpha"))
    with np.errstate(divide="ignore", invalid="ignore"):
        log_diffusivity = np.where(moves, np.log(diffusivity), 0.0)
        log_scale = np.where(moves, np.log(high / low) / (2 * HALF_WIDTH), 1.0)
    # The bounds of alpha end at 0 and at 2: the longer side is the whole one.
    reach = np.fmax(alpha - alpha_low, alpha_high - alpha)
    rows = pd.MultiIndex.from_arrays((particle, frame))
    began = [
        rows.get_indexer(pd.MultiIndex.from_frame(switches[["particle", name]]))
        for name in ("frame", "frame_lo", "frame_hi")
    ]
    bounds = np.full((2, particle.size), -1)
    bounds[:, began[0]] = began[1:]
    frames = Frames(
        particle,
        frame,
        np.empty((particle.size, 0)),
        np.append(index.starts, particle.size),
        np.zeros(particle.size),
        log_diffusivity,
        log_scale,
        np.where(moves, alpha, 0.0),
        np.where(moves, reach / HALF_WIDTH, 1.0),
        (state[:, None] == np.arange(len(STATES))).astype(np.float64),
    )
    return _cut(frames, state >= 0, *bounds)


def _with_bounds(name: str) -> tuple[str, str, str]:
    return name, f"{name}_lo", f"{name}_hi"


def _cut(frames: Frames, known: npt.NDArray[np.bool_], low: Ints, high: Ints) -> Segments:
    """Cut tracks where a localization has bounds of a switch, and average over the pieces."""
    n = frames.particle.size
    begins = low >= 0
    begins[frames.bounds[:-1]] = True
    of_row = np.cumsum(begins) - 1
    starts = np.flatnonzero(begins)
    track = np.searchsorted(frames.bounds, starts, side="right") - 1
    n_points = np.diff(np.append(starts, n))
    n_known = _sums(known.astype(np.float64), starts)
    pooled = [
        _pool(values, np.where(known, scale, np.inf), starts, n_known)
        for values, scale in (
            (frames.log_diffusivity, frames.log_diffusivity_scale),
            (frames.alpha, frames.alpha_scale),
        )
    ]
    (log_d, log_d_scale), (alpha, alpha_scale) = pooled
    with np.errstate(invalid="ignore"):
        p_state = _sums(np.where(known[:, None], frames.p_state, 0.0), starts) / n_known[:, None]
    state = np.where(n_known > 0, np.nan_to_num(p_state).argmax(1), -1)
    log_of_level = np.where(state == IMMOBILE, -np.inf, log_d)
    level = _levels(track, log_of_level, log_d_scale)
    return Segments(
        of_row,
        starts,
        track,
        low[starts],
        high[starts],
        log_d,
        log_d_scale,
        alpha,
        alpha_scale,
        n_points,
        _durations(frames, starts, track),
        p_state,
        state,
        level,
    )


def _durations(frames: Frames, starts: Ints, track: Ints) -> Ints:
    if not starts.size:
        return np.empty(0, np.int64)
    until = frames.frame[frames.bounds[track + 1] - 1] + 1
    goes_on = np.flatnonzero(track[1:] == track[:-1])
    until[goes_on] = frames.frame[starts[goes_on + 1]]
    return until - frames.frame[starts]


def _sums(values: Array, starts: Ints) -> Array:
    return np.add.reduceat(values, starts) if starts.size else values[:0]


def _pool(values: Array, scale: Array, starts: Ints, n_known: Array) -> tuple[Array, Array]:
    weight = scale**-2.0
    total = _sums(weight, starts)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = _sums(weight * np.where(weight > 0, values, 0.0), starts) / total
        return mean, np.sqrt(n_known / total)


def _levels(track: Ints, log_diffusivity: Array, scale: Array) -> Ints:
    """Rank the levels of each track, from slow to fast."""
    order = np.lexsort((log_diffusivity, track))
    sorted_track, value, error = track[order], log_diffusivity[order], scale[order]
    with np.errstate(invalid="ignore"):
        apart = np.diff(value) > _APART * np.hypot(error[1:], error[:-1])
    same = sorted_track[1:] == sorted_track[:-1]
    count = np.concatenate(([0], np.cumsum(apart & same)))[: order.size]
    first = np.searchsorted(sorted_track, sorted_track)
    level = np.empty(order.size, np.int64)
    level[order] = count - count[first]
    return level
