"""Diffusivities in a population of tracks too short to be judged one by one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import fft
from scipy.special import digamma, erf
from scipy.stats import beta

from perrin.errors import InputError, Progress
from perrin.parameters import Parameters, parameter
from perrin.statistics._arrays import arrays_of, check_exposure, steps_of

__all__ = ["Spectra", "StateArray", "StateArrayFit", "infer_state_array", "remaining_share"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MOST_TRACKS = 20_000


class StateArray(Parameters):
    """How the posterior over diffusivities of a population is inferred."""

    diffusivity_min: float | None = parameter(
        None, "Smallest diffusivity of the grid; chosen from the tracks if left empty.",
        unit="px²/frame", gt=0,
    )  # fmt: skip
    diffusivity_max: float | None = parameter(
        None, "Largest diffusivity of the grid; chosen from the tracks if left empty.",
        unit="px²/frame", gt=0,
    )  # fmt: skip
    n_diffusivities: int = parameter(100, "Diffusivities in the grid.", ge=2, le=1000)
    noise_max: float | None = parameter(
        None, "Largest localization error of the grid; chosen from the tracks if left empty.",
        unit="px", gt=0,
    )  # fmt: skip
    n_noises: int = parameter(25, "Localization errors in the grid, from 0.", ge=1, le=200)
    max_steps: int = parameter(
        10,
        "Longer tracks are cut into pieces of so many displacements, each with a state of its own.",
        ge=1,
        advanced=True,
    )
    concentration: float = parameter(
        1.0, "Prior weight of each grid point, in displacements.", ge=0, advanced=True
    )
    iterations: int = parameter(200, "Rounds of inference.", ge=0, advanced=True)
    focal_depth: float | None = parameter(
        None,
        "Depth of the slab in which particles are seen; corrects for fast ones leaving it. "
        "No correction if left empty.",
        unit="px",
        gt=0,
    )


class StateArrayFit(NamedTuple):
    """The posterior that :func:`infer_state_array` found, on a grid (diffusivities, noises).

    ``n_pieces`` is the number of pieces that tracks were cut into.
    """

    diffusivity: Array
    noise: Array
    occupancy: Array
    naive: Array
    n_pieces: int
    n_displacements: int

    def table(self, level: float = 0.9) -> pd.DataFrame:
        """One row per diffusivity, the noise summed out.

        Columns ``diffusivity`` (px²/frame), ``occupancy``, ``occupancy_lo``, ``occupancy_hi``
        (central interval of a Dirichlet distribution that counts each piece of track once),
        ``naive`` (before inference).
        """
        mean = self.occupancy.sum(axis=1)
        tail = (1 - level) / 2
        a = np.maximum(mean * self.n_pieces, 1e-9)
        b = np.maximum((1 - mean) * self.n_pieces, 1e-9)
        return pd.DataFrame(
            {
                "diffusivity": self.diffusivity,
                "occupancy": mean,
                "occupancy_lo": beta.ppf(tail, a, b),
                "occupancy_hi": beta.ppf(1 - tail, a, b),
                "naive": self.naive.sum(axis=1),
            }
        )


class Spectra(NamedTuple):
    """Pieces of tracks without gaps, by their number of displacements n.

    ``power[n]`` is ``(pieces, n)``: the squares of the displacements' sine transform, summed over
    axes; ``track[n]`` the piece's track.
    """

    power: dict[int, Array]
    track: dict[int, Ints]
    n_axes: int

    @property
    def lengths(self) -> Ints:
        """Displacements of each piece, in the order of the likelihoods."""
        return np.concatenate(
            [np.full(len(power), n) for n, power in self.power.items()] or [np.empty(0, np.int64)]
        )

    @classmethod
    def of(cls, tracks: pd.DataFrame, max_steps: int | None) -> Spectra:
        """Cut tracks at gaps and after ``max_steps`` displacements, and transform the pieces."""
        arrays = arrays_of(tracks)
        steps = steps_of(arrays)
        whole = steps.frames == 1
        joined = np.zeros(whole.size, np.bool_)
        joined[1:] = whole[1:] & whole[:-1] & steps.pair[:-1]
        run = np.cumsum(~joined)
        first = np.flatnonzero(~joined)
        place = np.arange(whole.size) - np.repeat(first, np.diff(np.append(first, whole.size)))
        if max_steps is not None:
            run = np.cumsum(~joined | (place % max_steps == 0))
        delta, run, owner = steps.delta[whole], run[whole], steps.track[whole]
        edges = np.flatnonzero(np.diff(run, prepend=-1))
        counts = np.diff(np.append(edges, run.size))
        power, track = {}, {}
        for n in np.unique(counts):
            starts = edges[counts == n]
            piece = delta[starts[:, None] + np.arange(n)]
            sine = fft.dst(piece, type=1, axis=1, norm="ortho")
            power[int(n)] = np.einsum("ijk,ijk->ij", sine, sine)
            track[int(n)] = owner[starts]
        return cls(power, track, arrays.n_axes)

    def log_likelihood(self, diffusivity: Array, noise: Array, exposure: float) -> Array:
        """Log likelihood ``(pieces, states)`` of pairs of diffusivity and noise.

        The covariance of the displacements is tridiagonal with constant diagonals, which the sine
        transform makes diagonal: eigenvalues ``2 D + 2 s (1 - cos(pi k / (n + 1)))`` with
        ``s = noise² - exposure D / 3`` (Berglund 2010).
        """
        parts = []
        for n, power in self.power.items():
            psi = variances(waves(n), diffusivity, noise, exposure)
            norm = self.n_axes / 2 * np.log(2 * np.pi * psi).sum(axis=0)
            parts.append(-0.5 * (power @ (1 / psi)) - norm)
        return np.concatenate(parts) if parts else np.empty((0, diffusivity.size))


def waves(n: int) -> Array:
    """``1 - cos(pi k / (n + 1))`` for k from 1 to n: how much noise each transform holds."""
    return 1 - np.cos(np.pi * np.arange(1, n + 1) / (n + 1))


def variances(
    wave: Array, diffusivity: npt.ArrayLike, noise: npt.ArrayLike, exposure: float
) -> Array:
    """Variances ``(waves, states)`` of the sine transform of displacements."""
    speed = np.asarray(diffusivity)
    shift = np.asarray(noise) ** 2 - exposure * speed / 3
    return np.asarray(2 * speed + 2 * np.multiply.outer(wave, shift))


def remaining_share(diffusivity: npt.ArrayLike, focal_depth: float) -> Array:
    r"""Compute the share of particles in focus that are still in focus a frame later.

    Parameters
    ----------
    diffusivity
        In px²/frame.
    focal_depth
        Depth of the slab in px.

    Notes
    -----
    Particles spread evenly over a slab of depth w that move by a normal step of variance
    :math:`s^2 = 2D` along the optical axis:
    :math:`\mathrm{erf}(w/\sqrt2 s) - \sqrt{2/\pi}\,(s/w)(1 - e^{-w^2/2s^2})`
    (the first frame of Kues and Kubitscheck 2002, Single Mol. 3, 218).
    """
    step = np.sqrt(2 * np.asarray(diffusivity, dtype=np.float64))
    with np.errstate(divide="ignore"):
        ratio = np.where(step > 0, focal_depth / np.where(step > 0, step, 1), np.inf)
    leaving = np.sqrt(2 / np.pi) / ratio * (1 - np.exp(-(ratio**2) / 2))
    return np.asarray(erf(ratio / np.sqrt(2)) - leaving)


def infer_state_array(
    tracks: pd.DataFrame,
    parameters: StateArray | None = None,
    *,
    exposure: float = 0.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> StateArrayFit:
    r"""Infer the distribution of diffusivity and localization error in a population of tracks.

    Parameters
    ----------
    tracks
        A track table (positions in px). Tracks of one point say nothing and are left out.
    parameters
        Grid and inference.
    exposure
        Share of the frame interval during which the shutter is open; 0 for stroboscopic
        illumination, and what saSPT assumes.
    seed
        Seed of the choice of tracks where there are more than 20,000 pieces.
    progress
        Called as ``progress("Inferring states", done, total)`` with rounds.

    Raises
    ------
    InputError
        If the table is not a track table, or no track has two points in consecutive frames.

    Notes
    -----
    State arrays [1]_: a mixture over a fixed grid of diffusivity and localization error, of which
    each piece of track has one; occupancies have a Dirichlet prior, and the posterior is
    found by mean-field variational inference,

    .. math::
        r_{tj} \propto L_t(D_j,\sigma_j)\,e^{\psi(m_j)}, \qquad m_j = \alpha + \sum_t n_t r_{tj},

    with n the displacements of a piece, so that occupancies are shares of displacements, not of
    tracks. The likelihood is exact for Brownian motion with noise and blur. Tracks are cut at gaps
    and into pieces of ``max_steps``. With ``focal_depth`` occupancies are divided by
    :func:`remaining_share`, as saSPT does.

    References
    ----------
    .. [1] Heckert, Dahal, Tjian, Darzacq (2022), eLife 11, e70169.
    """
    chosen = parameters or StateArray()
    check_exposure(exposure)
    spectra = _limited(Spectra.of(tracks, chosen.max_steps), seed)
    lengths = spectra.lengths.astype(np.float64)
    if lengths.size == 0:
        raise InputError(
            "No track has two localizations in consecutive frames, so nothing can be said about "
            "motion. Link with a larger search range, or record more densely."
        )
    diffusivity, noise = _grid(spectra, chosen)
    pairs = np.meshgrid(diffusivity, noise, indexing="ij")
    log = spectra.log_likelihood(pairs[0].ravel(), pairs[1].ravel(), exposure)
    log -= log.max(axis=1, keepdims=True)
    likelihood = np.exp(log, out=log).astype(np.float32)
    likelihood /= likelihood.sum(axis=1, keepdims=True)
    weights = lengths.astype(np.float32)
    naive = (weights @ likelihood).astype(np.float64)
    count = naive
    for done in range(chosen.iterations):
        belief = np.exp(digamma(count + max(chosen.concentration, 1e-6)))
        belief = (belief / belief.max()).astype(np.float32)
        # r = L * belief / (L @ belief), summed over pieces without storing it
        total = likelihood @ belief
        count = (belief * ((weights / total) @ likelihood)).astype(np.float64)
        if progress is not None:
            progress("Inferring states", done + 1, chosen.iterations)
    shape = (diffusivity.size, noise.size)
    share = np.ones(diffusivity.size)
    if chosen.focal_depth is not None:
        share = remaining_share(diffusivity, chosen.focal_depth)
    occupancy, naive = (value.reshape(shape) / share[:, None] for value in (count, naive))
    return StateArrayFit(
        diffusivity,
        noise,
        occupancy / occupancy.sum(),
        naive / naive.sum(),
        lengths.size,
        int(lengths.sum()),
    )


def _grid(spectra: Spectra, chosen: StateArray) -> tuple[Array, Array]:
    """Four decades of diffusivity that hold the fastest piece, and noises up to a typical step."""
    half = np.concatenate([power.mean(axis=1) for power in spectra.power.values()])
    half = half / spectra.n_axes / 2
    high = chosen.diffusivity_max or 4 * max(float(np.quantile(half, 0.99)), 1e-12)
    low = chosen.diffusivity_min or high * 1e-4
    if low >= high:
        raise InputError(
            f"The grid of diffusivities runs from {low:g} to {high:g} px²/frame; its smallest "
            "value must be below its largest."
        )
    most = chosen.noise_max or float(np.sqrt(max(np.median(half), 1e-12)))
    noise = np.linspace(0, most, chosen.n_noises) if chosen.n_noises > 1 else np.array([most])
    return np.geomspace(low, high, chosen.n_diffusivities), noise


def _limited(spectra: Spectra, seed: int) -> Spectra:
    size = spectra.lengths.size
    if size <= _MOST_TRACKS:
        return spectra
    kept = np.zeros(size, np.bool_)
    kept[np.random.default_rng(seed).choice(size, _MOST_TRACKS, replace=False)] = True
    power, track, first = {}, {}, 0
    for n, values in spectra.power.items():
        rows = kept[first : first + len(values)]
        first += len(values)
        if rows.any():
            power[n], track[n] = values[rows], spectra.track[n][rows]
    return Spectra(power, track, spectra.n_axes)
