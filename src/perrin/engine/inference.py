"""Which model each track follows, its anomalous exponent, its diffusivity and its noise."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from perrin.device import pick_device
from perrin.engine.batching import batch_limit, pack, work_through
from perrin.engine.data import LONGEST, MOST_MISSING, SHORTEST
from perrin.engine.looks import Looks, Tracks, lay_out, look_at
from perrin.engine.network import Network
from perrin.engine.posterior import alpha_quantiles, ergodic_probability
from perrin.engine.scale import Scale, pool_parts
from perrin.engine.trunk import Trunk
from perrin.engine.verdict import Verdict, ask, batches_of, in_order, strides
from perrin.engine.weights import load_network
from perrin.errors import Progress
from perrin.models import PROBABILITY_COLUMNS
from perrin.statistics._arrays import check_exposure
from perrin.tracks import validate_tracks

__all__ = ["jobs_of", "predict", "ready_network", "teller"]

Ints = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]

_JUDGED = ("excess", *PROBABILITY_COLUMNS, "alpha", "alpha_lo", "alpha_hi", "p_ergodic")
_MEASURED = ("diffusivity", "diffusivity_lo", "diffusivity_hi", "noise")


def predict(
    tracks: pd.DataFrame,
    *,
    exposure: float = 1.0,
    device: str = "auto",
    weights: Path | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Ask the network about every track.

    Parameters
    ----------
    tracks
        A track table; missing frames are known to the network as missing.
    exposure
        Share of the frame interval during which the shutter is open, 0 to 1; 0 for simulated
        tracks without motion blur.
    device
        ``"auto"`` (CUDA, else MPS, else CPU) or the name of a device. On a CPU as many threads
        compute as ``torch.get_num_threads()`` says.
    weights
        A file written by ``perrin train``; the bundled weights if not given.
    progress
        Called with the number of frames judged and to judge.

    Returns
    -------
    pandas.DataFrame
        One row per particle: ``particle``, ``n_points``;

        - ``p_attm`` … ``p_sbm``: calibrated probabilities of the models;
        - ``alpha``: posterior median of the anomalous exponent, with ``alpha_lo`` and ``alpha_hi``
          (5 % and 95 %);
        - ``p_ergodic``: probability that the motion is ergodic, see
          :func:`~.posterior.ergodic_probability`;
        - ``diffusivity`` (px²/frame): short-time diffusivity, mean over axes, free of localization
          noise and motion blur, with ``diffusivity_lo`` and ``diffusivity_hi`` (5 % and 95 %);
        - ``noise`` (px): localization error per axis, root mean square over axes;
        - ``unlike_training``: whether the track lies farther from the simulated ones than 95 % of
          these do, or misses more frames than any of them.

        Tracks of fewer than 10 points, and tracks that never move, get empty values.

    Raises
    ------
    InputError
        If the table, the device or the weights cannot be used, or ``exposure`` is out of range.
    Cancelled
        If ``progress`` raises it.

    Notes
    -----
    Tracks of more than 999 frames are looked at every k-th frame, once for each of the k starting
    frames, and the posteriors are averaged: all five models are self-similar, so that neither
    model nor exponent change with the frame interval. Diffusivity and noise do, and are averaged
    over k pieces of consecutive frames. What holds fewer than 10 localizations is left out.

    Memory beyond the table itself does not grow with the number of localizations: tracks are laid
    out and judged batch by batch.
    """
    table = validate_tracks(tracks)
    exposure = check_exposure(exposure)
    where = pick_device(device)
    network = ready_network(weights, where)
    arrays = Tracks.of(table)
    index = arrays.index
    long_enough = np.flatnonzero(index.lengths >= SHORTEST)
    answers = np.full((index.particles.size, len(_JUDGED + _MEASURED)), np.nan)

    def work(job: Ints) -> None:
        answers[job] = _answers(network, arrays, job, exposure, where)

    jobs = jobs_of(network, arrays, long_enough, where)
    work_through(jobs, work, where, teller("Asking the network", arrays, jobs, progress))
    result = pd.DataFrame({"particle": index.particles, "n_points": index.lengths})
    result[[*_JUDGED, *_MEASURED]] = answers
    sparse = (index.lengths >= SHORTEST) & (index.lengths < (1 - MOST_MISSING) * arrays.spans)
    result["unlike_training"] = (result["excess"] > 0) | sparse
    return result.drop(columns="excess")


def jobs_of(
    network: Trunk, tracks: Tracks, which: Ints, device: torch.device, share: float = 1
) -> list[Ints]:
    """Divide tracks into jobs: as many as share a batch, or a single very long one.

    Parameters
    ----------
    network, device, share
        As for :func:`~.batches_of`.
    tracks
        All tracks.
    which
        Those that there is something to do for.
    """
    spans = tracks.spans[which]
    # Long tracks are looked at several times and do not mix with the others.
    kind = np.where(spans > LONGEST, 0, strides(network, np.minimum(spans, LONGEST)))
    return [which[job] for job in pack(spans, kind, int(share * batch_limit(device)))]


@lru_cache(maxsize=2)
def _loaded(weights: Path | None, device: str) -> Network:
    return load_network(weights).to(device).requires_grad_(requires_grad=False)


def ready_network(weights: Path | None, device: torch.device) -> Network:
    """Load a network once for all calls, its weights held fixed."""
    return _loaded(weights, str(device))


def teller(
    what: str, tracks: Tracks, jobs: list[Ints], progress: Progress | None
) -> Callable[[Ints], None] | None:
    """Return what tells ``progress`` of each job done, in frames; None if nobody is to be told."""
    if progress is None:
        return None
    total = sum(int(tracks.spans[job].sum()) for job in jobs)
    done = 0

    def tell(job: Ints) -> None:
        nonlocal done
        done += int(tracks.spans[job].sum())
        progress(what, done, total)

    return tell


def _answers(
    network: Network, tracks: Tracks, job: Ints, exposure: float, device: torch.device
) -> Array:
    """Answers for the tracks of one job, shape ``(n_tracks, len(_JUDGED + _MEASURED))``."""
    looks = look_at(tracks, job)
    answers = np.full((job.size, len(_JUDGED + _MEASURED)), np.nan)
    if looks.owner.size == 0:
        return answers
    batches = batches_of(network, looks.n_points, device)
    verdicts = [ask(network, *lay_out(tracks, looks, some, exposure, device)) for some in batches]
    verdict = in_order(verdicts, batches)
    judged, numbers = _judge(verdict, looks)
    answers[judged, : len(_JUDGED)] = numbers
    scale = _measure(verdict, looks, job.size)
    low, high = scale.interval(float(network.spread[len(tracks.axes) - 1]))
    answers[:, len(_JUDGED) :] = torch.stack((scale.diffusivity, low, high, scale.noise), 1)
    return answers


def _judge(verdict: Verdict, looks: Looks) -> tuple[Ints, Tensor]:
    """Average the posteriors of each track's looks; which tracks were judged, and how."""
    judged, track = np.unique(looks.owner[looks.judges], return_inverse=True)
    look = torch.from_numpy(np.flatnonzero(looks.judges))
    owner = torch.from_numpy(track)
    each = verdict.posterior[look]
    total = each.new_zeros(judged.size, *each.shape[1:]).index_add_(0, owner, each)
    posterior = total / torch.bincount(owner)[:, None, None]
    excess = (verdict.distance - verdict.limit)[look]
    furthest = excess.new_full((judged.size,), -torch.inf)
    furthest.scatter_reduce_(0, owner, excess, "amax")
    parts = (
        furthest[:, None],
        posterior.sum(2),
        alpha_quantiles(posterior, (0.5, 0.05, 0.95)),
        ergodic_probability(posterior)[:, None],
    )
    return judged, torch.cat(parts, 1)


def _measure(verdict: Verdict, looks: Looks, n_tracks: int) -> Scale:
    """Pool what the looks of each track say of its diffusivity and noise."""
    look = torch.from_numpy(np.flatnonzero(looks.measures))
    n_points, owner = torch.from_numpy(looks.n_points)[look], torch.from_numpy(looks.owner)[look]
    return pool_parts(Scale(*(each[look] for each in verdict.scale)), n_points, owner, n_tracks)
