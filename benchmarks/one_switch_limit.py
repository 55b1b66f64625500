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
from _one_switch import FRAMES, N_POINTS, posterior, row
from perrin.engine.changes.data import one_switch
from perrin.simulate.models import fbm
from perrin.simulate.protocols import NOISE_LEVELS
from perrin.statistics._motion import structure_function

Array = npt.NDArray[np.float64]

RESULTS = HERE / "results" / "one_switch_limit.csv"
EXPONENTS = np.arange(0.05, 1.96, 0.05)


def covariance(alpha: float, coefficient: float, noise: float) -> Array:
    """Covariance matrix of displacements: half the second differences of the MSD."""
    msd = structure_function(N_POINTS - 1, alpha, coefficient, noise, 0.0)
    lags = FRAMES[:-1]
    return toeplitz((msd[lags + 1] + msd[np.abs(lags - 1)] - 2 * msd[lags]) / 2)


def told(displacements: Array, alpha: Array, noise: Array) -> Array:
    """Posterior over frames of a track, ``(N_POINTS,)``, by whoever knows all but the frame."""
    first, second = (covariance(each, 0.5, 0.0) for each in alpha)
    of_noise = [covariance(1.0, 0.0, level) for level in noise]
    log_p = np.full(N_POINTS, -np.inf)
    for at in range(1, N_POINTS):
        joined = np.zeros_like(first)
        joined[:at, :at], joined[at:, at:] = first[:at, :at], second[at:, at:]
        log_p[at] = 0.0
        for steps, seen_with in zip(displacements, of_noise, strict=True):
            factor = cho_factor(joined + seen_with, lower=True)
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
        row({"tracks": "FBM to FBM", "method": method}, dim, p @ FRAMES - at)
        for method, p in (("network", posterior(positions)), ("told all but the frame", exact))
    ]


def main(n_tracks: int, n_fbm: int) -> pd.DataFrame:
    """Measure both."""
    rng = np.random.default_rng(11)
    generator = torch.Generator().manual_seed(11)
    rows = []
    for dim in (1, 2, 3):
        positions, true = one_switch(n_tracks, dim, N_POINTS, generator)
        p = posterior(positions.double().numpy())
        variance = p @ FRAMES**2 - (p @ FRAMES) ** 2
        answers = {
            "network": p @ FRAMES - true.at.numpy(),
            "network, as it expects": np.sqrt(variance),
        }
        for method, errors in answers.items():
            rows.append(row({"tracks": "all models", "method": method}, dim, errors))
        rows += of_fbm(n_fbm, dim, rng)
        print(pd.DataFrame(rows[-4:]).to_string(index=False), flush=True)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tracks", type=int, default=3000, help="tracks of all models")
    parser.add_argument("--fbm", type=int, default=200, help="tracks of fractional Brownian motion")
    arguments = parser.parse_args()
    main(arguments.tracks, arguments.fbm).to_csv(RESULTS, index=False)
