"""Scores of the second AnDi challenge for the states that the particles of a movie share.

The same numbers as ``error_Ensemble_dataset`` of andi-datasets 2.1.13 gives
(``benchmarks/andi2_official.py`` compares them on the same answers).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr
from scipy.stats import wasserstein_distance

from perrin.engine.benchmarks.challenge2 import Pieces
from perrin.engine.switching.population import SharedStates
from perrin.simulate.phenomenological import (
    ALPHA_BOUNDS,
    DIFFUSIVITY_BOUNDS,
    Motion,
    populations_of,
)

__all__ = ["Ensemble", "EnsembleScore", "one_state", "score_ensemble", "shared", "true_ensemble"]

Array = npt.NDArray[np.float64]

_N_SUPPORT = 1_000_000
_LEAST_VARIANCE = 1e-9


class Ensemble(NamedTuple):
    """States of an experiment, each of shape ``(n_states,)``; all 0 where immobile.

    Attributes
    ----------
    alpha, alpha_variance
        Mean and variance over particles.
    diffusivity, diffusivity_variance
        The same, in px²/frame^alpha.
    share
        Share of all frames.
    """

    alpha: Array
    alpha_variance: Array
    diffusivity: Array
    diffusivity_variance: Array
    share: Array


class EnsembleScore(NamedTuple):
    """Wasserstein distances between the distributions over particles, true and found.

    Attributes
    ----------
    alpha_distance
        Of the exponent.
    diffusivity_distance
        Of the diffusivity, px²/frame^alpha. The challenge takes the densities at points that are
        evenly spaced on a logarithmic axis as they are.
    """

    alpha_distance: float
    diffusivity_distance: float


def score_ensemble(truth: Ensemble, found: Ensemble) -> EnsembleScore:
    """Score states that were found against the true ones."""
    alpha = np.linspace(*ALPHA_BOUNDS, _N_SUPPORT)
    diffusivity = np.geomspace(*DIFFUSIVITY_BOUNDS, _N_SUPPORT)
    densities = [
        (
            _density(alpha, each.alpha, each.alpha_variance, each.share),
            _density(diffusivity, each.diffusivity, each.diffusivity_variance, each.share),
        )
        for each in (truth, found)
    ]
    return EnsembleScore(
        *(
            float(wasserstein_distance(at, at, true, said))
            for at, true, said in zip((alpha, diffusivity), *densities, strict=True)
        )
    )


def true_ensemble(motion: Motion, tracks: pd.DataFrame) -> Ensemble:
    """Return what an experiment drew its particles from, by the frames of its tracks.

    ``tracks`` are those of :func:`~perrin.simulate.phenomenological.simulate_experiment`.
    """
    rows = [
        (p.alpha, p.alpha_variance, p.diffusivity, p.diffusivity_variance) if p else (0.0,) * 4
        for p in populations_of(motion)
    ]
    alpha, alpha_variance, diffusivity, diffusivity_variance = np.array(rows).T
    n_frames = np.bincount(tracks["population"], minlength=len(rows))
    share = n_frames / n_frames.sum()
    return Ensemble(alpha, alpha_variance, diffusivity, diffusivity_variance, share)


def shared(states: SharedStates) -> Ensemble:
    """Return states that particles share; diffusivities are log-normal within each."""
    table = states.states.fillna({"alpha": 0.0, "alpha_sd": 0.0, "log_diffusivity_sd": 0.0})
    spread = np.square(table["log_diffusivity_sd"].to_numpy())
    mean = table["diffusivity"].to_numpy() * np.exp(spread / 2)
    return Ensemble(
        table["alpha"].to_numpy(),
        np.square(table["alpha_sd"].to_numpy()),
        mean,
        np.square(mean) * np.expm1(spread),
        table["occupancy"].to_numpy(),
    )


def one_state(tracks: Sequence[Pieces]) -> Ensemble:
    """Take all segments for one state, each frame alike: means and variances over particles."""
    weight = np.concatenate([np.diff(track.ends, prepend=0) for track in tracks])
    alpha, alpha_variance = _moments(np.concatenate([t.alpha for t in tracks]), weight)
    mean, variance = _moments(np.concatenate([t.diffusivity for t in tracks]), weight)
    return Ensemble(alpha, alpha_variance, mean, variance, np.ones(1))


def _moments(values: Array, weight: Array) -> tuple[Array, Array]:
    mean = np.average(values, weights=weight, keepdims=True)
    return mean, np.average(np.square(values - mean), weights=weight, keepdims=True)


def _density(at: Array, mean: Array, variance: Array, share: Array) -> Array:
    """Mixture of Gaussians that are cut off at both ends of ``at``, up to a constant factor."""
    width = np.sqrt(variance.clip(_LEAST_VARIANCE))
    inside = ndtr((at[-1] - mean) / width) - ndtr((at[0] - mean) / width)
    density = np.zeros_like(at)
    for height, centre, sd in zip(share / (inside * width), mean, width, strict=True):
        density += height * np.exp(-np.square((at - centre) / sd) / 2)
    return density
