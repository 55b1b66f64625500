"""How far the network for changes of model is from the limit, and whether it knows.

One switch of model or exponent, 200 points: the error that the network's own posterior expects, and
the one it makes. Then tracks both parts of which are fractional Brownian motion, beside the exact
likelihood that is told both exponents and the noise, so that only the frame is unknown to it.

    python benchmarks/one_switch_limit.py --tracks 3000 --fbm 200
"""

from __future__ import annotations

import argparse

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.linalg import cho_factor, cho_solve, toeplitz

from _environments import HERE
from perrin.engine.benchmarks.measures import root_mean_square
from perrin.engine.changes.data import one_switch
from perrin.engine.changes.inference import ask_changes
from perrin.simulate.models import fbm
from perrin.simulate.protocols import NOISE_LEVELS
from perrin.simulate.tables import table_of

Array = npt.NDArray[np.float64]

RESULTS = HERE / "results" / "one_switch_limit.csv"
N_POINTS = 200
FRAMES = np.arange(N_POINTS)
EXPONENTS = np.arange(0.05, 1.96, 0.05)


def posterior(positions: Array) -> Array:
    """Ask the network for the probability of every frame, ``(n_tracks, N_POINTS)``."""
    p = ask_changes(table_of(positions), exposure=0.0).p_at.reshape(-1, N_POINTS)
    # A track that never moves has no answer: all frames are as good.
    return np.where(np.isnan(p).any(1, keepdims=True), 1 / N_POINTS, p)


def covariance(alpha: float) -> Array:
    """Covariance matrix of the displacements of fractional Brownian motion, of unit variance."""
    k = np.arange(N_POINTS - 1)
    return toeplitz((np.abs(k + 1) ** alpha + np.abs(k - 1) ** alpha) / 2 - k**alpha)


def told(displacements: Array, alpha: Array, noise: Array) -> Array:
    """Posterior over frames of a track, ``(N_POINTS,)``, by whoever knows all but the frame."""
    first, second = map(covariance, alpha)
    of_noise = toeplitz(np.r_[2.0, -1.0, np.zeros(N_POINTS - 3)])
    log_p = np.full(N_POINTS, -np.inf)
    for at in range(1, N_POINTS):
        joined = np.zeros_like(first)
        joined[:at, :at], joined[at:, at:] = first[:at, :at], second[at:, at:]
        log_p[at] = 0.0
        for steps, level in zip(displacements, noise, strict=True):
            factor = cho_factor(joined + level**2 * of_noise, lower=True)
            log_p[at] -= steps @ cho_solve(factor, steps) / 2 + np.log(np.diag(factor[0])).sum()
    p = np.exp(log_p - log_p.max())
    return p / p.sum()


def of_fbm(n_tracks: int, dim: int, rng: np.random.Generator) -> list[dict[str, object]]:
    """Compare the network and the exact likelihood."""
    alpha = np.array([rng.choice(EXPONENTS, 2, replace=False) for _ in range(n_tracks)])
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    parts = fbm(torch.from_numpy(alpha.ravel()), N_POINTS, dim, generator).double().numpy()
    parts = parts.reshape(n_tracks, 2, dim, N_POINTS - 1)
    at = rng.integers(1, N_POINTS, n_tracks)
    later = np.arange(N_POINTS - 1) >= at[:, None, None]
    steps = np.where(later, parts[:, 1], parts[:, 0])
    noise = rng.choice(NOISE_LEVELS, (n_tracks, dim))
    positions = np.pad(steps, ((0, 0), (0, 0), (1, 0))).cumsum(2)
    positions += noise[..., None] * rng.standard_normal(positions.shape)
    seen = np.diff(positions)
    exact = np.array([told(*each) for each in zip(seen, alpha, noise, strict=True)])
    return [
        row("FBM to FBM", method, dim, p @ FRAMES - at)
        for method, p in (("network", posterior(positions)), ("told all but the frame", exact))
    ]


def row(tracks: str, method: str, dim: int, errors: Array) -> dict[str, object]:
    """Make a row of the table."""
    rmse, se = root_mean_square(errors)
    return {
        "tracks": tracks,
        "method": method,
        "dim": dim,
        "n_tracks": len(errors),
        "rmse": round(rmse, 2),
        "rmse_se": round(se, 2),
    }


def main(n_tracks: int, n_fbm: int) -> pd.DataFrame:
    """Measure both."""
    rng = np.random.default_rng(11)
    generator = torch.Generator().manual_seed(11)
    rows = []
    for dim in (1, 2, 3):
        positions, true = one_switch(n_tracks, dim, N_POINTS, generator)
        p = posterior(positions.double().numpy())
        variance = p @ FRAMES**2 - (p @ FRAMES) ** 2
        rows += [
            row("all models", "network", dim, p @ FRAMES - true.at.numpy()),
            row("all models", "network, as it expects", dim, np.sqrt(variance)),
            *of_fbm(n_fbm, dim, rng),
        ]
        print(pd.DataFrame(rows[-4:]).to_string(index=False), flush=True)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tracks", type=int, default=3000, help="tracks of all models")
    parser.add_argument("--fbm", type=int, default=200, help="tracks of fractional Brownian motion")
    arguments = parser.parse_args()
    main(arguments.tracks, arguments.fbm).to_csv(RESULTS, index=False)
