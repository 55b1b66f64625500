"""Parameters suggested from the data, each with the reason in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.spatial import cKDTree
from scipy.special import gammainc

from perrin.errors import InputError, Progress
from perrin.io import Movie, as_movie
from perrin.localization._gaussian import GaussianDetector
from perrin.localization._localize import check_finite
from perrin.tracks import axes_of, validate_tracks

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SearchRange", "SuggestedDetector", "suggest_detector", "suggest_search_range"]

_FRAMES = (3, 20)  # to look at, at least and at most
_PIXELS = 2**19  # to look at, where that is more than the fewest frames
_WIDTHS = np.geomspace(0.8, 12.0, 14)
_STRONGEST = 20  # spots per frame by which widths are compared
_BEST_RATIO = 1.22  # of the band-pass to the spot at which the signal-to-noise is highest
_ROUNDS = 3
_FEWEST = 10  # spots that a width is taken from, or displacements a search range
_MOST_PAIRS = 50_000
_REACHED = 0.99  # of the displacements that the search range holds
_LARGEST_SHARE = 1 - 1e-6


class SuggestedDetector(NamedTuple):
    """A detector, and in one sentence per parameter how it was found."""

    detector: GaussianDetector
    reasons: tuple[str, ...]


class SearchRange(NamedTuple):
    """How far to search for a particle in the next frame.

    Attributes
    ----------
    search_range
        Pixels; holds 99 % of the displacements.
    wrong
        Expected share of links, each to the nearest spot, that join different particles.
    found
        Share of spots whose particle is seen again in the next frame.
    spread
        Root mean square displacement from frame to frame, pixels.
    spacing
        Mean distance from a random place to the nearest spot, pixels.
    reason
        The same in words.
    """

    search_range: float
    wrong: float
    found: float
    spread: float
    spacing: float
    reason: str


def suggest_detector(
    movie: Movie | Any,
    detector: GaussianDetector | None = None,
    *,
    device: str = "auto",
    progress: Progress | None = None,
) -> SuggestedDetector:
    """Find the width of the spots and the threshold for a movie.

    Parameters
    ----------
    movie
        A :class:`perrin.Movie`, or an array ``(T, Y, X)`` or ``(T, Z, Y, X)``; at most 20
        frames are looked at.
    detector
        What is known before: camera, dark spots, false spots allowed. Width and least
        signal-to-noise ratio are replaced. In 3D the ratio of the widths is kept.
    device
        Where to compute.
    progress
        Called as ``progress(what, done, total)``; may raise :class:`perrin.Cancelled`.

    Raises
    ------
    InputError
        If no spot stands out at any width, or the movie cannot be used.

    Notes
    -----
    White noise, filtered by the difference of two Gaussians, leaves a spot the highest
    signal-to-noise ratio where the first is 1.22 times as wide as the spot; the width found so is
    refined by Gaussian fits. Threshold: see ``perrin.localization._bandpass.false_maxima``.
    """
    movie = as_movie(movie)
    detector = detector or GaussianDetector()
    n_frames = int(np.clip(_PIXELS // math.prod(movie.shape[1:]), *_FRAMES))
    numbers = np.unique(np.linspace(0, movie.n_frames - 1, n_frames).astype(int))
    frames = np.stack([movie.frame(int(number)) for number in numbers])
    for number, image in zip(numbers, frames, strict=True):
        check_finite(image, int(number), movie.name)
    shortest = min(movie.shape[-2:])
    ratio = 1.0 if detector.sigma_z is None else detector.sigma_z / detector.sigma
    if movie.is_3d:
        shortest = min(shortest, int(movie.shape[1] / ratio))

    def at(sigma: float, **changes: Any) -> GaussianDetector:
        width_z = None if detector.sigma_z is None else sigma * ratio
        changes = {"sigma": sigma, "sigma_z": width_z, "min_snr": None, **changes}
        return detector.model_copy(update=changes)

    widths = _WIDTHS[shortest >= _WIDTHS * _BEST_RATIO * 8]
    n_looks = len(widths) + _ROUNDS
    strengths: list[float] = []
    for width in widths:
        _report(progress, len(strengths), n_looks)
        strengths.append(_strength(frames, at(width * _BEST_RATIO, fit="radial"), device))
    if not strengths or max(strengths) == 0:
        raise InputError(
            f"No spot stands out from the noise of {movie.name}, whatever its width. If the spots "
            "are darker than their surroundings, set invert (dark spots)."
        )
    best = int(np.argmax(strengths))
    sigma, n_used, error = float(widths[best]), 0, math.nan
    for number in range(_ROUNDS):
        _report(progress, len(widths) + number, n_looks)
        fitted = _clear(at(sigma).locate_frames(frames, device))["sigma"]
        if len(fitted) < _FEWEST:
            break
        n_used = len(fitted)
        sigma = float(np.median(fitted).clip(0.5, widths[-1]))
        error = 1.2533 * float(fitted.std()) / math.sqrt(n_used)  # of a median
    least = float(f"{at(sigma).threshold(movie.shape[1:]):.3g}")
    chosen = at(float(f"{sigma:.3g}"), min_snr=least)
    n_found = len(chosen.locate_frames(frames, device)) / len(frames)
    refined = (
        f"Gaussians fitted to {n_used} of them have a median width of {sigma:.2f} ± {error:.2f} px"
        if n_used
        else "too few are bright enough to fit their widths"
    )
    size = " × ".join(map(str, movie.shape[1:]))
    return SuggestedDetector(
        chosen,
        (
            f"Spot width (sigma) {chosen.sigma:g} px: of widths from {widths[0]:.1f} to "
            f"{widths[-1]:.1f} px, the spots stand out most at {widths[best]:.1f} px; {refined}.",
            f"Least signal-to-noise ratio {least:g}: a frame of {size} px with nothing but noise "
            f"is expected to have at most {chosen.false_spots:g} maxima above it, by the theory "
            f"of Gaussian random fields. With it, {n_found:.1f} spots per frame are found in the "
            f"{len(frames)} frames looked at.",
        ),
    )


def _report(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress("Looking for the width of the spots", done, total)


def _strength(frames: npt.NDArray[Any], detector: GaussianDetector, device: str) -> float:
    """Mean signal-to-noise ratio of the strongest spots."""
    found = detector.locate_frames(frames, device).groupby("frame")["snr"].nlargest(_STRONGEST)
    # Where fewer spots are found, those missing count as none.
    return float(found.sum() / (_STRONGEST * len(frames)))


def _clear(spots: pd.DataFrame) -> pd.DataFrame:
    """Return the spots whose width is not that of a chance maximum."""
    weakest = spots.groupby("frame")["snr"].transform("min")
    clear: pd.DataFrame = spots[spots["snr"] > 1.5 * weakest]
    return clear


def suggest_search_range(localizations: pd.DataFrame) -> SearchRange:
    """Find how far to search for a particle in the next frame, and what that costs.

    The distance from each spot to the nearest one in the next frame is either the particle's own
    displacement or the distance to another particle. Both distributions are fitted together: two
    populations of Brownian displacements, the share of particles seen again, and other particles
    at random with the density that is found.

    Parameters
    ----------
    localizations
        ``frame``, ``y``, ``x`` (and ``z``), as :func:`perrin.localize` returns.

    Raises
    ------
    InputError
        If the table is no table of localizations, or has fewer than ten in successive frames.

    Notes
    -----
    With the density ρ, V(r) the area (volume) of a circle (sphere) and F the distribution of
    displacements, the nearest spot is further than r with the probability
    (1 − found·F(r))·exp(−ρV(r)). Particles that keep to a part of the field are denser there than
    on average, and more links are wrong than said.
    """
    table = validate_tracks(
        localizations.assign(particle=np.arange(len(localizations))),
        source="the table of localizations",
    ).sort_values("frame")
    axes = list(axes_of(table))
    dim = len(axes)
    distances, density = _nearest(table, axes)
    if len(distances) < _FEWEST:
        raise InputError(
            f"Only {len(distances)} spots have others in the next frame; at least {_FEWEST} are "
            "needed to suggest a search range."
        )
    fit = _fit_displacements(distances, density, dim)
    longest = max(float(distances.max()), 10 * fit.spread)
    r = np.linspace(0, longest, 20_001)[1:]
    step, volume = r[0], _ball(dim) * r**dim
    inside = fit.distribution(r)
    search_range = float(r[min(np.searchsorted(inside, _REACHED * inside[-1]), len(r) - 1)])
    alone = np.exp(-density * volume)
    to_other = np.cumsum((1 - fit.found * inside) * alone * density * dim * volume / r) * step
    to_own = np.cumsum(fit.found * np.gradient(inside, step) * alone) * step
    at = np.searchsorted(r, search_range).clip(0, len(r) - 1)
    wrong = float(to_other[at] / (to_other[at] + to_own[at]))
    spacing = float(math.gamma(1 + 1 / dim) / (density * _ball(dim)) ** (1 / dim))
    search_range = float(f"{search_range:.2g}")
    reason = (
        f"Search range {search_range:g} px: it holds {_REACHED:.0%} of the displacements from "
        f"frame to frame, whose root mean square is {fit.spread:.2g} px. With spots on "
        f"average {spacing:.2g} px from a random place, {wrong:.1%} of the links to the nearest "
        f"spot are expected to be wrong; {fit.found:.0%} of the spots are seen again in the next "
        "frame."
    )
    return SearchRange(search_range, wrong, fit.found, fit.spread, spacing, reason)


class _Displacements(NamedTuple):
    found: float
    slow: float  # standard deviation per axis
    fast: float
    share: float  # of the fast ones
    dim: int

    @property
    def spread(self) -> float:
        square = (1 - self.share) * self.slow**2 + self.share * self.fast**2
        return math.sqrt(self.dim * square)

    def distribution(self, r: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        parts = [gammainc(self.dim / 2, (r / s) ** 2 / 2) for s in (self.slow, self.fast)]
        return np.asarray((1 - self.share) * parts[0] + self.share * parts[1])

    def density(self, r: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        norm = 2 ** (self.dim / 2 - 1) * math.gamma(self.dim / 2)
        parts = [
            (r / s) ** (self.dim - 1) * np.exp(-((r / s) ** 2) / 2) / (norm * s)
            for s in (self.slow, self.fast)
        ]
        return np.asarray((1 - self.share) * parts[0] + self.share * parts[1])


def _ball(dim: int) -> float:
    return float(math.pi ** (dim / 2) / math.gamma(dim / 2 + 1))


def _nearest(table: pd.DataFrame, axes: list[str]) -> tuple[npt.NDArray[np.float64], float]:
    """Distances to the nearest spot in the next frame, and the mean density of spots there."""
    if table.empty:
        return np.empty(0), 0.0
    position = table[axes].to_numpy(np.float64)
    extent = np.maximum(np.ptp(position, axis=0), 1.0)
    frames, starts = np.unique(table["frame"].to_numpy(), return_index=True)
    spots = np.split(position, starts[1:])
    distances, counts, n_pairs = [], [], 0
    for number in np.flatnonzero(np.diff(frames) == 1):
        here, there = spots[number], spots[number + 1]
        distances.append(cKDTree(there).query(here)[0])
        counts.append(len(there))
        n_pairs += len(here)
        if n_pairs > _MOST_PAIRS:
            break
    if not distances:
        return np.empty(0), 0.0
    # The particle itself is one of those found.
    return np.concatenate(distances), max(float(np.mean(counts)) - 1, 0.1) / float(extent.prod())


def _fit_displacements(
    distances: npt.NDArray[np.float64], density: float, dim: int
) -> _Displacements:
    """Fit own displacements and other particles to nearest distances, by maximum likelihood."""
    r = np.maximum(distances, 1e-3)
    volume = _ball(dim) * r**dim

    def model(values: npt.NDArray[np.float64]) -> _Displacements:
        found, share = _LARGEST_SHARE / (1 + np.exp(-values[[0, 3]]))
        slow = math.exp(values[1])
        return _Displacements(
            float(found), slow, slow * (1 + math.exp(values[2])), float(share), dim
        )

    def cost(values: npt.NDArray[np.float64]) -> float:
        d = model(values)
        other = (1 - d.found * d.distribution(r)) * density * dim * volume / r
        likely = (d.found * d.density(r) + other) * np.exp(-density * volume)
        return -float(np.log(np.maximum(likely, 1e-300)).mean())

    start = math.log(float(np.median(r)) / math.sqrt(dim) + 1e-3)
    results = [
        minimize(cost, [2.0, start, ratio, share], method="Nelder-Mead", options={"maxiter": 800})
        for ratio, share in ((-1.0, 0.0), (1.0, -2.0))
    ]
    return model(min(results, key=lambda result: float(result.fun)).x)
