"""How far a track moves and how well it was localized: the network's answers per axis, pooled."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

__all__ = ["HALF_WIDTH", "LEAST_SHARE", "Scale", "pool_axes", "pool_parts"]

LEAST_SHARE = 0.02
"""Noise, or motion, of less than this share of the displacements leaves no trace of its size."""

HALF_WIDTH = math.log(10)
"""Of the interval from 5 % to 95 % of a Laplace distribution, in units of its scale."""


class Scale(NamedTuple):
    """Diffusivity and localization noise of tracks, each of shape ``(n_tracks,)``.

    Attributes
    ----------
    diffusivity
        Short-time diffusivity, in squared units of the positions per frame.
    error
        Scale of the uncertainty of its logarithm.
    noise
        Standard deviation of the localization noise per axis, in units of the positions.
    """

    diffusivity: Tensor
    error: Tensor
    noise: Tensor

    def interval(self, spread: Tensor | float) -> tuple[Tensor, Tensor]:
        """5 % and 95 % of the diffusivity.

        Parameters
        ----------
        spread
            By how much the calibration widens the uncertainty
            (:attr:`perrin.engine.network.Network.spread`).
        """
        half = (HALF_WIDTH * spread * self.error).exp()
        return self.diffusivity / half, self.diffusivity * half


def pool_axes(log_diffusivity: Tensor, log_noise: Tensor) -> Scale:
    """Pool the axes: the mean of the diffusivities, the root mean square of the noises.

    The errors of the axes are added up as if they were independent; that they are not quite is the
    business of the calibration.

    Parameters
    ----------
    log_diffusivity, log_noise
        As in :class:`perrin.engine.network.Output`, shape ``(n_tracks, dim, 2)``.
    """
    each = log_diffusivity[..., 0].double().exp()
    squared_error = (each * log_diffusivity[..., 1].double().exp()).square().sum(1)
    total = each.sum(1)
    noise = (2 * log_noise[..., 0].double()).exp().mean(1).sqrt()
    return Scale(total / each.shape[1], squared_error.sqrt() / total, noise)


def pool_parts(parts: Scale, n_points: Tensor, owner: Tensor, n_tracks: int) -> Scale:
    """Pool the parts of each track, weighted by their length.

    Parameters
    ----------
    parts
        One entry per part.
    n_points
        Length of each part.
    owner
        Which track each part belongs to.
    n_tracks
        How many tracks there are; those without a part get NaN.
    """

    def sums(values: Tensor) -> Tensor:
        return values.new_zeros(n_tracks).index_add_(0, owner, values)

    weight = n_points.to(parts.diffusivity.dtype)
    diffusivity = weight * parts.diffusivity
    total, moved = sums(weight), sums(diffusivity)
    error = sums((diffusivity * parts.error).square()).sqrt() / moved
    return Scale(moved / total, error, (sums(weight * parts.noise.square()) / total).sqrt())
