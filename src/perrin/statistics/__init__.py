"""Statistics of single tracks and of populations of tracks."""

from perrin.statistics._diffusivity import estimate_diffusivity
from perrin.statistics._switches import (
    SWITCH_METHOD,
    SwitchDetection,
    Switches,
    find_switches,
)

__all__ = [
    "SWITCH_METHOD",
    "SwitchDetection",
    "Switches",
    "estimate_diffusivity",
    "find_switches",
]
