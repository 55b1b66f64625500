"""Simulated motion and movies: for training, tests, samples and benchmarks."""

from perrin.simulate.movie import Camera, render_movie
from perrin.simulate.switching import simulate_switching
from perrin.simulate.tables import Simulation, simulate_tracks

__all__ = ["Camera", "Simulation", "render_movie", "simulate_switching", "simulate_tracks"]
