"""States that the particles of one movie share, and what each segment gains from the others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.engine.switching.segments import Segments
from perrin.errors import InputError
from perrin.models import STATES
from perrin.simulate.phenomenological import IMMOBILE

__all__ = ["SharedStates", "pool_segments", "shared_states"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MOST_STATES = 5
_ROUNDS = 200
_CONVERGED = 1e-4
_LEAST_VARIANCE = np.array([0.02, 0.01]) ** 2  # between particles, of log D and alpha
_PRIOR_MEAN = 1.0
_PRIOR_VARIANCE = np.array([4.0, 0.25])  # of log D within a track and of alpha, in the training
_LOWEST_SHARE = 0.01  # of a kind of motion in a state
_FEWEST = 10  # segments from which states can be told


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
    """

    states: pd.DataFrame
    transition: Array
    of_segment: Ints
    responsibility: Array


class _Mixture(NamedTuple):
    weight: Array  # (K,)
    mean: Array  # (K, 2): log D, alpha
    covariance: Array  # (K, 2, 2)
    motion: Array  # (K, 4)


class _Seen(NamedTuple):
    """Moving segments: what the network saw of each, its own expectations taken out."""

    value: Array  # (n, 2)
    variance: Array  # (n, 2)
    motion: Array  # (n, 4), probabilities


def shared_states(
    segments: Segments, n_states: int | None = None, *, n_resamples: int = 200, seed: int = 0
) -> SharedStates:
    r"""Find the states that the particles of one movie share.

    Parameters
    ----------
    segments
        Segments of the tracks of one movie, or of several that were recorded alike.
    n_states
        Number of states of moving particles; by default the one with the least Bayesian
        information criterion, up to five. Immobile particles are a state of their own besides.
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
    Logarithms of diffusivity and exponents are a mixture of Gaussians over particles, seen with the
    error that the network states for each segment, and fitted by expectation maximisation with
    these errors taken into account [1]_; the kind of motion is a third, categorical observation.
    What the network expected of any track before it saw this one is divided out first.

    Occupancies and transitions count the frames of segments and the switches between them, each
    segment in its most probable state.

    References
    ----------
    .. [1] Bovy, Hogg, Roweis (2011), Ann. Appl. Stat. 5, 1657 (extreme deconvolution).
    """
    moving = np.flatnonzero(segments.state > IMMOBILE)
    if moving.size < _FEWEST:
        raise InputError(
            f"States shared by particles need at least {_FEWEST} segments in which one moves; "
            f"there are {moving.size}. Give more tracks."
        )
    seen = _seen(segments, moving)
    numbers = [n_states] if n_states is not None else range(1, _MOST_STATES + 1)
    fits = [_fit(seen, k) for k in numbers]
    mixture, responsibility, _ = min(fits, key=lambda fit: fit[2])
    order = np.argsort(mixture.mean[:, 0])
    mixture = _Mixture(*(each[order] for each in mixture))
    rests = bool((segments.state == IMMOBILE).any())
    n_all = len(order) + rests
    shares = np.zeros((segments.starts.size, n_all))
    shares[moving, rests:] = responsibility[:, order]
    shares[segments.state == IMMOBILE, 0] = 1
    of_segment = np.where(segments.state < 0, -1, shares.argmax(1))
    states = _table(mixture, responsibility[:, order], seen, rests)
    counts = _counts(segments, of_segment, n_all)
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
    return SharedStates(states, transition[0], of_segment, shares)


def pool_segments(segments: Segments, shared: SharedStates) -> Segments:
    """Let every segment gain from those that share its state.

    Diffusivity and exponent of a segment become the mean of what is likely for it given both what
    was seen of it and the distribution over particles of the states it may be in. Kinds of motion
    stay as they were.
    """
    moving = np.flatnonzero(segments.state > IMMOBILE)
    seen = _seen(segments, moving)
    states = shared.states[shared.states["motion"] != STATES[IMMOBILE]]
    rests = len(shared.states) - len(states)
    mixture: _Mixture = states.attrs["mixture"]
    share = shared.responsibility[moving, rests:]
    value = np.einsum("nk,nkd->nd", share, _expected(seen, mixture)[0])
    log_d, alpha = segments.log_diffusivity.copy(), segments.alpha.copy()
    log_d[moving], alpha[moving] = value[:, 0], value[:, 1].clip(0, 2)
    return segments._replace(log_diffusivity=log_d, alpha=alpha)


def _interval(spread: Array) -> Array:
    """Take 5 % and 95 % of each column, NaN where it holds nothing."""
    known = ~np.isnan(spread).all(0)
    interval = np.full((2, spread.shape[1]), np.nan)
    interval[:, known] = np.nanquantile(spread[:, known], (0.05, 0.95), axis=0)
    return interval


def _seen(segments: Segments, moving: Ints) -> _Seen:
    """Take out of the network's answers what it expected anyway."""
    value = np.stack((segments.log_diffusivity, segments.alpha), 1)[moving]
    scale = np.stack((segments.log_diffusivity_scale, segments.alpha_scale), 1)[moving]
    variance = 2 * np.square(scale)  # of a Laplacian
    # Of alpha alone: what is expected of D depends on the track.
    expected = np.array([0.0, _PRIOR_MEAN])
    gain = np.maximum(1 / variance - np.array([0.0, 1.0]) / _PRIOR_VARIANCE, 0.05 / variance)
    pull = np.array([0.0, 1.0]) * np.minimum(1 / _PRIOR_VARIANCE, 0.95 / variance)
    return _Seen(
        (value / variance - pull * expected) / gain,
        1 / gain,
        segments.p_state[moving],
    )


def _fit(seen: _Seen, n_states: int) -> tuple[_Mixture, Array, float]:
    """Fit so many states; return them, the responsibilities, and the information criterion."""
    n = len(seen.value)
    order = np.argsort(seen.value[:, 0])
    parts = np.array_split(order, n_states)
    everywhere = seen.motion.mean(0)
    mixture = _Mixture(
        np.full(n_states, 1 / n_states),
        np.array([np.median(seen.value[part], axis=0) for part in parts]),
        np.array([np.diag(seen.value[part].var(0) + _LEAST_VARIANCE) for part in parts]),
        np.tile(everywhere, (n_states, 1)),
    )
    before = -np.inf
    for _ in range(_ROUNDS):
        log_likelihood, share = _responsibilities(seen, mixture)
        if log_likelihood - before < _CONVERGED * n:
            break
        before = log_likelihood
        mixture = _maximised(seen, mixture, share)
    n_parameters = n_states * (2 + 3 + len(STATES) - 2) + n_states - 1
    return mixture, share, n_parameters * np.log(n) - 2 * log_likelihood


def _responsibilities(seen: _Seen, mixture: _Mixture) -> tuple[float, Array]:
    inverse, determinant = _inverted(seen, mixture)
    offset = seen.value[:, None] - mixture.mean
    distance = np.einsum("nkd,nkde,nke->nk", offset, inverse, offset)
    log_p = -0.5 * (distance + np.log(determinant)) - np.log(2 * np.pi)
    log_p += np.log(mixture.weight) + np.log(seen.motion @ mixture.motion.T + 1e-12)
    peak = log_p.max(1, keepdims=True)
    summed = peak + np.log(np.exp(log_p - peak).sum(1, keepdims=True))
    return float(summed.sum()), np.exp(log_p - summed)


def _expected(seen: _Seen, mixture: _Mixture) -> tuple[Array, Array]:
    """Mean and covariance of the true values of each segment if it is in each state."""
    gain = mixture.covariance @ _inverted(seen, mixture)[0]
    offset = seen.value[:, None] - mixture.mean
    mean = mixture.mean + np.einsum("nkde,nke->nkd", gain, offset)
    return mean, mixture.covariance - gain @ mixture.covariance


def _inverted(seen: _Seen, mixture: _Mixture) -> tuple[Array, Array]:
    """Inverse and determinant of what each segment's values would scatter by in each state."""
    total = mixture.covariance + seen.variance[:, None, :, None] * np.eye(2)
    # By hand: for many small matrices linear algebra packages take ten times as long.
    (a, b), (_, d) = np.moveaxis(total, (2, 3), (0, 1))
    determinant = a * d - b * b
    adjugate = np.array([[d, -b], [-b, a]])
    return np.moveaxis(adjugate / determinant, (0, 1), (2, 3)), determinant


def _maximised(seen: _Seen, mixture: _Mixture, share: Array) -> _Mixture:
    mean, covariance = _expected(seen, mixture)
    count = share.sum(0) + 1e-9
    centre = np.einsum("nk,nkd->kd", share, mean) / count[:, None]
    offset = mean - centre
    spread = covariance + offset[..., :, None] * offset[..., None, :]
    widths = np.einsum("nk,nkde->kde", share, spread) / count[:, None, None]
    widths += np.diag(_LEAST_VARIANCE)
    # Which motion a segment shows is itself uncertain.
    joint = seen.motion[:, None] * mixture.motion
    joint /= joint.sum(2, keepdims=True) + 1e-12
    motion = np.einsum("nk,nkm->km", share, joint) / count[:, None] + _LOWEST_SHARE
    return _Mixture(count / count.sum(), centre, widths, motion / motion.sum(1, keepdims=True))


def _table(mixture: _Mixture, share: Array, seen: _Seen, rests: bool) -> pd.DataFrame:
    log_d, alpha = mixture.mean.T
    variance = np.einsum("kdd->kd", mixture.covariance)
    # Information that all segments together hold about the means.
    information = np.einsum("nk,nkd->kd", share, 1 / (variance + seen.variance[:, None]))
    log_se, alpha_se = (1 / np.sqrt(information)).T
    table = pd.DataFrame(
        {
            "motion": [STATES[1 + code] for code in mixture.motion[:, 1:].argmax(1)],
            "diffusivity": np.exp(log_d),
            "diffusivity_se": np.exp(log_d) * log_se,
            "log_diffusivity_sd": np.sqrt(variance[:, 0]),
            "alpha": alpha,
            "alpha_se": alpha_se,
            "alpha_sd": np.sqrt(variance[:, 1]),
        }
    )
    if rests:
        still = pd.DataFrame([{"motion": STATES[IMMOBILE], "diffusivity": 0.0}])
        table = pd.concat([still, table], ignore_index=True)
    table.attrs["mixture"] = mixture
    return table


class _Counts(NamedTuple):
    """Frames in each state and switches between them, one entry per track."""

    frames: Array  # (n_tracks, K)
    switches: Array  # (n_tracks, K, K)


def _counts(segments: Segments, of_segment: Ints, n_states: int) -> _Counts:
    known = of_segment >= 0
    tracks, track = np.unique(segments.track[known], return_inverse=True)
    frames = np.zeros((tracks.size, n_states))
    np.add.at(frames, (track, of_segment[known]), segments.n_frames[known])
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
