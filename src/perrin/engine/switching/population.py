"""States that the particles of one movie share, and what each segment gains from the others."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize_scalar

from perrin.engine.switching.evidence import (
    Evidence,
    Stretches,
    mean_square_step,
    of_network,
    of_positions,
    stretches_of,
)
from perrin.engine.switching.mixture import (
    Mixture,
    best_fit,
    decided,
    expected,
    ordered,
    with_rests,
)
from perrin.engine.switching.segments import Segments
from perrin.errors import InputError
from perrin.models import STATES
from perrin.simulate.phenomenological import CONFINED, DIRECTED, DIRECTED_FROM, FREE, IMMOBILE

__all__ = ["SharedStates", "shared_states"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MOST_STATES = 5
_FEWEST = 10  # segments from which states can be told
_JUDGES = 200  # segments by which the noise is judged
_NOISES = np.append((1e-4, 4e-4, 1.5e-3), np.geomspace(0.005, 0.8, 10))
"""Localization errors tried, over the root of the mean square displacement in a frame."""
_COARSE = 8


class SharedStates(NamedTuple):
    """States of a population.

    Attributes
    ----------
    states
        One row per state, slowest first: ``motion``; ``diffusivity`` (px²/frame^alpha, geometric
        mean over particles) and ``alpha`` with their standard errors ``diffusivity_se`` and
        ``alpha_se``, and the spread between particles ``log_diffusivity_sd`` and ``alpha_sd``;
        ``occupancy``, share of all frames, and ``dwell``, frames from entering to leaving, with
        their 5 % and 95 % (``_lo``, ``_hi``).
    transition
        ``(n_states, n_states)``: probability to be in the state of the column one frame after
        being in that of the row.
    of_segment
        State of each segment, -1 where the network says nothing.
    responsibility
        Probability of each state, ``(n_segments, n_states)``.
    segments
        The segments, each with what it gains from those that share its state: diffusivity and
        exponent are what is likely for it given both what was seen of it and the distribution over
        particles of the states it may be in.
    noise
        Localization error per axis (px) of all particles; None if the positions were not given.
    """

    states: pd.DataFrame
    transition: Array
    of_segment: Ints
    responsibility: Array
    segments: Segments
    noise: float | None


def shared_states(
    segments: Segments,
    n_states: int | None = None,
    *,
    tracks: pd.DataFrame | None = None,
    exposure: float = 1.0,
    noise: float | None = None,
    n_resamples: int = 200,
    seed: int = 0,
) -> SharedStates:
    r"""Find the states that the particles of one movie share.

    Parameters
    ----------
    segments
        Segments of the tracks of one movie, or of several that were recorded alike.
    n_states
        Number of states of moving particles; by default the one with the least Bayesian
        information criterion, up to five. Immobile particles are a state of their own besides.
    tracks
        The track table of which these are the segments. If it is given, the motion of each segment
        is judged anew by its positions and the localization error that all have in common.
    exposure
        Share of the frame interval during which the shutter was open; matters with ``tracks``.
    noise
        Localization error per axis (px) if it is known; found if not. Matters with ``tracks``.
    n_resamples
        Resamples of whole tracks from which the intervals of occupancy and dwell time come.
    seed
        Seed of the resampling.

    Raises
    ------
    InputError
        If there are fewer than ten segments of moving particles.

    Notes
    -----
    Logarithms of diffusivity and exponents are a mixture of Gaussians over particles, seen with
    errors, and fitted by expectation maximisation with these errors taken into account [1]_; the
    kind of motion is a third, categorical observation. Without ``tracks``, what is seen of a
    segment is what the network says of it, its expectations of any track divided out.

    With ``tracks`` it is the exact likelihood of fractional Brownian motion
    (:mod:`~.evidence`). A single short segment hardly tells slow motion from localization error;
    the error that all segments of a movie share is the one with which the mixture explains them
    best. Particles are at rest if, taken all for moving, a state of them moves less than that error
    shows.

    Occupancies and transitions count the frames of segments and the switches between them, each
    segment in its most probable state.

    References
    ----------
    .. [1] Bovy, Hogg, Roweis (2011), Ann. Appl. Stat. 5, 1657 (extreme deconvolution).
    """
    known = np.flatnonzero(segments.state >= 0)
    n_moving = int((segments.state > IMMOBILE).sum())
    if n_moving < _FEWEST:
        raise InputError(
            f"States shared by particles need at least {_FEWEST} segments in which one moves; "
            f"there are {n_moving}. Give more tracks."
        )
    evidence, noise = _evidence(segments, known, tracks, exposure, noise)
    numbers = range(1, _MOST_STATES + 1) if n_states is None else [n_states]
    mixture, share = ordered(decided(evidence, numbers, noise), noise)
    rests = bool(share[:, 0].any())
    shares = np.zeros((segments.starts.size, len(mixture.weight) + rests))
    shares[known] = share[:, 1 - rests :]
    of_segment = np.full(segments.starts.size, -1)
    of_segment[known] = shares[known].argmax(1)
    states = _table(mixture, share[:, 1:], evidence, rests)
    counts = _counts(segments, of_segment, len(states))
    n_tracks = len(counts.frames)
    occupancy, dwell, transition = _rates(counts, np.ones((1, n_tracks)))
    states["occupancy"], states["dwell"] = occupancy[0], dwell[0]
    if n_resamples:
        rng = np.random.default_rng(seed)
        weight = rng.multinomial(n_tracks, np.full(n_tracks, 1 / n_tracks), n_resamples)
        for name, spread in zip(
            ("occupancy", "dwell"), _rates(counts, weight.astype(float)), strict=False
        ):
            states[f"{name}_lo"], states[f"{name}_hi"] = _interval(spread)
    gained = _gained(segments, known, evidence, mixture, share, anew=noise is not None)
    return SharedStates(states, transition[0], of_segment, shares, gained, noise)


def _evidence(
    segments: Segments,
    known: Ints,
    tracks: pd.DataFrame | None,
    exposure: float,
    noise: float | None,
) -> tuple[Evidence, float | None]:
    if tracks is None:
        return Evidence(*(each[known] for each in of_network(segments))), None
    stretches = stretches_of(segments, tracks).some(known)
    motion = segments.p_state[known]
    if noise is None:
        noise = _shared_noise(stretches, motion, exposure)
    return of_positions(stretches, motion, noise, exposure), noise


def _shared_noise(stretches: Stretches, motion: Array, exposure: float) -> float:
    """Find the localization error with which a mixture of moving states explains segments best."""
    # Evenly over all lengths: only short ones may be slow enough to show it.
    rows = np.argsort(-stretches.n_points, kind="stable")
    rows = rows[np.linspace(0, rows.size - 1, min(_JUDGES, rows.size)).round().astype(np.int64)]
    some, kinds = stretches.some(rows), motion[rows]

    def criterion(noise: float) -> float:
        evidence = of_positions(some, kinds, noise, exposure, _COARSE)
        return with_rests(best_fit(evidence, (2, 3), [False]), noise)

    noises = np.sqrt(mean_square_step(some)) * _NOISES
    at = int(np.argmin([criterion(noise) for noise in noises]).clip(1, len(noises) - 2))
    found = minimize_scalar(
        lambda log_noise: criterion(math.exp(log_noise)),
        bounds=(math.log(noises[at - 1]), math.log(noises[at + 1])),
        method="bounded",
        options={"xatol": 0.05},
    )
    return math.exp(found.x)


def _interval(spread: Array) -> Array:
    """Take 5 % and 95 % of each column, NaN where it holds nothing."""
    known = ~np.isnan(spread).all(0)
    interval = np.full((2, spread.shape[1]), np.nan)
    interval[:, known] = np.nanquantile(spread[:, known], (0.05, 0.95), axis=0)
    return interval


def _gained(
    segments: Segments,
    known: Ints,
    evidence: Evidence,
    mixture: Mixture,
    share: Array,
    *,
    anew: bool,
) -> Segments:
    """Give each segment what is likely for it in its states; its motion too, if judged anew."""
    moving = share[:, 1:] / share[:, 1:].sum(1, keepdims=True).clip(1e-300)
    mean, covariance = expected(evidence, mixture)
    value = np.einsum("nk,nkd->nd", moving, mean)
    offset = mean - value[:, None]
    within = np.einsum("nkdd->nkd", covariance) + np.square(offset)
    variance = np.einsum("nk,nkd->nd", moving, within)
    state = segments.state.copy()
    if anew:
        kind = FREE + np.zeros(known.size, np.int64)
        kind[value[:, 1] >= DIRECTED_FROM] = DIRECTED
        kind[evidence.motion[:, IMMOBILE + 1 :].argmax(1) == CONFINED - 1] = CONFINED
        state[known] = np.where(share[:, 0] > 0.5, IMMOBILE, kind)
    rows = known[state[known] > IMMOBILE]
    of = np.flatnonzero(state[known] > IMMOBILE)
    log_d, alpha = segments.log_diffusivity.copy(), segments.alpha.copy()
    spread = 2 * np.square(np.stack((segments.log_diffusivity_scale, segments.alpha_scale), 1))
    log_d[rows], alpha[rows], spread[rows] = value[of, 0], value[of, 1].clip(0, 2), variance[of]
    return segments.moved(log_d, alpha, spread, state)


def _table(mixture: Mixture, share: Array, evidence: Evidence, rests: bool) -> pd.DataFrame:
    log_d, alpha = mixture.mean.T
    spread = np.einsum("kdd->kd", mixture.covariance)
    seen = np.einsum("ndd->nd", evidence.covariance)
    # Information that all segments together hold about the means.
    information = np.einsum("nk,nkd->kd", share, 1 / (spread + seen[:, None]))
    log_se, alpha_se = (1 / np.sqrt(information)).T
    table = pd.DataFrame(
        {
            "motion": [STATES[1 + code] for code in mixture.motion[:, 1:].argmax(1)],
            "diffusivity": np.exp(log_d),
            "diffusivity_se": np.exp(log_d) * log_se,
            "log_diffusivity_sd": np.sqrt(spread[:, 0]),
            "alpha": alpha,
            "alpha_se": alpha_se,
            "alpha_sd": np.sqrt(spread[:, 1]),
        }
    )
    if rests:
        still = pd.DataFrame([{"motion": STATES[IMMOBILE], "diffusivity": 0.0}])
        table = pd.concat([still, table], ignore_index=True)
    return table


class _Counts(NamedTuple):
    """Frames in each state and switches between them, one entry per track."""

    frames: Array  # (n_tracks, K)
    switches: Array  # (n_tracks, K, K)


def _counts(segments: Segments, of_segment: Ints, n_states: int) -> _Counts:
    known = of_segment >= 0
    tracks, track = np.unique(segments.track[known], return_inverse=True)
    frames = np.zeros((tracks.size, n_states))
    np.add.at(frames, (track, of_segment[known]), segments.duration[known])
    switches = np.zeros((tracks.size, n_states, n_states))
    here, track_of = of_segment[known], track
    follows = np.flatnonzero(segments.low[known] >= 0)
    np.add.at(switches, (track_of[follows], here[follows - 1], here[follows]), 1)
    return _Counts(frames, switches)


def _rates(counts: _Counts, weight: Array) -> tuple[Array, Array, Array]:
    """Occupancies, dwell times and transition matrices for each way to weight the tracks."""
    frames = weight @ counts.frames
    switches = np.einsum("rt,tij->rij", weight, counts.switches)
    n_states = frames.shape[1]
    switches[:, np.arange(n_states), np.arange(n_states)] = 0
    leaving = switches.sum(2)
    with np.errstate(divide="ignore", invalid="ignore"):
        occupancy = frames / frames.sum(1, keepdims=True)
        dwell = np.where(leaving > 0, frames / leaving, np.nan)
        transition = switches / frames[..., None]
    stays = 1 - transition.sum(2)
    transition[:, np.arange(n_states), np.arange(n_states)] = stays
    return occupancy, dwell, transition
