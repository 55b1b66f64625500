"""Perlin noise, splines through images, and motion in them, against theory."""

from __future__ import annotations

import numpy as np
import pytest

from perrin.errors import InputError
from perrin.simulate.potential import Potential, perlin_noise, simulate_brownian, simulate_newton


class _SameGradient(np.random.Generator):
    """Draws the origin 0 and the gradient (1, 1) everywhere."""

    def random(self, size):  # type: ignore[override]
        return np.zeros(size)

    def integers(self, high, size):  # type: ignore[override]
        return np.zeros(size, dtype=np.int64)


def bowl(stiffness: float = 0.01, size: int = 64) -> Potential:
    """A harmonic trap around the pixel (32, 32)."""
    y, x = np.mgrid[:size, :size] - 32.0
    return Potential(stiffness * (y**2 + x**2) / 2)


def test_perlin_noise_of_equal_gradients_is_known_in_closed_form():
    # With one gradient g at all nodes, the blend is g · (t - fade(t)) along each axis.
    noise = perlin_noise(1, 32, _SameGradient(np.random.PCG64(0)), octaves=1, cells=2)[0]
    t = (np.arange(32) / 16) % 1
    along = t - (6 * t**5 - 15 * t**4 + 10 * t**3)
    np.testing.assert_allclose(noise, along[:, None] + along, atol=1e-12)


def test_octaves_of_perlin_noise_are_finer_and_weaker():
    one, two = (
        perlin_noise(1, 32, _SameGradient(np.random.PCG64(0)), octaves=n, cells=2)[0]
        for n in (1, 2)
    )
    finer = perlin_noise(1, 32, _SameGradient(np.random.PCG64(0)), octaves=1, cells=4)[0]
    np.testing.assert_allclose(two - one, 0.5 * finer, atol=1e-12)


def test_perlin_noise_is_centred_bounded_and_continuous():
    noise = perlin_noise(200, 64, np.random.default_rng(1), cells=2)
    assert abs(noise.mean()) < 5 * noise[:, 0, 0].std() / 200**0.5
    assert np.abs(noise).max() < 2
    assert np.abs(np.diff(noise, axis=2)).max() < 0.5


def test_the_spline_goes_through_the_pixels_and_its_force_is_minus_its_gradient():
    y, x = np.mgrid[:40, :50]
    potential = Potential(np.sin(y / 6) * np.cos(x / 7))
    pixels = np.array([(0, 0), (39, 49), (20, 30), (39, 0)])
    np.testing.assert_allclose(
        potential.energy(pixels), np.sin(pixels[:, 0] / 6) * np.cos(pixels[:, 1] / 7), atol=1e-12
    )
    places = np.random.default_rng(0).uniform(5, 34, (50, 2))
    v, u = places.T
    force = -np.stack([np.cos(v / 6) * np.cos(u / 7) / 6, -np.sin(v / 6) * np.sin(u / 7) / 7], 1)
    np.testing.assert_allclose(potential.force(places), force, atol=1e-4)
    step = 1e-5
    ahead, behind = (potential.energy(places + np.array([0, s])) for s in (step, -step))
    np.testing.assert_allclose(
        potential.force(places)[:, 1], -(ahead - behind) / (2 * step), atol=1e-8
    )


def test_energy_is_conserved_to_second_order_without_drift():
    potential = Potential(perlin_noise(1, 64, np.random.default_rng(3))[0] + bowl().energy(
        np.stack(np.mgrid[:64, :64], axis=-1)
    ))  # fmt: skip
    ripples = []
    for steps in (4, 8):
        path = simulate_newton(
            potential, 0.5, (32, 20), (0.3, 0.0), n_frames=2000, steps_per_frame=steps
        )
        energy = 0.25 * (path.velocities**2).sum(axis=1)[0]
        energy += potential.energy(path.positions[0].T)
        assert abs(energy[1000:].mean() / energy[:1000].mean() - 1) < 1e-4
        ripples.append(np.ptp(energy))
    assert ripples[0] / ripples[1] == pytest.approx(4, rel=0.2)


@pytest.mark.parametrize("mass", [0.1, 0.5, 2.0])
def test_the_period_of_a_harmonic_trap_is_2_pi_root_m_over_k(mass):
    path = simulate_newton(bowl(), mass, (32, 40), n_frames=400, steps_per_frame=8)
    frequency = np.sqrt(0.01 / mass)
    # The scheme's own frequency is known exactly (Hairer, Lubich & Wanner 2003, Acta Numerica 12).
    in_steps = 16 * np.arcsin(frequency / 16)
    assert in_steps == pytest.approx(frequency, rel=1e-4)
    expected = 32 + 8 * np.cos(np.arange(400) * in_steps)
    np.testing.assert_allclose(path.positions[0, 1], expected, atol=1e-3)


def test_four_times_the_mass_takes_twice_the_time():
    potential = Potential(perlin_noise(1, 64, np.random.default_rng(5))[0])
    light = simulate_newton(potential, 1.0, (32, 32), n_frames=8, steps_per_frame=16)
    heavy = simulate_newton(potential, 4.0, (32, 32), n_frames=15, steps_per_frame=8)
    np.testing.assert_allclose(light.positions[0], heavy.positions[0, :, ::2], atol=1e-9)


def test_what_comes_after_leaving_the_image_is_missing():
    y, _ = np.mgrid[:20, :20]
    path = simulate_newton(Potential(-1.0 * y), 1.0, (10, 10), n_frames=10)
    left = np.isnan(path.positions[0, 0])
    assert list(left) == [False] * 5 + [True] * 5  # 10 + t²/2 > 19 from t = 5 on


def test_brownian_particles_reach_boltzmanns_distribution():
    rng = np.random.default_rng(2)
    mobility, thermal_energy, n = 20.0, 0.05, 400
    start = 32 + rng.normal(0, (thermal_energy / 0.01) ** 0.5, (n, 2))
    paths = simulate_brownian(
        bowl(), np.full(n, mobility), mobility * thermal_energy, start, rng, n_frames=20
    )
    variance = paths[:, :, -1].var()
    assert variance == pytest.approx(thermal_energy / 0.01, rel=5 * (2 / (2 * n)) ** 0.5)


def test_brownian_particles_relax_at_the_rate_mobility_times_stiffness():
    rng = np.random.default_rng(2)
    path = simulate_brownian(bowl(), [5.0], 0.0, (32, 40), rng, n_frames=30)
    np.testing.assert_allclose(path[0, 1], 32 + 8 * np.exp(-0.05 * np.arange(30)), atol=1e-3)


def test_each_particle_may_have_a_field_of_its_own():
    noise = perlin_noise(2, 32, np.random.default_rng(4))
    potential = Potential(noise)
    both = simulate_newton(potential, [1.0, 1.0], (16, 16), n_frames=5).positions
    for i in range(2):
        one = Potential(noise[i])
        assert potential.energy((16, 15))[i] == pytest.approx(one.energy((16, 15)))
        np.testing.assert_allclose(potential.force((16, 15))[i], one.force((16, 15)))
        alone = simulate_newton(Potential(noise[i]), 1.0, (16, 16), n_frames=5).positions
        np.testing.assert_allclose(both[i], alone[0], atol=1e-12)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((5, 2, 9, 9)), "shape"),
        (np.zeros((3, 9)), "at least 4 by 4"),
        (np.full((9, 9), 2.0), "same everywhere"),
        (np.full((9, 9), np.nan), "finite"),
    ],
)
def test_what_is_no_potential_is_refused_in_a_sentence(image, words):
    with pytest.raises(InputError, match=words):
        Potential(image)
