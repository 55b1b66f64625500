"""The phenomenological models against theory."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from perrin import InputError
from perrin.simulate.phenomenological import (
    Confinement,
    Dimerization,
    ImmobileTraps,
    Motion,
    MultiState,
    Paths,
    Population,
    SingleState,
    _kernels,
    simulate_paths,
)

VAST = 1e5
FIELD = 230.4


def paths(motion: Motion, n: int, frames: int, box: float = FIELD, seed: int = 1) -> Paths:
    return simulate_paths(motion, n, frames, box, np.random.default_rng(seed))


def assert_geometric(labels: np.ndarray, of: int, leave: float) -> None:
    """P(k) = (1 - p)**(k - 1) p; chi-square over the shorter stays, the rest together.

    Only stays that begin early enough to be seen whole, or to be long, are counted.
    """
    longest = int(1.5 / leave)
    stays = []
    for row in labels:
        edges = np.flatnonzero(np.diff(row)) + 1
        for start, stop in pairwise([*edges, len(row)]):
            if row[start] == of and start + longest <= len(row):
                stays.append(min(stop - start, longest))
    counts = np.bincount(stays, minlength=longest + 1)[1:]
    stay = 1 - leave
    chance = np.append(stay ** np.arange(longest - 1) * leave, stay ** (longest - 1))
    assert counts.sum() > 500
    assert stats.chisquare(counts, chance * counts.sum()).pvalue > 0.001


@pytest.mark.parametrize("alpha", [0.3, 1.0, 1.7])
def test_msd_of_a_single_state(alpha: float) -> None:
    """<r²(t)> = 4 D t^alpha at every lag, from every start; displacements are Gaussian."""
    seen = paths(SingleState(population=Population(diffusivity=0.5, alpha=alpha)), 3000, 65, VAST)
    for start, lag in ((0, 1), (0, 8), (0, 64), (30, 8), (30, 34)):
        jump = seen.positions[:, :, start + lag] - seen.positions[:, :, start]
        assert np.square(jump).sum(1).mean() == pytest.approx(2 * lag**alpha, rel=0.08)
        z = jump.ravel() / np.sqrt(lag**alpha)
        assert stats.kstest(z, "norm").pvalue > 0.001
    assert (seen.alpha == alpha).all()
    assert (seen.diffusivity == 0.5).all()
    assert (seen.state == 2).all()


def test_directed_motion_is_labelled() -> None:
    populations = (Population(alpha=1.899), Population(alpha=1.9))
    seen = paths(MultiState(populations=populations), 20, 200)
    np.testing.assert_array_equal(seen.state, 2 + (seen.alpha >= 1.9))
    assert set(np.unique(seen.state)) == {2, 3}


@pytest.mark.parametrize(("mean", "variance"), [(1.0, 10.0), (1.99, 0.01), (0.2, 0.001)])
def test_exponents_follow_a_cut_gaussian(mean: float, variance: float) -> None:
    population = Population(alpha=mean, alpha_variance=variance)
    alpha, diffusivity = population.draw(4000, np.random.default_rng(3))
    width = np.sqrt(variance)
    expected = stats.truncnorm(-mean / width, (1.999 - mean) / width, loc=mean, scale=width)
    assert stats.kstest(alpha, expected.cdf).pvalue > 0.001
    assert (diffusivity == 1).all()


def test_states_are_a_markov_chain() -> None:
    transition = ((0.9, 0.08, 0.02), (0.1, 0.85, 0.05), (0.0, 0.3, 0.7))
    motion = MultiState(populations=(Population(),) * 3, transition=transition)
    number = paths(motion, 1500, 200).population
    counts = np.zeros((3, 3))
    np.add.at(counts, (number[:, :-1].ravel(), number[:, 1:].ravel()), 1)
    np.testing.assert_allclose(counts / counts.sum(1, keepdims=True), transition, atol=0.005)
    for state, leave in ((0, 0.1), (1, 0.15), (2, 0.3)):
        assert_geometric(number[:, :60], state, leave)
    # The challenge starts in every state alike, not in equilibrium.
    assert stats.chisquare(np.bincount(number[:, 0])).pvalue > 0.001


def test_each_state_is_a_new_piece_and_its_label_that_of_the_step_from_the_frame() -> None:
    """Neighbouring steps of a piece correlate as 2^(alpha-1) - 1; across a switch not at all."""
    populations = (Population(diffusivity=0.2, alpha=0.4), Population(diffusivity=3, alpha=1.6))
    motion = MultiState(populations=populations, transition=((0.8, 0.2), (0.2, 0.8)))
    seen = paths(motion, 1000, 100, VAST)
    steps = np.diff(seen.positions, axis=2)
    number = seen.population[:, :-1]
    for state, population in enumerate(populations):
        squares = np.square(steps).mean(1)[number == state]
        assert squares.mean() == pytest.approx(2 * population.diffusivity, rel=0.03)
    unit = steps / np.sqrt(2 * seen.diffusivity[:, None, :-1])
    products = (unit[..., 1:] * unit[..., :-1]).mean(1)
    before, after = number[:, :-1], number[:, 1:]
    for state, population in enumerate(populations):
        within = products[(before == state) & (after == state)].mean()
        assert within == pytest.approx(2 ** (population.alpha - 1) - 1, abs=0.02)
    assert products[before != after].mean() == pytest.approx(0, abs=0.03)


def test_traps_hold_until_they_let_go() -> None:
    motion = ImmobileTraps(
        free=Population(diffusivity=1, alpha=1), n_traps=2000, radius=1.5, unbinding=0.1
    )
    seen = paths(motion, 600, 200)
    bound = seen.population == 0
    assert not bound[:, 0].any()
    # The state of a frame is that of the step to it.
    moved = (np.diff(seen.positions, axis=2) != 0).any(1)
    np.testing.assert_array_equal(moved, ~bound[:, 1:])
    np.testing.assert_array_equal(bound, seen.state == 0)
    assert (seen.alpha[bound] == 0).all()
    assert (seen.diffusivity[bound] == 0).all()
    assert_geometric(bound[:, :100], 1, 0.1)
    steps = np.square(np.diff(seen.positions, axis=2)).mean(1)[~bound[:, 1:]]
    assert steps.mean() == pytest.approx(2, rel=0.02)


def test_motion_begins_anew_when_a_trap_lets_go() -> None:
    """The steps before and after being bound are independent, however correlated the free ones."""
    motion = ImmobileTraps(
        free=Population(diffusivity=1, alpha=1.8), n_traps=1000, radius=1.5, unbinding=0.5
    )
    seen = paths(motion, 1500, 100)
    bound = seen.population == 0
    steps = np.diff(seen.positions, axis=2)
    # Free, bound for one frame, free again.
    one = ~bound[:, 1:-2] & bound[:, 2:-1] & ~bound[:, 3:]
    across = (steps[..., :-2] * steps[..., 2:]).mean(1)[one]
    assert across.size > 1000
    assert across.mean() / 2 == pytest.approx(0, abs=4 * across.std() / 2 / np.sqrt(across.size))


def test_nothing_gets_out_of_tight_compartments() -> None:
    """With no transmittance, particles stay in a circle from their first frame inside on."""
    radius = 3.0
    motion = Confinement(
        free=Population(diffusivity=2),
        confined=Population(diffusivity=1),
        n_compartments=100,
        radius=radius,
        transmittance=0.0,
    )
    seen = paths(motion, 200, 150)
    inside = seen.population == 1
    np.testing.assert_array_equal(inside, np.maximum.accumulate(inside, axis=1))
    np.testing.assert_array_equal(inside, seen.state == 1)
    widest = 0.0
    for particle in np.flatnonzero(inside[:, 50]):
        place = seen.positions[particle][:, inside[particle]]
        spread = np.hypot(*(place[:, :, None] - place[:, None])).max()
        assert spread <= 2 * radius + 1e-9
        widest = max(widest, spread)
    assert widest > 1.9 * radius


def test_reflection_at_a_compartments_wall_keeps_an_even_density() -> None:
    """Specular reflection preserves the uniform distribution: (r/R)² stays uniform."""
    rng = np.random.default_rng(4)
    n, radius, centre = 2000, 2.0, np.array([[10.0, 10.0]])
    angle, distance = rng.uniform(0, 2 * np.pi, n), radius * np.sqrt(rng.uniform(0, 1, n))
    start = centre + np.stack((distance * np.sin(angle), distance * np.cos(angle)), axis=1)
    alpha, diffusivity = np.ones((n, 2)), np.full((n, 2), 0.7)
    positions, number = np.empty((n, 2, 40)), np.empty((n, 40), np.int8)
    _kernels.confined(alpha, diffusivity, centre, radius, 0.0, start, 20.0, rng, positions, number)
    assert (number == 1).all()
    for frame in (0, 1, 5, 39):
        share = np.square(positions[:, :, frame] - centre).sum(1) / radius**2
        assert share.max() <= 1 + 1e-12
        assert stats.kstest(share, "uniform").pvalue > 0.001


def test_open_compartments_are_left_at_the_first_step_out() -> None:
    """With full transmittance Brownian motion of one diffusivity is not disturbed at all."""
    motion = Confinement(
        free=Population(), confined=Population(), n_compartments=50, radius=6, transmittance=1.0
    )
    seen = paths(motion, 500, 100)
    steps = np.diff(seen.positions, axis=2).ravel() / np.sqrt(2)
    assert stats.kstest(steps, "norm").pvalue > 0.001
    # Evenly distributed particles are inside as often as compartments cover the box.
    covered = 50 * np.pi * 36 / FIELD**2
    assert (seen.population == 1).mean() == pytest.approx(covered, abs=0.02)


def test_pairs_move_as_one() -> None:
    motion = Dimerization(
        free=Population(diffusivity=0.5, diffusivity_variance=0.01, alpha_variance=0.01),
        paired=Population(
            diffusivity=0.3, diffusivity_variance=0.01, alpha=0.7, alpha_variance=0.01
        ),
        radius=1.0,
        unbinding=0.1,
    )
    seen = paths(motion, 300, 120)
    paired = seen.population == 1
    assert not paired[:, 0].any()
    assert (paired.sum(0) % 2 == 0).all()
    pairs = 0
    for frame in range(1, 120):
        before, after = seen.positions[..., frame - 1], seen.positions[..., frame]
        inner = ((before > 15) & (before < FIELD - 15)).all(1)
        rows = np.flatnonzero(paired[:, frame])
        step = (after - before).round(9)
        for i in rows[inner[rows]]:
            other = [j for j in rows if j != i and (step[j] == step[i]).all()]
            assert len(other) == 1
            j = other[0]
            assert seen.alpha[i, frame] == seen.alpha[j, frame]
            assert seen.diffusivity[i, frame] == seen.diffusivity[j, frame]
            if not paired[i, frame - 1]:
                assert np.hypot(*(before[i] - before[j])) < 2
                pairs += 1
    assert pairs > 100
    assert_geometric(paired, 1, 0.1)
    unit = np.diff(seen.positions, axis=2) / np.sqrt(2 * seen.diffusivity[:, None, 1:])
    for state in (0, 1):
        chosen = unit.transpose(0, 2, 1)[seen.population[:, 1:] == state]
        assert np.square(chosen).mean() == pytest.approx(1, rel=0.04)


def test_touching_particles_pair_at_once_or_with_the_given_chance() -> None:
    """Two that meet draw twice a frame, once each: 1 - (1 - p)² to pair."""
    for chance in (1.0, 0.3):
        motion = Dimerization(radius=10, binding=chance, unbinding=0.0)
        together = [
            paths(motion, 2, 2, box=14.0, seed=seed).population[0, 1] for seed in range(400)
        ]
        assert np.mean(together) == pytest.approx(1 - (1 - chance) ** 2, abs=0.08)


POPULATIONS = st.builds(
    Population,
    diffusivity=st.floats(1e-3, 50),
    alpha=st.floats(0.05, 1.99),
    diffusivity_variance=st.floats(0, 5),
    alpha_variance=st.floats(0, 5),
)
CHANCES = st.floats(0, 1)
MOTIONS = st.one_of(
    st.builds(SingleState, population=POPULATIONS),
    st.builds(MultiState, populations=st.tuples(POPULATIONS, POPULATIONS)),
    st.builds(
        ImmobileTraps,
        free=POPULATIONS,
        n_traps=st.integers(1, 300),
        radius=st.floats(0.1, 20),
        binding=CHANCES,
        unbinding=CHANCES,
    ),
    st.builds(
        Dimerization,
        free=POPULATIONS,
        paired=POPULATIONS,
        radius=st.floats(0.1, 20),
        binding=CHANCES,
        unbinding=CHANCES,
    ),
    st.builds(
        Confinement,
        free=POPULATIONS,
        confined=POPULATIONS,
        n_compartments=st.integers(1, 4),
        radius=st.floats(0.5, 5),
        transmittance=CHANCES,
    ),
)


@given(motion=MOTIONS, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_paths_stay_in_the_box_and_labels_within_their_codes(motion: Motion, seed: int) -> None:
    box = 40.0
    seen = paths(motion, 12, 30, box, seed)
    assert np.isfinite(seen.positions).all()
    assert (seen.positions >= 0).all()
    assert (seen.positions <= box).all()
    assert ((seen.alpha >= 0) & (seen.alpha <= 1.999)).all()
    assert (seen.diffusivity >= 0).all()
    np.testing.assert_array_equal(seen.diffusivity == 0, seen.state == 0)
    assert set(np.unique(seen.population)) <= {0, 1}
    allowed = {
        "single_state": {2, 3},
        "multi_state": {2, 3},
        "dimerization": {2, 3},
        "immobile_traps": {0, 2, 3},
        "confinement": {1, 2, 3},
    }
    assert set(np.unique(seen.state)) <= allowed[motion.model]
    np.testing.assert_array_equal(seen.positions, paths(motion, 12, 30, box, seed).positions)


def test_impossible_motion_is_refused() -> None:
    with pytest.raises(InputError, match="add up to 1"):
        MultiState.checked(transition=((0.9, 0.2), (0.1, 0.9)))
    with pytest.raises(InputError, match="row and a column for each of the 2"):
        MultiState.checked(transition=((1.0,),))
    with pytest.raises(InputError, match="alpha"):
        Population.checked(alpha=2.0)
    with pytest.raises(InputError, match="do not fit"):
        paths(Confinement(radius=30, n_compartments=30), 5, 10)
    with pytest.raises(InputError, match="do not fit"):
        paths(Confinement(radius=120, n_compartments=1), 5, 10)
