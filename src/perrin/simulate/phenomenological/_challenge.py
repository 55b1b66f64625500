"""The experiments of the second AnDi challenge: its defaults, and the nine of its benchmark."""

from __future__ import annotations

from typing import Literal

import numpy as np

from perrin.simulate.phenomenological._fields import Experiment
from perrin.simulate.phenomenological._motions import (
    Confinement,
    Dimerization,
    ImmobileTraps,
    Motion,
    MultiState,
    Population,
    SingleState,
)

__all__ = ["BENCHMARK", "challenge_experiment"]

ModelName = Literal["single_state", "multi_state", "immobile_traps", "dimerization", "confinement"]


def challenge_experiment(
    model: ModelName, seed: int | np.random.Generator | None = None
) -> Experiment:
    """Draw an experiment as the challenge's defaults do.

    Parameters
    ----------
    model
        Name of the physical model.
    seed
        Seed or source of randomness: mean diffusivities and exponents differ from one experiment
        to the next.

    Notes
    -----
    As ``_get_dic_andi2`` of andi-datasets 2.1.13 has it: 50 particles, 200 frames, a field of view
    of 128 px in a box of 230.4 px, noise 0.12 px.

    Single state and traps have one population with D 1 and alpha from 0.5 to 1.5, and a variance of
    0.01 in both. The other models have two. The fast one has D from a Gaussian of mean 1 and
    standard deviation 0.01, and alpha from 0.8 to 1.2. The slow one has a D that is 0.01 more than
    0 to 9 % of the fast one's, and an alpha lower by 0.2 to 0.6. The variances are 1 % of D, and
    0.01 in alpha. All ranges are uniform.

    Either of two states is left with a probability of 0.01 per frame. 300 traps of radius 0.4 px,
    and particles of radius 0.6 px, bind at once and let go with 0.01 per frame. 30 compartments of
    radius 5 px have a transmittance of 0.1.
    """
    rng = np.random.default_rng(seed)
    if model in ("single_state", "immobile_traps"):
        only = _population(1.0, 0.01, rng.uniform(0.5, 1.5), 0.01)
        single = SingleState(population=only)
        motion: Motion = single if model == "single_state" else ImmobileTraps(free=only)
    else:
        fast = rng.normal(1.0, 0.01)
        slow = 0.01 + fast * rng.uniform(0.0, 0.09)
        alpha = rng.uniform(0.8, 1.2)
        first = _population(fast, 0.01 * fast, alpha, 0.01)
        second = _population(slow, 0.01 * slow, alpha - rng.uniform(0.2, 0.6), 0.01)
        if model == "multi_state":
            motion = MultiState(populations=(first, second))
        elif model == "dimerization":
            motion = Dimerization(free=first, paired=second)
        else:
            motion = Confinement(free=first, confined=second)
    return Experiment(motion=motion)


def _population(
    diffusivity: float, diffusivity_variance: float, alpha: float, alpha_variance: float
) -> Population:
    return Population(
        diffusivity=diffusivity,
        diffusivity_variance=diffusivity_variance,
        alpha=alpha,
        alpha_variance=alpha_variance,
    )


def _benchmark() -> tuple[Experiment, ...]:
    fast = _population(1.0, 0.1, 1.0, 0.005)
    slow = _population(0.01, 0.001, 0.2, 0.001)
    loose = _population(0.1, 0.1, 0.7, 0.1)
    driven = _population(1.0, 0.01, 1.2, 0.01)
    motions: tuple[tuple[Motion, int], ...] = (
        (
            MultiState(
                populations=(
                    _population(0.15, 0.01, 1.0, 0.0001),
                    _population(0.33, 0.001, 1.0, 0.01),
                    _population(0.95, 0.01, 1.0, 0.01),
                ),
                transition=((0.946, 0.024, 0.03), (0.016, 0.92, 0.064), (0.037, 0.14, 0.823)),
            ),
            100,
        ),
        (
            Dimerization(
                free=_population(0.28, 0.001, 1.0, 0.1),
                paired=_population(0.0035, 0.0001, 1.1, 0.01),
                radius=0.5,
                binding=1.0,
                unbinding=0.1,
            ),
            750,
        ),
        (ImmobileTraps(free=fast, n_traps=500, radius=0.4, binding=0.7, unbinding=1 / 60), 100),
        (
            Confinement(free=fast, confined=slow, n_compartments=150, radius=2, transmittance=0.1),
            100,
        ),
        (Dimerization(free=fast, paired=slow, radius=0.35, binding=1.0, unbinding=1 / 60), 500),
        (Dimerization(free=loose, paired=driven, radius=1.0, binding=1.0, unbinding=0.05), 100),
        (
            MultiState(populations=(loose, driven), transition=((0.9833, 0.0167), (0.05, 0.95))),
            100,
        ),
        (SingleState(population=_population(1.0, 100.0, 1.0, 10.0)), 100),
        (
            ImmobileTraps(
                free=_population(1.0, 0.01, 1.99, 0.01),
                n_traps=1000,
                radius=1.5,
                binding=0.7,
                unbinding=0.2,
            ),
            100,
        ),
    )
    return tuple(Experiment(motion=motion, n_particles=n) for motion, n in motions)


BENCHMARK: tuple[Experiment, ...] = _benchmark()
"""The nine experiments of the challenge's benchmark, in its order.

200 frames, a field of view of 128 px in a box of 230.4 px, noise 0.12 px; N is the number of
particles in the box, mean and variance in round brackets.

=== ============== === ============== ============== ===========================================
 #  model           N  D              alpha          further parameters
=== ============== === ============== ============== ===========================================
 1  multi-state    100 (0.15, 0.01)   (1, 0.0001)    rows of the transition matrix
                       (0.33, 0.001)  (1, 0.01)      .946 .024 .03; .016 .92 .064; .037 .14 .823
                       (0.95, 0.01)   (1, 0.01)
 2  dimerization   750 (0.28, 0.001)  (1, 0.1)       radius 0.5, binding 1, unbinding 0.1
                       (.0035, .0001) (1.1, 0.01)
 3  immobile traps 100 (1, 0.1)       (1, 0.005)     500 traps, radius 0.4, binding 0.7,
                                                     unbinding 1/60
 4  confinement    100 (1, 0.1)       (1, 0.005)     150 compartments, radius 2,
                       (0.01, 0.001)  (0.2, 0.001)   transmittance 0.1
 5  dimerization   500 (1, 0.1)       (1, 0.005)     radius 0.35, binding 1, unbinding 1/60
                       (0.01, 0.001)  (0.2, 0.001)
 6  dimerization   100 (0.1, 0.1)     (0.7, 0.1)     radius 1, binding 1, unbinding 0.05
                       (1, 0.01)      (1.2, 0.01)
 7  multi-state    100 (0.1, 0.1)     (0.7, 0.1)     .9833 .0167; .05 .95
                       (1, 0.01)      (1.2, 0.01)
 8  single state   100 (1, 100)       (1, 10)
 9  immobile traps 100 (1, 0.01)      (1.99, 0.01)   1000 traps, radius 1.5, binding 0.7,
                                                     unbinding 1/5
=== ============== === ============== ============== ===========================================

Source: the tutorial ``challenge_two_benchmark`` of andi-datasets (table and code), which belongs to
Muñoz-Gil et al., arXiv 2311.18100. The benchmark has 30 fields of view of each experiment. By an
accident of that code all 30 share the places of their traps or compartments; here each has its own.
"""
