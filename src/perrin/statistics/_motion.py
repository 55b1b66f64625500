"""The Gaussian model of motion behind every error bar: fractional Brownian motion, noise, blur."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["blurred_power", "michalet_lags", "structure_function"]

Array = npt.NDArray[np.float64]


def blurred_power(lag: Array, alpha: float, exposure: float) -> Array:
    r"""Shape of the MSD of fractional Brownian motion seen with an open shutter.

    ``lag**alpha`` with a flash (``exposure`` 0). With positions averaged over a share E of
    the frame interval it is

    .. math::
        \frac{(t+E)^{\alpha+2} + |t-E|^{\alpha+2} - 2t^{\alpha+2} - 2E^{\alpha+2}}
             {E^2(\alpha+1)(\alpha+2)},

    which is ``lag - E / 3`` for Brownian motion and 0 at lag 0 (Backlund, Joyner, Moerner 2015,
    Phys. Rev. E 91, 062716). Also compiled as it stands.
    """
    if exposure < 1e-3:
        return np.asarray(lag**alpha)
    power = alpha + 2
    ends = (lag + exposure) ** power + np.abs(lag - exposure) ** power
    return np.asarray(
        (ends - 2 * lag**power - 2 * exposure**power) / (exposure**2 * (alpha + 1) * power)
    )


def structure_function(
    n_lags: int, alpha: float, coefficient: float, noise: float, exposure: float
) -> Array:
    """MSD along one axis at lags 0 to ``n_lags`` (px²): 0, then ``2 K g(lag) + 2 noise²``."""
    shape = 2 * coefficient * blurred_power(np.arange(n_lags + 1.0), alpha, exposure)
    return np.asarray(shape + 2 * noise**2 * (np.arange(n_lags + 1) > 0))


def michalet_lags(n_points: npt.ArrayLike, reduced_error: npt.ArrayLike) -> npt.NDArray[np.int64]:
    r"""Choose the number of lags that makes an unweighted fit of a Brownian MSD most precise.

    Parameters
    ----------
    n_points
        Localizations per track.
    reduced_error
        Noise in units of motion, :math:`x = \sigma^2/D - 2R` (D in px²/frame).

    Notes
    -----
    For the slope (that is, D), Michalet (2010), Phys. Rev. E 82, 041914, table and appendix:
    :math:`p = \lfloor f L / (f^3+L^3)^{1/3} \rfloor` with :math:`f = 2 + 1.35\,x^{0.6}` and
    :math:`L = 0.8 + 0.564\,N`, N localizations; at least 2, at most N - 1.
    """
    points = np.asarray(n_points, dtype=np.float64)
    error = np.maximum(np.asarray(reduced_error, dtype=np.float64), 0)
    limit = 0.8 + 0.564 * points
    with np.errstate(invalid="ignore"):
        free = 2 + 1.35 * error**0.6
        best = np.where(np.isfinite(free), limit * free / np.cbrt(free**3 + limit**3), limit)
    best = np.where(np.isnan(best), limit, best)
    return np.minimum(np.maximum(np.floor(best), 2), np.maximum(points - 1, 1)).astype(np.int64)
