"""Brownian motion that switches between diffusivities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.errors import InputError
from perrin.simulate.tables import table_of

__all__ = ["simulate_switching", "stationary_distribution"]


def simulate_switching(
    diffusivities: Sequence[float],
    *,
    transition: npt.ArrayLike | None = None,
    switch_frames: Sequence[int] | None = None,
    n_tracks: int = 100,
    n_points: int = 200,
    dim: int = 2,
    noise: float = 0.0,
    box: Sequence[float] | None = None,
    seed: int | None = None,
) -> pd.DataFrame:
    """Simulate particles whose diffusivity switches between given values.

    Either at random, as a Markov chain with the matrix ``transition`` (which starts in its
    stationary distribution), or at the frames ``switch_frames``, the same for all particles.
    With neither, particles keep one state, each as likely as the others.

    Parameters
    ----------
    diffusivities
        Diffusivity of each state, px²/frame.
    transition
        ``(K, K)``: probability that a particle in the state of the row is in the state of the
        column one frame later. Rows add up to 1. The mean dwell time in state ``i`` is
        ``1 / (1 - transition[i, i])`` frames.
    switch_frames
        Increasing frames from 1 to ``n_points - 1``, one fewer than diffusivities: state ``i``
        ends and state ``i + 1`` begins at ``switch_frames[i]``.
    n_tracks, n_points, dim
        Number of particles, frames of each, and axes (1, 2 or 3).
    noise
        Standard deviation per axis of the localization error that is added (px).
    box
        Size along each axis (px). Particles start anywhere in the box and are reflected at its
        walls, so that they stay in view. Without it they start at 0 and move freely.
    seed
        The same seed gives the same tracks.

    Returns
    -------
    pandas.DataFrame
        A track table: ``particle``, ``frame``, ``[z], [y], x`` (px), and the truth for the step
        from this frame to the next: ``state`` (index into ``diffusivities``) and ``diffusivity``
        (px²/frame).

    Raises
    ------
    InputError
        If a parameter is out of range, or both kinds of switching are asked for.
    """
    levels = np.asarray(diffusivities, np.float64)
    if levels.ndim != 1 or levels.size == 0 or not (np.isfinite(levels) & (levels >= 0)).all():
        raise InputError("diffusivities are one or more numbers of at least 0 (px²/frame).")
    if n_tracks < 1 or n_points < 2 or dim not in (1, 2, 3) or not noise >= 0:
        raise InputError(
            "Simulated motion needs n_tracks of at least 1, n_points of at least 2, dim 1, 2 or 3, "
            f"and noise of at least 0 (given: {n_tracks}, {n_points}, {dim}, {noise})."
        )
    rng = np.random.default_rng(seed)
    if transition is not None and switch_frames is not None:
        raise InputError("Give either transition or switch_frames, not both.")
    if transition is not None:
        state = _markov_chain(checked_transition(transition, levels.size), n_tracks, n_points, rng)
    elif switch_frames is not None:
        state = _at_given_frames(switch_frames, levels.size, n_tracks, n_points)
    else:
        state = np.repeat(rng.integers(levels.size, size=(n_tracks, 1)), n_points, axis=1)
    steps = rng.normal(size=(n_tracks, n_points - 1, dim))
    steps *= np.sqrt(2 * levels[state[:, :-1]])[..., None]
    position = np.zeros((n_tracks, n_points, dim))
    np.cumsum(steps, axis=1, out=position[:, 1:])
    if box is not None:
        size = np.asarray(box, np.float64)
        if size.shape != (dim,) or not (size > 0).all():
            raise InputError(f"box needs {dim} sizes above 0, one per axis; given: {tuple(box)}.")
        start = rng.uniform(0, size, (n_tracks, 1, dim))
        # Folding the free path at the walls is the same as reflecting each step.
        position = np.abs((position + start + size) % (2 * size) - size)
    if noise > 0:
        position += rng.normal(0.0, noise, position.shape)
    table = table_of(position.transpose(0, 2, 1))
    return table.assign(state=state.ravel(), diffusivity=levels[state].ravel())


def stationary_distribution(transition: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Share of time that a Markov chain spends in each state in the long run.

    Parameters
    ----------
    transition
        ``(K, K)``, rows adding up to 1.

    Returns
    -------
    numpy.ndarray
        ``(K,)``, adding up to 1. If the chain falls apart, one of its stationary distributions.

    Raises
    ------
    InputError
        If the matrix is not square, or a row is no distribution.
    """
    matrix = np.asarray(transition, np.float64)
    matrix = checked_transition(matrix, matrix.shape[0] if matrix.ndim else 0)
    n = matrix.shape[0]
    equations = np.vstack((matrix.T - np.eye(n), np.ones(n)))
    solution = np.linalg.lstsq(equations, np.append(np.zeros(n), 1.0), rcond=None)[0].clip(0)
    return np.asarray(solution / solution.sum())


def checked_transition(transition: npt.ArrayLike, n_states: int) -> npt.NDArray[np.float64]:
    matrix = np.asarray(transition, np.float64)
    if matrix.shape != (n_states, n_states):
        raise InputError(
            f"transition needs a row and a column for each of the {n_states} states; it has the "
            f"shape {matrix.shape}."
        )
    if not ((matrix >= 0).all() and np.allclose(matrix.sum(1), 1)):
        raise InputError("Each row of transition holds probabilities that add up to 1.")
    return matrix


def _markov_chain(
    transition: npt.NDArray[np.float64], n_tracks: int, n_points: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    # A state is where a uniform number falls among the cumulated probabilities.
    cumulated = np.cumsum(transition, axis=1)
    draws = rng.random((n_points, n_tracks))
    last = len(transition) - 1
    state = np.empty((n_points, n_tracks), np.int64)
    start = np.cumsum(stationary_distribution(transition))
    state[0] = np.searchsorted(start, draws[0], side="right").clip(max=last)
    for frame in range(1, n_points):
        passed = draws[frame][:, None] >= cumulated[state[frame - 1]]
        state[frame] = passed.sum(1).clip(max=last)
    return state.T


def _at_given_frames(
    switch_frames: Sequence[int], n_states: int, n_tracks: int, n_points: int
) -> npt.NDArray[np.int64]:
    frames = np.asarray(switch_frames)
    if (
        frames.shape != (n_states - 1,)
        or not np.issubdtype(frames.dtype, np.integer)
        or (np.diff(frames) <= 0).any()
        or (frames < 1).any()
        or (frames >= n_points).any()
    ):
        raise InputError(
            f"switch_frames are increasing whole numbers from 1 to {n_points - 1}, one fewer than "
            f"the {n_states} diffusivities; given: {list(switch_frames)}."
        )
    state = np.searchsorted(frames, np.arange(n_points), side="right")
    return np.tile(state, (n_tracks, 1)).astype(np.int64)
