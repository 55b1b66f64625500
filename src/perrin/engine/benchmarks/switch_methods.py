"""Methods that find switches, each cutting the same tracks: the network's, and classical ones."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.engine.baselines.msd import with_noise
from perrin.engine.benchmarks.challenge2 import Pieces
from perrin.engine.benchmarks.ensemble2 import Ensemble, shared
from perrin.engine.switching.inference import Frames
from perrin.engine.switching.population import pool_segments, shared_states
from perrin.engine.switching.segments import Segments, segments_of
from perrin.errors import InputError
from perrin.simulate.phenomenological import FREE, IMMOBILE

__all__ = [
    "BY_DISPLACEMENTS",
    "cut_by_kernel",
    "cut_by_pelt",
    "pieces_from_cuts",
    "pieces_of",
    "states_of",
]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SHORTEST = 3
_KERNEL_PENALTY = 20.0
_TINY = 1e-12
_AT_REST = 0.12**2 / 2  # px²/frame: what moves less in a frame than the challenge's noise


def pieces_of(frames: Frames, threshold: float, *, pooled: bool = False) -> list[Pieces]:
    """Put the network's segments into the challenge's terms, one entry per track.

    Parameters
    ----------
    frames
        What the network says of tracks that share a movie.
    threshold
        Least probability of a switch.
    pooled
        Whether segments gain from those of other tracks that share their state.
    """
    segments = segments_of(frames, threshold, _SHORTEST)
    if pooled:
        with suppress(InputError):  # too few tracks to share anything
            segments = pool_segments(segments, shared_states(segments, n_resamples=0))
    return _as_pieces(segments, frames.bounds)


def states_of(frames: Frames, threshold: float) -> Ensemble | None:
    """Return the states that the tracks share, None if they are too few for any."""
    try:
        states = shared_states(segments_of(frames, threshold, _SHORTEST), n_resamples=0)
    except InputError:
        return None
    return shared(states)


def _as_pieces(segments: Segments, bounds: Ints) -> list[Pieces]:
    ends = segments.starts + segments.n_frames - bounds[segments.track]
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
