"""What the benchmarks of one switch of model or exponent ask the network, and what they tell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from perrin.engine.benchmarks.measures import root_mean_square
from perrin.engine.changes.inference import ask_changes
from perrin.simulate.tables import table_of

N_POINTS = 200
FRAMES = np.arange(N_POINTS)


def posterior(positions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Ask the network for the probability of every frame, ``(n_tracks, N_POINTS)``."""
    p = ask_changes(table_of(positions), exposure=0.0).p_at.reshape(-1, N_POINTS)
    # A track that never moves has no answer: all frames are as good.
    return np.where(np.isnan(p).any(1, keepdims=True), 1 / N_POINTS, p)


def row(names: dict[str, str], dim: int, errors: npt.NDArray[np.float64]) -> dict[str, object]:
    """Make a row of a table, begun by ``names``, of errors in frames."""
    rmse, se = root_mean_square(errors)
    figures = {"rmse": round(rmse, 4), "rmse_se": round(se, 4)}
    return {**names, "dim": dim, "n_tracks": len(errors), **figures}
