"""Motion in a known potential: Perlin noise, images as potentials, Newton's law and Langevin's."""

from perrin.simulate.potential._perlin import perlin_noise
from perrin.simulate.potential._potential import (
    Paths,
    Potential,
    simulate_brownian,
    simulate_newton,
)

__all__ = ["Paths", "Potential", "perlin_noise", "simulate_brownian", "simulate_newton"]
