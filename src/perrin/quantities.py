"""The numbers that tracks are coloured by: names, units and ranges, each said once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perrin.analysis import FLAGS
from perrin.models import MODELS, PROBABILITY_COLUMNS
from perrin.tracks import Calibration

__all__ = ["MODEL", "MOTION", "PER_FRAME", "PER_TRACK", "Quantity", "quantity_of", "robust_range"]

MODEL = "model"
"""The feature that holds the model as an integer code; see :mod:`perrin.models`."""

MOTION = "motion"
"""The feature that holds the kind of motion as an integer code, as in :mod:`perrin.models`."""


@dataclass(frozen=True)
class Quantity:
    """How one feature of a Tracks layer is called, measured and coloured.

    Attributes
    ----------
    label
        What people read.
    kind
        ``"diffusivity"``, ``"noise"`` or ``""``: which unit of the calibration applies.
    limits
        Range of the colours where the quantity has a natural one, else a robust range is taken.
    logarithmic
        Whether colours follow the logarithm, for quantities that span decades.
    """

    label: str
    kind: str = ""
    limits: tuple[float, float] | None = None
    logarithmic: bool = False

    def unit(self, calibration: Calibration) -> str:
        """Return the unit under a calibration, or an empty string for a pure number."""
        if self.kind == "diffusivity":
            return calibration.diffusivity_unit
        return calibration.noise_unit if self.kind == "noise" else ""

    def title(self, calibration: Calibration) -> str:
        """Return the label with its unit."""
        unit = self.unit(calibration)
        return f"{self.label} ({unit})" if unit else self.label


PER_TRACK: Mapping[str, Quantity] = {
    MODEL: Quantity("Model of motion"),
    "alpha": Quantity("Anomalous exponent α", limits=(0.0, 2.0)),
    "diffusivity": Quantity("Diffusivity D", "diffusivity", logarithmic=True),
    "noise": Quantity("Localization error", "noise"),
    "n_points": Quantity("Number of points"),
    "n_switches": Quantity("Number of switches"),
    "alpha_lo": Quantity("α, lower bound (5 %)", limits=(0.0, 2.0)),
    "alpha_hi": Quantity("α, upper bound (95 %)", limits=(0.0, 2.0)),
    "diffusivity_lo": Quantity("D, lower bound (5 %)", "diffusivity", logarithmic=True),
    "diffusivity_hi": Quantity("D, upper bound (95 %)", "diffusivity", logarithmic=True),
    **{
        column: Quantity(f"Probability of {name}", limits=(0.0, 1.0))
        for name, column in zip(MODELS, PROBABILITY_COLUMNS, strict=True)
    },
    "p_ergodic": Quantity("Probability of ergodic motion", limits=(0.0, 1.0)),
}
"""Columns of ``Analysis.per_track`` that become features, in the order of the menu."""

PER_FRAME: Mapping[str, tuple[str, Quantity]] = {
    "p_switch": ("p_switch", Quantity("Switch probability", limits=(0.0, 1.0))),
    "state": ("state", Quantity("State")),
    MOTION: (MOTION, Quantity("Kind of motion")),
    "diffusivity": ("frame_diffusivity", Quantity("D over time", "diffusivity", logarithmic=True)),
    "alpha": ("frame_alpha", Quantity("α over time", limits=(0.0, 2.0))),
    "weight": ("frame_weight", Quantity("Weight in the call of the model")),
}
"""Columns of ``Analysis.per_frame``: the feature each becomes, and what it is."""

_KNOWN: Mapping[str, Quantity] = {
    **PER_TRACK,
    **dict(PER_FRAME.values()),
    **{
        name: Quantity(words.partition(":")[0].capitalize(), limits=(0.0, 1.0))
        for name, words in FLAGS.items()
    },
    "true_alpha": Quantity("True exponent α", limits=(0.0, 2.0)),
    "alpha_error": Quantity("Error of α"),
    "true_diffusivity": Quantity("True diffusivity D", "diffusivity", logarithmic=True),
    "true_n_switches": Quantity("True number of switches"),
    "right": Quantity("Share of right localizations", limits=(0.0, 1.0)),
    "distance": Quantity("Distance to the truth", "noise"),
    "track_id": Quantity("Track number"),
    "mass": Quantity("Brightness (mass)"),
    "size": Quantity("Spot size (px)"),
    "ecc": Quantity("Eccentricity", limits=(0.0, 1.0)),
    "signal": Quantity("Signal"),
}


def quantity_of(feature: str) -> Quantity:
    """Return how a feature is shown; unknown ones under their own name."""
    return _KNOWN.get(feature) or Quantity(feature)


def robust_range(
    values: npt.ArrayLike, quantity: Quantity = Quantity("")
) -> tuple[float, float] | None:
    """Range for colours: the quantity's own, or the 2nd to 98th percentile.

    A few outliers then do not take all the contrast.

    Returns
    -------
    (low, high)
        With ``low < high``; ``None`` if there is nothing finite (and, on a logarithmic scale,
        positive) to show.
    """
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if quantity.logarithmic:
        numbers = numbers[numbers > 0]
    if numbers.size == 0:
        return None
    if quantity.limits is not None:
        return quantity.limits
    low, high = (float(edge) for edge in np.percentile(numbers, (2, 98)))
    if low == high:
        low, high = float(numbers.min()), float(numbers.max())
    if low == high:
        width = abs(low) * 0.5 or 0.5
        low, high = low - width, high + width
    return low, high
