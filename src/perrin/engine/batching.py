"""Batches of tracks of similar length, and the threads that work through them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

__all__ = ["batch_limit", "pack", "work_through"]

Ints = npt.NDArray[np.int64]
Job = TypeVar("Job")

_PADDING = 0.1
_WORTH_A_CALL = 4_000  # localizations that cost about what a call of the network costs by itself
_LIMIT = 32_000  # fits the memory that a core has for itself; more is no faster
_LIMIT_OF_ACCELERATORS = 500_000

_one_at_a_time = threading.RLock()


def batch_limit(device: torch.device) -> int:
    """Largest number of localizations, padding included, that a batch may hold."""
    return _LIMIT if device.type == "cpu" else _LIMIT_OF_ACCELERATORS


def pack(n_points: Ints, kind: Ints, limit: int) -> list[Ints]:
    """Group tracks of similar length, so that a batch of them is hardly padded.

    Parameters
    ----------
    n_points
        Length of each track.
    kind
        Tracks of different kind never share a batch; for the network, its stride.
    limit
        Largest number of localizations of a batch, padding included; a longer track is alone.

    Returns
    -------
    list of array
        For each batch the positions of its tracks in ``n_points``, shortest first. At most a tenth
        of a batch is padding, or as much as a further batch would cost.
    """
    order = np.lexsort((n_points, kind))
    lengths, kinds = n_points[order], kind[order]
    ends = np.searchsorted(kinds, kinds, side="right")
    total = np.concatenate(([0], np.cumsum(lengths)))
    batches = []
    first = 0
    while first < order.size:
        end = min(int(ends[first]), first + max(1, limit // int(lengths[first])))
        padded = lengths[first:end] * np.arange(1, end - first + 1)
        padding = padded - (total[first + 1 : end + 1] - total[first])
        fits = (padded <= limit) & (padding <= np.maximum(_PADDING * padded, _WORTH_A_CALL))
        size = max(1, int(fits.size if fits.all() else fits.argmin()))
        batches.append(order[first : first + size])
        first += size
    return batches


def work_through(
    jobs: Sequence[Job],
    work: Callable[[Job], None],
    device: torch.device,
    done: Callable[[Job], None] | None = None,
) -> None:
    """Work in as many threads as torch may use, each on a job of its own.

    On small batches this is faster than to share every product of matrices among the threads, and
    what comes out does not depend on their number.

    Parameters
    ----------
    jobs
        What there is to do.
    work
        Does one job; called in several threads at once.
    device
        Where the work is done; an accelerator gets one thread.
    done
        Told of each job when it is done, in the calling thread. If it raises, or a job does, no
        further job is begun, and the error is raised once the running ones have ended.
    """
    # How many threads torch uses is a setting of the whole process.
    with _one_at_a_time:
        n_threads = torch.get_num_threads()
        n_workers = n_threads if device.type == "cpu" else 1
        pool = ThreadPoolExecutor(n_workers, "perrin", torch.set_num_threads, (1,))
        try:
            jobs_of = {pool.submit(work, job): job for job in jobs}
            for future in as_completed(jobs_of):
                future.result()
                if done is not None:
                    done(jobs_of[future])
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(n_threads)
