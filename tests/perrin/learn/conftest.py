"""Small sets of tracks that differ in speed and persistence, and trainings of seconds."""

from __future__ import annotations

import pandas as pd
import pytest

from perrin.learn.parameters import EnvironmentTraining, GeneratorTraining
from perrin.simulate import simulate_superstatistics
from perrin.tracks import Calibration


@pytest.fixture(scope="session")
def slow_and_fast() -> list[tuple[str, pd.DataFrame]]:
    """Two classes in two movies each."""
    recordings = []
    for name, speed, q in (("slow", 1.0, 0.2), ("fast", 2.0, 0.8)):
        for movie in range(2):
            table = simulate_superstatistics(
                speed=speed, persistence=q, n_tracks=10, n_points=41, seed=movie
            )
            table.attrs["calibration"] = Calibration(pixel_size=0.5, frame_interval=60)
            recordings.append((name, table))
    return recordings


@pytest.fixture(scope="session")
def quick() -> EnvironmentTraining:
    """A training of a second or two."""
    return EnvironmentTraining(epochs=2, folds=2, units=8, layers=1, learning_rate=2e-2)


@pytest.fixture(scope="session")
def quick_generator() -> GeneratorTraining:
    """A training of a second or two."""
    return GeneratorTraining(epochs=2, units=8)
