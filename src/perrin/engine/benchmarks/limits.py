"""How near the network comes to the best that is possible: exact maximum likelihood on FBM."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from perrin.engine.benchmarks.measures import mean_and_error, ratio_of_means
from perrin.engine.benchmarks.records import Setting, medians, verdict_on
from perrin.models import MODELS
from perrin.simulate.models import ALPHA_RANGE, fbm
from perrin.simulate.protocols import NOISE_LEVELS, observe
from perrin.simulate.tables import table_of
from perrin.statistics import fit_fbm

__all__ = ["beside_likelihood"]

_LENGTHS = ((30, 99), (100, 299), (300, 999))
_MOST_TRACKS = 300  # the likelihood takes some hundredths of a second for each
_DIFFUSIVITY = 0.5
_FBM = MODELS.index("FBM")
_FLOOR = 0.01  # of the true D: estimates below it, 0 above all, count as this much

Array = npt.NDArray[np.float64]


def beside_likelihood(setting: Setting) -> pd.DataFrame:
    """Compare the network with exact maximum likelihood on fractional Brownian motion.

    Exponents are uniform over the model's range, noise is 0.1, 0.5 or 1 displacements, one per
    track. The likelihood knows that the motion is FBM and the noise isotropic; the network has to
    find out, except for ``alpha_of_fbm``, the median of its posterior given FBM.

    Returns
    -------
    pandas.DataFrame
        One row per ``dim`` (1 and 2), class of lengths (``shortest`` to ``longest``) and
        ``quantity``: ``alpha``, ``alpha_of_fbm``, ``log_diffusivity`` (natural logarithm of half
        the mean squared displacement in one frame along an axis) and ``noise`` (in units of the
        displacements). Mean absolute errors of the ``network`` and of the ``likelihood``, with
        standard errors, their ``ratio`` with one by bootstrap, and ``n_tracks``.
    """
    cells = [(dim, *limits) for dim in (1, 2) for limits in _LENGTHS]
    rows = []
    for dim, shortest, longest in setting.each("Fitting by maximum likelihood", cells):
        truth, positions, lengths = _tracks(setting, dim, shortest, longest)
        verdict = verdict_on(setting, positions, lengths)
        asked = medians(verdict.posterior)
        told = medians(verdict.posterior[:, _FBM : _FBM + 1])
        fitted = fit_fbm(table_of(positions.cpu(), lengths.cpu()), exposure=0.0)
        alpha, noise = fitted["alpha"].to_numpy(), fitted["noise"].to_numpy()
        log_d = _log_ratio(fitted["coefficient"].to_numpy())
        compared = {
            "alpha": (asked - truth[0], alpha - truth[0]),
            "alpha_of_fbm": (told - truth[0], alpha - truth[0]),
            "log_diffusivity": (_log_ratio(verdict.scale.diffusivity.numpy()), log_d),
            "noise": (verdict.scale.noise.numpy() - truth[1], noise - truth[1]),
        }
        for quantity, errors in compared.items():
            network, likelihood = np.abs(errors)
            row = {
                "dim": dim,
                "shortest": shortest,
                "longest": longest,
                "quantity": quantity,
                "n_tracks": len(lengths),
            }
            row["network"], row["network_se"] = mean_and_error(network)
            row["likelihood"], row["likelihood_se"] = mean_and_error(likelihood)
            row["ratio"], row["ratio_se"] = ratio_of_means(network, likelihood, seed=setting.seed)
            rows.append(row)
    return pd.DataFrame(rows)


def _tracks(
    setting: Setting, dim: int, shortest: int, longest: int
) -> tuple[tuple[Array, Array], Tensor, Tensor]:
    """Make tracks: true exponents and noises; positions; lengths."""
    generator = setting.generator("limits", dim, shortest)
    n = min(_MOST_TRACKS, setting.n_tracks)
    low, high = ALPHA_RANGE["FBM"]
    alpha = low + (high - low) * torch.rand(n, generator=generator, device=setting.device)
    levels = torch.tensor(NOISE_LEVELS, device=setting.device)
    choice = torch.randint(len(levels), (n,), generator=generator, device=setting.device)
    noise = levels[choice]
    steps = fbm(alpha, longest, dim, generator)
    positions = observe(steps, noise[:, None].expand(-1, dim), generator)
    lengths = torch.randint(shortest, longest + 1, (n,), generator=generator, device=setting.device)
    return (alpha.cpu().numpy(), noise.cpu().numpy()), positions, lengths


def _log_ratio(diffusivity: Array) -> Array:
    return np.asarray(np.log(np.maximum(diffusivity / _DIFFUSIVITY, _FLOOR)))
