"""The five physical models: their parameters, and the paths of particles that follow them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator
from scipy.special import ndtr, ndtri

from perrin.errors import InputError
from perrin.parameters import Parameters, parameter
from perrin.simulate.switching import checked_transition

__all__ = [
    "ALPHA_BOUNDS",
    "CONFINED",
    "DIFFUSIVITY_BOUNDS",
    "DIRECTED",
    "DIRECTED_FROM",
    "FREE",
    "IMMOBILE",
    "Confinement",
    "Dimerization",
    "ImmobileTraps",
    "Motion",
    "MultiState",
    "Paths",
    "Population",
    "SingleState",
    "populations_of",
    "simulate_paths",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int8]

IMMOBILE, CONFINED, FREE, DIRECTED = 0, 1, 2, 3
"""Codes of the states, those of the challenge."""

DIRECTED_FROM = 1.9
"""Exponent from which motion counts as directed, in the challenge."""

ALPHA_BOUNDS = (0.0, 1.999)
DIFFUSIVITY_BOUNDS = (1e-12, 1e6)
"""Between which the challenge draws; diffusivities in px²/frame^alpha."""

_ATTEMPTS = 1000


class Population(Parameters):
    """How fast and how anomalous the particles of one state are.

    Each particle has a diffusivity and an exponent of its own for each state, drawn from Gaussians
    that are cut off at the bounds 1e-12 to 1e6 px²/frame^alpha and 0 to 1.999.
    """

    diffusivity: float = parameter(
        1.0,
        "Mean of the generalised diffusivity D: along each axis, <x²> = 2 D t^alpha.",
        unit="px²/frame^alpha",
        ge=DIFFUSIVITY_BOUNDS[0],
        le=DIFFUSIVITY_BOUNDS[1],
    )
    alpha: float = parameter(
        1.0, "Mean of the anomalous exponent.", ge=ALPHA_BOUNDS[0], le=ALPHA_BOUNDS[1]
    )
    diffusivity_variance: float = parameter(
        0.0, "Variance of the diffusivity between particles.", ge=0
    )
    alpha_variance: float = parameter(0.0, "Variance of the exponent between particles.", ge=0)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Draw the exponents and the diffusivities of ``n`` particles."""
        return (
            _cut_gaussian(self.alpha, self.alpha_variance, ALPHA_BOUNDS, n, rng),
            _cut_gaussian(self.diffusivity, self.diffusivity_variance, DIFFUSIVITY_BOUNDS, n, rng),
        )


class SingleState(Parameters):
    """Fractional Brownian motion from beginning to end."""

    model: Literal["single_state"] = "single_state"
    population: Population = parameter(
        Population(diffusivity_variance=0.01, alpha_variance=0.01), "The particles."
    )


class MultiState(Parameters):
    """Particles that change between states at random, wherever they are."""

    model: Literal["multi_state"] = "multi_state"
    populations: tuple[Population, ...] = parameter(
        (Population(), Population(diffusivity=0.1)), "The particles in each state.", min_length=1
    )
    transition: tuple[tuple[float, ...], ...] = parameter(
        ((0.99, 0.01), (0.01, 0.99)),
        "Probability that a particle in the state of the row is in the state of the column one "
        "frame later. It starts in each state with the same probability.",
    )

    @model_validator(mode="after")
    def _check(self) -> MultiState:
        checked_transition(self.transition, len(self.populations))
        return self


class ImmobileTraps(Parameters):
    """Particles that are held fast by traps, where they come near to one."""

    model: Literal["immobile_traps"] = "immobile_traps"
    free: Population = parameter(Population(), "The particles while they are free.")
    n_traps: int = parameter(300, "Traps in the box, put anywhere.", ge=1)
    radius: float = parameter(0.4, "Distance from which a trap holds.", unit="px", gt=0)
    binding: float = parameter(
        1.0, "Probability per frame to be bound while near to a trap.", ge=0, le=1
    )
    unbinding: float = parameter(0.01, "Probability per frame to come free.", ge=0, le=1)


class Dimerization(Parameters):
    """Particles that pair when they touch, and then move as one.

    Both move with the diffusivity and exponent that the first of them has for the paired state.
    """

    model: Literal["dimerization"] = "dimerization"
    free: Population = parameter(Population(), "The particles while they are alone.")
    paired: Population = parameter(Population(diffusivity=0.1), "The particles in a pair.")
    radius: float = parameter(
        0.6, "Radius of a particle: two touch when nearer than twice it.", unit="px", gt=0
    )
    binding: float = parameter(
        1.0,
        "Probability to pair, drawn once a frame for each of two that touch.",
        ge=0,
        le=1,
    )
    unbinding: float = parameter(0.01, "Probability per frame that a pair parts.", ge=0, le=1)


class Confinement(Parameters):
    """Round compartments that do not overlap: easy to enter, hard to leave.

    A particle that would step out of its compartment leaves it with the probability
    ``transmittance``; otherwise it is reflected at the wall like light.
    """

    model: Literal["confinement"] = "confinement"
    free: Population = parameter(Population(), "The particles between compartments.")
    confined: Population = parameter(Population(diffusivity=0.1), "The particles inside one.")
    n_compartments: int = parameter(30, "Compartments in the box, put anywhere.", ge=1)
    radius: float = parameter(5.0, "Radius of a compartment.", unit="px", gt=0)
    transmittance: float = parameter(
        0.1, "Probability to get through the wall from inside.", ge=0, le=1
    )


Motion = Annotated[
    SingleState | MultiState | ImmobileTraps | Dimerization | Confinement,
    Field(discriminator="model"),
]


@dataclass(frozen=True)
class Paths:
    """Paths of all particles of a box, with the truth about each frame.

    Attributes
    ----------
    positions
        ``(n_particles, 2, n_frames)``, y and x in pixels, from 0 to the edge of the box.
    diffusivity, alpha
        ``(n_particles, n_frames)``: px²/frame^alpha, 0 where immobile; anomalous exponent, 0 where
        immobile.
    state
        ``(n_particles, n_frames)``: 0 immobile, 1 confined, 2 free, 3 directed (alpha from 1.9).
    population
        ``(n_particles, n_frames)``: which of the model's populations, as the challenge numbers
        them. Of traps 0 is bound and 1 free; of pairs and compartments 0 is free.
    """

    positions: Floats
    diffusivity: Floats
    alpha: Floats
    state: Labels
    population: Labels


def simulate_paths(
    motion: Motion, n_particles: int, n_frames: int, box: float, rng: np.random.Generator
) -> Paths:
    """Simulate every particle of a square box with reflecting walls, without noise.

    Parameters
    ----------
    motion
        The physical model.
    n_particles, n_frames
        How many, and for how long; all are there from the first frame to the last.
    box
        Edge of the box, px. Particles, traps and compartments are anywhere in it.
    rng
        Source of randomness.

    Raises
    ------
    InputError
        If the compartments do not fit into the box.
    """
    from perrin.simulate.phenomenological import _kernels

    shape = (n_particles, n_frames)
    positions: Floats = np.empty((n_particles, 2, n_frames))
    number: Labels = np.empty(shape, np.int8)
    leader: Ints = np.repeat(np.arange(n_particles)[:, None], n_frames, axis=1)
    start = rng.uniform(0, box, (n_particles, 2))
    populations = populations_of(motion)
    drawn = [p.draw(n_particles, rng) if p else np.zeros((2, n_particles)) for p in populations]
    alpha, diffusivity = (np.stack(values, axis=1) for values in zip(*drawn, strict=True))
    match motion:
        case SingleState() | MultiState():
            matrix = motion.transition if isinstance(motion, MultiState) else ((1.0,),)
            cumulated = np.cumsum(matrix, axis=1)
            _kernels.switching(alpha, diffusivity, cumulated, start, box, rng, positions, number)
        case ImmobileTraps(radius=radius, binding=binding, unbinding=unbinding):
            traps = rng.uniform(0, box, (motion.n_traps, 2))
            _kernels.trapped(
                alpha, diffusivity, traps, radius, binding, unbinding,
                start, box, rng, positions, number,
            )  # fmt: skip
        case Dimerization(radius=radius, binding=binding, unbinding=unbinding):
            _kernels.dimerizing(
                alpha, diffusivity, radius, binding, unbinding,
                start, box, rng, positions, number, leader,
            )  # fmt: skip
        case Confinement(radius=radius, transmittance=transmittance):
            centres = _apart(motion.n_compartments, radius, box, rng)
            _kernels.confined(
                alpha, diffusivity, centres, radius, transmittance,
                start, box, rng, positions, number,
            )  # fmt: skip
    alphas = alpha[leader, number]
    state = np.where(alphas >= DIRECTED_FROM, DIRECTED, FREE).astype(np.int8)
    if isinstance(motion, ImmobileTraps):
        state[number == 0] = IMMOBILE
    elif isinstance(motion, Confinement):
        state[number == 1] = CONFINED
    return Paths(positions, diffusivity[leader, number], alphas, state, number)


def populations_of(motion: Motion) -> tuple[Population | None, ...]:
    """Return the populations by number; None does not move."""
    match motion:
        case SingleState():
            return (motion.population,)
        case MultiState():
            return motion.populations
        case ImmobileTraps():
            return (None, motion.free)
        case Dimerization():
            return (motion.free, motion.paired)
        case Confinement():
            return (motion.free, motion.confined)


def _cut_gaussian(
    mean: float, variance: float, bounds: tuple[float, float], n: int, rng: np.random.Generator
) -> Floats:
    if variance == 0:
        return np.full(n, mean)
    width = np.sqrt(variance)
    low, high = ((bound - mean) / width for bound in bounds)
    draws = mean + width * ndtri(rng.uniform(ndtr(low), ndtr(high), n))
    return np.asarray(draws.clip(*bounds))


def _apart(n: int, radius: float, box: float, rng: np.random.Generator) -> Floats:
    """Put circles that do not overlap into the box, one after the other."""
    centres = np.empty((n, 2))
    placed = 0
    for _ in range(_ATTEMPTS * n if 2 * radius < box else 0):
        centre = rng.uniform(radius, box - radius, 2)
        if (np.hypot(*(centres[:placed] - centre).T) > 2 * radius).all():
            centres[placed] = centre
            placed += 1
            if placed == n:
                return centres
    raise InputError(
        f"{n} compartments of radius {radius:g} px do not fit into a box of {box:g} px without "
        "overlapping; use fewer or smaller ones, or a larger box."
    )
