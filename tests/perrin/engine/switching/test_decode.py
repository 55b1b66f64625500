"""From probabilities to switches."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from perrin.engine.switching.decode import choose_switches

SHORTEST = 3


def choose(p: list[float] | np.ndarray, threshold: float = 0.5) -> tuple[list[int], np.ndarray]:
    values = np.asarray(p, np.float64)
    low, high = np.empty(len(values), np.int64), np.empty(len(values), np.int64)
    choose_switches(values, np.array([0, len(values)]), threshold, SHORTEST, low, high)
    at = np.flatnonzero(low >= 0)
    return at.tolist(), np.stack((low[at], high[at]), 1)


def peaks(n: int, **at: float) -> np.ndarray:
    p = np.zeros(n)
    for name, value in at.items():
        p[int(name[1:])] = value
    return p


def test_sharp_switches_are_where_they_are() -> None:
    at, limits = choose(peaks(60, f10=0.9, f20=0.95, f24=0.6))
    assert at == [10, 20, 24]
    assert limits.tolist() == [[10, 10], [20, 20], [24, 24]]


def test_an_uncertain_switch_is_at_the_median_of_its_probability() -> None:
    p = peaks(60, f28=0.2, f29=0.2, f30=0.2, f31=0.2, f32=0.2)
    at, limits = choose(p)
    assert at == [30]
    assert limits.tolist() == [[28, 32]]


def test_too_little_probability_is_no_switch() -> None:
    assert choose(peaks(60, f28=0.2, f30=0.2))[0] == []
    assert choose(peaks(60, f28=0.2, f30=0.2), 0.35)[0] != []
    assert choose(np.full(200, 0.004))[0] == []


def test_no_switch_at_the_ends_or_in_a_short_track() -> None:
    assert choose(peaks(60, f1=0.99, f2=0.99, f58=0.99, f59=0.99))[0] == []
    assert choose([0, 0, 0.9, 0.9, 0])[0] == []
    assert choose(peaks(60, f3=0.9, f57=0.9))[0] == [3, 57]


def test_tracks_do_not_see_each_other() -> None:
    p = np.concatenate((peaks(30, f28=0.9, f10=0.9), peaks(30, f2=0.9, f15=0.9)))
    low, high = np.empty(60, np.int64), np.empty(60, np.int64)
    choose_switches(p, np.array([0, 30, 60]), 0.5, SHORTEST, low, high)
    assert np.flatnonzero(low >= 0).tolist() == [10, 45]


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=120),
    st.floats(0.05, 1),
)
def test_segments_are_never_shorter_than_asked(p: list[float], threshold: float) -> None:
    at, limits = choose(p, threshold)
    edges = [0, *at, len(p)]
    if at:
        assert min(np.diff(edges)) >= SHORTEST
        assert (limits[:, 0] <= at).all()
        assert (limits[:, 1] >= at).all()


@given(st.lists(st.floats(0, 1), min_size=10, max_size=80))
def test_a_higher_threshold_never_finds_a_first_switch(p: list[float]) -> None:
    if not choose(p, 0.3)[0]:
        assert not choose(p, 0.6)[0]
