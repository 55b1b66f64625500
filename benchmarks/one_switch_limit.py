"""How far the network for changes of model is from the limit, and whether it knows.

One switch of model or exponent, 200 points, either part with its own noise and factor on every
axis: the error that the network's own posterior expects, and the one it makes. Then tracks both
parts of which are fractional Brownian motion, beside two exact likelihoods: of whoever knows only
that, and of whoever is told exponents, noise and factors too, so that only the frame is unknown.

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
from perrin.engine.changes.likelihoods import log_evidence
from perrin.simulate.models import fbm
from perrin.simulate.protocols import draw_noise_and_factor, observe
from perrin.statistics._motion import structure_function

Array = npt.NDArray[np.float64]

RESULTS = HERE / "results" / "one_switch_limit.csv"
EXPONENTS = np.arange(0.05, 1.96, 0.05)


def covariance(alpha: float, coefficient: float, noise: float) -> Array:
    """Covariance matrix of displacements: half the second differences of the MSD."""
    msd = structure_function(N_POINTS - 1, alpha, coefficient, noise, 0.0)
    lags = FRAMES[:-1]
    return toeplitz((msd[lags + 1] + msd[np.abs(lags - 1)] - 2 * msd[lags]) / 2)


def told(displacements: Array, alpha: Array, noise: Array, factor: Array) -> Array:
    """Posterior over frames of a track, ``(N_POINTS,)``, by whoever knows all but the frame.

    ``alpha`` is of both parts, ``noise`` and ``factor`` are of both parts and every axis, ``(2,
    dim)``.
    """
    log_p = np.full(N_POINTS, -np.inf)
    log_p[1:] = 0.0
    for axis, steps in enumerate(displacements):
        parts = [factor[k, axis] ** 2 * covariance(alpha[k], 0.5, noise[k, axis]) for k in range(2)]
        joined = np.zeros_like(parts[0])
        for at in range(1, N_POINTS):
            joined[:] = 0.0
            joined[:at, :at], joined[at:, at:] = parts[0][:at, :at], parts[1][at:, at:]
            factored = cho_factor(joined, lower=True)
            log_p[at] -= steps @ cho_solve(factored, steps) / 2 + np.log(np.diag(factored[0])).sum()
    p = np.exp(log_p - log_p.max())
    return p / p.sum()


def untold(positions: Array) -> Array:
    """Posteriors, ``(n_tracks, N_POINTS)``, by whoever knows only of fractional Brownian motion."""
    log_p = log_evidence(torch.from_numpy(positions), 1)[:, 1:, 0]
    p = log_p.double().softmax(1).numpy()
    return np.pad(p, ((0, 0), (1, 0)))


def of_fbm(n_tracks: int, dim: int, rng: np.random.Generator) -> list[dict[str, object]]:
    """Compare the network and the exact likelihoods."""
    alpha = np.array([rng.choice(EXPONENTS, 2, replace=False) for _ in range(n_tracks)])
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    steps = fbm(torch.from_numpy(alpha.ravel()), N_POINTS, dim, generator)
    noise, factor = draw_noise_and_factor(2 * n_tracks, dim, "axis", generator)
    parts = (observe(steps, noise, generator) * factor).diff(dim=2).double().numpy()
    parts = parts.reshape(n_tracks, 2, dim, N_POINTS - 1)
    at = rng.integers(1, N_POINTS, n_tracks)
    later = np.arange(N_POINTS - 1) >= at[:, None, None]
    seen = np.where(later, parts[:, 1], parts[:, 0])
    positions = np.pad(seen, ((0, 0), (0, 0), (1, 0))).cumsum(2)
    known = (each.double().numpy().reshape(n_tracks, 2, dim) for each in (noise, factor))
    exact = np.array([told(*each) for each in zip(seen, alpha, *known, strict=True)])
    answers = {
        "network": posterior(positions),
        "told that it is such motion": untold(positions),
        "told all but the frame": exact,
    }
    return [
        row({"tracks": "FBM to FBM", "method": method}, dim, p @ FRAMES - at)
        for method, p in answers.items()
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
        print(pd.DataFrame(rows[-5:]).to_string(index=False), flush=True)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tracks", type=int, default=3000, help="tracks of all models")
    parser.add_argument("--fbm", type=int, default=200, help="tracks of fractional Brownian motion")
    arguments = parser.parse_args()
    main(arguments.tracks, arguments.fbm).to_csv(RESULTS, index=False)
