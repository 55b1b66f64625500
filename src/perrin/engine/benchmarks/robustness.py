"""How the answers change with missing frames and with motion blur, on the very same tracks."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from perrin.engine.benchmarks.measures import mean_and_error, ratio_of_means
from perrin.engine.benchmarks.records import COARSE_LENGTHS, Setting, chunks, medians, verdict_on
from perrin.simulate.protocols import NOISE_LEVELS, theory

Array = npt.NDArray[np.float64]

__all__ = ["MISSING", "blurred_and_sharp", "with_blur", "with_gaps"]

MISSING = 0.1
"""Share of the frames that is taken away."""

_SHARE = 4  # part of the main figures' tracks in each row


def with_gaps(setting: Setting) -> pd.DataFrame:
    """Measure the error of alpha with a tenth of the frames missing, and with none.

    Tracks of theory-v1, task 1; every frame but a track's first and last is as likely to be
    missing.

    Returns
    -------
    pandas.DataFrame
        One row per ``dim`` and class of lengths (``shortest`` to ``longest``; the first covers
        all): ``n_tracks``, ``alpha_mae`` and ``alpha_mae_gaps`` with standard errors, and ``rise``,
        the relative rise, with that of paired tracks.
    """
    cells = [(dim, *limits) for dim in (1, 2, 3) for limits in ((10, 999), *COARSE_LENGTHS)]
    rows = []
    for dim, shortest, longest in setting.each("Measuring with missing frames", cells):
        whole, gapped = _errors_with_gaps(setting, dim, shortest, longest)
        ratio, ratio_se = ratio_of_means(gapped, whole, seed=setting.seed)
        mae, mae_se = mean_and_error(whole)
        mae_gaps, mae_gaps_se = mean_and_error(gapped)
        rows.append(
            {
                "dim": dim,
                "shortest": shortest,
                "longest": longest,
                "n_tracks": whole.size,
                "alpha_mae": mae,
                "alpha_mae_se": mae_se,
                "alpha_mae_gaps": mae_gaps,
                "alpha_mae_gaps_se": mae_gaps_se,
                "rise": ratio - 1,
                "rise_se": ratio_se,
            }
        )
    return pd.DataFrame(rows)


def with_blur(setting: Setting) -> pd.DataFrame:
    """Measure the bias of alpha on Brownian tracks, seen sharp and blurred by a full exposure.

    Localization noise of 0.1, 0.5 or 1 displacements, the same in both.

    Returns
    -------
    pandas.DataFrame
        One row per ``dim`` and class of lengths (``shortest`` to ``longest``): ``n_tracks``,
        ``bias_sharp``, ``bias_blurred`` and ``bias_untold``, where the network takes the blurred
        tracks for sharp; and ``change``, ``bias_blurred`` less ``bias_sharp``, with the standard
        error of paired tracks.
    """
    cells = [(dim, *limits) for dim in (1, 2, 3) for limits in COARSE_LENGTHS]
    rows = []
    for dim, shortest, longest in setting.each("Measuring with motion blur", cells):
        sharp, blurred, untold = _biases_with_blur(setting, dim, shortest, longest)
        row: dict[str, float] = {"dim": dim, "shortest": shortest, "longest": longest}
        row["n_tracks"] = sharp.size
        for name, values in (
            ("bias_sharp", sharp),
            ("bias_blurred", blurred),
            ("bias_untold", untold),
            ("change", blurred - sharp),
        ):
            row[name], row[f"{name}_se"] = mean_and_error(values)
        rows.append(row)
    return pd.DataFrame(rows)


def blurred_and_sharp(
    n_tracks: int, n_points: int, dim: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Simulate Brownian tracks as a flash and as an always open shutter show them.

    Between two frames a Brownian path is a bridge, whose mean over time is Gaussian about the
    midpoint of its ends with a twelfth of the variance of the displacement: no finer steps are
    needed. Displacements have variance 1 seen sharp, 2/3 seen blurred.

    Returns
    -------
    tuple of Tensor
        Sharp and blurred positions of the same motion without noise, each of shape
        ``(n_tracks, dim, n_points)``.
    """
    path = _normal((n_tracks, dim, n_points + 1), generator).cumsum(2)
    sharp = path[..., :-1]
    bridge = _normal(sharp.shape, generator) / math.sqrt(12)
    return sharp, (sharp + path[..., 1:]) / 2 + bridge


def _errors_with_gaps(
    setting: Setting, dim: int, shortest: int, longest: int
) -> tuple[Array, Array]:
    """Error of alpha on each track: with all frames, and with some missing."""
    generator = setting.generator("gaps", dim, shortest, longest)
    frame = torch.arange(longest, device=setting.device)
    parts: list[tuple[Array, Array]] = []
    for n in chunks(_n_tracks(setting)):
        tracks = theory(
            n, dim, task="alpha", shortest=shortest, longest=longest, generator=generator
        )
        chance = torch.rand(n, longest, generator=generator, device=setting.device)
        ends = (frame == 0) | (frame == tracks.lengths[:, None] - 1)
        seen = (chance >= MISSING) | ends
        truth = tracks.alpha.cpu().numpy()
        asked = (verdict_on(setting, tracks.positions, tracks.lengths, s) for s in (None, seen))
        whole, gapped = (np.abs(medians(verdict.posterior) - truth) for verdict in asked)
        parts.append((whole, gapped))
    whole, gapped = (np.concatenate(part) for part in zip(*parts, strict=True))
    return whole, gapped


def _biases_with_blur(
    setting: Setting, dim: int, shortest: int, longest: int
) -> tuple[Array, Array, Array]:
    """Bias of alpha on each track: sharp; blurred; blurred, but taken for sharp."""
    generator = setting.generator("blur", dim, shortest)
    levels = torch.tensor(NOISE_LEVELS, device=setting.device)
    parts: list[tuple[Array, ...]] = []
    for n in chunks(_n_tracks(setting)):
        lengths = _integers(shortest, longest + 1, n, generator)
        noise = levels[_integers(0, len(NOISE_LEVELS), n, generator)][:, None, None]
        sharp, blurred = blurred_and_sharp(n, longest, dim, generator)
        error = noise * _normal(sharp.shape, generator)
        asked = ((sharp, 0.0), (blurred, 1.0), (blurred, 0.0))
        parts.append(
            tuple(
                medians(verdict_on(setting, path + error, lengths, exposure=exposure).posterior) - 1
                for path, exposure in asked
            )
        )
    known, told, untold = (np.concatenate(part) for part in zip(*parts, strict=True))
    return known, told, untold


def _n_tracks(setting: Setting) -> int:
    return max(2, setting.n_tracks // _SHARE)


def _integers(low: int, high: int, n: int, generator: torch.Generator) -> Tensor:
    return torch.randint(low, high, (n,), generator=generator, device=generator.device)


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device)
