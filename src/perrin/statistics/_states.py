"""A few diffusive states in a population of short tracks: how many, how fast, how many in each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from perrin.errors import InputError, Progress
from perrin.statistics._arrays import check_exposure
from perrin.statistics._population import Spectra, remaining_share, variances, waves

__all__ = ["Mixture", "StatesFit", "TracksInStates", "fit_states"]

Array = npt.NDArray[np.float64]

_ROUNDS = 300
_ROUNDS_AGAIN = 60
_TOLERANCE = 1e-7
_SETTLED = 1e-5


class StatesFit(NamedTuple):
    """The states that :func:`fit_states` found.

    ``table`` has one row per state, slowest first: ``state``, ``diffusivity`` (px²/frame) and
    ``occupancy``, each with ``_lo`` and ``_hi`` (5 % and 95 %, bootstrap over tracks).
    ``noise`` is the localization error common to all (px), ``n_states`` a table of what was
    compared: ``n_states``, ``log_likelihood``, ``bic``.
    """

    table: pd.DataFrame
    noise: float
    n_states: pd.DataFrame


class Mixture(NamedTuple):
    """States with one noise; ``share`` is of tracks."""

    diffusivity: Array
    share: Array
    noise: float
    log_likelihood: float


def fit_states(
    tracks: pd.DataFrame,
    n_states: int | None = None,
    *,
    max_states: int = 4,
    noise: float | None = None,
    exposure: float = 1.0,
    focal_depth: float | None = None,
    n_bootstrap: int = 100,
    seed: int = 0,
    progress: Progress | None = None,
) -> StatesFit:
    r"""Describe a population of tracks of any length by a few diffusive states.

    Parameters
    ----------
    tracks
        A track table (positions in px); each track is taken to stay in one state.
    n_states
        Number of states; the one of least BIC up to ``max_states`` if not given.
    max_states
        Largest number to try.
    noise
        Localization error per axis in px if it is known; fitted, the same for all, if not given.
    exposure
        Share of the frame interval during which the shutter is open, 0 to 1.
    focal_depth
        Depth in px of the slab in which particles are seen; corrects occupancies for fast
        particles that leave it.
    n_bootstrap
        How often tracks are drawn again for the intervals; 0 for none.
    seed
        Seed of these draws.
    progress
        Called as ``progress("Fitting states", done, total)``.

    Raises
    ------
    InputError
        If no track has two points in consecutive frames or an argument is out of range.

    Notes
    -----
    Expectation-maximisation of a mixture of Brownian motions with the exact likelihood
    (Berglund 2010, Phys. Rev. E 82, 011917); tracks are cut at gaps, and the pieces share the
    track's state. From k to k + 1 states the search starts from each state split in two. BIC
    counts 2k parameters (less one if the noise is given) and the tracks as observations.
    Occupancies are shares of displacements, as in saSPT.
    """
    check_exposure(exposure)
    if (n_states is not None and n_states < 1) or max_states < 1 or n_bootstrap < 0:
        raise InputError("The number of states must be at least 1, and n_bootstrap at least 0.")
    data = TracksInStates(Spectra.of(tracks, None), exposure)
    if data.n_tracks == 0:
        raise InputError(
            "No track has two localizations in consecutive frames, so nothing can be said about "
            "motion. Link with a larger search range, or record more densely."
        )
    ones = np.ones(data.n_tracks)
    upto = n_states or max_states
    total = upto + n_bootstrap
    fits = [data.fit(_start(data, noise), noise, ones, _ROUNDS)]
    for k in range(1, upto):
        tries = [data.fit(_split(fits[-1], j), noise, ones, _ROUNDS) for j in range(k)]
        fits.append(max(tries, key=lambda fit: fit.log_likelihood))
        if progress is not None:
            progress("Fitting states", k + 1, total)
    sizes = np.arange(1, upto + 1)
    likelihood = np.array([fit.log_likelihood for fit in fits])
    bic = (2 * sizes - (noise is not None)) * np.log(data.n_tracks) - 2 * likelihood
    best = fits[-1] if n_states else fits[int(np.argmin(bic))]
    order = np.argsort(best.diffusivity)
    best = best._replace(diffusivity=best.diffusivity[order], share=best.share[order])
    rng = np.random.default_rng(seed)
    drawn = np.full((n_bootstrap, 2, order.size), np.nan)
    for again in range(n_bootstrap):
        weights = rng.multinomial(data.n_tracks, ones / data.n_tracks).astype(np.float64)
        fit = data.fit(best, noise, weights, _ROUNDS_AGAIN)
        by_size = np.argsort(fit.diffusivity)
        drawn[again] = fit.diffusivity[by_size], data.occupancy(fit, weights, focal_depth)[by_size]
        if progress is not None:
            progress("Fitting states", upto + again + 1, total)
    low, high = np.full((2, 2, order.size), np.nan)
    if n_bootstrap:
        low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
    table = pd.DataFrame(
        {
            "state": np.arange(order.size),
            "diffusivity": best.diffusivity,
            "diffusivity_lo": low[0],
            "diffusivity_hi": high[0],
            "occupancy": data.occupancy(best, ones, focal_depth),
            "occupancy_lo": low[1],
            "occupancy_hi": high[1],
        }
    )
    compared = pd.DataFrame({"n_states": sizes, "log_likelihood": likelihood, "bic": bic})
    return StatesFit(table, best.noise, compared)


class TracksInStates:
    """The tracks' spectra, with the two steps of expectation-maximisation."""

    def __init__(self, spectra: Spectra, exposure: float) -> None:
        self.exposure = exposure
        self.spectra = spectra
        owners = list(spectra.track.values())
        known, index = np.unique(
            np.concatenate(owners) if owners else np.empty(0, np.int64), return_inverse=True
        )
        self.wave = np.concatenate([np.empty(0), *map(waves, spectra.power)])
        self.tracks = known
        self.n_tracks = known.size
        self.track = index
        self.steps = np.bincount(
            index, weights=spectra.lengths.astype(np.float64), minlength=known.size
        )

    def _by_track(self, state: Mixture) -> Array:
        """Log of share times likelihood, ``(tracks, states)``."""
        return self.log_likelihood(state) + np.log(np.maximum(state.share, 1e-300))

    def log_likelihood(self, state: Mixture) -> Array:
        """Log likelihood ``(tracks, states)`` of each track in each state."""
        noise = np.full(state.diffusivity.size, state.noise)
        log = self.spectra.log_likelihood(state.diffusivity, noise, self.exposure)
        return np.stack(
            [np.bincount(self.track, weights=part, minlength=self.n_tracks) for part in log.T],
            axis=1,
        )

    def fit(self, start: Mixture, noise: float | None, weights: Array, rounds: int) -> Mixture:
        """Climb from ``start``; ``weights`` say how often each track counts."""
        state = start
        last = -np.inf
        for _ in range(rounds):
            log = self._by_track(state)
            norm = logsumexp(log, axis=1)
            value = float(weights @ norm)
            belief = np.exp(log - norm[:, None]) * weights[:, None]
            share = belief.sum(axis=0) / weights.sum()
            state = self._maximise(state, belief, noise)._replace(share=share, log_likelihood=value)
            if value - last < _TOLERANCE * abs(value):
                break
            last = value
        return state

    def _maximise(self, state: Mixture, belief: Array, noise: float | None) -> Mixture:
        """Improve each diffusivity, then the noise, given what track is in which state."""
        sums, counts, first = [], [], 0
        for n, power in self.spectra.power.items():
            of_piece = belief[self.track[first : first + len(power)]]
            sums.append(of_piece.T @ power)
            counts.append(np.repeat(of_piece.sum(axis=0)[:, None], n, axis=1))
            first += len(power)
        squares, logs = np.concatenate(sums, axis=1), np.concatenate(counts, axis=1)
        logs *= self.spectra.n_axes

        def cost(j: int, diffusivity: float, sigma: float) -> float:
            psi = variances(self.wave, diffusivity, sigma, self.exposure)
            return float(squares[j] @ (1 / psi) + logs[j] @ np.log(psi))

        sigma = state.noise
        diffusivity = state.diffusivity.copy()
        for j, value in enumerate(diffusivity):
            found = minimize_scalar(
                lambda log, j=j: cost(j, np.exp(log), sigma),
                bounds=(np.log(value) - 1.5, np.log(value) + 1.5),
                method="bounded",
                options={"xatol": 1e-4},
            )
            diffusivity[j] = np.exp(found.x)
        if noise is None:
            found = minimize_scalar(
                lambda s: sum(cost(j, value, s) for j, value in enumerate(diffusivity)),
                bounds=(0, 2 * sigma + 1e-3 * np.sqrt(diffusivity.max())),
                method="bounded",
                options={"xatol": 1e-4 * np.sqrt(diffusivity.max())},
            )
            sigma = float(found.x)
        return state._replace(diffusivity=diffusivity, noise=sigma)

    def occupancies(
        self, state: Mixture, weights: Array, focal_depth: float | None = None
    ) -> Array:
        """Occupancies ``(sets, states)`` of given states in sets of tracks.

        ``weights`` is ``(sets, tracks)``, how often each track counts; a set without tracks has
        NaN. The shares of each set are fitted, the states stay as they are.
        """
        log = self.log_likelihood(state)
        likelihood = np.exp(log - log.max(axis=1, keepdims=True))
        size = weights.sum(axis=1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.repeat(state.share[None], len(weights), axis=0) * (size / size)
            for _ in range(_ROUNDS):
                belief = (weights / (share @ likelihood.T)) @ likelihood
                before, share = share, share * belief / size
                if not (np.abs(share - before) > _SETTLED).any():
                    break
            total = share * ((weights * self.steps / (share @ likelihood.T)) @ likelihood)
        return _corrected(total, state, focal_depth)

    def occupancy(self, state: Mixture, weights: Array, focal_depth: float | None) -> Array:
        """Share of displacements in each state."""
        log = self._by_track(state)
        belief = np.exp(log - logsumexp(log, axis=1)[:, None])
        return _corrected((weights * self.steps) @ belief, state, focal_depth)


def _corrected(total: Array, state: Mixture, focal_depth: float | None) -> Array:
    """Divide displacements by the share that stays in focus, and make the states add up to 1."""
    if focal_depth is not None:
        total = total / remaining_share(state.diffusivity, focal_depth)
    return np.asarray(total / total.sum(axis=-1, keepdims=True))


def _start(data: TracksInStates, noise: float | None) -> Mixture:
    power = sum(float(part.sum()) for part in data.spectra.power.values())
    half = power / data.steps.sum() / data.spectra.n_axes / 2
    half = max(half, 1e-12)
    sigma = noise if noise is not None else 0.3 * np.sqrt(half)
    return Mixture(np.array([half]), np.ones(1), float(sigma), -np.inf)


def _split(state: Mixture, which: int) -> Mixture:
    diffusivity = np.append(state.diffusivity, state.diffusivity[which] * 2.5)
    diffusivity[which] /= 2.5
    share = np.append(state.share, state.share[which] / 2)
    share[which] /= 2
    return state._replace(diffusivity=diffusivity, share=share, log_likelihood=-np.inf)
