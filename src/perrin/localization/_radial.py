"""The point of radial symmetry of a spot: fast, and without a model of its profile."""

from __future__ import annotations

import torch
from torch import Tensor

from perrin.localization._fit import Patches

__all__ = ["radial_symmetry"]

_ROAM = 1.5  # standard deviations of the spot that the result may be away from its maximum
_TINY = 1e-12


def radial_symmetry(
    frames: Tensor, frame: Tensor, position: Tensor, sigma: tuple[float, ...]
) -> Tensor:
    """Return the points nearest to all lines along the gradients around spots.

    Parameters
    ----------
    frames
        ``(T, *shape)``.
    frame, position
        ``(n,)`` and ``(n, dim)``: maxima, pixels.
    sigma
        Width of a spot per axis, pixels; in units of it, spots are round.

    Returns
    -------
    torch.Tensor
        ``(n, dim)``.

    References
    ----------
    R. Parthasarathy, Nat. Methods 9, 724 (2012); S.-L. Liu et al., Opt. Express 21, 20461 (2013),
    in 3D.
    """
    n, dim = position.shape
    patches = Patches.around(frame, position, sigma, tuple(frames.shape[1:]))
    values = frames.reshape(-1)[patches.pixels].reshape(n, *patches.lengths)
    width = torch.tensor(sigma, device=frames.device)
    gradient = torch.stack([_slope(values, axis) for axis in range(1, dim + 1)], -1)
    corners = torch.cartesian_prod(
        *[torch.arange(m, device=frames.device) + 1.5 for m in gradient.shape[1:-1]]
    )
    at = corners / width
    gradient = gradient.flatten(1, -2) * width
    strength = gradient.square().sum(2, keepdim=True).clamp_min(_TINY)
    centroid = (strength * at).sum(1, keepdim=True) / strength.sum(1, keepdim=True)
    weight = strength / (at - centroid).norm(dim=2, keepdim=True).clamp_min(_TINY)
    normal = gradient / strength.sqrt()
    # The distance from a line is what remains when the part along it is taken off.
    along = weight[..., None] * normal[..., :, None] * normal[..., None, :]
    across = weight[..., None] * torch.eye(dim, device=frames.device) - along
    matrix, target = across.sum(1), (across @ at[..., None]).sum(1)
    found = torch.linalg.solve_ex(matrix, target).result[..., 0] * width + patches.corner
    off = (found - position).nan_to_num(0.0, 0.0, 0.0)
    return position + torch.maximum(torch.minimum(off, _ROAM * width), -_ROAM * width)


def _slope(values: Tensor, axis: int) -> Tensor:
    """Differentiate along an axis at the corners between pixels, smoothed over three corners."""
    values = values.diff(dim=axis)
    for other in range(1, values.ndim):
        if other != axis:
            values = _mean(values, other, 2)
    for other in range(1, values.ndim):
        values = _mean(values, other, 3)
    return values


def _mean(values: Tensor, axis: int, window: int) -> Tensor:
    return values.unfold(axis, window, 1).mean(-1)
