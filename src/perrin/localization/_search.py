"""Finding and fitting the spots of some frames: band-pass, maxima, fit, and what remains."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from torch import Tensor

from perrin.localization._bandpass import (
    BandPass,
    Maxima,
    NoiseMap,
    band_pass,
    find_maxima,
)
from perrin.localization._fit import Patches, fit_spots, overlapping
from perrin.localization._radial import radial_symmetry

__all__ = ["Search", "Spots"]

_REACH = 3.0  # standard deviations of a spot up to which it is taken off the band-passed image
_BESIDE = 0.2  # of the response to a spot that was found, which a new one beside it must exceed
_PARTED = 3.0  # standard deviations of a spot within which two spots may look like one
_BETWEEN = 1.0  # and how near to their middle that one must be
_LEAST_VARIANCE = 0.05  # photons per pixel: so dark a place tells nothing of its own mean
_FAINTEST = 0.5  # of the threshold: light over its error, below which a refitted spot is dropped


class Spots(NamedTuple):
    """Spots of some frames, in the units of the frames.

    Attributes
    ----------
    frame
        ``(n,)``: index of the frame.
    fitted
        ``(n, dim + 2 + k)``: position, light, background, and the width in the plane, in 3D also
        that along z.
    error
        ``(n, dim + 1)``: standard deviations of position and light.
    snr
        ``(n,)``: signal-to-noise ratio in the band-passed frame.
    """

    frame: Tensor
    fitted: Tensor
    error: Tensor
    snr: Tensor

    def of(self, rows: Tensor) -> Spots:
        """Return some of the spots."""
        return Spots(*(values[rows] for values in self))

    def and_also(self, others: Spots) -> Spots:
        """Return these and other spots."""
        return Spots(*(torch.cat(both) for both in zip(self, others, strict=True)))


class Search(NamedTuple):
    """How spots are sought; the fields are those of ``GaussianDetector``.

    Attributes
    ----------
    sigma
        Width of a spot per axis, pixels.
    least
        Least signal-to-noise ratio.
    read_variance
        Variance of the noise of reading a pixel, photons; ``None`` if the camera is not known and
        frames are counts.
    """

    sigma: tuple[float, ...]
    least: float
    read_variance: float | None
    fit: str
    fit_sigma: bool
    passes: int

    def __call__(self, frames: Tensor) -> Spots:
        """Find the spots of frames ``(T, *shape)``, sorted by frame."""
        shape = tuple(frames.shape[1:])
        band = band_pass(shape, self.sigma, frames.device)
        least = self.least
        passed, mean = band(frames)
        variance = None
        if self.read_variance is not None:
            values = (mean.values + self.read_variance).clamp_min(_LEAST_VARIANCE)
            variance = mean._replace(values=values)
        spots = self._as_spots(find_maxima(passed, band, least, variance), band)
        if self.fit == "likelihood":
            spots = self._fitted(frames, spots)
            for _ in range(1, self.passes):
                spots, is_done = self._once_more(frames, spots, passed, band, least, variance)
                if is_done:
                    break
        else:
            spots.fitted[:, : len(shape)] = radial_symmetry(
                frames, spots.frame, spots.fitted[:, : len(shape)], self.sigma
            )
        return spots.of(torch.argsort(spots.frame, stable=True))

    def _as_spots(self, maxima: Maxima, band: BandPass) -> Spots:
        n, dim = maxima.position.shape
        light = (maxima.height / band.peak)[:, None]
        unknown = torch.full((n, dim + 1), math.nan, device=light.device)
        widths = torch.tensor([self.sigma[-1], *self.sigma[:-2]], device=light.device)
        fitted = torch.cat((maxima.position, light, unknown[:, :1], widths.expand(n, -1)), 1)
        return Spots(maxima.frame, fitted, unknown, maxima.snr)

    def _fitted(self, frames: Tensor, spots: Spots) -> Spots:
        dim = len(self.sigma)
        fit = fit_spots(
            frames,
            spots.frame,
            spots.fitted[:, :dim],
            spots.fitted[:, dim],
            self.sigma,
            read_variance=self.read_variance,
            fit_sigma=self.fit_sigma,
        )
        return spots._replace(fitted=fit.spots, error=fit.error)

    def _once_more(
        self,
        frames: Tensor,
        spots: Spots,
        passed: Tensor,
        band: BandPass,
        least: float,
        variance: NoiseMap | None,
    ) -> tuple[Spots, bool]:
        """Seek spots in what the known ones leave; return all, and whether nothing was found."""
        dim, flat = len(self.sigma), passed.view(-1)
        patches = Patches.around(
            spots.frame, spots.fitted[:, :dim], self.sigma, tuple(passed.shape[1:]), _REACH
        )
        relative = spots.fitted.clone()
        relative[:, :dim] -= patches.corner
        pixels = patches.pixels.reshape(-1)
        before = flat[pixels]
        flat.index_add_(0, pixels, band.response(relative, patches.lengths).reshape(-1), alpha=-1)
        maxima = find_maxima(passed, band, least, variance, pixels)
        flat[pixels] = before
        beside = flat[maxima.pixel] - maxima.height
        snr = maxima.snr
        if variance is not None:
            # The light of a neighbour is noisy, too.
            here = variance.at(maxima.frame, maxima.position)
            brightest = (beside / band.peak).clamp_min(0) / math.prod(
                math.sqrt(2 * math.pi) * s for s in self.sigma
            )
            snr = snr * (here / (here + brightest)).sqrt()
        new = maxima._replace(snr=snr).of((snr > least) & (maxima.height > _BESIDE * beside))
        if not len(new.pixel):
            return spots, True
        spots, added = self._parted(spots, self._as_spots(new, band))
        everything = spots.and_also(added)
        fresh = torch.zeros(len(everything.frame), dtype=torch.bool)
        fresh[len(spots.frame) :] = True
        return self._refitted(frames, everything, fresh, _FAINTEST * least), False

    def _parted(self, spots: Spots, new: Spots) -> tuple[Spots, Spots]:
        """Replace spots between new ones, two that were taken for one, by those."""
        dim = len(self.sigma)
        width = torch.tensor(self.sigma, device=new.frame.device)
        places = [
            torch.cat((2 * _PARTED * s.frame[:, None], s.fitted[:, :dim] / width), 1).cpu().numpy()
            for s in (spots, new)
        ]
        near = cKDTree(places[0]).sparse_distance_matrix(
            cKDTree(places[1]), _PARTED, output_type="coo_matrix"
        )
        old, young = (torch.from_numpy(i.astype(np.int64)).to(width.device) for i in near.coords)
        offset = (new.fitted[young, :dim] - spots.fitted[old, :dim]) / width
        n = len(spots.frame)
        count = torch.bincount(old, minlength=n)
        mean = torch.zeros(n, dim, device=width.device).index_add_(0, old, offset)
        between = (count > 1) & (mean.norm(dim=1) < _BETWEEN * count)
        heirs = between[old]
        new.fitted[:, dim].index_add_(0, young[heirs], (spots.fitted[:, dim] / count)[old[heirs]])
        return spots.of(~between), new

    def _refitted(self, frames: Tensor, spots: Spots, fresh: Tensor, least: float) -> Spots:
        """Fit fresh spots with all that overlap, and drop those whose light is within its error."""
        dim = len(self.sigma)
        shape = tuple(frames.shape[1:])
        patches = Patches.around(spots.frame, spots.fitted[:, :dim], self.sigma, shape)
        groups = _groups(overlapping(spots.frame, patches), len(spots.frame))
        touched = torch.isin(groups, groups[fresh]).to(frames.device)
        part = self._fitted(frames, spots.of(touched))
        clear = part.fitted[:, dim] > least * part.error[:, dim]
        if not clear.all():
            part = self._fitted(frames, part.of(clear))
        return spots.of(~touched).and_also(part)


def _groups(pairs: Tensor, n: int) -> Tensor:
    """Return the number of the group, joined by pairs, that each spot is in: ``(n,)``."""
    here, there = pairs.cpu().numpy().T
    graph = coo_array((np.ones(len(here), np.int8), (here, there)), shape=(n, n))
    return torch.from_numpy(connected_components(graph, directed=False)[1])
