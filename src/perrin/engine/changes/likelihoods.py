"""How likely a change at each place is, by likelihoods that can be written down.

Motion with memory shows in how well a displacement is foretold by the ones before it, over more
frames than a convolution reaches. So the network is told, for every border between its tokens, how
likely the track is if all after it is another fractional Brownian motion than all before, with any
exponent, size and localization noise on either side.

The displacements before are foretold from those before them, the displacements after from those
after them: reversed in time, a fractional Brownian motion is one again, and so neither side is
mixed with the other.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from perrin.engine.switching._path_kernels import predictors
from perrin.simulate.protocols import NOISE_LEVELS

__all__ = ["N_LIKELIHOODS", "likelihoods", "log_evidence"]

_EXPONENTS = (0.1, 0.4, 0.7, 1.0, 1.3, 1.6, 1.85, 1.97)
_ORDER = 16
_SIZE = (0.5, 0.05)  # inverse gamma prior of the mean square, in units of the whole track's
_SPREAD = (1.0, 5.0)  # of the variance of logarithms; that of Gaussian ones' squares is pi² / 2
_TINY = 1e-8
_DEEP = 20.0

N_LIKELIHOODS = 8
"""Channels of :func:`likelihoods` per border."""


class _Filters(NamedTuple):
    """Best linear predictions of a displacement in units of that before noise.

    Attributes
    ----------
    full
        Weights of the displacements before, the earliest first, shape ``(n_filters, _ORDER)``.
    early
        The same for the first displacements of a track, shape ``(_ORDER, n_filters, _ORDER)``.
    log_variance
        Of what is left, by how many displacements there are before, ``(_ORDER + 1, n_filters)``.
    """

    full: Tensor
    early: Tensor
    log_variance: Tensor


@cache
def _filters(device: torch.device) -> _Filters:
    """One for every exponent and noise level, exponents slowest."""
    alpha = np.array(_EXPONENTS)
    weights = np.zeros((alpha.size, len(NOISE_LEVELS), _ORDER + 1, _ORDER))
    variance = np.zeros((alpha.size, len(NOISE_LEVELS), _ORDER + 1))
    for i, level in enumerate(NOISE_LEVELS):
        phi, left = np.zeros((alpha.size, _ORDER + 1, _ORDER)), np.zeros((alpha.size, _ORDER + 1))
        predictors(np.full(alpha.size, math.log(0.5)), alpha, level**2, 0.0, phi, left)
        weights[:, i], variance[:, i] = phi, left
    by_age = torch.from_numpy(weights[..., ::-1].copy()).float().flatten(0, 1).to(device)
    log_variance = torch.from_numpy(np.log(variance)).float().flatten(0, 1).to(device)
    return _Filters(by_age[:, _ORDER], by_age[:, :_ORDER].transpose(0, 1), log_variance.T)


@torch.no_grad()
def likelihoods(
    positions: Tensor, stride: int, seen: Tensor | None = None, lengths: Tensor | None = None
) -> Tensor:
    """Compare places of the change with each other, and with no change at all.

    Parameters
    ----------
    positions, seen, lengths
        As for :func:`perrin.engine.features.features`.
    stride
        Displacements per token.

    Returns
    -------
    Tensor
        For the borders before each token and after the last, shape ``(n_tracks, 1 + n_tokens,
        N_LIKELIHOODS)``; for each of the :func:`log_evidence` its excess over the best border,
        and the inverse hyperbolic sine of that over no change.
    """
    found = log_evidence(positions, stride, seen, lengths)
    best = found.amax(1, keepdim=True)
    excess = (found - best).clamp_min(-_DEEP) / 4
    return torch.cat((excess, torch.asinh(found - found[:, :1]) / 2), 2)


@torch.no_grad()
def log_evidence(
    positions: Tensor, stride: int, seen: Tensor | None = None, lengths: Tensor | None = None
) -> Tensor:
    """Logarithm of the likelihood of a change at each border, shape ``(., 1 + n_tokens, 4)``.

    Parameters as for :func:`likelihoods`. Of these kinds: displacements that are Gaussian, with
    size and noise of their own on every axis; with those common to all axes; logarithms of the
    sizes of what is left after prediction that are Gaussian, as rests and jumps make them spread
    more; and each side as whichever of the first and third says more of it.
    """
    steps = positions.diff(dim=2).float()
    n, _, n_steps = steps.shape
    frame = torch.arange(n_steps, device=steps.device)
    count = torch.full((n,), n_steps, device=steps.device) if lengths is None else lengths - 1
    whole = frame < count[:, None]
    if seen is not None:
        whole = whole & seen[:, 1:] & seen[:, :-1]
    steps = steps * whole[:, None]
    mean_square = steps.square().sum(2, keepdim=True) / whole.sum(1).clamp_min(1)[:, None, None]
    steps = steps / mean_square.clamp_min(_TINY**2).sqrt()
    border = stride * torch.arange(n_steps // stride + 1, device=steps.device)
    # Backwards from the end of each track; what would lie before its start does not count.
    back = count[:, None] - 1 - frame
    mirrored = steps.gather(2, back.clamp_min(0)[:, None].expand_as(steps))
    whole_back = whole.gather(1, back.clamp_min(0)) & (back >= 0)
    # Likelihoods of hundreds of displacements differ by less than what half precision keeps.
    with torch.autocast(steps.device.type, enabled=False):
        before = _sides(steps, whole, border.expand(n, -1))
        after = _sides(mirrored, whole_back, (count[:, None] - border).clamp_min(0))
    return before + after


def _sides(steps: Tensor, whole: Tensor, border: Tensor) -> Tensor:
    """Logarithm of the likelihood of the displacements until each border, ``(n, n_borders, 4)``."""
    n, dim, n_steps = steps.shape
    filters = _filters(steps.device)
    flat = steps.flatten(0, 1)
    pieces = functional.pad(flat, (_ORDER, -1)).unfold(1, _ORDER, 1)
    left = flat[..., None] - pieces @ filters.full.T
    first = min(_ORDER, n_steps)
    left[:, :first] = flat[:, :first, None] - torch.einsum(
        "bto,tfo->btf", pieces[:, :first], filters.early[:first]
    )
    age = torch.arange(n_steps, device=steps.device).clamp_max(_ORDER)
    log_variance = filters.log_variance[age]
    squared = left.square() * (-log_variance).exp()
    logs = (squared + _TINY).log()
    frame = torch.arange(n_steps, device=steps.device)
    # Sums until each border as products with a matrix of ones and zeros.
    until = ((frame < border[..., None]) * whole[:, None]).to(steps.dtype)
    number = until.sum(2)[:, None, :, None]
    volume = (until @ log_variance)[:, None]
    power, log_sum, log_power = (
        until[:, None] @ each.view(n, dim, n_steps, -1) for each in (squared, logs, logs.square())
    )
    gaussian = _gaussian(number, power, _SIZE) - volume / 2
    common = _gaussian(dim * number[:, 0], power.sum(1), _SIZE) - dim * volume[:, 0] / 2
    spread = log_power - log_sum.square() / number.clamp_min(1)
    # Density of a displacement from that of the logarithm of its square.
    logged = _gaussian(number, spread.clamp_min(0), _SPREAD) - (log_sum + volume) / 2
    gaussian, logged = (_any_noise(each).sum(1) for each in (gaussian, logged))
    kinds = (
        gaussian.logsumexp(2),
        _any_noise(common).logsumexp(2),
        logged.logsumexp(2),
        torch.cat((gaussian, logged), 2).logsumexp(2),
    )
    return torch.stack(kinds, 2) - math.log(len(_EXPONENTS))


def _gaussian(number: Tensor, power: Tensor, prior: tuple[float, float]) -> Tensor:
    """Logarithm of the likelihood of Gaussian numbers, whatever their variance.

    Parameters
    ----------
    number, power
        How many there are, and the sum of their squares.
    prior
        Shape and scale of the inverse gamma prior of the variance.
    """
    a, b = prior
    half = number / 2
    constant = a * math.log(b) - math.lgamma(a)
    return (
        torch.lgamma(a + half)
        + constant
        - (a + half) * (b + power / 2).log()
        - half * math.log(2 * math.pi)
    )


def _any_noise(by_filter: Tensor) -> Tensor:
    """Mean likelihood over noise levels, by exponent, shape ``(..., n_exponents)``."""
    by_noise = by_filter.view(*by_filter.shape[:-1], len(_EXPONENTS), len(NOISE_LEVELS))
    return by_noise.logsumexp(-1) - math.log(len(NOISE_LEVELS))
