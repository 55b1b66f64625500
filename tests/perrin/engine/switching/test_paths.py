"""The hidden semi-Markov model against sums over all paths, and against exact likelihoods."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp

from perrin.engine.switching._path_kernels import predictors
from perrin.engine.switching.paths import (
    HiddenStates,
    adapted,
    log_likelihood_of,
    needed,
    p_switch_of,
    walks_of,
)
from perrin.simulate.switching import simulate_switching
from perrin.simulate.tables import table_of
from perrin.statistics._fbm_kernels import likelihood_grid
from perrin.statistics._motion import structure_function


def states_of(
    diffusivity: list[float], alpha: float = 1.0, *, noise: float = 0.0, shortest: int = 1
) -> HiddenStates:
    """States without spread that are left with a probability of 0.1 to 0.2 per frame."""
    k = len(diffusivity)
    rests = np.array(diffusivity) == 0
    leaving = np.linspace(0.1, 0.2, k)[:, None]
    transition = np.where(np.eye(k) > 0, 1 - leaving, leaving / max(k - 1, 1))
    return HiddenStates(
        rests,
        np.stack((np.log(np.where(rests, 1, diffusivity)), np.full(k, alpha)), 1),
        np.full((k, 2), 0.01),
        np.full(k, 1 / k),
        transition if k > 1 else np.ones((1, 1)),
        noise,
        0.0,
        shortest,
    )


def walk(n: int, seed: int, frames: np.ndarray | None = None) -> pd.DataFrame:
    position = np.random.default_rng(seed).normal(size=(n, 2)).cumsum(0)
    return pd.DataFrame(
        {
            "particle": 0,
            "frame": np.arange(n) if frames is None else frames,
            "y": position[:, 0],
            "x": position[:, 1],
        }
    )


def test_predictions_are_those_of_the_covariance_matrix() -> None:
    order, alpha, log_d, noise, exposure = 5, 0.6, 0.3, 0.2, 0.5
    phi, variance = np.zeros((1, order + 1, order)), np.empty((1, order + 1))
    predictors(np.array([log_d]), np.array([alpha]), noise**2, exposure, phi, variance)
    msd = structure_function(order + 1, alpha, np.exp(log_d), noise, exposure)
    lags = np.arange(order + 1)
    gamma = (msd[lags + 1] + msd[np.abs(lags - 1)] - 2 * msd[lags]) / 2
    covariance = gamma[np.abs(lags[:, None] - lags)]
    for a in range(1, order + 1):
        weights = np.linalg.solve(covariance[:a, :a], gamma[1 : a + 1])
        np.testing.assert_allclose(phi[0, a, :a], weights, rtol=1e-9)
        np.testing.assert_allclose(variance[0, a], gamma[0] - weights @ gamma[1 : a + 1])


@pytest.mark.parametrize("shortest", [1, 3])
def test_probabilities_are_sums_over_all_paths(shortest: int) -> None:
    diffusivity = np.array([0.1, 1.0])
    states = states_of(diffusivity.tolist(), shortest=shortest)
    tracks = walk(10, 4)
    steps = np.diff(tracks[["y", "x"]].to_numpy(), axis=0)
    density = np.array([-np.square(steps).sum(1) / (4 * d) - np.log(4 * np.pi * d) for d in
                        diffusivity])  # fmt: skip
    weights, begins = [], []
    for path in product((0, 1), repeat=len(steps)):
        changes = np.flatnonzero(np.diff(path)) + 1
        if np.any(np.diff(np.append(0, changes)) < shortest):
            continue
        value = np.log(0.5) + density[list(path), np.arange(len(steps))].sum()
        held = 1
        for one, other in pairwise(path):
            if held >= shortest:
                value += np.log(states.transition[one, other])
            held = held + 1 if one == other else 1
        weights.append(value)
        begins.append(np.isin(np.arange(len(steps)), changes))
    total = logsumexp(weights)
    expected = np.exp(np.array(weights) - total) @ np.array(begins)
    walks = walks_of(tracks)
    np.testing.assert_allclose(p_switch_of(walks, states), expected, atol=1e-9)
    assert log_likelihood_of(walks, states) == pytest.approx(total, abs=1e-9)


@pytest.mark.parametrize("alpha", [0.5, 1.4])
def test_one_state_has_the_exact_likelihood_of_fractional_brownian_motion(alpha: float) -> None:
    tracks = walk(9, 5)  # no more displacements than predictions are made from
    position = tracks[["y", "x"]].to_numpy()
    exact = np.empty((1, 1, 1))
    likelihood_grid(
        position, tracks["frame"].to_numpy(), np.array([0]), np.array([9]), 0.3**2, 0.0, 9,
        np.array([[alpha]]), np.array([[np.log(0.7)]]), exact,
    )  # fmt: skip
    expected = exact[0, 0, 0] - 8 * np.log(2 * np.pi)
    found = log_likelihood_of(walks_of(tracks), states_of([0.7], alpha, noise=0.3))
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_gap_is_one_longer_displacement() -> None:
    tracks = walk(6, 6, np.array([0, 1, 2, 7, 8, 9]))
    walks = walks_of(tracks)
    assert walks.lags.tolist() == [1, 1, 5, 1, 1]
    assert walks.row.tolist() == [0, 1, 3, 3, 4]  # over the gap: where it is seen again
    variance = 2 * 0.7 * walks.lags
    expected = -(np.square(walks.steps).sum(1) / (2 * variance) + np.log(2 * np.pi * variance))
    found = log_likelihood_of(walks, states_of([0.7]))
    assert found == pytest.approx(expected.sum(), abs=1e-9)


def test_states_adapt_to_the_tracks() -> None:
    tracks = simulate_switching(
        [1.0, 0.1], switch_frames=[50], n_tracks=30, n_points=150, noise=0.1, seed=3
    )
    walks = walks_of(tracks)
    guess = states_of([0.3, 0.6], noise=0.1, shortest=3)
    found = adapted(walks, guess)
    np.testing.assert_allclose(np.exp(found.mean[:, 0]), [0.1, 1.0], rtol=0.1)
    np.testing.assert_allclose(found.mean[:, 1], 1, atol=0.1)
    assert log_likelihood_of(walks, found) > log_likelihood_of(walks, guess)
    p = p_switch_of(walks, found).reshape(30, -1)
    assert (p[:, 45:55].sum(1) > 0.9).mean() > 0.9
    assert p[:, 10:40].sum(1).mean() < 0.1


def test_short_escapes_do_not_end_a_rest() -> None:
    rng = np.random.default_rng(7)
    rests = rng.normal(scale=0.1, size=(60, 2))
    rests[30:] += 2.0  # one jump, and rest again
    position = np.concatenate((rests, walk(60, 8)[["y", "x"]]))
    tracks = pd.DataFrame(
        {
            "particle": np.repeat([0, 1], 60),
            "frame": np.tile(np.arange(60), 2),
            "y": position[:, 0],
            "x": position[:, 1],
        }
    )
    states = states_of([0.0, 1.0], noise=0.1, shortest=3)
    rare = states._replace(transition=np.array([[0.98, 0.02], [0.02, 0.98]]))
    p = p_switch_of(walks_of(tracks), rare)
    assert p[:59].sum() < 0.1


@pytest.mark.parametrize("real", [False, True])
def test_a_rare_state_is_left_out_only_if_it_explains_nothing(real: bool) -> None:
    rng = np.random.default_rng(8)
    n, n_steps = 12, 300
    diffusivity = np.where(((rng.random((n, n_steps)) < 0.02).cumsum(1)) % 2 == 1, 30.0, 0.5)
    if real:
        diffusivity[:, 100:112] = 4.0
    steps = np.sqrt(2 * diffusivity)[..., None] * rng.standard_normal((n, n_steps, 2))
    walks = walks_of(table_of(np.pad(steps, ((0, 0), (1, 0), (0, 0))).cumsum(1).swapaxes(1, 2)))
    occupancy = np.array([0.5, 0.04, 0.46])
    states, left = needed(walks, states_of([0.5, 4.0, 30.0], shortest=3), occupancy, 0.05)
    expected = [0.5, 4.0, 30.0] if real else [0.5, 30.0]
    np.testing.assert_allclose(np.exp(states.mean[:, 0]), expected, rtol=0.25)
    assert len(left) == len(expected)
    np.testing.assert_allclose(states.transition.sum(1), 1)
