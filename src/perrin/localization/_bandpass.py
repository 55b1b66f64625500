"""Finding spots: a band-pass, and its local maxima above the noise."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.fft import next_fast_len
from scipy.optimize import brentq
from torch import Tensor
from torch.nn import functional as F

from perrin.localization._spot import axis_view, pixel_shares, unit_images

__all__ = [
    "BandPass",
    "Maxima",
    "NoiseMap",
    "band_pass",
    "false_maxima",
    "find_maxima",
    "least_snr",
]

_WIDE = 2.5  # of the wider Gaussian in units of the spot; 7 % of the best signal-to-noise is lost
_REACH = 3.0  # standard deviations of the wider Gaussian that are kept
_CACHED_PIXELS = 2**18  # to filter at a time, on a processor whose cache holds no more
_PIXEL = 1 / 12  # variance of a pixel's square
_COARSE = 4  # pixels between the values of the local mean that are computed
_TILE = {2: 64, 3: 24}  # side of the squares (cubes) in which noise of unknown origin is measured
_TO_SD = 1.4826  # from the median of absolute values to a standard deviation
_LEVELS = (2.0, 12.0)  # between which a threshold is sought; below, the count of maxima says little


class NoiseMap(NamedTuple):
    """Values on a coarse grid over frames, linear between.

    Attributes
    ----------
    values
        ``(T, *coarse shape)``.
    first, step
        Per axis, position of the first value and distance of the values, in pixels.
    """

    values: Tensor
    first: tuple[float, ...]
    step: tuple[float, ...]

    def at(self, frame: Tensor, position: Tensor) -> Tensor:
        """Interpolate at positions ``(n, dim)``; beyond the outermost values they continue."""
        flat = self.values.reshape(-1)
        index, weight = frame[:, None], torch.ones_like(position[:, :1])
        for axis, n in enumerate(self.values.shape[1:]):
            place = ((position[:, axis] - self.first[axis]) / self.step[axis]).clamp(0, n - 1)
            low = place.long().clamp_max(max(0, n - 2))
            share = (place - low)[:, None]
            both = torch.stack((low, (low + 1).clamp_max(n - 1)), 1)
            index = (index[:, :, None] * n + both[:, None]).flatten(1)
            weight = (weight[:, :, None] * torch.stack((1 - share, share), 2)).flatten(1)
        return (flat[index] * weight).sum(1)


class BandPass(NamedTuple):
    """Difference of two Gaussians, one as wide as a spot, one ``_WIDE`` times wider.

    Attributes
    ----------
    pad
        Pixels added on either side of each axis.
    size
        Size of each axis for the Fourier transform.
    passed, mean
        Transfer functions of the band-pass, and of the wider Gaussian at low frequencies.
    peak
        Response to a spot of one photon in the middle of a pixel.
    spread
        ``shape``: standard deviation of the response to white noise of unit variance; it rises
        towards the edges, where reflected pixels count twice.
    skew
        Skewness of the response to Poisson noise with a mean of one photon.
    moments
        Per axis, the second spectral moment of the response to white noise.
    sigma
        Width of a spot per axis, pixels.
    """

    pad: tuple[int, ...]
    size: tuple[int, ...]
    passed: Tensor
    mean: Tensor
    peak: float
    spread: Tensor
    skew: float
    moments: tuple[float, ...]
    sigma: tuple[float, ...]

    def response(self, spots: Tensor, lengths: tuple[int, ...]) -> Tensor:
        """Return what the band-pass makes of fitted spots, within patches: ``(n, pixels)``."""
        dim = len(self.sigma)
        light = spots[:, dim, None]
        own = torch.tensor([self.sigma[-1], *self.sigma[:-2]], device=spots.device)
        images = []
        for ratio in (1.0, _WIDE):
            wider = (spots[:, dim + 2 :].square() + (ratio * own).square() + _PIXEL).sqrt()
            images.append(unit_images(torch.cat((spots[:, : dim + 2], wider), 1), lengths))
        return light * (images[0] - images[1])

    def __call__(self, frames: Tensor) -> tuple[Tensor, NoiseMap]:
        """Filter frames ``(T, *shape)``: the band-passed frames, and their local mean."""
        shape = tuple(frames.shape[1:])
        size = len(frames)
        if frames.device.type == "cpu":
            size = max(1, _CACHED_PIXELS // math.prod(shape))
        passed, low = torch.empty_like(frames), []
        for first in range(0, len(frames), size):
            rows = slice(first, first + size)
            passed[rows], mean = self._filtered(frames[rows])
            low.append(mean)
        corner = tuple(float(-p % _COARSE) for p in self.pad)
        return passed, NoiseMap(torch.cat(low), corner, (float(_COARSE),) * len(shape))

    def _filtered(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        axes = tuple(range(1, frames.ndim))
        sides = [side for pad in reversed(self.pad) for side in (pad, pad)]
        padded = F.pad(frames[:, None], sides, mode="reflect")[:, 0]
        spectrum = torch.fft.rfftn(padded, s=self.size, dim=axes)
        low = _low_frequencies(spectrum, self.size, first=1) * self.mean
        mean = torch.fft.irfftn(low, s=tuple(n // _COARSE for n in self.size), dim=axes)
        passed = torch.fft.irfftn(spectrum.mul_(self.passed), s=self.size, dim=axes)
        for axis, (pad, n) in enumerate(zip(self.pad, frames.shape[1:], strict=True), start=1):
            passed = passed.narrow(axis, pad, n)
            start = math.ceil(pad / _COARSE)
            mean = mean.narrow(axis, start, max(1, (pad + n - 1) // _COARSE + 1 - start))
        return passed, mean


@lru_cache(maxsize=4)
def band_pass(shape: tuple[int, ...], sigma: tuple[float, ...], device: torch.device) -> BandPass:
    """Prepare the band-pass for frames of ``shape`` and spots of ``sigma`` (pixels, per axis)."""
    wide = tuple(_WIDE * s for s in sigma)
    # A frame can be reflected only once.
    pad = tuple(min(math.ceil(_REACH * s), n - 1) for s, n in zip(wide, shape, strict=True))
    size = tuple(
        _COARSE * next_fast_len(math.ceil((n + 2 * p) / _COARSE), real=True)
        for n, p in zip(shape, pad, strict=True)
    )
    narrow, broad = (
        [_kernel(s, p) for s, p in zip(sigmas, pad, strict=True)] for sigmas in (sigma, wide)
    )
    kernel = _outer(narrow) - _outer(broad)
    energy = float((kernel**2).sum())
    broad_transfer = _transfer(broad, size)
    variance = torch.zeros(shape, dtype=torch.float64)
    for sign, one, other in ((1, narrow, narrow), (-2, narrow, broad), (1, broad, broad)):
        folded = [
            (_folded(a, n) * _folded(b, n)).sum(1)
            for a, b, n in zip(one, other, shape, strict=True)
        ]
        variance += sign * _outer(folded)
    moments = tuple(
        2 - 2 * float((kernel.narrow(a, 1, n - 1) * kernel.narrow(a, 0, n - 1)).sum()) / energy
        for a, n in enumerate(kernel.shape)
    )
    scale = _COARSE ** len(shape)
    return BandPass(
        pad=pad,
        size=size,
        passed=(_transfer(narrow, size) - broad_transfer).float().to(device),
        mean=(_low_frequencies(broad_transfer, size, first=0) / scale).float().to(device),
        peak=float((kernel * _outer(narrow)).sum()),
        spread=variance.clamp_min(1e-12).sqrt().float().to(device),
        skew=float((kernel**3).sum()) / energy**1.5,
        moments=moments,
        sigma=sigma,
    )


def false_maxima(snr: float, n_pixels: int, moments: tuple[float, ...]) -> float:
    """Return how many local maxima of pure noise are expected above a signal-to-noise ratio.

    The expected Euler characteristic of what a Gaussian random field leaves above ``snr``, which
    at high levels is the number of maxima there.

    References
    ----------
    R. J. Adler, The Geometry of Random Fields (1981); K. J. Worsley, Adv. Appl. Probab. 27, 943
    (1995).
    """
    dim = len(moments)
    hermite = snr if dim == 2 else snr**2 - 1
    density = math.sqrt(math.prod(moments)) / (2 * math.pi) ** ((dim + 1) / 2)
    return float(n_pixels * density * hermite * math.exp(-(snr**2) / 2))


def least_snr(false_spots: float, n_pixels: int, moments: tuple[float, ...]) -> float:
    """Return the signal-to-noise ratio above which noise has ``false_spots`` maxima per frame."""

    def excess(snr: float) -> float:
        return false_maxima(snr, n_pixels, moments) - false_spots

    low, high = _LEVELS
    if excess(low) <= 0:
        return low
    return high if excess(high) >= 0 else float(brentq(excess, low, high))


class Maxima(NamedTuple):
    """Local maxima of band-passed frames.

    Attributes
    ----------
    pixel
        ``(n,)``: index in the flattened frames.
    frame
        ``(n,)``: index of the frame.
    position
        ``(n, dim)``: from a parabola through the maximum and its neighbours, pixels.
    height
        ``(n,)``: response of the band-pass.
    snr
        ``(n,)``: the response over its standard deviation in noise alone.
    """

    pixel: Tensor
    frame: Tensor
    position: Tensor
    height: Tensor
    snr: Tensor

    def of(self, rows: Tensor) -> Maxima:
        """Return some of the maxima."""
        return Maxima(*(values[rows] for values in self))


def find_maxima(
    passed: Tensor,
    band: BandPass,
    least: float,
    variance: NoiseMap | None = None,
    among: Tensor | None = None,
) -> Maxima:
    """Find the local maxima of band-passed frames that stand out from the noise.

    Parameters
    ----------
    passed
        ``(T, *shape)``: what the band-pass gave.
    band
        What ``passed`` was made with.
    least
        Least signal-to-noise ratio.
    variance
        Variance of the noise of single pixels in photons, where the camera is known; the ratio is
        then freed from the skewness of Poisson noise, too, so that it is that of Gaussian noise
        (Cornish and Fisher, 1938). ``None`` to measure the noise around each place, robustly.
    among
        Which pixels of the flattened frames may be maxima; all if not given.
    """
    dim = passed.ndim - 1
    if variance is None:
        noise = _measured_noise(passed, band.spread)
    else:
        noise = variance._replace(values=variance.values.sqrt())
    lowest = noise.values.flatten(1).amin(1) * (least * float(band.spread.min()))
    flat, shape = passed.reshape(-1), passed.shape
    if among is None:
        here = (passed > lowest.reshape(-1, *[1] * dim)).reshape(-1).nonzero()[:, 0]
    else:
        bright = among[flat[among] > lowest[among // math.prod(shape[1:])]]
        here = torch.unique(bright)
    at = torch.stack(torch.unravel_index(here, shape), 1)
    # A maximum has all neighbours, so the outermost pixels cannot be one.
    last = torch.tensor(shape[1:], device=passed.device) - 1
    inner = ((at[:, 1:] > 0) & (at[:, 1:] < last)).all(1)
    at, here = at[inner], here[inner]
    strides = torch.tensor(passed.stride(), device=passed.device)
    steps = torch.cartesian_prod(*[torch.arange(-1, 2, device=passed.device)] * dim)
    around = flat[here[:, None] + (steps * strides[1:]).sum(1)]
    own, middle = flat[here][:, None], len(steps) // 2
    # Of equal neighbours the last in memory counts.
    top = (own > around[:, middle + 1 :]).all(1) & (own >= around[:, :middle]).all(1)
    at, here = at[top], here[top]
    before, after = flat[here[:, None] - strides[1:]], flat[here[:, None] + strides[1:]]
    height = flat[here]
    bend = (2 * height[:, None] - before - after).clamp_min(1e-12)
    position = at[:, 1:] + ((after - before) / (2 * bend)).clamp(-0.5, 0.5)
    sd = noise.at(at[:, 0], position)
    snr = height / (sd * band.spread[tuple(at[:, 1:].T)])
    if variance is not None:
        snr = snr - band.skew / sd * (snr.square() - 1) / 6
    return Maxima(here, at[:, 0], position, height, snr).of(snr > least)


def _measured_noise(passed: Tensor, spread: Tensor) -> NoiseMap:
    """Measure the noise of single pixels in tiles, from the median response."""
    dim = passed.ndim - 1
    # Neighbours in the band-passed frame say nearly the same: every other pixel suffices.
    every = (slice(None), *[slice(None, None, 2)] * dim)
    grid = (passed[every] / spread[every[1:]]).abs()
    counts = [max(1, n // (_TILE[dim] // 2)) for n in grid.shape[1:]]
    sides = [n // count for n, count in zip(grid.shape[1:], counts, strict=True)]
    tiles = grid[(slice(None), *(slice(c * s) for c, s in zip(counts, sides, strict=True)))]
    for axis, count in enumerate(counts):
        at = 1 + 2 * axis
        tiles = tiles.reshape(*tiles.shape[:at], count, -1, *tiles.shape[at + 1 :])
    order = [0, *range(1, 2 * dim, 2), *range(2, 2 * dim + 1, 2)]
    level = tiles.permute(order).flatten(1 + dim).median(-1).values * _TO_SD
    return NoiseMap(
        level.clamp_min(1e-12), tuple(side - 1.0 for side in sides), tuple(2.0 * s for s in sides)
    )


def _kernel(sigma: float, reach: int) -> Tensor:
    """Weights of a Gaussian integrated over pixels, of odd length, with the sum 1."""
    middle = torch.tensor([float(reach)], dtype=torch.float64)
    shares = pixel_shares(middle, torch.full_like(middle, sigma), 2 * reach + 1).share[0]
    return shares / shares.sum()


def _transfer(kernels: list[Tensor], size: tuple[int, ...]) -> Tensor:
    """Fourier transform of a separable, even kernel."""
    factors = []
    for axis, (kernel, n) in enumerate(zip(kernels, size, strict=True)):
        padded = F.pad(kernel, (0, n - len(kernel))).roll(-(len(kernel) // 2))
        last = axis == len(size) - 1
        factors.append((torch.fft.rfft(padded) if last else torch.fft.fft(padded)).real)
    return _outer(factors)


def _low_frequencies(spectrum: Tensor, size: tuple[int, ...], *, first: int) -> Tensor:
    """Cut a spectrum to that of ``size / _COARSE`` samples, the axes from ``first`` on."""
    *axes, last = range(first, first + len(size))
    for axis, n in zip(axes, size, strict=False):
        half = n // _COARSE // 2
        rest = n // _COARSE - half
        low, high = spectrum.narrow(axis, 0, rest), spectrum.narrow(axis, n - half, half)
        spectrum = torch.cat((low, high), axis)
    return spectrum.narrow(last, 0, size[-1] // _COARSE // 2 + 1)


def _outer(factors: list[Tensor]) -> Tensor:
    dim = len(factors)
    whole = torch.ones([1] * dim, dtype=factors[0].dtype)
    for axis, factor in enumerate(factors):
        whole = whole * axis_view(factor, axis, dim)
    return whole


def _folded(kernel: Tensor, n: int) -> Tensor:
    """Matrix ``(n, n)`` that filters an axis continued by reflection."""
    pad = len(kernel) // 2
    source = torch.from_numpy(np.pad(np.arange(n), pad, mode="reflect"))
    rows = torch.arange(n)[:, None].expand(-1, len(kernel))
    columns = source[rows + torch.arange(len(kernel))]
    matrix = torch.zeros(n, n, dtype=kernel.dtype)
    return matrix.index_put_((rows, columns), kernel.expand(n, -1), accumulate=True)
