"""How well the mass is found, by every method, on the same fresh particles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.errors import Progress
from perrin.learn.fitting import Fitting
from perrin.learn.property.features import impulses, mass_by_regression
from perrin.learn.property.fit import PotentialFit, fit_in_potential
from perrin.learn.property.methods import (
    LEVEL,
    Density,
    choose_intensity,
    likely_masses,
    search_path,
)
from perrin.learn.property.networks import IMAGE_NETWORKS
from perrin.learn.property.train import (
    ask_images,
    ask_posterior,
    train_images,
    train_posterior,
)
from perrin.learn.property.trap import Seen, simulate_seen
from perrin.simulate.potential import Potential, perlin_noise, simulate_brownian, simulate_newton

__all__ = ["COLLAPSED", "METHODS", "TITLES", "benchmark", "collapses", "fits", "mass_by"]

Floats = npt.NDArray[np.float64]

TITLES = {
    "hidden_mass": "Mass of a particle in a trap (Schirmer et al. 2020)",
    "collapses": "Convolutional network from many first weights",
    "in_potential": "Mobility and mass of simulated particles in a known potential",
}
"""Tables of the benchmark, and what they are called."""

COLLAPSED = 0.05
"""A network whose R² is below this says the same mass of everything."""

METHODS = (
    "path search", "regression on the force", "likelihood of the path", "posterior network",
    *IMAGE_NETWORKS,
)  # fmt: skip
"""Ways to find the mass."""

_PUBLISHED = {
    "dense": 0.373,
    "convolutional": 0.408,
    "recurrent": -0.038,
    "convolutional recurrent": 0.461,
}
_EPOCHS = {
    "posterior network": 30, "dense": 8, "convolutional": 8, "recurrent": 5,
    "convolutional recurrent": 20,
}  # fmt: skip
_IMAGES = "what they saw"
_PHYSICS = "what they saw, the shape of the walls, that it starts from rest"
_TAUGHT, _TUNED, _TESTED = 8_000, 1_000, 2_000
_ENDS = (0.5 - LEVEL / 2, 0.5 + LEVEL / 2)
_FITTED, _LENGTHS, _N_SEEDS = 200, (40, 150), 8
_BOOTSTRAPS = 500


def benchmark(*, seed: int = 0, progress: Progress | None = None) -> dict[str, pd.DataFrame]:
    """Simulate particles, train, and measure: the tables of :data:`TITLES`.

    Takes about a quarter of an hour of one processor core.
    """
    taught, tuned, tested = (
        simulate_seen(n, 3 * seed + i, progress=progress)
        for i, n in enumerate((_TAUGHT, _TUNED, _TESTED), start=1)
    )
    parts = [
        mass_by(method, taught, tuned, tested, seed=seed, progress=progress) for method in METHODS
    ]
    return {
        "hidden_mass": pd.concat(parts, ignore_index=True),
        "collapses": collapses(taught, tuned, progress=progress),
        "in_potential": fits(seed=seed, progress=progress),
    }


def mass_by(
    method: str,
    taught: Seen,
    tuned: Seen,
    tested: Seen,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Measure one method.

    Parameters
    ----------
    method
        One of :data:`METHODS`.
    taught, tuned, tested
        Particles to train on, to choose the best epoch and the one free number of the likelihood
        with, and to measure on.
    seed
        Of a network's first weights.
    progress
        Passed on to what takes long.

    Returns
    -------
    pandas.DataFrame
        One row: ``method``, ``sees``, ``n_taught``, ``epochs``, ``r2_published``, ``r2``,
        ``median_error`` (of the mass), ``coverage`` (share of masses within the interval of 90 %)
        and ``width`` (its median), measured numbers with standard errors, and ``n``, the particles
        tested.
    """
    epochs = _EPOCHS.get(method, 0)
    density: Density | None = None
    if method == "path search":
        mass = search_path(tested, progress=progress)
    elif method == "regression on the force":
        change, impulse, *_ = impulses(tested)
        mass = mass_by_regression(change, impulse)
    elif method == "likelihood of the path":
        intensity = choose_intensity(tuned, progress=progress)
        density = likely_masses(tested, intensity, progress=progress)
    elif method == "posterior network":
        how = Fitting(epochs=epochs, batch=128, seed=seed)
        learnt = train_posterior(taught, tuned, how, progress=progress)
        density = ask_posterior(learnt.network, tested)
    else:
        how = _as_published(epochs, seed)
        fitted = train_images(method, taught, tuned, how, progress=progress)
        mass = ask_images(fitted.network, tested)
    if density is not None:
        mass = density.mean
    row = {
        "method": method,
        "sees": _IMAGES if method in IMAGE_NETWORKS else _PHYSICS,
        "n_taught": len(taught.mass) if epochs else 0,
        "epochs": epochs,
        "r2_published": _PUBLISHED.get(method, np.nan),
    }
    return pd.DataFrame([row | _scores(mass, density, tested.mass, seed)])


def collapses(
    taught: Seen,
    held_out: Seen,
    *,
    epochs: int = 2,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Train the convolutional network from many first weights, briefly and on half the particles.

    Returns
    -------
    pandas.DataFrame
        ``seed``, ``r2`` and whether it ``collapsed``.
    """
    few = taught.part(slice(len(taught.mass) // 2))
    rows = []
    for seed in range(_N_SEEDS):
        how = _as_published(epochs, seed)
        fitted = train_images("convolutional", few, held_out, how, progress=progress)
        r2 = float(fitted.curve["r2"].max())
        rows.append({"seed": seed, "r2": r2, "collapsed": r2 < COLLAPSED})
    return pd.DataFrame(rows)


def fits(*, seed: int = 0, progress: Progress | None = None) -> pd.DataFrame:
    """Measure :func:`~perrin.learn.property.fit.fit_in_potential` on simulated tracks.

    Tracks of 40 and 150 frames in Perlin noise of 256 x 256 pixels, a field for every ten tracks,
    between -10 and 10 kT, localization error 0.15 px. Overdamped: mobility 0.5 to 3 px²/(frame kT),
    log-uniform, with and without kT being told. Inertial: mass 10 to 100 kT frame²/px², first
    velocity Gaussian of 1 px/frame per axis.

    Returns
    -------
    pandas.DataFrame
        ``motion``, ``n_frames``, ``n`` (tracks with an answer), ``bias`` and ``error`` (median of
        the relative error and of its absolute value), ``coverage`` of the interval of 90 % and
        ``coverage_se``, ``no_force_seen`` (share of tracks flagged so).
    """
    cases = [
        ("overdamped", None, "overdamped"),
        ("overdamped", 1.0, "overdamped, kT known"),
        ("inertial", None, "inertial"),
    ]
    rows = []
    for n_frames in _LENGTHS:
        for motion, thermal_energy, name in cases:
            how = PotentialFit.checked(
                motion=motion, thermal_energy=thermal_energy, energy_unit="kT"
            )
            rng = np.random.default_rng([seed, n_frames])
            found = [_fitted(how, n_frames, 10, rng, progress) for _ in range(_FITTED // 10)]
            rows.append({"motion": name, "n_frames": n_frames} | _judged(pd.concat(found)))
    return pd.DataFrame(rows)


def _fitted(
    how: PotentialFit,
    n_frames: int,
    n: int,
    rng: np.random.Generator,
    progress: Progress | None,
) -> pd.DataFrame:
    noise = perlin_noise(1, 256, rng)[0]
    potential = Potential(10 * noise / np.abs(noise).max())
    start = rng.uniform(80, 176, (n, 2))
    if how.motion == "overdamped":
        truth = np.exp(rng.uniform(np.log(0.5), np.log(3), n))
        paths = simulate_brownian(potential, truth, truth, start, rng, n_frames=n_frames)
    else:
        truth = np.exp(rng.uniform(np.log(10), np.log(100), n))
        velocity = rng.standard_normal((n, 2))
        paths = simulate_newton(
            potential, truth, start, velocity, n_frames=n_frames, steps_per_frame=8
        ).positions
    paths = paths + 0.15 * rng.standard_normal(paths.shape)
    particle, frame = (grid.ravel() for grid in np.mgrid[:n, :n_frames])
    table = pd.DataFrame(
        {"particle": particle, "frame": frame, "y": paths[:, 0].ravel(), "x": paths[:, 1].ravel()}
    )
    answer = fit_in_potential(table.dropna(), potential, how, progress=progress)
    answer = answer.rename(columns=lambda column: column.replace(how.quantity, "found"))
    return answer.assign(truth=truth[answer["particle"]])


def _judged(answer: pd.DataFrame) -> dict[str, float]:
    said = answer[answer["noise"].notna()]
    off = (said["found"] / said["truth"] - 1).dropna()
    high = said["found_hi"].fillna(np.inf)  # a mass without an upper end
    low = said["found_lo"].fillna(np.inf)
    held = float(((low <= said["truth"]) & (said["truth"] <= high)).mean())
    return {
        "n": len(said),
        "bias": float(off.median()),
        "error": float(off.abs().median()),
        "coverage": held,
        "coverage_se": float(np.sqrt(held * (1 - held) / len(said))),
        "no_force_seen": float((said["flags"] == "no_force_seen").mean()),
    }


def _scores(mass: Floats, density: Density | None, truth: Floats, seed: int) -> dict[str, float]:
    n = len(truth)
    drawn = np.random.default_rng(seed).integers(n, size=(_BOOTSTRAPS, n))
    error = np.abs(mass - truth)
    scores = {
        "r2": _r2(mass, truth),
        "r2_se": float(np.std([_r2(mass[d], truth[d]) for d in drawn])),
        "median_error": float(np.median(error)),
        "median_error_se": float(np.std(np.median(error[drawn], axis=1))),
    }
    if density is not None:
        held = density.coverage(truth)
        scores |= {"coverage": held, "coverage_se": float(np.sqrt(held * (1 - held) / n))}
        scores["width"] = float(np.median(np.diff(density.quantiles(_ENDS))))
    return scores | {"n": n}


def _as_published(epochs: int, seed: int) -> Fitting:
    return Fitting(epochs=epochs, batch=100, learning_rate=1e-3, weight_decay=0.0, seed=seed)


def _r2(said: Floats, truth: Floats) -> float:
    return float(1 - ((said - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())
