"""Simulated tracks whose truth is known, written out with numpy so that nothing is assumed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest


def as_table(positions: np.ndarray) -> pd.DataFrame:
    """Turn positions ``(tracks, points, axes)`` into a track table."""
    n_tracks, n_points, n_axes = positions.shape
    table = pd.DataFrame(
        {
            "particle": np.repeat(np.arange(n_tracks), n_points),
            "frame": np.tile(np.arange(n_points), n_tracks),
        }
    )
    for axis, name in enumerate(("z", "y", "x")[-n_axes:]):
        table[name] = positions[:, :, axis].ravel()
    return table


def brownian(
    seed: int,
    n_tracks: int,
    n_points: int,
    diffusivity: float = 1.0,
    noise: float = 0.0,
    n_axes: int = 2,
    exposed: int = 0,
) -> np.ndarray:
    """Brownian positions; with ``exposed`` sub-steps, averaged over the whole frame."""
    rng = np.random.default_rng(seed)
    parts = max(exposed, 1)
    size = (n_tracks, n_points, parts, n_axes)
    steps = rng.normal(0, np.sqrt(2 * diffusivity / parts), size)
    path = steps.reshape(n_tracks, -1, n_axes).cumsum(axis=1).reshape(size)
    return path.mean(axis=2) + rng.normal(0, noise, (n_tracks, n_points, n_axes))


def fractional(
    seed: int, n_tracks: int, n_points: int, alpha: float, noise: float = 0.0, n_axes: int = 2
) -> np.ndarray:
    """Fractional Brownian positions with MSD ``2 t**alpha`` per axis, exact (Cholesky)."""
    rng = np.random.default_rng(seed)
    lag = np.arange(n_points - 1.0)
    covariance = np.abs(lag + 1) ** alpha + np.abs(lag - 1) ** alpha - 2 * lag**alpha
    index = np.abs(lag[:, None] - lag).astype(int)
    root = np.linalg.cholesky(covariance[index])
    steps = np.einsum("ij,njd->nid", root, rng.normal(size=(n_tracks, n_points - 1, n_axes)))
    path = np.concatenate([np.zeros((n_tracks, 1, n_axes)), steps.cumsum(axis=1)], axis=1)
    return path + rng.normal(0, noise, path.shape)


@pytest.fixture(name="as_table", scope="session")
def _as_table() -> Callable[..., pd.DataFrame]:
    return as_table


@pytest.fixture(name="brownian", scope="session")
def _brownian() -> Callable[..., np.ndarray]:
    return brownian


@pytest.fixture(name="fractional", scope="session")
def _fractional() -> Callable[..., np.ndarray]:
    return fractional
