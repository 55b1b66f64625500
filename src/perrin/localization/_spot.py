"""The image of a spot: a Gaussian integrated over pixels."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Shares", "axis_view", "derivatives", "n_widths", "pixel_shares", "unit_images"]


class Shares(NamedTuple):
    """Share of a spot's light in each pixel along one axis, ``(n, length)``, and derivatives."""

    share: Tensor
    by_position: Tensor
    by_sigma: Tensor


def pixel_shares(position: Tensor, sigma: Tensor, length: int) -> Shares:
    """Return the share of the light in each pixel 0 to ``length - 1`` along one axis.

    Parameters
    ----------
    position, sigma
        ``(n,)``, in pixels.
    length
        Number of pixels.

    References
    ----------
    C. S. Smith et al., Nat. Methods 7, 373 (2010), the integral and its derivatives.
    """
    edges = torch.arange(length + 1, device=position.device, dtype=position.dtype) - 0.5
    z = (edges - position[:, None]) / sigma[:, None]
    below = torch.erf(z * math.sqrt(0.5))
    density = torch.exp(-0.5 * z * z) / (math.sqrt(2 * math.pi) * sigma[:, None])
    return Shares(0.5 * below.diff(dim=1), -density.diff(dim=1), -(z * density).diff(dim=1))


def axis_view(values: Tensor, axis: int, dim: int) -> Tensor:
    """Spread the last axis of ``values`` along axis ``axis`` of ``dim``, for an outer product."""
    shape = [1] * dim
    shape[axis] = values.shape[-1]
    return values.reshape(*values.shape[:-1], *shape)


def n_widths(dim: int) -> int:
    """Return how many widths a spot has: one in the plane, another along z."""
    return dim - 1


def _shares(spots: Tensor, lengths: tuple[int, ...]) -> list[Shares]:
    dim = len(lengths)
    # Widths stand last, that in the plane before that along z, the first axis in 3D.
    widths = [dim + 3 if dim == 3 and axis == 0 else dim + 2 for axis in range(dim)]
    return [
        pixel_shares(spots[:, axis], spots[:, width], length)
        for axis, (width, length) in enumerate(zip(widths, lengths, strict=True))
    ]


def _product(factors: list[Tensor]) -> Tensor:
    dim = len(factors)
    image = axis_view(factors[0], 0, dim)
    for axis in range(1, dim):
        image = image * axis_view(factors[axis], axis, dim)
    return image.flatten(1)


def unit_images(spots: Tensor, lengths: tuple[int, ...]) -> Tensor:
    """Draw spots of one photon.

    Parameters
    ----------
    spots
        ``(n, dim + 2 + k)``: position within the patch, light, background, and ``k`` widths.
    lengths
        Size of the patch.

    Returns
    -------
    torch.Tensor
        ``(n, pixels)``.
    """
    return _product([s.share for s in _shares(spots, lengths)])


def derivatives(spots: Tensor, lengths: tuple[int, ...], *, by_width: bool) -> Tensor:
    """Differentiate spot and background by their parameters.

    Parameters
    ----------
    spots, lengths
        As for :func:`unit_images`.
    by_width
        Whether the widths count as parameters.

    Returns
    -------
    torch.Tensor
        ``(n, parameters, pixels)``: by position, light (which is the image of one photon),
        background and widths.
    """
    dim = len(lengths)
    shares = _shares(spots, lengths)
    plain = [s.share for s in shares]
    light = spots[:, dim, None]
    moved = [
        light * _product([*plain[:a], shares[a].by_position, *plain[a + 1 :]]) for a in range(dim)
    ]
    unit = _product(plain)
    parts = [*moved, unit, torch.ones_like(unit)]
    if by_width:
        widened = [
            light * _product([*plain[:a], shares[a].by_sigma, *plain[a + 1 :]]) for a in range(dim)
        ]
        parts += [widened[-1] + widened[-2], *widened[:-2]]
    return torch.stack(parts, 1)
