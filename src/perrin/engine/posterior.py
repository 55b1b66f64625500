"""Answers from the joint posterior over model and anomalous exponent."""

from __future__ import annotations

import torch
from torch import Tensor

from perrin.models import MODELS
from perrin.simulate.protocols import ALPHAS

__all__ = ["alpha_quantiles", "ergodic_probability"]


def alpha_quantiles(posterior: Tensor, levels: tuple[float, ...]) -> Tensor:
    """Quantiles of the anomalous exponent, linear within each bin.

    Parameters
    ----------
    posterior
        Shape ``(n_tracks, 5, 40)``, each summing to one.
    levels
        Quantiles wanted, between 0 and 1.

    Returns
    -------
    Tensor
        Shape ``(n_tracks, len(levels))``, within 0.05 … 2.
    """
    mass = posterior.sum(1).double()
    cumulative = mass.cumsum(1)
    cumulative = cumulative / cumulative[:, -1:]
    level = torch.tensor(levels, dtype=torch.float64, device=mass.device).expand(len(mass), -1)
    index = torch.searchsorted(cumulative, level.contiguous()).clamp_max(ALPHAS.numel() - 1)
    above = cumulative.gather(1, index)
    inside = mass.gather(1, index).clamp_min(1e-12)
    step = float(ALPHAS[1] - ALPHAS[0])
    upper_edge = (index + 1.5) * step
    quantile = upper_edge - step * ((above - level) / inside).clamp(0, 1)
    return quantile.clamp(float(ALPHAS[0]), float(ALPHAS[-1])).float()


def ergodic_probability(posterior: Tensor) -> Tensor:
    """Probability that the motion is ergodic: that its time average tells its ensemble average.

    Of the five models only FBM is ergodic; SBM with an exponent of 1 is Brownian motion, the same
    process as FBM with that exponent, and is counted with it (Metzler et al., Phys. Chem. Chem.
    Phys. 16, 24128, 2014).

    Parameters
    ----------
    posterior
        Shape ``(n_tracks, 5, 40)``, each summing to one.

    Returns
    -------
    Tensor
        Shape ``(n_tracks,)``.
    """
    brownian = int((ALPHAS - 1).abs().argmin())
    fbm, sbm = MODELS.index("FBM"), MODELS.index("SBM")
    return posterior[:, fbm].sum(1) + posterior[:, sbm, brownian]
