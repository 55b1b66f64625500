"""Mean square displacements: of single tracks, over the ensemble, and over both."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import fft

from perrin.errors import InputError, Progress
from perrin.statistics._arrays import TrackArrays, arrays_of

__all__ = ["TrackMsd", "ensemble_msd", "time_averaged_msd", "time_ensemble_msd"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_BLOCK = 250_000  # values in a block of padded tracks: small enough for the caches


class TrackMsd(NamedTuple):
    """Time-averaged MSDs of many tracks, one after the other.

    Track ``particles[i]`` holds ``msd[bounds[i]:bounds[i + 1]]`` (px²), at the lags 1, 2, ...
    frames; ``n_pairs`` says how many pairs of localizations each value is the mean of. ``msd`` is
    NaN where gaps leave no pair.
    """

    particles: Ints
    bounds: Ints
    msd: Array
    n_pairs: Ints

    @property
    def lags(self) -> Ints:
        """Lag in frames of each value."""
        counts = np.diff(self.bounds)
        return np.arange(1, self.msd.size + 1) - np.repeat(self.bounds[:-1], counts)

    def table(self) -> pd.DataFrame:
        """One row per track and lag: ``particle, lag, msd, n_pairs`` (frames, px²)."""
        return pd.DataFrame(
            {
                "particle": np.repeat(self.particles, np.diff(self.bounds)),
                "lag": self.lags,
                "msd": self.msd,
                "n_pairs": self.n_pairs,
            }
        )


def time_averaged_msd(
    tracks: pd.DataFrame,
    max_lag: int | None = None,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> TrackMsd:
    r"""Compute the time-averaged mean square displacement of every track.

    Parameters
    ----------
    tracks
        A track table (positions in px).
    max_lag
        Longest lag in frames; all lags if not given.
    workers
        Threads, each of which works on a block of tracks; as many as there are processors if not
        given.
    progress
        Called as ``progress("Computing MSDs", done, total)`` with numbers of tracks.

    Raises
    ------
    InputError
        If the table is not a track table or ``max_lag`` is not at least 1.

    Notes
    -----
    .. math::
        \overline{\delta^2}(n) = \frac{1}{N_n}\sum_i |\mathbf r_{i+n}-\mathbf r_i|^2

    over the N_n pairs of localizations that lie n frames apart, summed over axes. With the mask m
    of frames in which the particle was seen, the sum is the correlation :math:`m\star r^2 +
    r^2\star m - 2\,(mr)\star(mr)` and :math:`N_n = m\star m`, all by fast Fourier transform: O(T
    log T) for all lags of a track of T frames, gaps treated exactly (without gaps: Calandrini et
    al. 2011, Collection SFN 12, 201). Positions are taken relative to the middle of the track's
    range, so that a relative error of 1e-12 remains.
    """
    arrays = arrays_of(tracks)
    spans = arrays.spans
    lags = spans - 1 if max_lag is None else np.minimum(spans - 1, _check_lag(max_lag))
    bounds = np.concatenate(([0], np.cumsum(lags))).astype(np.int64)
    result = TrackMsd(
        arrays.layout.particles,
        bounds,
        np.empty(int(bounds[-1])),
        np.empty(int(bounds[-1]), np.int64),
    )
    order = np.argsort(spans, kind="stable")
    order = order[lags[order] > 0]
    blocks, done = _blocks(order, spans), 0
    if len(blocks) == 1:  # starting threads takes longer than one track
        _fill(result, arrays, order, int(lags[order[-1]]))
        if progress is not None:
            progress("Computing MSDs", order.size, order.size)
        return result
    pool = ThreadPoolExecutor(workers or os.cpu_count(), "perrin")
    try:
        block_of = {
            pool.submit(_fill, result, arrays, block, int(lags[block[-1]])): block
            for block in blocks
        }
        for future in as_completed(block_of):
            future.result()
            done += block_of[future].size
            if progress is not None:
                progress("Computing MSDs", done, order.size)
    finally:
        pool.shutdown(cancel_futures=True)
    return result


def time_ensemble_msd(tracks: pd.DataFrame | TrackMsd, max_lag: int | None = None) -> pd.DataFrame:
    r"""Average the time-averaged MSD over tracks.

    Parameters
    ----------
    tracks
        A track table (positions in px), or what :func:`time_averaged_msd` made of it.
    max_lag
        Longest lag in frames; all lags if not given.

    Returns
    -------
    pandas.DataFrame
        One row per lag: ``lag`` (frames), ``msd`` and its standard error ``msd_se`` (px²; NaN for
        a single track), ``n_tracks``, ``n_pairs``.

    Notes
    -----
    Tracks are weighted with their number of pairs. Displacements of one track overlap and are
    strongly correlated, but tracks are independent of each other; so the standard error is taken
    from the spread between tracks,

    .. math::
        \mathrm{SE}^2 = \frac{M}{M-1}\,\frac{\sum_t N_t^2(\delta_t-\bar\delta)^2}{(\sum_t N_t)^2},

    the usual error of a ratio of sums over M independent tracks, and holds for any kind of motion.
    """
    single = tracks if isinstance(tracks, TrackMsd) else time_averaged_msd(tracks, max_lag)
    lag = single.lags
    known = single.n_pairs > 0
    if max_lag is not None:
        known &= lag <= _check_lag(max_lag)
    lag, pairs, value = lag[known], single.n_pairs[known].astype(np.float64), single.msd[known]
    size = int(lag.max(initial=0)) + 1
    total = np.bincount(lag, weights=pairs, minlength=size)
    n_tracks = np.bincount(lag, minlength=size)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(lag, weights=pairs * value, minlength=size) / total
        spread = np.bincount(lag, weights=(pairs * (value - mean[lag])) ** 2, minlength=size)
        error = np.sqrt(spread * n_tracks / (n_tracks - 1)) / total
    return pd.DataFrame(
        {
            "lag": np.arange(1, size),
            "msd": mean[1:],
            "msd_se": np.where(n_tracks[1:] > 1, error[1:], np.nan),
            "n_tracks": n_tracks[1:],
            "n_pairs": total[1:].astype(np.int64),
        }
    )


def ensemble_msd(tracks: pd.DataFrame, max_lag: int | None = None) -> pd.DataFrame:
    r"""Average the square displacement from each track's first localization over tracks.

    Parameters
    ----------
    tracks
        A track table (positions in px).
    max_lag
        Longest time in frames; all if not given.

    Returns
    -------
    pandas.DataFrame
        One row per time since the first localization: ``lag`` (frames), ``msd`` and its standard
        error ``msd_se`` (px²; NaN where one track is left), ``n_tracks`` seen at that time.

    Notes
    -----
    :math:`\langle|\mathbf r(t_0+t)-\mathbf r(t_0)|^2\rangle`, which for non-ergodic motion (CTRW,
    ATTM) differs from the time average; the standard error is the standard deviation over tracks by
    the square root of their number.
    """
    arrays = arrays_of(tracks)
    lengths = arrays.layout.lengths
    lag = arrays.frame - np.repeat(arrays.frame[arrays.layout.starts], lengths)
    moved = arrays.position - np.repeat(arrays.position[arrays.layout.starts], lengths, axis=0)
    square = np.einsum("ij,ij->i", moved, moved)
    if max_lag is not None:
        kept = lag <= _check_lag(max_lag)
        lag, square = lag[kept], square[kept]
    size = int(lag.max(initial=0)) + 1
    n_tracks = np.bincount(lag, minlength=size)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(lag, weights=square, minlength=size) / n_tracks
        spread = np.bincount(lag, weights=(square - mean[lag]) ** 2, minlength=size)
        error = np.sqrt(spread / (n_tracks - 1) / n_tracks)
    return pd.DataFrame(
        {
            "lag": np.arange(1, size),
            "msd": mean[1:],
            "msd_se": np.where(n_tracks[1:] > 1, error[1:], np.nan),
            "n_tracks": n_tracks[1:],
        }
    )


def _check_lag(max_lag: int) -> int:
    if max_lag < 1:
        raise InputError(f"The longest lag is {max_lag}; it must be at least 1 frame.")
    return int(max_lag)


def _fast(size: int) -> int:
    return int(fft.next_fast_len(size, real=True))


def _blocks(order: Ints, spans: Ints) -> list[Ints]:
    """Part tracks, shortest first, into blocks of similar span, all padded to the longest of it."""
    blocks = []
    first = 0
    while first < order.size:
        last = first + 1
        width = int(spans[order[first]])
        limit = max(_fast(2 * width), int(width * 2.3))
        while (
            last < order.size
            and 2 * spans[order[last]] <= limit
            and (last - first) * limit < _BLOCK
        ):
            last += 1
        blocks.append(order[first:last])
        first = last
    return blocks


def _fill(result: TrackMsd, arrays: TrackArrays, chosen: Ints, max_lag: int) -> None:
    """Compute the MSDs of a block of tracks and write them where they belong."""
    from perrin.statistics._msd_kernels import spread

    spans, lengths = arrays.spans[chosen], arrays.layout.lengths[chosen]
    width = int(spans.max())
    path, mask = np.zeros((arrays.n_axes, chosen.size, width)), np.zeros((chosen.size, width))
    starts, stops = arrays.layout.starts[chosen], arrays.layout.stops[chosen]
    spread(arrays.position, arrays.frame, starts, stops, path, mask)
    size = _fast(width + max_lag)
    square = np.einsum("anw,anw->nw", path, path)
    power = np.zeros((chosen.size, size // 2 + 1))
    for axis in path:
        spectrum = fft.rfft(axis, size, axis=1)
        power += spectrum.real**2
        power += spectrum.imag**2
    lag = np.arange(1, max_lag + 1)
    if (lengths == spans).all():
        product = fft.irfft(power, size, axis=1)[:, 1 : max_lag + 1]
        pairs = np.maximum(spans[:, None] - lag, 0)
        # sum of r² over all but the last n frames, plus that over all but the first n
        running = np.concatenate([np.zeros((chosen.size, 1)), square.cumsum(axis=1)], axis=1)
        if (spans == width).all():
            ends = running[:, width - 1 : width - max_lag - 1 : -1]
        else:
            ends = np.take_along_axis(running, pairs, axis=1)
        total = ends + running[:, -1:] - running[:, 1 : max_lag + 1] - 2 * product
    else:
        seen = fft.rfft(mask, size, axis=1)
        squares = fft.rfft(square, size, axis=1)
        both = seen.real * squares.real + seen.imag * squares.imag - power
        total = 2 * fft.irfft(both, size, axis=1)[:, 1 : max_lag + 1]
        overlap = fft.irfft(seen.real**2 + seen.imag**2, size, axis=1)
        pairs = np.rint(overlap[:, 1 : max_lag + 1]).astype(np.int64)
    # Rounding must not make a mean square displacement of zero negative.
    tiny = 1e-13 * square.sum(axis=1, keepdims=True)
    total[total < tiny] = 0
    with np.errstate(invalid="ignore", divide="ignore"):
        msd = total / pairs
    first, last = result.bounds[chosen], result.bounds[chosen + 1]
    if (last - first == max_lag).all() and (np.diff(chosen) == 1).all():
        result.msd[first[0] : last[-1]] = msd.ravel()
        result.n_pairs[first[0] : last[-1]] = pairs.ravel()
        return
    inside = lag <= (last - first)[:, None]
    target = (first[:, None] + lag - 1)[inside]
    result.msd[target] = msd[inside]
    result.n_pairs[target] = pairs[inside]
