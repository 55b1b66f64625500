"""Fitting Gaussians to all spots of many frames at once, by maximum likelihood."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from perrin.localization._spot import axis_view, derivatives, unit_images

__all__ = ["Fit", "Patches", "fit_spots", "overlapping"]

_REACH = 2.5  # standard deviations of the spot within the patch; 99 % of the light
_MOST_STEPS = 10
_DONE = 0.05  # squared length of the last step, in standard deviations of what is fitted
_LARGEST_STEP = 0.5  # px per step
_ROAM = 1.5  # standard deviations of the spot that a fit may leave its maximum
_FACTOR = 3.0  # by which light may change in a step
_WIDER = 1.25  # by which a width may change in a step
_WIDEST = 2.0  # and in all
_RELAX = 0.9  # of the step of spots whose neighbours move at the same time
_LEAST = 0.02  # of the mean of a patch: background below which Poisson noise has no meaning
_WIDTH_IS_KNOWN = 0.2  # relative standard deviation of the widths before they are measured
_BLOCK = 2**18  # derivatives to hold at a time: more than a processor's cache holds is slow


class Patches(NamedTuple):
    """Pixels around spots.

    Attributes
    ----------
    pixels
        ``(n, k)``: where each pixel is in the flattened frames.
    corner
        ``(n, dim)``: position of the first pixel in its frame.
    lengths
        Size along each axis.
    """

    pixels: Tensor
    corner: Tensor
    lengths: tuple[int, ...]

    @classmethod
    def around(
        cls,
        frame: Tensor,
        position: Tensor,
        sigma: tuple[float, ...],
        shape: tuple[int, ...],
        reach: float = _REACH,
    ) -> Patches:
        """Choose the pixels up to ``reach`` sigma away; at an edge, those nearest to it."""
        dim, stride = len(shape), math.prod(shape)
        lengths = tuple(
            min(2 * math.ceil(reach * s) + 1, n) for s, n in zip(sigma, shape, strict=True)
        )
        index = (frame * stride).reshape(-1, *[1] * dim)
        corner = []
        for axis, (length, n) in enumerate(zip(lengths, shape, strict=True)):
            first = (position[:, axis].round().long() - length // 2).clamp(0, n - length)
            stride //= n
            pixels = (first[:, None] + torch.arange(length, device=frame.device)) * stride
            index = index + axis_view(pixels, axis, dim)
            corner.append(first)
        return cls(index.flatten(1), torch.stack(corner, 1), lengths)

    def of(self, rows: Tensor) -> Patches:
        """Return some of the patches."""
        return Patches(self.pixels[rows], self.corner[rows], self.lengths)


class Fit(NamedTuple):
    """Spots as fitted.

    Attributes
    ----------
    spots
        ``(n, dim + 2 + k)``: position (pixels), light, background per pixel, and the ``k`` widths:
        in the plane, and in 3D that along z.
    error
        ``(n, dim + 1)``: standard deviations of position and light.
    """

    spots: Tensor
    error: Tensor


def fit_spots(
    frames: Tensor,
    frame: Tensor,
    position: Tensor,
    light: Tensor,
    sigma: tuple[float, ...],
    *,
    read_variance: float | None,
    fit_sigma: bool,
) -> Fit:
    """Fit all spots at once, each with the light of its neighbours as part of the model.

    Fisher scoring with analytic derivatives. Spots whose patches overlap move together, each
    seeing the others where they were one step before.

    Parameters
    ----------
    frames
        ``(T, *shape)``: photons, or counts where the camera is not known.
    frame, position, light
        ``(n,)``, ``(n, dim)``, ``(n,)``: where to start.
    sigma
        Width of a spot per axis of ``shape``, pixels.
    read_variance
        What reading a pixel adds to the Poisson noise of ``frames``. ``None`` where the camera is
        not known: least squares, with errors from the residuals of each spot.
    fit_sigma
        Whether each spot's width is fitted, with ``sigma`` give or take 20 % as what is known
        before, so that dim spots keep it and bright ones show their own.

    Notes
    -----
    Errors are the Cramér–Rao bound for a spot whose neighbours are known; of spots nearer to each
    other than two standard deviations they are too small.

    References
    ----------
    C. S. Smith et al., Nat. Methods 7, 373 (2010), the iterations for one spot. F. Huang et al.,
    Nat. Methods 10, 653 (2013), read noise as additional photons. J. G. MacKinnon and H. White,
    J. Econom. 29, 305 (1985), errors from residuals (HC3).
    """
    dim = len(sigma)
    patches = Patches.around(frame, position, sigma, tuple(frames.shape[1:]))
    values = frames.reshape(-1)[patches.pixels]
    widths = torch.tensor([sigma[-1], *sigma[:-2]], device=frames.device).expand(len(frame), -1)
    spots = torch.cat((position - patches.corner, light[:, None], light[:, None], widths), 1)
    share = unit_images(spots, patches.lengths).mean(1)
    spots[:, dim + 1] = values.mean(1) - light * share
    error = torch.full_like(spots[:, : dim + 1], math.nan)
    pairs = overlapping(frame, patches)
    crowded = torch.zeros(len(frame), dtype=torch.bool, device=frame.device)
    crowded[pairs] = True
    number = crowded.cumsum(0) - 1  # of each crowded spot among the crowded
    for rows, neighbours in ((~crowded, None), (crowded, number[pairs])):
        chosen = rows.nonzero()[:, 0]
        if len(chosen):
            fitter = _Fitter(patches.of(chosen), neighbours, read_variance, fit_sigma)
            spots[chosen], error[chosen] = fitter.fit(spots[chosen], values[chosen])
    spots[:, :dim] += patches.corner
    return Fit(spots, error)


class _Fitter:
    """Fits spots that all have neighbours, or all have none."""

    def __init__(
        self,
        patches: Patches,
        pairs: Tensor | None,
        read_variance: float | None,
        fit_sigma: bool,
    ) -> None:
        self._patches, self._pairs = patches, pairs
        self._read, self._fit_sigma = read_variance, fit_sigma
        self._dim = len(patches.lengths)

    def fit(self, spots: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return the fitted spots (relative to their patches) and their errors."""
        start = spots
        spots = self._bounded(spots, start, values)
        error = torch.empty_like(spots[:, : self._dim + 1])
        active = torch.arange(len(spots), device=spots.device)
        for _ in range(_MOST_STEPS):
            now, here = spots[active], values[active]
            others = None
            if self._pairs is not None:
                others = self._light_of_neighbours(spots, self._pairs)[active]
            step, error[active], length = self._step(now, here, others, start[active])
            if others is not None:
                step = step * _RELAX
            spots[active] = self._bounded(_limited(now, step, self._dim), start[active], here)
            moving = torch.zeros(len(spots), dtype=torch.bool, device=spots.device)
            moving[active] = length > _DONE
            if self._pairs is not None:
                # Whoever has a neighbour that moves is not done either.
                of_moving = self._pairs[moving[self._pairs[:, 1]], 0]
                moving[of_moving] = True
            active = moving.nonzero()[:, 0]
            if not len(active):
                break
        return spots, error

    def _light_of_neighbours(self, spots: Tensor, pairs: Tensor) -> Tensor:
        """Sum the light of all neighbours of each spot over its patch."""
        here, there = pairs.T
        moved = spots[there]
        moved[:, : self._dim] += self._patches.corner[there] - self._patches.corner[here]
        light = moved[:, self._dim, None] * unit_images(moved, self._patches.lengths)
        return torch.zeros(len(spots), light.shape[1], device=light.device).index_add_(
            0, here, light
        )

    def _step(
        self, spots: Tensor, values: Tensor, others: Tensor | None, start: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Take a step of Fisher scoring: the step, the errors, the step's length."""
        size = max(1, _BLOCK // (spots.shape[1] * values.shape[1]))
        parts = [
            self._step_of(
                spots[rows], values[rows], None if others is None else others[rows], start[rows]
            )
            for rows in (slice(i, i + size) for i in range(0, len(spots), size))
        ]
        step, error, length = (torch.cat(part) for part in zip(*parts, strict=True))
        return step, error, length

    def _step_of(
        self, spots: Tensor, values: Tensor, others: Tensor | None, start: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        dim = self._dim
        slopes = derivatives(spots, self._patches.lengths, by_width=self._fit_sigma)
        model = spots[:, dim, None] * slopes[:, dim] + spots[:, dim + 1, None]
        if others is not None:
            model += others
        residual = values - model
        if self._read is None:
            # Of unit variance, so that what is known of the widths counts as it should.
            n_free = values.shape[1] - slopes.shape[1]
            variance = residual.square().sum(1, keepdim=True) / n_free
            weight = variance.clamp_min(1e-20).reciprocal().expand_as(residual)
        else:
            weight = (model + self._read).reciprocal()
        weighted = slopes * weight[:, None]
        information = weighted @ slopes.mT
        slope = (weighted @ residual[:, :, None])[:, :, 0]
        if self._fit_sigma:
            known = (_WIDTH_IS_KNOWN * start[:, dim + 2 :]).square().reciprocal()
            slope[:, dim + 2 :] += (start[:, dim + 2 :] - spots[:, dim + 2 :]) * known
            information.diagonal(dim1=1, dim2=2)[:, dim + 2 :] += known
        # With a diagonal of ones, single precision suffices.
        scale = information.diagonal(dim1=1, dim2=2).clamp_min(1e-20).rsqrt()
        scales = scale[:, :, None] * scale[:, None, :]
        inverse = torch.linalg.inv_ex(information * scales).inverse * scales
        step = (inverse @ slope[:, :, None])[:, :, 0]
        if self._read is None:
            influence = inverse @ weighted
            leverage = (influence * slopes).sum(1, keepdim=True)
            deviation = residual[:, None] / (1 - leverage).clamp_min(0.1)
            error = (influence[:, : dim + 1] * deviation).square().sum(2)
        else:
            error = inverse.diagonal(dim1=1, dim2=2)[:, : dim + 1]
        return step, error.clamp_min(0).sqrt(), (step * slope).sum(1)

    def _bounded(self, spots: Tensor, start: Tensor, values: Tensor) -> Tensor:
        """Keep spots near their maxima, and their light and widths within reason."""
        dim = self._dim
        widths = start[:, dim + 2 :]
        roam = _ROAM * widths[:, [*[1] * (dim - 2), 0, 0]]
        position = _between(spots[:, :dim], start[:, :dim] - roam, start[:, :dim] + roam)
        width = _between(spots[:, dim + 2 :], widths / _WIDEST, widths * _WIDEST)
        background = spots[:, dim + 1, None]
        if self._read is not None:
            least = _LEAST * values.mean(1, keepdim=True).abs() + 1e-6
            background = torch.maximum(background, least)
        return torch.cat((position, spots[:, dim, None], background, width), 1)


def _limited(spots: Tensor, step: Tensor, dim: int) -> Tensor:
    """Move spots, none of them far."""
    new = spots.clone()
    step = step.nan_to_num(0.0, 0.0, 0.0)
    new[:, :dim] += step[:, :dim].clamp(-_LARGEST_STEP, _LARGEST_STEP)
    new[:, dim + 1] += step[:, dim + 1]
    widths = slice(dim + 2, step.shape[1])
    for columns, factor in ((slice(dim, dim + 1), _FACTOR), (widths, _WIDER)):
        old = spots[:, columns]
        new[:, columns] = _between(old + step[:, columns], old / factor, old * factor)
    return new


def _between(values: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(values, low), high)


def overlapping(frame: Tensor, patches: Patches) -> Tensor:
    """Return the pairs ``(m, 2)``, in both orders, of patches that share pixels."""
    # Frames far apart, and corners in units of the patch: neighbours are nearer than 1.
    scaled = patches.corner / torch.tensor(patches.lengths, device=frame.device)
    place = torch.cat((2.0 * frame[:, None], scaled), 1).cpu().numpy()
    pairs = cKDTree(place).query_pairs(1 - 1e-3, p=np.inf, output_type="ndarray")
    both = np.concatenate((pairs, pairs[:, ::-1])).astype(np.int64)
    return torch.from_numpy(both).to(frame.device)
