"""Statistics of single tracks and of populations of tracks."""

from perrin.statistics._diffusivity import estimate_diffusivity

__all__ = ["estimate_diffusivity"]
