"""Work in several processes: every piece is answered for once, whatever becomes of the process."""

from __future__ import annotations

import multiprocessing
import time

import pytest

from perrin import InputError
from perrin.workers import WorkerDied, on_cluster, on_this_machine

DIES = "__import__('os').kill(__import__('os').getpid(), 9)"


def test_a_task_that_kills_its_process_takes_no_other_with_it() -> None:
    tasks = ["1 + 1", DIES, "2 + 2", "__import__('os').environ['OMP_NUM_THREADS']", "3 + 3"]
    answers = dict(on_this_machine(eval, tasks, workers=2))
    assert list(map(type, map(answers.pop, [DIES]))) == [WorkerDied]
    threads = answers.pop(tasks[3])
    assert threads is not None
    assert int(threads) >= 1  # type: ignore[call-overload]
    assert answers == {"1 + 1": 2, "2 + 2": 4, "3 + 3": 6}


def test_who_stops_asking_ends_the_processes() -> None:
    answers = on_this_machine(eval, ["1", "__import__('time').sleep(600)", "2"], workers=2)
    begun = time.monotonic()
    assert next(answers) in {("1", 1), ("2", 2)}
    answers.close()  # type: ignore[attr-defined]
    assert not multiprocessing.active_children()
    assert time.monotonic() - begun < 300


def test_a_cluster_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("perrin.workers._CLUSTER_TIMEOUT", "1s")
    with pytest.raises(InputError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        next(on_cluster(eval, ["1"], "tcp://127.0.0.1:9"))
