"""Simulated track tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from perrin.simulate import simulate_tracks
from perrin.simulate.tables import table_of
from perrin.statistics import estimate_diffusivity
from perrin.tracks import index_tracks, validate_tracks


@pytest.mark.parametrize(("dim", "axes"), [(1, ["x"]), (2, ["y", "x"]), (3, ["z", "y", "x"])])
def test_a_table_has_the_columns_of_its_dimension(dim: int, axes: list[str]) -> None:
    table = simulate_tracks(dim=dim, n_tracks=3, n_points=7)
    assert list(table.columns) == ["particle", "frame", *axes]
    assert len(table) == 21
    pd.testing.assert_frame_equal(validate_tracks(table), table)


def test_step_and_noise_come_out_as_asked_for() -> None:
    table = simulate_tracks(alpha=1.0, step=0.8, noise=0.3, n_tracks=200, n_points=500, seed=4)
    found = estimate_diffusivity(table, exposure=0)
    assert found["diffusivity"].mean() == pytest.approx(0.8**2 / 2, rel=0.02)
    assert found["noise"].mean() == pytest.approx(0.3, rel=0.02)


def test_the_seed_decides() -> None:
    first, again = simulate_tracks(seed=1, n_tracks=2), simulate_tracks(seed=1, n_tracks=2)
    other = simulate_tracks(seed=2, n_tracks=2)
    pd.testing.assert_frame_equal(first, again)
    assert not np.allclose(first["x"], other["x"])


def test_tracks_become_a_table() -> None:
    positions = np.random.default_rng(1).standard_normal((3, 2, 8))
    lengths = [8, 2, 5]
    table = validate_tracks(table_of(positions, lengths))
    assert index_tracks(table).lengths.tolist() == lengths
    last = table[table["particle"] == 2]
    np.testing.assert_array_equal(last[["y", "x"]], positions[2, :, :5].T)
    assert last["frame"].tolist() == [0, 1, 2, 3, 4]
    whole = table_of(positions)
    np.testing.assert_array_equal(whole["x"], positions[:, 1].ravel())
    assert whole["frame"].tolist() == [*range(8)] * 3
