"""The five diffusion models of the AnDi challenges, vectorised over tracks in torch.

Every function returns displacements of shape ``(n_tracks, dim, n_points - 1)``, one frame apart,
in the arbitrary length unit of the model. Fluctuations of long tails are drawn exactly: no
waiting time is cut short before the end of the track.

The definitions, including jump lengths in three dimensions and the choice of the free exponents
of ATTM and of ballistic Lévy walks, are those of the AnDi challenge [1]_, so that tracks made here
follow the same distribution as the challenge's.

References
----------
.. [1] G. Muñoz-Gil et al., Objective comparison of methods to decode anomalous diffusion,
   Nature Communications 12, 6253 (2021), Methods, "Theoretical models".
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from perrin.errors import InputError
from perrin.models import MODELS

__all__ = [
    "ALPHA_RANGE",
    "attm",
    "attm_periods",
    "ctrw",
    "fbm",
    "isotropic_steps",
    "lw",
    "sbm",
    "simulate_displacements",
]

ALPHA_RANGE: dict[str, tuple[float, float]] = {
    "ATTM": (0.05, 1.0),
    "CTRW": (0.05, 1.0),
    "FBM": (0.05, 1.999),
    "LW": (1.0, 2.0),
    "SBM": (0.05, 2.0),
}
"""Anomalous exponents for which each model is defined here."""


def fbm(alpha: Tensor, n_points: int, dim: int, generator: torch.Generator) -> Tensor:
    """Fractional Brownian motion (Mandelbrot & Van Ness 1968), by the Davies–Harte method.

    Increments are Gaussian with covariance ``(|k+1|**a - 2|k|**a + |k-1|**a) / 2`` at distance
    ``k``; the circulant embedding of that covariance is non-negative for every exponent, so the
    draw is exact (Davies & Harte 1987, Biometrika 74, 95).

    Parameters
    ----------
    alpha
        Anomalous exponent of each track, shape ``(n_tracks,)``, 0 < alpha < 2 (Hurst exponent
        ``alpha / 2``).
    n_points
        Number of localizations per track.
    dim
        Number of axes; they are independent.
    generator
        Source of randomness; its device is the device of the result.
    """
    half = 1 << max(1, (n_points - 2).bit_length())
    # Tracks that share an exponent share a spectrum.
    exponents, which = torch.unique(alpha, return_inverse=True)
    spectrum = _fbm_spectrum(exponents, half)[which]
    shape = (alpha.numel(), dim, half + 1)
    noise = torch.view_as_complex(_normal((*shape, 2), generator))
    # A half-spectrum of a real signal has real ends, which carry the variance of two parts.
    noise[..., 0] = noise[..., 0].real * math.sqrt(2)
    noise[..., -1] = noise[..., -1].real * math.sqrt(2)
    increments: Tensor = torch.fft.irfft(noise * spectrum[:, None], n=2 * half, norm="ortho")
    return increments[..., : n_points - 1] / math.sqrt(2)


def _fbm_spectrum(alpha: Tensor, half: int) -> Tensor:
    """Square root of the spectrum of the circulant embedding, shape ``(len(alpha), half + 1)``."""
    # In double precision on the CPU, since Apple's GPUs have none.
    lag = torch.arange(half + 2, dtype=torch.float64)
    msd = lag.pow(alpha.cpu().double()[:, None])
    covariance = torch.ones(alpha.numel(), half + 1, dtype=torch.float64)
    covariance[:, 1:] = (msd[:, 2:] - 2 * msd[:, 1:-1] + msd[:, :-2]) / 2
    circulant = torch.cat((covariance, covariance[:, 1:-1].flip(1)), dim=1)
    spectrum: Tensor = torch.fft.rfft(circulant).real
    return spectrum.clamp_min(0).sqrt().float().to(alpha.device)


def sbm(alpha: Tensor, n_points: int, dim: int, generator: torch.Generator) -> Tensor:
    """Scaled Brownian motion (Lim & Muniandy 2002): D(t) proportional to ``t**(alpha - 1)``.

    The variance of the displacement from frame ``k`` to ``k + 1`` is ``(k+1)**a - k**a`` with the
    clock starting at ``k = 1``.
    """
    time = torch.arange(1, n_points, dtype=torch.float64)
    exponent = alpha.cpu().double()[:, None]
    variance = time.pow(exponent) * torch.expm1(exponent * torch.log1p(1 / time))
    scale = variance.sqrt().float()[:, None].to(alpha.device)
    return _normal((alpha.numel(), dim, n_points - 1), generator).mul_(scale)


def ctrw(alpha: Tensor, n_points: int, dim: int, generator: torch.Generator) -> Tensor:
    """Continuous-time random walk (Scher & Montroll 1975) with Gaussian jumps.

    Waiting times follow ``psi(t) = alpha * t**(-1 - alpha)`` for ``t >= 1`` frame.
    """
    waits = _uniform((alpha.numel(), n_points), generator).pow_(-1 / alpha[:, None])
    jump_frame = waits.cumsum(1).clamp_max_(n_points).long()
    jumps = torch.zeros(alpha.numel(), n_points + 1, device=alpha.device)
    jumps.scatter_(1, jump_frame, 1.0)
    return isotropic_steps(alpha.numel(), dim, n_points - 1, generator).mul_(
        jumps[:, None, 1:n_points]
    )


def attm(alpha: Tensor, n_points: int, dim: int, generator: torch.Generator) -> Tensor:
    """Annealed transient time motion (Massignan et al. 2014), regime I.

    Brownian motion whose diffusivity D is redrawn from ``P(D) ~ D**(sigma - 1)`` and kept for a
    time ``D**(-gamma)``, with ``sigma < gamma < sigma + 1`` and ``alpha = sigma / gamma``.
    """
    scale, _ = attm_periods(alpha, n_points, generator)
    return isotropic_steps(alpha.numel(), dim, n_points - 1, generator).mul_(scale[:, None])


def attm_periods(alpha: Tensor, n_points: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw how far the steps of :func:`attm` reach.

    Returns
    -------
    tuple of Tensor
        Root-mean-square length of each step, and the number of the period of constant diffusivity
        that it belongs to; both of shape ``(n_tracks, n_points - 1)``.
    """
    n = alpha.numel()
    low, high = 0.03, 3.3
    highest = (alpha / (1 - alpha).clamp_min(1e-6)).clamp(max=high)
    sigma = low + (highest - low) * _uniform((n,), generator)
    log_u = torch.log1p(-(0.1 + 0.89 * _uniform((n, n_points), generator)))
    duration = (-log_u / alpha[:, None]).clamp_max_(math.log(n_points + 1)).exp_().floor_()
    period = _period_of_frame(duration, n_points - 1)
    # In logarithms: for small sigma a diffusivity can be far below the smallest float32.
    log_scale = (log_u / (2 * sigma[:, None])).gather(1, period)
    log_scale = log_scale - log_scale.amax(1, keepdim=True)
    return log_scale.exp_() * math.sqrt(2), period


def lw(alpha: Tensor, n_points: int, dim: int, generator: torch.Generator) -> Tensor:
    """Lévy walk (Klafter & Zumofen 1994): flights of constant speed in random directions.

    Flight times follow ``psi(t) = s * t**(-1 - s)`` for ``t >= 1`` frame, with ``s = 3 - alpha``;
    for ballistic walks (``alpha = 2``) ``s`` is uniform in (0, 1). The speed, one per track, is
    uniform between 0 and 10.
    """
    n = alpha.numel()
    ballistic = alpha >= 2
    exponent = torch.where(ballistic, _uniform((n,), generator), 3 - alpha)
    times = _uniform((n, n_points), generator).pow_(-1 / exponent[:, None])
    duration = torch.where(times > n_points, n_points + 1.0, times).floor_()
    flight = _period_of_frame(duration, n_points)[:, 1:]
    direction = _directions(n, dim, int(flight.max()) + 1, generator)
    speed = 10 * _uniform((n, 1, 1), generator)
    return direction.mul_(speed).gather(2, flight[:, None].expand(-1, dim, -1))


_PIECE = 128

_SIMULATORS: dict[str, Callable[[Tensor, int, int, torch.Generator], Tensor]] = {
    "ATTM": attm,
    "CTRW": ctrw,
    "FBM": fbm,
    "LW": lw,
    "SBM": sbm,
}


def simulate_displacements(
    model: Tensor, alpha: Tensor, n_points: int, dim: int, generator: torch.Generator
) -> Tensor:
    """Simulate a mixed batch: track ``i`` follows model ``MODELS[model[i]]`` with ``alpha[i]``.

    Parameters
    ----------
    model
        Index into :data:`perrin.models.MODELS`, shape ``(n_tracks,)``.
    alpha
        Anomalous exponents, shape ``(n_tracks,)``.
    n_points
        Number of localizations per track, at least 2.
    dim
        1, 2 or 3.
    generator
        Source of randomness, on the device where the tracks are wanted.

    Returns
    -------
    Tensor
        Displacements, float32, shape ``(n_tracks, dim, n_points - 1)``.

    Raises
    ------
    InputError
        If an exponent lies outside its model's :data:`ALPHA_RANGE`, or a size is impossible.
    """
    if n_points < 2 or dim not in (1, 2, 3):
        raise InputError(f"Cannot simulate {n_points} points in {dim} dimensions.")
    result = torch.empty(alpha.numel(), dim, n_points - 1, device=generator.device)
    for code, name in enumerate(MODELS):
        rows = torch.nonzero(model == code).squeeze(1)
        if rows.numel() == 0:
            continue
        exponents = alpha[rows].to(generator.device, torch.float32)
        low, high = ALPHA_RANGE[name]
        if bool((exponents < low - 1e-6).any() or (exponents > high + 1e-6).any()):
            raise InputError(f"{name} is defined for alpha from {low:g} to {high:g} only.")
        # Pieces that fit the processor's cache are done several times faster.
        piece = _PIECE if generator.device.type == "cpu" else len(rows)
        pieces = zip(torch.split(rows, piece), torch.split(exponents, piece), strict=True)
        for some, exponent in pieces:
            result[some] = _SIMULATORS[name](exponent, n_points, dim, generator)
    return result


def _period_of_frame(duration: Tensor, n_frames: int) -> Tensor:
    """Index of the period (trap, flight) that each frame belongs to, given whole durations."""
    ends = duration.cumsum(1).clamp_max_(n_frames).long()
    starts = torch.zeros(duration.shape[0], n_frames + 1, device=duration.device)
    starts.scatter_(1, ends, 1.0)
    return starts[:, :n_frames].cumsum(1).long()


def isotropic_steps(n: int, dim: int, n_steps: int, generator: torch.Generator) -> Tensor:
    """Gaussian steps; in 3D a Gaussian length in a uniform direction, as the challenge has it."""
    if dim == 3:
        return _directions(n, dim, n_steps, generator).mul_(_normal((n, 1, n_steps), generator))
    return _normal((n, dim, n_steps), generator)


def _directions(n: int, dim: int, count: int, generator: torch.Generator) -> Tensor:
    """Draw unit vectors in random directions, shape ``(n, dim, count)``."""
    if dim == 1:
        return (_uniform((n, 1, count), generator) < 0.5).float().mul_(2).sub_(1)
    angle = _uniform((n, count), generator).mul_(2 * math.pi)
    plane = torch.stack((angle.cos(), angle.sin()), 1)
    if dim == 2:
        return plane
    # Archimedes: a point on the sphere has an even distribution of heights.
    height = _uniform((n, 1, count), generator).mul_(2).sub_(1)
    return torch.cat((plane.mul_((1 - height.square()).sqrt_()), height), 1)


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device)


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Uniform in (0, 1]: never zero, so that powers and logarithms stay finite."""
    return 1 - torch.rand(shape, generator=generator, device=generator.device)
