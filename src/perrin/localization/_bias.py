"""Whether positions keep to certain places of a pixel."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["SubpixelBias", "subpixel_bias"]


class SubpixelBias(NamedTuple):
    """How positions along one axis lie within their pixels.

    Attributes
    ----------
    offset : array, shape (n,)
        Distance from the middle of the nearest pixel, -0.5 to 0.5 px.
    strength
        From 0 (spread evenly) to 1 (all at one place).
    place
        Where they gather, as an offset.
    p
        Probability that evenly spread positions gather as much.
    """

    offset: npt.NDArray[np.float64]
    strength: float
    place: float
    p: float


def subpixel_bias(position: npt.ArrayLike) -> SubpixelBias:
    r"""Measure whether positions gather at certain places of a pixel, as they must not.

    Parameters
    ----------
    position : array, shape (n,)
        Positions along one axis (px; the middle of the first pixel being 0), independent of each
        other: those of one frame.

    Notes
    -----
    Rayleigh's test of the phases :math:`2\pi x`: with R the length of the mean of
    :math:`e^{2\pi i x}`,

    .. math:: p = \exp\left(\sqrt{1 + 4n + 4n^2(1 - R^2)} - (1 + 2n)\right)

    (Zar 1999, Biostatistical Analysis, eq. 27.4). Centroids gather at the middle of pixels where
    their window is too small or too bright at its edge (Crocker, Grier 1996).
    """
    x = np.asarray(position, dtype=np.float64)
    offset = x - np.rint(x)
    if not x.size:
        return SubpixelBias(offset, math.nan, math.nan, math.nan)
    n, mean = x.size, complex(np.exp(2j * np.pi * x).mean())
    strength = min(abs(mean), 1.0)
    p = math.exp(math.sqrt(1 + 4 * n + 4 * n**2 * (1 - strength**2)) - (1 + 2 * n))
    return SubpixelBias(offset, strength, math.atan2(mean.imag, mean.real) / (2 * math.pi), p)
