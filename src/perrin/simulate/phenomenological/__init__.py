"""Particles that switch: the phenomenological models of the second AnDi challenge.

Fractional Brownian motion in two dimensions whose diffusivity and exponent change with the
particle's state. What makes it change is one of five physical models [1]_: nothing
(:class:`SingleState`), chance (:class:`MultiState`), traps that hold particles
(:class:`ImmobileTraps`), other particles that pair with them (:class:`Dimerization`), or round
compartments (:class:`Confinement`). Each new state begins a new, independent piece of motion; steps
continue as they were after a reflection at a wall. Per axis, ``<x²> = 2 D t^alpha``.

Distributions agree with those of andi-datasets 2.1.13 (``benchmarks/phenomenological.py``), and so
does what is called the state of a frame:

=============== ====================================================================
model           state, diffusivity and alpha of frame t are those of the step
=============== ====================================================================
multi-state     from t to t + 1: a switch at t means that the step **from** t is the
confinement     first of the new state
immobile traps  from t - 1 to t: a switch at t means that the step **to** t is the
dimerization    first of the new state; in frame 0 all are free
=============== ====================================================================

In one respect the truth differs. Both particles of a pair move with the diffusivity and exponent of
the first. Here that is what the labels of both say; andi-datasets labels the second with values
that were drawn for it but never used.

References
----------
.. [1] G. Muñoz-Gil et al., Quantitative evaluation of methods to analyze motion changes in
   single-particle experiments, Nature Communications 16 (2025), arXiv 2311.18100.
"""

from perrin.simulate.phenomenological._challenge import BENCHMARK, challenge_experiment
from perrin.simulate.phenomenological._fields import (
    Experiment,
    FieldTracks,
    filter_labels,
    in_field_of_view,
    simulate_experiment,
    simulate_fields,
)
from perrin.simulate.phenomenological._motions import (
    ALPHA_BOUNDS,
    CONFINED,
    DIFFUSIVITY_BOUNDS,
    DIRECTED,
    DIRECTED_FROM,
    FREE,
    IMMOBILE,
    Confinement,
    Dimerization,
    ImmobileTraps,
    Motion,
    MultiState,
    Paths,
    Population,
    SingleState,
    populations_of,
    simulate_paths,
)

__all__ = [
    "ALPHA_BOUNDS",
    "BENCHMARK",
    "CONFINED",
    "DIFFUSIVITY_BOUNDS",
    "DIRECTED",
    "DIRECTED_FROM",
    "FREE",
    "IMMOBILE",
    "Confinement",
    "Dimerization",
    "Experiment",
    "FieldTracks",
    "ImmobileTraps",
    "Motion",
    "MultiState",
    "Paths",
    "Population",
    "SingleState",
    "challenge_experiment",
    "filter_labels",
    "in_field_of_view",
    "populations_of",
    "simulate_experiment",
    "simulate_fields",
    "simulate_paths",
]
