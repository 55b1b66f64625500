"""The five models of motion: their names, what they mean, and the colours they are drawn in.

The names and their order are those of the AnDi challenges (Muñoz-Gil et al., Nat. Commun. 12, 6253,
2021); results, files, windows and figures all use them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "MODELS",
    "MODEL_COLORS",
    "MODEL_DESCRIPTIONS",
    "MOTION_COLORS",
    "PROBABILITY_COLUMNS",
    "STATES",
    "UNKNOWN_COLOR",
]

MODELS: tuple[str, ...] = ("ATTM", "CTRW", "FBM", "LW", "SBM")
"""Names of the models, in the order of the columns ``p_attm`` … ``p_sbm``."""

STATES: tuple[str, ...] = ("immobile", "confined", "free", "directed")
"""What a particle does between two switches, by its code in the second AnDi challenge."""

PROBABILITY_COLUMNS: tuple[str, ...] = tuple(f"p_{name.lower()}" for name in MODELS)
"""The columns that hold the models' probabilities, in the same order."""

MODEL_DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "ATTM": (
            "annealed transient time motion: Brownian motion whose diffusivity jumps at random, "
            "the slow stretches lasting longest"
        ),
        "CTRW": (
            "continuous-time random walk: the particle rests for random, often very long times "
            "and jumps in between"
        ),
        "FBM": (
            "fractional Brownian motion: steps remember earlier steps, turning back (alpha < 1) or "
            "carrying on (alpha > 1); at alpha = 1 this is ordinary Brownian motion"
        ),
        "LW": (
            "Lévy walk: straight flights at constant speed, of random, often very long duration, "
            "each in a new direction"
        ),
        "SBM": (
            "scaled Brownian motion: Brownian motion whose diffusivity steadily falls (alpha < 1) "
            "or rises (alpha > 1) with time"
        ),
    }
)
"""What each model means, in plain words."""

MODEL_COLORS: Mapping[str, str] = MappingProxyType(
    {
        "ATTM": "#E69F00",
        "CTRW": "#CC79A7",
        "FBM": "#56B4E9",
        "LW": "#D55E00",
        "SBM": "#009E73",
    }
)
"""Colour of each model, told apart by colour-blind readers too and seen on black and on white.

From Okabe & Ito, *Color Universal Design* (2008); their yellow is lost on white and their blue on
black, so neither is used.
"""

MOTION_COLORS: Mapping[str, str] = MappingProxyType(
    {"immobile": "#4477AA", "confined": "#CCBB44", "free": "#66CCEE", "directed": "#EE6677"}
)
"""Colour of each of :data:`STATES`: after Paul Tol's scheme *bright* (2021), *Colour Schemes*."""

UNKNOWN_COLOR = "#999999"
"""Colour of tracks for which no model is called."""
