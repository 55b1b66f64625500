"""What every particle does at every frame, and where that changes, from the network."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from perrin.device import autocast, pick_device
from perrin.engine.batching import batch_limit, pack, work_through
from perrin.engine.data import LONGEST
from perrin.engine.looks import Looks, Tracks, lay_out, ranges, worth_a_look
from perrin.engine.switching.data import SHORTEST
from perrin.engine.switching.network import SwitchNetwork
from perrin.engine.verdict import strides
from perrin.engine.weights import load_switch_network
from perrin.errors import Progress
from perrin.models import STATES
from perrin.statistics._arrays import check_exposure
from perrin.tracks import validate_tracks

__all__ = ["Frames", "ask_frames"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_OVERLAP = 200
_COLUMNS = 5 + len(STATES)


class Frames(NamedTuple):
    """What the network says, one entry per localization of the table.

    Localizations of tracks that are too short, or never move, have NaN everywhere.

    Attributes
    ----------
    particle, frame, position
        As in the table, sorted; positions are ``(n, axes)``, in px.
    bounds
        Track ``k`` is ``[bounds[k] : bounds[k + 1]]``.
    p_switch
        Probability that a new state begins after the localization before and not after this one.
    log_diffusivity, log_diffusivity_scale
        Median of the logarithm of the generalised diffusivity (px²/frame^alpha) and scale of its
        Laplacian uncertainty.
    alpha, alpha_scale
        The same for the anomalous exponent.
    p_state
        Probabilities of :data:`perrin.models.STATES`, shape ``(n, 4)``.
    """

    particle: Ints
    frame: Ints
    position: Array
    bounds: Ints
    p_switch: Array
    log_diffusivity: Array
    log_diffusivity_scale: Array
    alpha: Array
    alpha_scale: Array
    p_state: Array


def ask_frames(
    tracks: pd.DataFrame,
    *,
    exposure: float = 1.0,
    device: str = "auto",
    weights: Path | None = None,
    progress: Progress | None = None,
) -> Frames:
    """Ask the network for switches about every localization.

    Parameters
    ----------
    tracks
        A track table; missing frames are known to the network as missing.
    exposure
        Share of the frame interval during which the shutter is open, 0 to 1.
    device, weights, progress
        As for :func:`perrin.engine.predict`.

    Raises
    ------
    InputError
        If the table, the device or the weights cannot be used, or ``exposure`` is out of range.
    Cancelled
        If ``progress`` raises it.

    Notes
    -----
    Tracks of more than 999 frames are asked about in pieces that overlap by 200 or more, where the
    answers of one pass smoothly into those of the next.
    """
    check_exposure(exposure)
    table = validate_tracks(tracks)
    where = pick_device(device)
    network = _ready(weights, str(where))
    arrays = Tracks.of(table)
    index = arrays.index
    answers, weight = np.zeros((len(table), _COLUMNS)), np.zeros((len(table), 1))
    lock = Lock()
    looks = _pieces(arrays)
    jobs = pack(looks.n_points, strides(network, looks.n_points), batch_limit(where) // 2)
    total = int(looks.n_points.sum())
    done = 0

    def work(some: Ints) -> None:
        for rows, values, share in _answers(network, arrays, looks, some, exposure, where):
            with lock:
                answers[rows] += share * values
                weight[rows] += share

    def tell(some: Ints) -> None:
        nonlocal done
        done += int(looks.n_points[some].sum())
        if progress is not None:
            progress("Finding switches", done, total)

    work_through(jobs, work, where, tell)
    answers = np.divide(answers, weight, out=np.full_like(answers, np.nan), where=weight > 0)
    p, log_diffusivity, log_diffusivity_scale, alpha, alpha_scale = answers[:, :5].T
    return Frames(
        table["particle"].to_numpy(np.int64),
        arrays.frame,
        np.stack(arrays.axes, 1),
        np.append(index.starts, len(table)).astype(np.int64),
        p,
        log_diffusivity,
        log_diffusivity_scale,
        alpha,
        alpha_scale,
        answers[:, 5:],
    )


@lru_cache(maxsize=2)
def _ready(weights: Path | None, device: str) -> SwitchNetwork:
    return load_switch_network(weights).to(device).requires_grad_(requires_grad=False)


def _pieces(tracks: Tracks) -> Looks:
    """Cut tracks into pieces of consecutive frames, as few as possible; mark what each answers."""
    owner, first, last = [], [], []
    for k in np.flatnonzero(tracks.index.lengths >= SHORTEST):
        start, stop = int(tracks.index.starts[k]), int(tracks.index.stops[k])
        frame = tracks.frame[start:stop] - tracks.frame[start]
        span = int(tracks.spans[k])
        n = 1 if span <= LONGEST else 1 + -(-(span - LONGEST) // (LONGEST - _OVERLAP))
        begins = np.linspace(0, max(0, span - LONGEST), n).round().astype(np.int64)
        low = np.searchsorted(frame, begins)
        high = np.searchsorted(frame, begins + LONGEST)
        owner += [k] * n
        first += (start + low).tolist()
        last += (start + high).tolist()
    starts, stops = np.array(first, np.int64), np.array(last, np.int64)
    which = np.array(owner, np.int64)
    kept = stops - starts >= SHORTEST
    starts, stops, which = starts[kept], stops[kept], which[kept]
    rows = ranges(starts, stops)
    piece = np.repeat(np.arange(starts.size), stops - starts)
    once = np.ones(starts.size, np.int64)
    looks = worth_a_look(tracks, once, rows, piece, np.zeros_like(piece), tracks.frame[rows])
    return looks._replace(owner=which[looks.owner])


def _answers(
    network: SwitchNetwork,
    tracks: Tracks,
    looks: Looks,
    some: Ints,
    exposure: float,
    device: torch.device,
) -> Iterator[tuple[Ints, Array, Array]]:
    """Answer for some pieces: the rows of each, the answers, and how much they count."""
    laid = lay_out(tracks, looks, some, exposure, device)
    with torch.inference_mode(), autocast(device):
        said = network(*laid)
    p = said.switch.sigmoid()
    p[:, 0] = 0
    per_step = torch.cat(
        (
            p[..., None],
            said.log_diffusivity[..., :1],
            said.log_diffusivity[..., 1:].exp(),
            said.alpha[..., :1].clamp(0, 2),
            said.alpha[..., 1:].exp(),
            said.state.softmax(2),
        ),
        2,
    )
    found = per_step.cpu().double().numpy()
    n_steps = found.shape[1]
    cumulated = np.pad(found[..., 0], ((0, 0), (1, 0))).cumsum(1)
    for i, piece in enumerate(some):
        inside = slice(looks.starts[piece], looks.stops[piece])
        frames, rows = looks.frames[inside], looks.rows[inside]
        values = found[i, np.minimum(frames, looks.n_points[piece] - 2)]
        # What may have happened while the particle was not seen is told where it is seen again.
        until = cumulated[i, np.minimum(frames + 1, n_steps)]
        values[:, 0] = np.diff(until, prepend=0).clip(0, 1)
        values[-1, 0] = 0
        yield rows, values, _share(looks, piece, rows)[:, None]


def _share(looks: Looks, piece: int, rows: Ints) -> Array:
    """Say how much a piece counts at each of its rows, beside others of its track."""
    share = np.ones(rows.size)
    before, after = piece - 1, piece + 1
    if before >= 0 and looks.owner[before] == looks.owner[piece]:
        shared = int(looks.rows[looks.stops[before] - 1] - rows[0] + 1)
        if shared > 0:
            share[:shared] *= _ramp(shared)
    if after < looks.owner.size and looks.owner[after] == looks.owner[piece]:
        shared = int(rows[-1] - looks.rows[looks.starts[after]] + 1)
        if shared > 0:
            share[-shared:] *= 1 - _ramp(shared)
    return share


def _ramp(n: int) -> Array:
    return np.asarray((np.arange(n) + 0.5) / n)
