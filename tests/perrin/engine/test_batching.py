"""Batches of tracks of similar length, and threads that share them."""

from __future__ import annotations

import threading
import time

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perrin.engine.batching import _PADDING, _WORTH_A_CALL, batch_limit, pack, work_through
from perrin.errors import Cancelled

CPU = torch.device("cpu")
lengths = st.lists(st.integers(10, 999), max_size=300).map(lambda n: np.array(n, np.int64))


@settings(deadline=None)
@given(lengths, st.integers(1, 40_000))
def test_every_track_is_in_one_batch_of_its_kind_and_little_is_padding(
    n_points: npt.NDArray[np.int64], limit: int
) -> None:
    kind = n_points // 130
    batches = pack(n_points, kind, limit)
    together = np.concatenate(batches) if batches else np.empty(0)
    assert sorted(together.tolist()) == list(range(n_points.size))
    for batch in batches:
        assert np.unique(kind[batch]).size == 1
        size = batch.size * int(n_points[batch].max())
        assert size <= limit or batch.size == 1
        assert size - n_points[batch].sum() <= max(_PADDING * size, _WORTH_A_CALL)


def test_no_tracks_make_no_batches() -> None:
    none = np.empty(0, np.int64)
    assert pack(none, none, 1000) == []


def test_tracks_of_distinct_lengths_share_batches() -> None:
    n_points = np.random.default_rng(0).integers(10, 1000, 4000)
    batches = pack(n_points, np.zeros(4000, np.int64), batch_limit(CPU))
    assert len(batches) < 1.2 * n_points.sum() / batch_limit(CPU)


@pytest.fixture
def n_threads() -> int:
    return torch.get_num_threads()


@pytest.mark.parametrize("wanted", [1, 3])
def test_all_jobs_are_done_by_as_many_threads_as_torch_may_use(wanted: int, n_threads: int) -> None:
    torch.set_num_threads(wanted)
    done: list[int] = []
    threads: set[int] = set()
    waiting = threading.Barrier(wanted)

    def work(job: int) -> None:
        if job < wanted:
            waiting.wait(timeout=60)
        assert torch.get_num_threads() == 1
        threads.add(threading.get_ident())

    try:
        work_through(range(20), work, CPU, done.append)
        assert torch.get_num_threads() == wanted
    finally:
        torch.set_num_threads(n_threads)
    assert sorted(done) == list(range(20))
    assert len(threads) == wanted


def test_who_is_told_may_stop_the_work(n_threads: int) -> None:
    begun: list[int] = []
    main = threading.get_ident()

    def stop(job: int) -> None:
        assert threading.get_ident() == main
        raise Cancelled

    def work(job: int) -> None:
        begun.append(job)
        time.sleep(0.05)

    with pytest.raises(Cancelled):
        work_through(range(200), work, CPU, stop)
    assert len(begun) < 100
    assert torch.get_num_threads() == n_threads


def test_an_error_in_a_job_is_raised_and_ends_the_work() -> None:
    begun: list[int] = []

    def work(job: int) -> None:
        begun.append(job)
        if job == 0:
            raise ZeroDivisionError
        time.sleep(0.05)

    with pytest.raises(ZeroDivisionError):
        work_through(range(200), work, CPU)
    assert len(begun) < 100
