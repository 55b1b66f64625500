"""Methods that find switches, each cutting the same tracks: the network's, and classical ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.engine.baselines.msd import with_noise
from perrin.engine.benchmarks.challenge2 import Pieces
from perrin.engine.benchmarks.ensemble2 import Ensemble, one_state, shared
from perrin.engine.switching.inference import Frames
from perrin.engine.switching.methods import SwitchCalls
from perrin.engine.switching.pooling import pooled
from perrin.engine.switching.segments import Segments, segments_of
from perrin.errors import InputError
from perrin.simulate.phenomenological import FREE, IMMOBILE
from perrin.tracks import axes_of

__all__ = [
    "BY_DISPLACEMENTS",
    "cut_by_hidden_states",
    "cut_by_kernel",
    "cut_by_pelt",
    "pieces_from_cuts",
    "pieces_of",
    "shared_by",
]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SHORTEST = SwitchCalls().min_segment
_KERNEL_PENALTY = 20.0
_TINY = 1e-12
_STATES_TRIED = (1, 2, 3)
_LEAVING = 0.03  # probability to leave a state from which the fit starts
_ROUNDS = 100
_AT_REST = 0.12**2 / 2  # px²/frame: what moves less in a frame than the challenge's noise


def pieces_of(frames: Frames, threshold: float) -> list[Pieces]:
    """Put the network's segments into the challenge's terms, one entry per track.

    Parameters
    ----------
    frames
        What the network says of tracks that share a movie.
    threshold
        Least probability of a switch.
    """
    return _as_pieces(segments_of(frames, threshold, _SHORTEST), frames.bounds)


def shared_by(
    frames: Frames, threshold: float, tracks: pd.DataFrame
) -> tuple[list[Pieces], Ensemble]:
    """Let segments gain from those of the movie that share their state; the states themselves.

    Segments that are too few to share anything stay as they are, and are one state.
    """
    try:
        found = pooled(frames, tracks, exposure=0.0, threshold=threshold, shortest=_SHORTEST).states
    except InputError:
        pieces = pieces_of(frames, threshold)
        return pieces, one_state(pieces)
    return _as_pieces(found.segments, frames.bounds), shared(found)


def _as_pieces(segments: Segments, bounds: Ints) -> list[Pieces]:
    ends = segments.starts + segments.n_points - bounds[segments.track]
    alpha = np.nan_to_num(segments.exponent)
    first = np.searchsorted(segments.track, np.arange(len(bounds)))
    return [
        Pieces(ends[part], alpha[part], segments.diffusivity[part], segments.state[part])
        for part in map(slice, first[:-1], first[1:])
    ]


def cut_by_kernel(displacements: Array) -> Ints:
    """Kernel change point detection on the logarithm of squared displacements (``ruptures``).

    Linear kernel, penalty 20, segments of three or more. ``displacements`` has shape
    ``(n_steps, dim)``; returns the displacements that begin a segment.
    """
    import ruptures

    signal = np.log(np.square(displacements).sum(1) + _TINY)[:, None]
    found = ruptures.KernelCPD(kernel="linear", min_size=_SHORTEST).fit(signal)
    return np.array(found.predict(pen=_KERNEL_PENALTY)[:-1], np.int64)


def cut_by_pelt(displacements: Array) -> Ints:
    """Penalised maximum likelihood for Gaussian displacements of piecewise constant variance.

    PELT of ``ruptures`` (Killick et al. 2012) with the cost of a variance, and a penalty of three
    times the logarithm of the length, that of a change point and a variance in the modified
    Bayesian information criterion (Zhang & Siegmund 2007).
    """
    import ruptures

    class Variance(ruptures.base.BaseCost):  # type: ignore[misc]
        """Minus twice the log-likelihood of zero-mean Gaussian displacements."""

        model = ""
        min_size = _SHORTEST

        def fit(self, signal: Array) -> Variance:
            self.signal = signal
            self.sums = np.append(0, np.square(signal).sum(1).cumsum())
            self.dim = signal.shape[1]
            return self

        def error(self, start: int, end: int) -> float:
            n = (end - start) * self.dim
            return float(n * np.log((self.sums[end] - self.sums[start]) / n + _TINY))

    penalty = 3 * np.log(len(displacements))
    search = ruptures.Pelt(custom_cost=Variance(), min_size=_SHORTEST, jump=1).fit(displacements)
    return np.array(search.predict(pen=penalty)[:-1], np.int64)


def cut_by_hidden_states(tracks: pd.DataFrame) -> Callable[[Array], Ints]:
    """Fit a hidden Markov model with diffusive states to all tracks of a movie (``hmmlearn``).

    One to three states, each with Gaussian displacements of mean zero, as many as make the Bayesian
    information criterion least; fitted by expectation maximisation, starting at quantiles of the
    squared displacements. Returns what cuts a track where its most probable path changes state.
    """
    from hmmlearn.hmm import GaussianHMM

    axes = list(axes_of(tracks))
    parts = [
        np.diff(track.to_numpy(np.float64), axis=0) for _, track in tracks.groupby("particle")[axes]
    ]
    steps, lengths = np.concatenate(parts), [len(part) for part in parts]
    best, least = None, np.inf
    for n_states in _STATES_TRIED:
        # A prior that nothing can outweigh keeps the means at zero.
        model = GaussianHMM(
            n_states, "spherical", means_weight=1e12, covars_prior=_TINY, n_iter=_ROUNDS,
            params="stmc", init_params="",
        )  # fmt: skip
        model.startprob_ = np.full(n_states, 1 / n_states)
        leaving = _LEAVING / n_states
        model.transmat_ = leaving + (1 - _LEAVING) * np.eye(n_states)
        model.means_ = np.zeros((n_states, len(axes)))
        shares = (np.arange(n_states) + 0.5) / n_states
        model.covars_ = np.quantile(np.square(steps).mean(1), shares) + _TINY
        model.fit(steps, lengths)
        criterion = model.bic(steps, lengths)
        if criterion < least:
            best, least = model, criterion
    assert best is not None

    def cut(displacements: Array) -> Ints:
        path = best.predict(displacements)
        return np.flatnonzero(np.diff(path)) + 1

    return cut


BY_DISPLACEMENTS: dict[str, Callable[[Array], Ints]] = {
    "PELT, variance": cut_by_pelt,
    "KernelCPD, log": cut_by_kernel,
}
"""Classical methods, by what they are called in tables."""


def pieces_from_cuts(tracks: pd.DataFrame, cut: Callable[[Array], Ints]) -> list[Pieces]:
    """Cut each track, and fit every segment's MSD with noise, in the challenge's terms.

    A segment whose diffusivity is below the challenge's noise counts as immobile.
    """
    ends, lengths = [], []
    for _, track in tracks.groupby("particle"):
        positions = track[["y", "x"]].to_numpy()
        begins = cut(np.diff(positions, axis=0))
        ends.append(np.append(begins, len(positions)))
        lengths.append(np.diff(ends[-1], prepend=0))
    piece = np.repeat(np.arange(sum(map(len, ends))), np.concatenate(lengths))
    fitted = with_noise(tracks.assign(particle=piece), exposure=0.0)
    diffusivity = fitted["diffusivity"].to_numpy(np.float64)
    alpha = fitted["alpha"].to_numpy(np.float64)
    rests = ~(diffusivity > _AT_REST)
    diffusivity = np.where(rests, 0.0, diffusivity)
    alpha = np.where(rests, 0.0, np.nan_to_num(alpha, nan=1.0))
    state = np.where(rests, IMMOBILE, FREE)
    last = np.cumsum([len(each) for each in ends])
    return [
        Pieces(
            each,
            alpha[stop - len(each) : stop],
            diffusivity[stop - len(each) : stop],
            state[stop - len(each) : stop],
        )
        for each, stop in zip(ends, last, strict=True)
    ]
