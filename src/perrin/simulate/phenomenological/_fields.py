"""What a camera sees of a box of particles: a field of view, pieces of tracks, noise, labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import model_validator

from perrin.errors import InputError
from perrin.parameters import Parameters, parameter
from perrin.simulate.phenomenological._motions import Motion, SingleState, simulate_paths
from perrin.tracks import AXES

__all__ = [
    "Experiment",
    "FieldTracks",
    "filter_labels",
    "in_field_of_view",
    "simulate_experiment",
    "simulate_fields",
]

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int8]

_MARGIN = 0.05


class Experiment(Parameters):
    """Particles that follow one model, and how they are watched; defaults as in the challenge."""

    motion: Motion = parameter(SingleState(), "Physical model.")
    n_particles: int = parameter(50, "Particles in the box.", label="Particles", ge=1)
    n_frames: int = parameter(200, "Length of the movie.", label="Frames", unit="frames", ge=2)
    box: float = parameter(1.8 * 128, "Edge of the square box; its walls reflect.", unit="px", gt=0)
    field_of_view: float | None = parameter(
        128.0,
        "Edge of the square that is seen, at a whole pixel at least 5 % of the box away from its "
        "walls. Left empty, the whole box is seen.",
        label="Field of view",
        unit="px",
        gt=0,
    )
    min_points: int = parameter(
        20, "Shorter stays in the field of view are left out.", label="Shortest track", ge=1
    )
    noise: float = parameter(
        0.12, "Standard deviation of the localization error per axis.", unit="px", ge=0
    )

    @model_validator(mode="after")
    def _check(self) -> Experiment:
        if self.field_of_view is not None and _origins(self.box, self.field_of_view) < 1:
            raise InputError(
                f"A field of view of {self.field_of_view:g} px has no room in a box of "
                f"{self.box:g} px; it can have up to about nine tenths of it."
            )
        return self


@dataclass(frozen=True)
class FieldTracks:
    """Tracks from one or more fields of view, side by side, with the truth about each frame.

    What comes after a track's last frame is 0, and -1 in ``state`` and ``population``.

    Attributes
    ----------
    positions
        ``(n_tracks, 2, n_frames)``, y and x in pixels from the corner of the field of view.
    diffusivity, alpha
        ``(n_tracks, n_frames)``: px²/frame^alpha, and the anomalous exponent; 0 where immobile.
    state
        ``(n_tracks, n_frames)``: 0 immobile, 1 confined, 2 free, 3 directed.
    population
        ``(n_tracks, n_frames)``: which of the model's populations (see :class:`Paths`).
    lengths
        ``(n_tracks,)``: number of frames of each track.
    first_frame
        ``(n_tracks,)``: the frame of the movie in which it begins.
    field
        ``(n_tracks,)``: which of the experiments it comes from.
    """

    positions: Floats32
    diffusivity: Floats32
    alpha: Floats32
    state: Labels
    population: Labels
    lengths: Ints
    first_frame: Ints
    field: Ints


def simulate_experiment(
    experiment: Experiment | None = None,
    *,
    n_fields: int = 1,
    seed: int | np.random.Generator | None = None,
    **values: Any,
) -> pd.DataFrame:
    """Simulate tracks of particles that switch as those of the second AnDi challenge do.

    Parameters
    ----------
    experiment
        What to simulate.
    n_fields
        How many fields of view, each of a box of its own with other particles.
    seed
        The same seed gives the same tracks.
    **values
        Fields of :class:`Experiment` that replace those of ``experiment``, for example
        ``simulate_experiment(motion=ImmobileTraps(radius=1), n_particles=200)``.

    Returns
    -------
    pandas.DataFrame
        A track table: ``particle``, ``frame``, ``y``, ``x`` (px from the corner of the field of
        view, with noise), ``field``, and the truth: ``diffusivity`` (px²/frame^alpha), ``alpha``,
        ``state`` (0 immobile, 1 confined, 2 free, 3 directed) and ``population``. Whether the truth
        of a frame is that of the step before or after it depends on the model: see
        :mod:`perrin.simulate.phenomenological`.

    Raises
    ------
    InputError
        If a value is out of range, or things do not fit into the box.
    """
    given = (experiment or Experiment()).model_dump()
    checked = Experiment.checked(**(given | values))
    if n_fields < 1:
        raise InputError(f"Simulate at least one field of view, not {n_fields}.")
    tracks = simulate_fields([checked] * n_fields, seed)
    seen = np.arange(checked.n_frames) < tracks.lengths[:, None]
    track, point = np.nonzero(seen)
    columns = {
        "particle": track,
        "frame": tracks.first_frame[track] + point,
        **{
            axis: tracks.positions[track, i, point].astype(np.float64)
            for i, axis in enumerate(AXES[-2:])
        },
        "field": tracks.field[track],
        "diffusivity": tracks.diffusivity[seen].astype(np.float64),
        "alpha": tracks.alpha[seen].astype(np.float64),
        "state": tracks.state[seen].astype(np.int64),
        "population": tracks.population[seen].astype(np.int64),
    }
    return pd.DataFrame(columns)


def simulate_fields(
    experiments: Sequence[Experiment], seed: int | np.random.Generator | None = None
) -> FieldTracks:
    """Simulate one field of view of each experiment, as arrays.

    Labels pass through :func:`filter_labels`, each kind by itself, as in the challenge.

    Parameters
    ----------
    experiments
        One or more; name an experiment several times for several of its fields of view.
    seed
        Seed or source of randomness.

    Raises
    ------
    InputError
        If there is no experiment, or things do not fit into a box.
    """
    if not experiments:
        raise InputError("Give at least one experiment to simulate.")
    rng = np.random.default_rng(seed)
    n_frames = max(experiment.n_frames for experiment in experiments)
    fields = [_one_field(e, number, n_frames, rng) for number, e in enumerate(experiments)]
    return FieldTracks(
        **{
            name: np.concatenate([getattr(field, name) for field in fields])
            for name in FieldTracks.__dataclass_fields__
        }
    )


def _one_field(
    experiment: Experiment, number: int, n_frames: int, rng: np.random.Generator
) -> FieldTracks:
    """Tracks of one field, filled up to ``n_frames``."""
    from perrin.simulate.phenomenological._filter import filter_rows

    e = experiment
    paths = simulate_paths(e.motion, e.n_particles, e.n_frames, e.box, rng)
    if e.field_of_view is None:
        # The walls themselves are seen.
        corner, size = np.full(2, -1.0), np.inf
    else:
        corner = int(_MARGIN * e.box) + rng.integers(_origins(e.box, e.field_of_view), size=2)
        size = e.field_of_view
    particle, start, stop = in_field_of_view(paths.positions, corner, size, e.min_points)
    lengths = stop - start
    seen = np.arange(n_frames) < lengths[:, None]
    index = np.minimum(start[:, None] + np.arange(n_frames), e.n_frames - 1)
    positions = paths.positions[particle[:, None], :, index].transpose(0, 2, 1)
    if e.field_of_view is not None:
        positions -= corner[:, None]
    positions += e.noise * rng.standard_normal(positions.shape)
    positions *= seen[:, None]
    labels = {}
    for name in ("diffusivity", "alpha", "state", "population"):
        of_frame = getattr(paths, name)[particle[:, None], index].astype(np.float64)
        filter_rows(of_frame, lengths)
        integer = name in ("state", "population")
        of_frame[~seen] = -1 if integer else 0
        labels[name] = of_frame.astype(np.int8 if integer else np.float32)
    return FieldTracks(
        positions=positions.astype(np.float32),
        **labels,
        lengths=lengths,
        first_frame=start,
        field=np.full(len(lengths), number),
    )


def _origins(box: float, field_of_view: float) -> int:
    """Return how many whole pixels along an axis the corner of the field can be at."""
    return int((1 - _MARGIN) * box) - int(field_of_view) - int(_MARGIN * box)


def in_field_of_view(
    positions: Floats, origin: npt.ArrayLike, size: float, min_points: int = 20
) -> tuple[Ints, Ints, Ints]:
    """Find the stays of particles inside a square.

    Parameters
    ----------
    positions
        ``(n_particles, 2, n_frames)``.
    origin
        Lower corner of the square, in the order of the axes.
    size
        Its edge. Points on the edge are outside.
    min_points
        Stays of fewer frames are left out.

    Returns
    -------
    tuple of numpy.ndarray
        For each stay the particle, its first frame and the frame after its last, ordered by
        particle and time.
    """
    corner = np.asarray(origin, np.float64)[:, None]
    inside = ((positions > corner) & (positions < corner + size)).all(1)
    edges = np.diff(np.pad(inside.astype(np.int8), ((0, 0), (1, 1))))
    particle, start = np.nonzero(edges == 1)
    stop = np.nonzero(edges == -1)[1]
    long = stop - start >= min_points
    return particle[long], start[long], stop[long]


def filter_labels(labels: npt.ArrayLike) -> Floats:
    """Smooth the labels of one track's frames as the second AnDi challenge does.

    Each label becomes the most frequent of the five around it; among equals, the one that comes
    first in the track. Then segments of fewer than three frames are given to the segment before,
    or, at the beginning, after them.

    Parameters
    ----------
    labels
        ``(n_frames,)``: any numbers.

    Returns
    -------
    numpy.ndarray
        ``(n_frames,)``, float64.

    Notes
    -----
    The same as ``label_filter`` of andi-datasets.
    """
    from perrin.simulate.phenomenological._filter import filter_rows

    row = np.array(labels, np.float64, ndmin=2)
    if row.ndim != 2 or len(row) != 1:
        raise InputError("filter_labels takes the labels of one track, a row of numbers.")
    filter_rows(row, np.array([row.shape[1]]))
    return np.asarray(row[0])
