"""Compiled extended Kalman filters: how likely a track is, given how it answers to a force.

Between two localizations the state is carried along the slopes of the potential, and its covariance
along their curvature; at each localization both are corrected (Särkkä 2013, Bayesian Filtering and
Smoothing, section 5.2). The product of the predictive densities is the likelihood. All 2 x 2
matrices are held in scalars: speed is what these kernels are for.
"""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

from perrin.simulate.potential._kernels import curvature, slope

__all__ = ["inertial", "overdamped"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LOG_2PI = math.log(2 * math.pi)
_AIMS = 4

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def inertial(
    field: Floats,
    frames: Ints,
    positions: Floats,
    steps: int,
    known_start: bool,
    kick: float,
    speed: float,
    parameters: Floats,
    out: Floats,
) -> None:
    """Fill ``out`` with log-likelihoods of Newtonian motion.

    Parameters
    ----------
    field
        Coefficients of the potential, see :mod:`perrin.simulate.potential._kernels`.
    frames, positions
        When and where (y, x in pixels) the particle was seen, ``(n,)`` and ``(n, 2)``.
    steps
        Steps of velocity Verlet per frame.
    known_start
        Whether the first position is exact and the first velocity is ``kick`` times the first
        acceleration; otherwise the velocity is unknown, of the order of ``speed``.
    parameters
        Inverse mass, intensity of random accelerations (px²/frame³) and standard deviation of the
        localization error (px), ``(n_parameters, 3)``.
    """
    h = 1.0 / steps
    for k in range(parameters.shape[0]):
        w, q, s = parameters[k]
        variance = s * s
        y, x = positions[0]
        ayy = ayx = axx = 0.0  # covariance of the position
        byy = byx = bxy = bxx = 0.0  # of position with velocity
        cyy = cyx = cxx = 0.0  # of the velocity
        if known_start:
            gy, gx = slope(field, y, x)
            vy, vx = -kick * w * gy, -kick * w * gx
        else:
            vy, vx = _aimed(field, frames, positions, steps, w)
            ayy = axx = variance
            cyy = cxx = speed * speed
        total = 0.0
        a = -0.5 * h * w
        for i in range(1, frames.shape[0]):
            gy, gx = slope(field, y, x)
            hyy, hyx, hxx = curvature(field, y, x)
            for _ in range(steps * (frames[i] - frames[i - 1])):
                for side in range(2):
                    vy += a * gy
                    vx += a * gx
                    kyy, kyx, kxx = a * hyy, a * hyx, a * hxx
                    # velocity += K position, so C += K B + (K B)' + K A K' and B += A K'
                    pyy, pyx = kyy * ayy + kyx * ayx, kyy * ayx + kyx * axx
                    pxy, pxx = kyx * ayy + kxx * ayx, kyx * ayx + kxx * axx
                    cyy += 2 * (kyy * byy + kyx * bxy) + pyy * kyy + pyx * kyx
                    cyx += kyy * byx + kyx * bxx + kyx * byy + kxx * bxy + pyy * kyx + pyx * kxx
                    cxx += 2 * (kyx * byx + kxx * bxx) + pxy * kyx + pxx * kxx
                    byy += pyy
                    byx += pxy
                    bxy += pyx
                    bxx += pxx
                    if side == 0:
                        y += h * vy
                        x += h * vx
                        ayy += h * (2 * byy + h * cyy)
                        ayx += h * (byx + bxy + h * cyx)
                        axx += h * (2 * bxx + h * cxx)
                        byy += h * cyy
                        byx += h * cyx
                        bxy += h * cyx
                        bxx += h * cxx
                        gy, gx = slope(field, y, x)
                        hyy, hyx, hxx = curvature(field, y, x)
                cyy += q * h
                cxx += q * h
            syy, sxx = ayy + variance, axx + variance
            own = max(ayy * axx - ayx * ayx, 0.0)  # not below zero, by rounding, where A is long
            determinant = own + variance * (ayy + axx + variance)
            ry, rx = positions[i, 0] - y, positions[i, 1] - x
            iyy, iyx, ixx = sxx / determinant, -ayx / determinant, syy / determinant
            uy, ux = iyy * ry + iyx * rx, iyx * ry + ixx * rx
            total -= 0.5 * (ry * uy + rx * ux + math.log(determinant)) + _LOG_2PI
            y += ayy * uy + ayx * ux
            x += ayx * uy + axx * ux
            vy += byy * uy + bxy * ux
            vx += byx * uy + bxx * ux
            # L = B' / S; what is left of A, variance A / S, cannot lose its sign by rounding
            lyy, lyx = byy * iyy + bxy * iyx, byy * iyx + bxy * ixx
            lxy, lxx = byx * iyy + bxx * iyx, byx * iyx + bxx * ixx
            cyy -= lyy * byy + lyx * bxy
            cyx -= lyy * byx + lyx * bxx
            cxx -= lxy * byx + lxx * bxx
            byy, byx, bxy, bxx = variance * lyy, variance * lxy, variance * lyx, variance * lxx
            ayy, ayx, axx = (
                variance * (ayy * iyy + ayx * iyx),
                variance * (ayy * iyx + ayx * ixx),
                variance * (ayx * iyx + axx * ixx),
            )
        out[k] = total if math.isfinite(total) else -math.inf


@_compiled
def overdamped(
    field: Floats,
    frames: Ints,
    positions: Floats,
    steps: int,
    parameters: Floats,
    out: Floats,
) -> None:
    """Fill ``out`` with log-likelihoods of overdamped Langevin motion.

    Arguments as for :func:`inertial`; ``parameters`` are the mobility, the diffusivity and the
    standard deviation of the localization error.
    """
    h = 1.0 / steps
    for k in range(parameters.shape[0]):
        w, d, s = parameters[k]
        variance = s * s
        y, x = positions[0]
        ayy = axx = variance
        ayx = 0.0
        total = 0.0
        for i in range(1, frames.shape[0]):
            for _ in range(steps * (frames[i] - frames[i - 1])):
                gy, gx = slope(field, y, x)
                y, x = y - 0.5 * h * w * gy, x - 0.5 * h * w * gx
                hyy, hyx, hxx = curvature(field, y, x)
                my, mx = slope(field, y, x)
                y, x = y + h * w * (0.5 * gy - my), x + h * w * (0.5 * gx - mx)
                kyy, kyx, kxx = h * w * hyy, h * w * hyx, h * w * hxx
                jyy = 1 - kyy + 0.5 * (kyy * kyy + kyx * kyx)
                jyx = -kyx + 0.5 * kyx * (kyy + kxx)
                jxx = 1 - kxx + 0.5 * (kyx * kyx + kxx * kxx)
                pyy, pyx = jyy * ayy + jyx * ayx, jyy * ayx + jyx * axx
                pxy, pxx = jyx * ayy + jxx * ayx, jyx * ayx + jxx * axx
                ayy = pyy * jyy + pyx * jyx + 2 * d * h
                ayx = pyy * jyx + pyx * jxx
                axx = pxy * jyx + pxx * jxx + 2 * d * h
            syy, sxx = ayy + variance, axx + variance
            own = max(ayy * axx - ayx * ayx, 0.0)  # not below zero, by rounding, where A is long
            determinant = own + variance * (ayy + axx + variance)
            ry, rx = positions[i, 0] - y, positions[i, 1] - x
            iyy, iyx, ixx = sxx / determinant, -ayx / determinant, syy / determinant
            uy, ux = iyy * ry + iyx * rx, iyx * ry + ixx * rx
            total -= 0.5 * (ry * uy + rx * ux + math.log(determinant)) + _LOG_2PI
            y += ayy * uy + ayx * ux
            x += ayx * uy + axx * ux
            ayy, ayx, axx = (
                variance * (ayy * iyy + ayx * iyx),
                variance * (ayy * iyx + ayx * ixx),
                variance * (ayx * iyx + axx * ixx),
            )
        out[k] = total if math.isfinite(total) else -math.inf


@_compiled
def _aimed(
    field: Floats, frames: Ints, positions: Floats, steps: int, w: float
) -> tuple[float, float]:
    """Velocity with which the particle gets from its first localization to its second."""
    h = 1.0 / steps
    duration = float(frames[1] - frames[0])
    ty, tx = positions[1]
    sy, sx = (ty - positions[0, 0]) / duration, (tx - positions[0, 1]) / duration
    for _ in range(_AIMS):
        y, x = positions[0]
        vy, vx = sy, sx
        gy, gx = slope(field, y, x)
        for _ in range(steps * (frames[1] - frames[0])):
            vy -= 0.5 * h * w * gy
            vx -= 0.5 * h * w * gx
            y += h * vy
            x += h * vx
            gy, gx = slope(field, y, x)
            vy -= 0.5 * h * w * gy
            vx -= 0.5 * h * w * gx
        sy += (ty - y) / duration
        sx += (tx - x) / duration
    return sy, sx
