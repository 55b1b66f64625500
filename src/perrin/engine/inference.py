"""Which model each track follows, and its anomalous exponent."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from perrin.device import autocast, pick_device
from perrin.engine.data import LONGEST, MOST_MISSING, SHORTEST
from perrin.engine.features import fill_gaps
from perrin.engine.network import Network
from perrin.engine.posterior import alpha_quantiles
from perrin.engine.weights import load_network
from perrin.errors import Progress
from perrin.models import MODELS, PROBABILITY_COLUMNS
from perrin.simulate.protocols import ALPHAS
from perrin.tracks import axes_of, index_tracks, validate_tracks

__all__ = ["predict"]

_POINTS_PER_BATCH = 64_000

Ints = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]


def predict(
    tracks: pd.DataFrame,
    *,
    device: str = "auto",
    weights: Path | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Ask the network about every track.

    Parameters
    ----------
    tracks
        A track table; missing frames are known to the network as missing.
    device
        ``"auto"`` (CUDA, else MPS, else CPU) or the name of a device.
    weights
        A file written by ``perrin train``; the bundled weights if not given.
    progress
        Called with the number of localizations judged and to judge.

    Returns
    -------
    pandas.DataFrame
        One row per particle: ``particle``, ``n_points``; ``p_attm`` … ``p_sbm``, calibrated
        probabilities of the models; ``alpha``, posterior median of the anomalous exponent, with
        ``alpha_lo`` and ``alpha_hi`` (5 % and 95 %); ``unlike_training``, whether the track lies
        farther from the simulated ones than 95 % of these do, or misses more frames than any of
        them. Tracks of fewer than 10 points, and tracks that never move, get empty values.

    Raises
    ------
    InputError
        If the table, the device or the weights cannot be used.
    Cancelled
        If ``progress`` raises it.

    Notes
    -----
    Tracks of more than 999 frames are looked at every k-th frame, once for each of the k starting
    frames, and the posteriors are averaged: all five models are self-similar, so that neither
    model nor exponent change with the frame interval.
    """
    table = validate_tracks(tracks)
    where = pick_device(device)
    network = _network(weights, str(where))
    index = index_tracks(table)
    positions = table[list(axes_of(table))].to_numpy(np.float64)
    frame = table["frame"].to_numpy(np.int64)
    n = index.particles.size
    span = index.spans(frame)
    moves = _moves(positions, index.starts, index.stops)
    judged = np.flatnonzero((index.lengths >= SHORTEST) & moves)

    posterior = np.zeros((n, len(MODELS) * ALPHAS.numel()))
    distance = np.full(n, np.nan)
    looks = np.zeros(n)
    done, total = 0, int(span[judged].sum())
    for owners, phase, stride, length in _batches(judged, span):
        grid, seen = _dense(positions, frame, index.starts, index.stops, owners, phase, stride,
                            length)  # fmt: skip
        xs = torch.from_numpy(grid).to(where)
        gaps = None if seen.all() else torch.from_numpy(seen).to(where)
        if gaps is not None:
            xs = fill_gaps(xs, gaps)
        with torch.inference_mode(), autocast(where):
            output = network(xs, gaps)
        np.add.at(posterior, owners, network.posterior(output, length).flatten(1).cpu().numpy())
        excess = network.distance(output.embedding, length) - network.limit(length)
        distance[owners] = np.fmax(distance[owners], excess.cpu().numpy())
        np.add.at(looks, owners, 1)
        done += int((span[owners] / stride).sum())
        if progress is not None:
            progress("Asking the network", min(done, total), total)

    table = pd.DataFrame({"particle": index.particles, "n_points": index.lengths})
    answered = looks > 0
    posterior[answered] /= looks[answered, None]
    joint = torch.from_numpy(posterior[answered]).view(-1, len(MODELS), ALPHAS.numel())
    p_model = np.full((n, len(MODELS)), np.nan)
    p_model[answered] = joint.sum(2).numpy()
    quantiles = np.full((n, 3), np.nan)
    quantiles[answered] = alpha_quantiles(joint, (0.5, 0.05, 0.95)).numpy()
    table[list(PROBABILITY_COLUMNS)] = p_model
    table[["alpha", "alpha_lo", "alpha_hi"]] = quantiles
    sparse = index.lengths < (1 - MOST_MISSING) * span
    table["unlike_training"] = answered & ((distance > 0) | sparse)
    return table


@lru_cache(maxsize=2)
def _network(weights: Path | None, device: str) -> Network:
    return load_network(weights).to(device)


def _moves(positions: Array, starts: Ints, stops: Ints) -> npt.NDArray[np.bool_]:
    if starts.size == 0:
        return np.empty(0, np.bool_)
    first = np.repeat(positions[starts], stops - starts, axis=0)
    away = (positions != first).any(1)
    moved: npt.NDArray[np.bool_] = np.logical_or.reduceat(away, starts)
    return moved


def _batches(judged: Ints, span: Ints) -> Iterator[tuple[Ints, int, int, int]]:
    """Tracks of equal length, phase by phase: (tracks, first frame, stride, length)."""
    by_length = np.argsort(span[judged], kind="stable")
    in_order = judged[by_length]
    edges = np.flatnonzero(np.diff(span[in_order])) + 1
    for group in np.split(in_order, edges) if in_order.size else []:
        length, stride = int(span[group[0]]), int(-(-span[group[0]] // LONGEST))
        for phase in range(stride):
            n_points = -(-(length - phase) // stride)
            size = max(1, _POINTS_PER_BATCH // n_points)
            for first in range(0, group.size, size):
                yield group[first : first + size], phase, stride, n_points


def _dense(
    positions: Array,
    frame: Ints,
    starts: Ints,
    stops: Ints,
    owners: Ints,
    phase: int,
    stride: int,
    length: int,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Lay tracks out on consecutive frames, shape ``(n_tracks, dim, length)``, from zero."""
    counts = stops[owners] - starts[owners]
    which = np.repeat(np.arange(owners.size), counts)
    offset = np.arange(which.size) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = np.repeat(starts[owners], counts) + offset
    at = frame[rows] - frame[starts[owners]][which] - phase
    kept = (at >= 0) & (at % stride == 0)
    which, rows, at = which[kept], rows[kept], at[kept] // stride
    grid = np.zeros((owners.size, positions.shape[1], length), np.float32)
    seen = np.zeros((owners.size, length), np.bool_)
    grid[which, :, at] = positions[rows] - positions[starts[owners]][which]
    seen[which, at] = True
    return grid, seen
