"""The same work on many things at once: in processes of this machine, or on a Dask cluster.

Whatever becomes of a process, every piece of work is answered for exactly once.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from perrin.errors import InputError

__all__ = ["WorkerDied", "default_workers", "on_cluster", "on_this_machine"]

Task = TypeVar("Task")
Answer = TypeVar("Answer")

_CLUSTER_TIMEOUT = "20s"
_THREAD_LIMITS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip


class WorkerDied(Exception):
    """The process that did a piece of work ended without an answer."""


def default_workers() -> int:
    """Return how many processes this machine has processors for."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def on_this_machine(
    function: Callable[[Task], Answer], tasks: Sequence[Task], workers: int
) -> Iterator[tuple[Task, Answer | WorkerDied]]:
    """Do every task in one of some processes, and yield each with its answer when it is there.

    When a process dies (as when memory runs out), those tasks that were in work are done again, one
    at a time; a task whose process dies again is answered with :class:`WorkerDied`. When the caller
    stops, by Ctrl-C too, the processes are told to end and are waited for.

    Parameters
    ----------
    function
        Of the top level of a module, since it is sent to the processes. It should not raise.
    tasks
        What it is called with.
    workers
        How many processes. Each computes with its share of the processors.
    """
    waiting, suspects = deque(tasks), deque[Task]()
    while waiting or suspects:
        # Alone, a task can only have killed its process itself.
        alone = bool(suspects)
        queue = suspects if alone else waiting
        n_processes = 1 if alone else min(workers, len(waiting))
        running: dict[Future[Answer], Task] = {}
        is_broken = False
        with _pool(n_processes, workers) as pool:
            while running or (queue and not is_broken):
                while queue and len(running) < n_processes and not is_broken:
                    try:
                        running[pool.submit(function, queue[0])] = queue[0]
                    except BrokenProcessPool:
                        is_broken = True
                    else:
                        queue.popleft()
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    task = running.pop(future)
                    try:
                        answer = future.result()
                    except BrokenProcessPool:
                        is_broken = True
                        if alone:
                            yield task, WorkerDied()
                        else:
                            suspects.append(task)
                    else:
                        yield task, answer


@contextmanager
def _pool(n_processes: int, workers: int) -> Iterator[ProcessPoolExecutor]:
    threads = max(1, default_workers() // workers)
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        n_processes,
        # Forked processes inherit locks of threads that do not exist in them.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin_worker,
        initargs=(threads,),
    )
    try:
        yield pool
    except BaseException:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker(threads: int) -> None:
    # Before any library that reads them is imported; this module imports none.
    os.environ.update(dict.fromkeys(_THREAD_LIMITS, str(threads)))
    # Ctrl-C reaches every process of the terminal; the first one tells the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def on_cluster(
    function: Callable[[Task], Answer], tasks: Sequence[Task], scheduler: str
) -> Iterator[tuple[Task, Answer | WorkerDied]]:
    """Do every task on a Dask cluster, and yield each with its answer when it is there.

    A task whose worker dies is given to another; after several deaths it is answered with
    :class:`WorkerDied`.

    Parameters
    ----------
    function, tasks
        As for :func:`on_this_machine`. Workers need Perrin installed, and see the same files.
    scheduler
        Its address, such as ``tcp://192.168.0.1:8786``, or a scheduler file.

    Raises
    ------
    InputError
        If ``distributed`` is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise InputError(
            "Work on a cluster needs one more package; install it with 'pip install "
            "napari-perrin[cluster]'."
        ) from None
    is_file = os.path.exists(scheduler)  # noqa: PTH110 (an address is no path)
    try:
        client = Client(
            address=None if is_file else scheduler,
            scheduler_file=scheduler if is_file else None,
            timeout=_CLUSTER_TIMEOUT,
            set_as_default=False,
        )
    except (OSError, ValueError) as error:
        raise InputError(
            f"No Dask scheduler answers at {scheduler} ({error}). Start one with 'dask scheduler' "
            "and workers with 'dask worker ADDRESS', and give the address that it says."
        ) from error
    with client:
        futures = client.map(function, list(tasks), pure=False)
        task_of = {future.key: task for future, task in zip(futures, tasks, strict=True)}
        try:
            for future in as_completed(futures, loop=client.loop):
                died = future.exception() is not None
                yield task_of[future.key], WorkerDied() if died else future.result()
        except BaseException:
            client.cancel(futures)
            raise
