"""Fresh tracks, and what the network says of each."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from perrin.engine.batching import work_through
from perrin.engine.features import fill_gaps
from perrin.engine.network import Network
from perrin.engine.posterior import alpha_quantiles
from perrin.engine.verdict import Verdict, ask, batches_of, in_order
from perrin.errors import Progress
from perrin.simulate.protocols import TheoryTracks

__all__ = [
    "COARSE_LENGTHS",
    "Setting",
    "answer_set",
    "chunks",
    "medians",
    "record",
    "verdict_on",
]

COARSE_LENGTHS = ((10, 29), (30, 99), (100, 299), (300, 999))
"""Shortest and longest tracks of the classes in which robustness is measured."""

_SEED = 1_618_033_988
_CHUNK = 2000

Item = TypeVar("Item")


@dataclass(frozen=True)
class Setting:
    """What is measured, on how many tracks and where.

    Attributes
    ----------
    network
        Whose answers are measured, on ``device``.
    device
        Where to simulate and to compute.
    n_tracks
        Tracks of each set of the main figures; the other parts take a share of it.
    seed
        Another seed makes other tracks.
    progress
        Called with the number of sets measured and to measure.
    """

    network: Network
    device: torch.device
    n_tracks: int
    seed: int = 0
    progress: Progress | None = None

    def generator(self, *key: object) -> torch.Generator:
        """Make the source of randomness of one set, the same whatever else is measured."""
        words = (_SEED, self.seed, zlib.crc32(repr(key).encode()))
        (seed,) = np.random.SeedSequence(words).generate_state(1)
        return torch.Generator(self.device).manual_seed(int(seed))

    def each(self, what: str, items: Sequence[Item]) -> Iterator[Item]:
        """Go through what is to be measured and report how far it is done."""
        for done, item in enumerate(items):
            yield item
            if self.progress is not None:
                self.progress(what, done + 1, len(items))


def answer_set(
    setting: Setting,
    make: Callable[..., TheoryTracks],
    n_tracks: int,
    generator: torch.Generator,
) -> pd.DataFrame:
    """Answer for fresh tracks, some thousand at a time, so that only the answers are kept.

    Parameters
    ----------
    setting
        Whose answers.
    make
        Called as ``make(n, generator=generator)`` for ``n`` tracks.
    n_tracks
        How many tracks.
    generator
        Source of randomness.

    Returns
    -------
    pandas.DataFrame
        As :func:`record` returns it.
    """
    parts = [record(setting, make(n, generator=generator)) for n in chunks(n_tracks)]
    return pd.concat(parts, ignore_index=True)


def chunks(n_tracks: int) -> list[int]:
    """Divide a number of tracks into such as fit into memory."""
    return [min(_CHUNK, n_tracks - first) for first in range(0, n_tracks, _CHUNK)]


def record(setting: Setting, tracks: TheoryTracks) -> pd.DataFrame:
    """Answer for tracks with known truth.

    Returns
    -------
    pandas.DataFrame
        One row per track. The truth: ``n_points``, ``model``, ``alpha``, ``noise`` (root mean
        square over axes, in units of the displacements). The answer: ``called`` model and its
        probability ``confidence``, ``answer`` for alpha, ``low`` and ``high`` (its 5 % and 95 %),
        ``distance`` from the tracks of training and whether it is ``flagged``, that is, too large.
    """
    verdict = verdict_on(setting, tracks.positions, tracks.lengths)
    low, middle, high = alpha_quantiles(verdict.posterior, (0.05, 0.5, 0.95)).T
    confidence, called = verdict.posterior.sum(2).max(1)
    columns = {
        "n_points": tracks.lengths,
        "model": tracks.model,
        "alpha": tracks.alpha,
        "noise": tracks.noise.square().mean(1).sqrt(),
        "called": called,
        "confidence": confidence,
        "answer": middle,
        "low": low,
        "high": high,
        "distance": verdict.distance,
        "flagged": verdict.distance > verdict.limit,
    }
    return pd.DataFrame({name: values.cpu().numpy() for name, values in columns.items()})


def verdict_on(
    setting: Setting,
    positions: Tensor,
    lengths: Tensor,
    seen: Tensor | None = None,
    *,
    exposure: float = 0.0,
) -> Verdict:
    """Ask the network about tracks, with missing frames or without.

    Parameters
    ----------
    setting
        Whom to ask.
    positions
        Shape ``(n_tracks, dim, n_points)``; track ``i`` is ``[:lengths[i]]``.
    lengths
        Points of each track, shape ``(n_tracks,)``.
    seen
        Which frames hold a localization, shape ``(n_tracks, n_points)``; all if not given.
    exposure
        What the network is told of the share of the frame during which the shutter was open.
    """
    batches = batches_of(setting.network, lengths.cpu().numpy(), setting.device)
    verdicts: dict[int, Verdict] = {}

    def work(i: int) -> None:
        rows = torch.from_numpy(batches[i]).to(setting.device)
        longest = int(lengths[rows].max())
        some, there = positions[rows, :, :longest], None
        if seen is not None:
            there = seen[rows, :longest]
            some = fill_gaps(some, there)
        verdicts[i] = ask(setting.network, some, there, lengths[rows], exposure)

    work_through(range(len(batches)), work, setting.device)
    return in_order([verdicts[i] for i in range(len(batches))], batches)


def medians(posterior: Tensor) -> npt.NDArray[np.float64]:
    """Medians of the anomalous exponent, shape ``(n_tracks,)``, double precision."""
    return alpha_quantiles(posterior, (0.5,))[:, 0].double().numpy()
