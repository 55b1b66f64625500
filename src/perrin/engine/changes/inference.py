"""Whether and where each track changes its model or exponent, from the network."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from perrin.device import autocast, pick_device
from perrin.engine.batching import work_through
from perrin.engine.changes.data import NEVER, SHORTEST
from perrin.engine.changes.network import ChangeNetwork, PerToken
from perrin.engine.inference import jobs_of, teller
from perrin.engine.looks import Looks, Tracks, lay_out, look_at
from perrin.engine.verdict import batches_of
from perrin.engine.weights import load_change_network
from perrin.errors import Progress
from perrin.models import MODELS
from perrin.simulate.protocols import ALPHAS
from perrin.statistics._arrays import check_exposure
from perrin.tracks import validate_tracks

__all__ = ["Changes", "ask_changes"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_TINY = 1e-12
_PRIOR = 0.3
"""Probability, before it is looked at, that a track changes; at the microscope few do."""
_ODDS = _PRIOR / (1 - _PRIOR) / ((1 - NEVER) / NEVER)


class Changes(NamedTuple):
    """What the network says of changes; NaN for tracks that are too short or never move.

    Attributes
    ----------
    particle, frame
        Of each localization, sorted.
    bounds
        Track ``k`` is ``[bounds[k] : bounds[k + 1]]``.
    p_change
        Probability that a track changes its model or exponent, ``(n_tracks,)``; before it is looked
        at, it is taken to be 0.3.
    p_at
        Probability that the new motion begins with each localization if it does change; sums to one
        over a track.
    before, after
        Posterior over (model, exponent bin) on either side of the change if there is one,
        ``(n_tracks, 5, 40)``.
    """

    particle: Ints
    frame: Ints
    bounds: Ints
    p_change: Array
    p_at: Array
    before: Array
    after: Array


def ask_changes(
    tracks: pd.DataFrame,
    *,
    exposure: float = 1.0,
    device: str = "auto",
    weights: Path | None = None,
    progress: Progress | None = None,
) -> Changes:
    """Ask the network for changes about every track.

    Parameters
    ----------
    tracks
        A track table; missing frames are known to the network as missing.
    exposure
        Share of the frame interval during which the shutter is open, 0 to 1.
    device, weights, progress
        As for :func:`perrin.engine.predict`; weights come from ``perrin train --engine changes``.

    Raises
    ------
    InputError
        If the table, the device or the weights cannot be used, or ``exposure`` is out of range.
    Cancelled
        If ``progress`` raises it.

    Notes
    -----
    Tracks of more than 999 frames are looked at every k-th frame, once for each of the k starting
    frames, and the answers are averaged. A change that may have happened while the particle was not
    seen is told at the first localization after the gap.
    """
    table = validate_tracks(tracks)
    exposure = check_exposure(exposure)
    where = pick_device(device)
    network = _ready(weights, str(where))
    arrays = Tracks.of(table)
    n_tracks = arrays.index.particles.size
    answer = Changes(
        table["particle"].to_numpy(np.int64),
        arrays.frame,
        np.append(arrays.index.starts, len(table)).astype(np.int64),
        np.full(n_tracks, np.nan),
        np.full(len(table), np.nan),
        *np.full((2, n_tracks, len(MODELS), ALPHAS.numel()), np.nan),
    )
    jobs = jobs_of(network, arrays, np.flatnonzero(arrays.index.lengths >= SHORTEST), where)

    def work(job: Ints) -> None:
        _ask(network, arrays, job, exposure, where, answer)

    work_through(jobs, work, where, teller("Finding changes", arrays, jobs, progress))
    return answer


@lru_cache(maxsize=2)
def _ready(weights: Path | None, device: str) -> ChangeNetwork:
    return load_change_network(weights).to(device).requires_grad_(requires_grad=False)


def _ask(
    network: ChangeNetwork,
    tracks: Tracks,
    job: Ints,
    exposure: float,
    device: torch.device,
    answer: Changes,
) -> None:
    """Answer for the tracks of one job, in place: the mean over the looks at each."""
    looks = look_at(tracks, job)
    judged = np.flatnonzero(looks.judges)
    share = 1 / np.bincount(looks.owner[judged], minlength=job.size).clip(1)
    for k in np.unique(looks.owner[judged]):
        track = job[k]
        for part in (answer.p_change, answer.before, answer.after):
            part[track] = 0.0
        answer.p_at[slice(*answer.bounds[track : track + 2])] = 0.0
    for some in batches_of(network, looks.n_points[judged], device):
        rows = judged[some]
        with torch.inference_mode(), autocast(device):
            said = network(*lay_out(tracks, looks, rows, exposure, device))
        p_never = said.place.softmax(1)[:, 0].cpu().double().numpy()
        p_tokens = said.place[:, 1:].softmax(1)
        before, after = _cells(said, p_tokens)
        p_token = p_tokens.cpu().double().numpy()
        p_token /= p_token.sum(1, keepdims=True)  # to the precision of what is summed
        for i, look in enumerate(rows):
            owner = looks.owner[look]
            track, weight = job[owner], share[owner]
            inside = slice(*answer.bounds[track : track + 2])
            frame = tracks.frame[inside] - tracks.frame[inside.start]
            # A change at a frame begins with the displacement from it.
            until = np.interp(
                frame + 1, *_cumulated(network, looks, look, p_token[i], tracks, inside)
            )
            answer.p_at[inside] += weight * np.diff(until, prepend=0.0)
            changes = _ODDS * (1 - p_never[i])
            answer.p_change[track] += weight * changes / (changes + p_never[i])
            answer.before[track] += weight * before[i]
            answer.after[track] += weight * after[i]


def _cells(said: PerToken, place: Tensor) -> tuple[Array, Array]:
    """Posteriors before and after, over all places of the change, shape ``(n, 5, 40)`` each.

    What tokens say counts by how likely they lie before the change, or after it; ``place`` is how
    likely it is in each of them.
    """
    until = place.cumsum(1)
    there = torch.isfinite(said.place[:, 1:])
    cell = said.cell.flatten(2).softmax(2)
    posteriors = []
    for weight in (1 - until + place / 2, until - place / 2):
        weight = (weight * there).clamp_min(_TINY)
        mixed = torch.einsum("nt,ntc->nc", weight / weight.sum(1, keepdim=True), cell)
        posteriors.append(mixed.view(-1, *said.cell.shape[2:]).cpu().double().numpy())
    return posteriors[0], posteriors[1]


def _cumulated(
    network: ChangeNetwork, looks: Looks, look: int, p_token: Array, tracks: Tracks, inside: slice
) -> tuple[Array, Array]:
    """Frames of the track, and the probability that the change comes until then."""
    interval, n_points = looks.interval[look], looks.n_points[look]
    stride = network.stride(int(n_points))
    n_tokens = (n_points - 1) // stride
    first = tracks.frame[looks.rows[looks.starts[look]]] - tracks.frame[inside.start]
    edges = stride * np.arange(n_tokens + 1.0)
    # Halving may have dropped the last displacements; the last token answers for them.
    edges[-1] = n_points - 1
    return first + interval * edges, np.append(0.0, p_token[:n_tokens].cumsum())
