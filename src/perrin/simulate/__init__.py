"""Simulated motion and movies: for training, tests, samples and benchmarks."""

from perrin.simulate.movie import Camera, render_movie
from perrin.simulate.phenomenological import (
    Confinement,
    Dimerization,
    Experiment,
    ImmobileTraps,
    MultiState,
    Population,
    SingleState,
    simulate_experiment,
)
from perrin.simulate.superstatistics import (
    Superstatistics,
    simulate_cells,
    simulate_superstatistics,
)
from perrin.simulate.switching import simulate_switching
from perrin.simulate.tables import Simulation, simulate_tracks

__all__ = [
    "Camera",
    "Confinement",
    "Dimerization",
    "Experiment",
    "ImmobileTraps",
    "MultiState",
    "Population",
    "Simulation",
    "SingleState",
    "Superstatistics",
    "render_movie",
    "simulate_cells",
    "simulate_experiment",
    "simulate_superstatistics",
    "simulate_switching",
    "simulate_tracks",
]
