"""Persistent random walks against theory: autoregression of first order, log-normal speeds."""

from __future__ import annotations

import numpy as np
import pytest

from perrin.errors import InputError
from perrin.simulate.superstatistics import CELLS, simulate_cells, simulate_superstatistics


def velocities(**values: float) -> np.ndarray:
    """Shape ``(n_tracks, n_steps, dim)``."""
    table = simulate_superstatistics(**values)
    n = table["particle"].nunique()
    axes = [axis for axis in ("z", "y", "x") if axis in table]
    return np.diff(table[axes].to_numpy().reshape(n, -1, len(axes)), axis=1)


@pytest.mark.parametrize(("q", "dim"), [(0.0, 1), (0.6, 2), (-0.3, 3), (0.9, 2)])
def test_constant_parameters_give_the_autoregressive_process(q: float, dim: int) -> None:
    """Correlation s² q^lag, and its double sum, the mean squared displacement."""
    s, n = 1.7, 40
    u = velocities(speed=s, persistence=q, dim=dim, n_tracks=4000, n_points=n + 1, seed=3)
    for lag in (0, 1, 2, 5):
        products = (u[:, lag:] * u[:, : n - lag]).mean((1, 2))
        error = 5 * products.std() / np.sqrt(len(products))
        assert abs(products.mean() - s**2 * q**lag) < error
    squared = u.sum(1).__pow__(2).sum(1)
    theory = dim * s**2 * (n * (1 + q) / (1 - q) - 2 * q * (1 - q**n) / (1 - q) ** 2)
    assert abs(squared.mean() - theory) < 5 * squared.std() / np.sqrt(len(squared))


def test_lognormal_speeds_give_the_heavy_tails_of_superstatistics() -> None:
    """E[s²] = exp(2σ²), and kurtosis 3 exp(4σ²), of velocities of tracks that differ or drift."""
    sigma = 0.3
    for spread, drift in ((sigma, 0.0), (0.0, sigma)):
        u = velocities(
            persistence=0.0, speed_spread=spread, speed_drift=drift, memory=3, dim=1,
            n_tracks=40_000, n_points=6, seed=4,
        )  # fmt: skip
        assert u.var() == pytest.approx(np.exp(2 * sigma**2), rel=0.02)
        assert (u**4).mean() / u.var() ** 2 == pytest.approx(3 * np.exp(4 * sigma**2), rel=0.05)


def test_the_drift_of_the_speed_forgets_in_its_memory() -> None:
    """Squares correlate as exp(4σ² ρ), with ρ the correlation of the logarithms."""
    sigma, memory, jump = 0.4, 20.0, 0.02
    u = velocities(
        persistence=0.0, speed_drift=sigma, memory=memory, jump_rate=jump, dim=3,
        n_tracks=4000, n_points=101, seed=5,
    )  # fmt: skip
    for lag in (5, 20):
        rho = ((1 - jump) * np.exp(-1 / memory)) ** lag
        measured = (u[:, lag:] ** 2 * u[:, :-lag] ** 2).mean() / (u**2).mean() ** 2
        assert measured == pytest.approx(np.exp(4 * sigma**2 * rho), rel=0.04)


def test_the_spread_of_persistence_is_that_of_artanh() -> None:
    u = velocities(persistence=0.4, persistence_spread=0.2, n_tracks=300, n_points=1001, seed=6)
    q = (u[:, 1:] * u[:, :-1]).mean((1, 2)) / (u**2).mean((1, 2))
    assert np.arctanh(np.median(q)) == pytest.approx(np.arctanh(0.4), abs=0.04)
    assert np.arctanh(q).std() == pytest.approx(0.2, abs=0.03)


def test_cells_come_in_the_published_numbers() -> None:
    tables = simulate_cells(1)
    assert [t["particle"].nunique() for t in tables.values()] == [65, 177, 69]
    for name, table in tables.items():
        interval = table.attrs["calibration"].frame_interval
        n_steps = (table["frame"].max() * interval) // 300
        assert n_steps == (288 if name == "collagen" else 199)
        assert (table["z"] == 0).all() == (CELLS[name].motion.dim == 2)
        assert table.groupby("particle")["movie"].nunique().max() == 1


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="persistence"):
        simulate_superstatistics(persistence=1.0)
