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
    "render_movie",
    "simulate_experiment",
    "simulate_switching",
    "simulate_tracks",
]
