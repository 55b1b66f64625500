"""The hidden mass: what is seen of a particle in a trap, and what each method makes of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from perrin.learn.fitting import Fitting
from perrin.learn.property import trap
from perrin.learn.property.features import impulses, mass_by_regression, tokens
from perrin.learn.property.methods import Density, likely_masses, search_path
from perrin.learn.property.networks import IMAGE_NETWORKS, MassPosterior
from perrin.learn.property.train import (
    ask_images,
    ask_posterior,
    train_images,
    train_posterior,
)
from perrin.simulate.potential import Potential, perlin_noise


@pytest.fixture(scope="module")
def seen():
    return trap.simulate_seen(24, seed=11)


def test_particles_are_let_go_in_the_middle_and_stay_in_the_trap(seen):
    assert seen.field.shape == (24, 32, 32)
    assert seen.positions.shape == (24, 2, 15)
    assert (seen.positions[:, :, 0] == 128).all()
    assert ((seen.positions >= 0) & (seen.positions <= 255)).all()
    assert ((seen.mass >= 0.1) & (seen.mass <= 1)).all()
    # Walls are as high as 1.1, noise at most 1; a block next to the corner is mostly wall.
    assert seen.field[:, 0, 0].min() > 0.3


def test_release_follows_their_integrator(seen):
    potential = Potential(trap.refine(seen.field[:1]))
    path = trap.release(potential, seen.mass[:1])[0]
    place, velocity = np.array([128.0, 128.0]), np.zeros(2)
    for step in range(20):
        velocity = velocity + potential.force(place) / seen.mass[0]
        place = place + velocity
        if step % 10 == 9:
            np.testing.assert_allclose(path[:, (step + 1) // 10], place, atol=1e-9)


@given(arrays(np.float64, (3, 2, 5), elements=st.floats(0, 255)))
def test_four_warm_images_hold_the_exact_position(positions):
    images = trap.to_four_warm(positions)
    np.testing.assert_allclose(images.sum(axis=(2, 3)), 1, rtol=1e-5)
    assert ((images > 0).sum(axis=(2, 3)) <= 4).all()
    np.testing.assert_allclose(trap.from_four_warm(images), positions, atol=1e-3)


def test_a_four_warm_image_weighs_its_neighbours_bilinearly():
    pixel = 255 / 31
    image = trap.to_four_warm(np.array([[[3.25 * pixel], [7.5 * pixel]]]))[0, 0]
    np.testing.assert_allclose(image[3:5, 7:9], [[0.375, 0.375], [0.125, 0.125]], rtol=1e-5)


def test_the_refined_potential_has_the_given_averages_and_the_right_forces():
    noise = perlin_noise(6, trap.SIZE, np.random.default_rng(0))
    truth = trap._trap(noise)
    refined = trap.refine(trap._averaged(truth))
    np.testing.assert_allclose(trap._averaged(refined), trap._averaged(truth), atol=2e-3)
    places = np.random.default_rng(1).uniform(16, 239, (6, 2))
    true, found = Potential(truth).force(places), Potential(refined).force(places)
    assert np.sqrt(((true - found) ** 2).mean() / (true**2).mean()) < 0.1


def test_impulses_of_the_force_are_changes_of_the_motion_times_the_mass(seen):
    change, impulse, gained, velocity = impulses(seen)
    first = impulse[:, 0] / change[:, 0]
    np.testing.assert_allclose(np.median(first / seen.mass[:, None]), 1, atol=0.05)
    # Energy: what is lost in the field is found in the motion.
    kinetic = 0.5 * seen.mass[:, None] * (velocity**2).sum(axis=2)
    assert np.median(np.abs(kinetic - gained)[:, 1:8]) < 0.1 * np.median(gained[:, 1:8])


def test_masses_without_learning(seen):
    change, impulse, *_ = impulses(seen)
    spread = seen.mass.std()
    for found in (mass_by_regression(change, impulse), search_path(seen)):
        assert np.median(np.abs(found - seen.mass)) < 0.1 * spread


def test_likely_masses_hold_the_truth(seen):
    density = likely_masses(seen, 2.5e-6)
    np.testing.assert_allclose(density.probability.sum(axis=1), 1)
    assert density.coverage(seen.mass) > 0.7
    assert np.abs(density.mean - seen.mass).max() < 0.2


def test_a_density_knows_its_ranks_quantiles_and_coverage():
    density = Density(np.array([0.0, 1.0, 3.0]), np.array([[0.25, 0.75], [1.0, 0.0]]))
    np.testing.assert_allclose(density.mean, [0.125 + 1.5, 0.5])
    np.testing.assert_allclose(density.rank(np.array([2.0, 0.5])), [0.625, 0.5])
    np.testing.assert_allclose(density.quantiles((0.25, 0.625))[0], [1.0, 2.0])
    assert density.coverage(np.array([2.0, 0.01])) == 0.5  # 0.01 is below the 5 % of the second


@pytest.mark.parametrize("name", IMAGE_NETWORKS)
def test_networks_of_images_say_one_mass_each(seen, name):
    torch.manual_seed(0)
    network = IMAGE_NETWORKS[name]()
    masses = ask_images(network, seen)
    assert masses.shape == (24,)
    assert np.isfinite(masses).all()
    few = ask_images(network, seen.part(slice(3)))
    np.testing.assert_allclose(few, masses[:3], rtol=1e-3, atol=1e-5)


def test_a_network_of_images_learns_by_heart(seen):
    few = seen.part(slice(8))
    fitting = Fitting(epochs=60, batch=8, learning_rate=3e-3, weight_decay=0.0, patience=60)
    fitted = train_images("convolutional", few, few, fitting)
    assert fitted.curve["r2"].max() > 0.3


def test_the_posterior_network_learns_masses_and_how_sure_it_is(seen):
    torch.manual_seed(0)
    untaught = MassPosterior()
    given = torch.from_numpy(tokens(seen))
    assert given.shape == (24, 14, 8)
    with torch.no_grad():
        np.testing.assert_allclose(untaught(given).exp().sum(dim=1), 1, rtol=1e-5)
    fitted = train_posterior(seen, seen, Fitting(epochs=40, batch=8))
    density = ask_posterior(fitted.network, seen)
    assert np.corrcoef(density.mean, seen.mass)[0, 1] > 0.9
    assert fitted.curve["validation_loss"].min() < fitted.curve["validation_loss"].iloc[0] - 0.5
