r"""Persistent random walks whose speed and persistence differ among tracks and drift in time.

Migrating cells are described by a random walk that is persistent for a short time, with
parameters that change slowly: a superposition of statistics (Metzner et al. 2015, Nat. Commun. 6,
7516). Here the velocity of each axis is their first-order autoregressive process,

.. math:: u_t = q_t u_{t-1} + s_t \sqrt{1 - q_t^2}\, n_t,

with persistence :math:`q_t`, speed :math:`s_t` and standard normal :math:`n_t`. Both
:math:`\ln s_t` and :math:`\operatorname{artanh} q_t` are normal, with a part that a track keeps and
a part that drifts as an Ornstein–Uhlenbeck process and, now and then, jumps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.parameters import Parameters, parameter
from perrin.simulate.tables import table_of
from perrin.tracks import AXES, Calibration

__all__ = ["CELLS", "CellClass", "Superstatistics", "simulate_cells", "simulate_superstatistics"]

Array = npt.NDArray[np.float64]


class Superstatistics(Parameters):
    """Which persistent random walk to simulate, and how much of it."""

    speed: float = parameter(
        1.0, "Median over tracks of the standard deviation of the velocity of each axis.",
        unit="px/frame", gt=0,
    )  # fmt: skip
    persistence: float = parameter(
        0.5, "Correlation of velocities from one frame to the next, of the median track.",
        gt=-1, lt=1,
    )  # fmt: skip
    speed_spread: float = parameter(
        0.0, "How much tracks differ: standard deviation of ln(speed) among them.", ge=0
    )
    persistence_spread: float = parameter(
        0.0, "How much tracks differ: standard deviation of artanh(persistence) among them.", ge=0
    )
    speed_drift: float = parameter(
        0.0, "How much a track drifts: standard deviation of ln(speed) in time.", ge=0
    )
    persistence_drift: float = parameter(
        0.0, "How much a track drifts: standard deviation of artanh(persistence) in time.", ge=0
    )
    memory: float = parameter(50.0, "Correlation time of the drift.", unit="frames", gt=0)
    jump_rate: float = parameter(
        0.0, "Probability per frame that the drift starts anew.", unit="1/frame", ge=0, le=1
    )
    n_tracks: int = parameter(100, "Number of tracks.", label="Tracks", ge=1)
    n_points: int = parameter(200, "Localizations per track.", label="Length", unit="frames", ge=2)
    dim: int = parameter(2, "Number of axes: 1, 2 or 3.", label="Dimensions", ge=1, le=3)
    noise: float = parameter(
        0.0, "Standard deviation of the localization error per axis.", unit="px", ge=0
    )
    seed: int = parameter(0, "Another seed makes other tracks.", ge=0)


def simulate_superstatistics(
    simulation: Superstatistics | None = None, **values: Any
) -> pd.DataFrame:
    """Simulate persistent random walks of varying speed and persistence.

    Parameters
    ----------
    simulation
        What to simulate.
    **values
        Fields of :class:`Superstatistics` that replace those of ``simulation``.

    Returns
    -------
    pandas.DataFrame
        A track table: ``particle``, ``frame`` and the positions in pixels; every track begins at
        the origin.

    Raises
    ------
    InputError
        If a value is out of range.
    """
    s = Superstatistics.checked(**((simulation or Superstatistics()).model_dump() | values))
    rng = np.random.default_rng(s.seed)
    n_steps = s.n_points - 1
    speed = s.speed * np.exp(_parameter(s, s.speed_spread, s.speed_drift, rng))
    middle = np.arctanh(s.persistence)
    persistence = np.tanh(middle + _parameter(s, s.persistence_spread, s.persistence_drift, rng))
    kick = speed * np.sqrt(1 - persistence**2)
    velocity = np.empty((n_steps, s.n_tracks, s.dim))
    velocity[0] = speed[0, :, None] * rng.standard_normal((s.n_tracks, s.dim))
    for t in range(1, n_steps):
        noise = rng.standard_normal((s.n_tracks, s.dim))
        velocity[t] = persistence[t, :, None] * velocity[t - 1] + kick[t, :, None] * noise
    positions = np.zeros((s.n_points, s.n_tracks, s.dim))
    np.cumsum(velocity, axis=0, out=positions[1:])
    positions += s.noise * rng.standard_normal(positions.shape)
    return table_of(positions.transpose(1, 2, 0))


def _parameter(s: Superstatistics, spread: float, drift: float, rng: np.random.Generator) -> Array:
    """Deviation of a parameter from its median over time, shape ``(n_steps, n_tracks)``."""
    n_steps = s.n_points - 1
    kept = spread * rng.standard_normal(s.n_tracks)
    stays = np.exp(-1 / s.memory)
    fresh = rng.standard_normal((n_steps, s.n_tracks))
    jumps = rng.random((n_steps, s.n_tracks)) < s.jump_rate
    deviation = np.empty((n_steps, s.n_tracks))
    deviation[0] = fresh[0]
    for t in range(1, n_steps):
        drifted = stays * deviation[t - 1] + np.sqrt(1 - stays**2) * fresh[t]
        deviation[t] = np.where(jumps[t], fresh[t], drifted)
    return kept + drift * deviation


class CellClass(Parameters):
    """Cells in one environment, as they were recorded.

    Attributes
    ----------
    motion
        Speed and persistence per frame of the recording; a pixel is a micrometre.
    frame_interval
        Time from one frame to the next, s.
    """

    motion: Superstatistics
    frame_interval: float


CELLS = {
    "collagen": CellClass(
        motion=Superstatistics(
            speed=0.75, persistence=0.60, speed_spread=0.35, persistence_spread=0.20,
            speed_drift=0.35, persistence_drift=0.30, memory=60, jump_rate=0.01,
            n_tracks=65, n_points=577, dim=3,
        ),
        frame_interval=150,
    ),
    "plastic": CellClass(
        motion=Superstatistics(
            speed=0.40, persistence=0.78, speed_spread=0.20, persistence_spread=0.15,
            speed_drift=0.20, persistence_drift=0.15, memory=150, jump_rate=0.004,
            n_tracks=177, n_points=1000,
        ),
        frame_interval=60,
    ),
    "fibronectin": CellClass(
        motion=Superstatistics(
            speed=0.72, persistence=0.90, speed_spread=0.20, persistence_spread=0.15,
            speed_drift=0.20, persistence_drift=0.15, memory=150, jump_rate=0.004,
            n_tracks=69, n_points=1000,
        ),
        frame_interval=60,
    ),
}  # fmt: skip
"""Three classes of cells in the numbers, lengths, dimensions and frame intervals of Rieke (2016).

The recordings are not public; these stand in for them.
"""

_CELLS_PER_MOVIE = 6
_MOVIE_SPREAD = 0.1


def simulate_cells(seed: int = 0, *, share: float = 1.0) -> dict[str, pd.DataFrame]:
    """Simulate the cells of :data:`CELLS`.

    Parameters
    ----------
    seed
        Another seed makes other cells.
    share
        How many of the tracks to make; for quick trials.

    Returns
    -------
    dict of pandas.DataFrame
        The track table of each class with a column ``movie``. Cells of one movie are faster or
        slower together (standard deviation of ln(speed) among movies 0.1), so that tracks of a
        movie in both training and test would make a classifier look better than it is. A flat
        class has ``z = 0`` throughout.
    """
    tables = {}
    for code, (name, cells) in enumerate(CELLS.items()):
        n_tracks = max(1, round(share * cells.motion.n_tracks))
        (own,) = np.random.SeedSequence([seed, code]).generate_state(1)
        table = simulate_superstatistics(cells.motion, n_tracks=n_tracks, seed=int(own))
        n_movies = -(-n_tracks // _CELLS_PER_MOVIE)
        movie = np.arange(n_tracks) % n_movies
        rng = np.random.default_rng([seed, code, 1])
        factor = np.exp(_MOVIE_SPREAD * rng.standard_normal(n_movies))[movie]
        of_row = table["particle"].to_numpy()
        for axis in AXES[-cells.motion.dim :]:
            table[axis] *= factor[of_row]
        if cells.motion.dim == 2:
            table.insert(2, "z", 0.0)
        table["movie"] = np.char.add(f"{name} ", movie.astype(str))[of_row]
        table.attrs["calibration"] = Calibration(
            pixel_size=1.0, frame_interval=cells.frame_interval
        )
        tables[name] = table
    return tables
