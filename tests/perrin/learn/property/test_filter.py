"""The filters against likelihoods that are known exactly, and draws from known posteriors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from perrin.learn.property import _filter
from perrin.learn.property.sampling import sample_posterior
from perrin.simulate.potential import Potential

FRAMES = np.array([0, 1, 2, 4, 5])  # with a gap
STIFFNESS = 0.02


@pytest.fixture(scope="module")
def field():
    """A harmonic trap around pixel (32, 32), in which every filter is exact."""
    y, x = np.mgrid[:65, :65] - 32.0
    return Potential(STIFFNESS * (y**2 + x**2) / 2).coefficients[0]


@pytest.fixture(scope="module")
def places():
    return 32 + np.random.default_rng(0).normal(0, 2, (len(FRAMES), 2))


def test_overdamped_likelihood_in_a_trap_is_that_of_the_ornstein_uhlenbeck_process(field, places):
    mobility, diffusivity, error = 8.0, 0.7, 0.3
    steps, out = 200, np.empty(1)
    parameters = np.array([[mobility, diffusivity, error]])
    _filter.overdamped(field, FRAMES, places, steps, parameters, out)
    # From a first position of flat prior, which its localization makes Gaussian.
    rate = mobility * STIFFNESS
    decay = np.exp(-rate * FRAMES)
    apart = np.abs(FRAMES[:, None] - FRAMES)
    together = FRAMES[:, None] + FRAMES
    own = diffusivity / rate * (np.exp(-rate * apart) - np.exp(-rate * together))
    expected = 0.0
    for axis in range(2):
        covariance = own + error**2 * np.outer(decay, decay)
        covariance[1:, 1:] += error**2 * np.eye(len(FRAMES) - 1)
        mean = 32 + (places[0, axis] - 32) * decay
        expected += multivariate_normal(mean[1:], covariance[1:, 1:]).logpdf(places[1:, axis])
    assert out[0] == pytest.approx(expected, abs=0.02)


def test_inertial_likelihood_in_a_trap_is_that_of_a_kicked_oscillator(field, places):
    inverse_mass, intensity, error, speed = 4.0, 0.02, 0.3, 1.5
    steps, out = 200, np.empty(1)
    parameters = np.array([[inverse_mass, intensity, error]])
    _filter.inertial(field, FRAMES, places, steps, False, 0.0, speed, parameters, out)
    frequency = np.sqrt(inverse_mass * STIFFNESS)
    cosine, sine = np.cos(frequency * FRAMES), np.sin(frequency * FRAMES) / frequency
    early = np.linspace(0, FRAMES[-1], 4000)
    response = np.where(
        FRAMES[:, None] > early, np.sin(frequency * (FRAMES[:, None] - early)) / frequency, 0
    )
    kicked = intensity * (response @ response.T) * (early[1] - early[0])
    expected = 0.0
    for axis in range(2):
        # The first velocity is guessed from the first two positions, see _filter._aimed.
        first, second = places[:2, axis] - 32
        velocity = (second - first * cosine[1]) / sine[1]
        covariance = kicked + error**2 * np.outer(cosine, cosine)
        covariance += speed**2 * np.outer(sine, sine) + error**2 * np.eye(len(FRAMES))
        mean = 32 + first * cosine + velocity * sine
        expected += multivariate_normal(mean[1:], covariance[1:, 1:]).logpdf(places[1:, axis])
    assert out[0] == pytest.approx(expected, abs=0.02)


def test_a_known_start_leaves_the_second_position_to_the_noise(field):
    places = np.array([[32.0, 40.0], [32.0, 39.5]])
    frames, out = np.array([0, 1]), np.empty(1)
    parameters = np.array([[1.0, 0.0, 0.1]])
    _filter.inertial(field, frames, places, 100, True, 0.0, 0.0, parameters, out)
    end = 32 + 8 * np.cos(np.sqrt(STIFFNESS))
    expected = multivariate_normal([32, end], 0.01 * np.eye(2)).logpdf(places[1])
    assert out[0] == pytest.approx(expected, abs=1e-2)


def test_hopeless_parameters_are_impossible_rather_than_not_a_number(field, places):
    out = np.empty(2)
    parameters = np.array([[1e9, 1e-6, 0.1], [1e12, 1e-6, 0.1]])
    _filter.inertial(field, FRAMES, places, 1, False, 0.0, 1.0, parameters, out)
    assert not np.isnan(out).any()


def test_draws_from_a_skewed_posterior_have_its_quantiles():
    # The logarithm of a Gamma(4) variable beside a Gaussian that is correlated with it.
    def log_density(at):
        first = 4 * at[:, 0] - np.exp(at[:, 0])
        return first - 0.5 * (at[:, 1] - at[:, 0]) ** 2 / 0.3**2

    starts = np.array([[-1.0, 2.0], [3.0, 3.0]])
    sample = sample_posterior(log_density, starts, np.array([0.3, 0.3]), np.random.default_rng(0))
    found = sample.quantiles(np.exp(sample.values[:, 0]), [0.05, 0.5, 0.95])
    np.testing.assert_allclose(found, [1.366, 3.672, 7.754], rtol=0.1)  # Gamma(4): tables
    middle = sample.weights @ (sample.values[:, 1] - sample.values[:, 0])
    assert middle == pytest.approx(0, abs=0.05)
