"""How much what follows a step differs from what came before it, over windows of several lengths.

A change that is small but lasts shows only over many steps, more than a convolution reaches. So the
network is given, for every step, the classical test statistics for a change just there.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["N_CONTRASTS", "WINDOWS", "contrasts"]

WINDOWS = (6, 12, 25, 50, 100, None)
"""Steps compared before and after; with None, all there are."""

_REACH = max(window for window in WINDOWS if window is not None)
_LAG = 4
_N_MEANS = 4
N_CONTRASTS = (_N_MEANS + 1) * len(WINDOWS)
_TINY = 1e-6
_NEAR = 0.1


def contrasts(
    positions: Tensor, seen: Tensor | None = None, lengths: Tensor | None = None
) -> Tensor:
    """Compare what follows each step, itself included, with what came before.

    Parameters
    ----------
    positions, seen, lengths
        As for :func:`perrin.engine.features.features`.

    Returns
    -------
    Tensor
        Inverse hyperbolic sines of signed test statistics, shape ``(n_tracks, n_points - 1,
        N_CONTRASTS)``. For each of :data:`WINDOWS` Student's t of the logarithm of the squared
        displacement, of the cosine between displacements one and two steps apart, and of the
        logarithm of the squared displacement over four frames; and the signed root of the
        log-likelihood ratio of Gaussian displacements of two variances against one. Zero where
        there are fewer than two steps on a side.
    """
    dim = positions.shape[1]
    steps = positions.diff(dim=2)
    there = torch.ones_like(steps[:, 0])
    if lengths is not None:
        there *= torch.arange(there.shape[1], device=there.device) < lengths[:, None] - 1
    mean_square = (steps.square() * there[:, None]).sum(2, keepdim=True)
    mean_square = mean_square / there.sum(1)[:, None, None]
    steps = steps / mean_square.clamp_min(_TINY**4).sqrt()
    if seen is not None:
        there = there * (seen[:, 1:] & seen[:, :-1])
    squared = steps.square().mean(1)
    far = _since(steps.cumsum(2), _LAG).square().mean(1)
    series = torch.stack(
        (
            (squared + _TINY).log(),
            _cosine(steps, 1),
            _cosine(steps, 2),
            (far + _TINY).log(),
            squared,
        ),
        1,
    )
    weight = there[:, None]
    # Sums of what is centred lose fewer digits; squares stay, so that no sum of them is negative.
    centre = (weight * series).sum(2, keepdim=True) / weight.sum(2, keepdim=True).clamp_min(1)
    centre[:, _N_MEANS:] = 0
    series = series - centre
    sums = [_running(values) for values in (weight, weight * series, weight * series.square())]
    found = []
    for window in WINDOWS:
        (n_before, n_after), (before, after), (before_2, after_2) = (
            _beside(running, window) for running in sums
        )
        enough = (n_before >= 2) & (n_after >= 2)
        n_before, n_after = n_before.clamp_min(1), n_after.clamp_min(1)
        n = n_before + n_after
        mean, mean_after = before / n_before, after / n_after
        within = before_2 + after_2 - before * mean - after * mean_after
        variance = (within[:, :_N_MEANS] / n).clamp_min(0) + 1e-3
        t = (mean_after - mean)[:, :_N_MEANS] / (variance * (1 / n_before + 1 / n_after)).sqrt()
        ratio = (mean_after[:, _N_MEANS:] + _TINY) / (mean[:, _N_MEANS:] + _TINY)
        likelihood = _likelihood_root(ratio.log(), n_after / n, n * dim)
        found.append(torch.where(enough, torch.cat((t, likelihood), 1), 0.0))
    return _asinh(torch.cat(found, 1)).mT


def _asinh(x: Tensor) -> Tensor:
    """Inverse hyperbolic sine; torch's own takes several times as long on a CPU."""
    return (x.abs() + (x.square() + 1).sqrt()).log() * x.sign()


def _running(values: Tensor) -> Tensor:
    """Sum up to each step, continued at both ends so that windows may reach beyond them."""
    return functional.pad(functional.pad(values.cumsum(2), (1, 0)), (_REACH, _REACH), "replicate")


def _beside(running: Tensor, window: int | None) -> tuple[Tensor, Tensor]:
    """Sum over the steps of a window before each step, and over those after."""
    n_steps = running.shape[2] - 2 * _REACH - 1
    here = running[..., _REACH : _REACH + n_steps]
    if window is None:
        return here, running[..., -1:] - here
    low = running[..., _REACH - window : _REACH - window + n_steps]
    high = running[..., _REACH + window : _REACH + window + n_steps]
    return here - low, high - here


def _likelihood_root(log_ratio: Tensor, share: Tensor, n: Tensor) -> Tensor:
    """Signed root of twice the log-likelihood ratio of two variances against one.

    Parameters
    ----------
    log_ratio
        Logarithm of the variance after by that before.
    share
        Of the displacements, those after.
    n
        How many there are, counted along each axis.
    """
    u = log_ratio
    exact = torch.log1p(share * torch.expm1(u)) - share * u
    # Near equality the difference of logarithms is rounding; cumulants of a coin are not.
    k2 = share * (1 - share)
    series = u.square() * (k2 / 2 + k2 * (1 - 2 * share) * u / 6 + k2 * (1 - 6 * k2) * u * u / 24)
    ratio = n * torch.where(u.abs() < _NEAR, series, exact)
    return ratio.clamp_min(0).sqrt() * u.sign()


def _cosine(steps: Tensor, lag: int) -> Tensor:
    """Cosine of the angle between each displacement and the one ``lag`` steps earlier."""
    unit = steps / steps.square().sum(1, keepdim=True).sqrt().clamp_min(_TINY)
    together = (unit[..., lag:] * unit[..., :-lag]).sum(1)
    return functional.pad(together, (lag, 0))


def _since(path: Tensor, lag: int) -> Tensor:
    """Displacement over the last ``lag`` steps, or over as many as there are."""
    return path - functional.pad(path, (lag, 0))[..., :-lag]
