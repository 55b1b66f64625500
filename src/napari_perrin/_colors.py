"""Colormaps for Tracks layers, in which what is unknown stays visible.

napari hands the entries of ``Tracks.colormaps_dict`` raw values, and by itself makes every track
transparent when one value is NaN. The two colormaps here scale by themselves and paint NaN and
codes without a model in one visible grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from napari.utils.color import ColorValue
from napari.utils.colormaps import AVAILABLE_COLORMAPS, Colormap

from perrin.inspection import state_color
from perrin.models import MODEL_COLORS, MODELS, UNKNOWN_COLOR
from perrin.quantities import MODEL, Quantity, quantity_of, robust_range

__all__ = [
    "UNKNOWN",
    "CodeColormap",
    "RangeColormap",
    "colormap_for",
    "model_codes",
    "model_colormap",
    "names_of",
    "state_colormap",
]

UNKNOWN = -1
"""Code of a track for which no model is called."""

_SEQUENTIAL = "viridis"
# The darkest fifth of viridis cannot be told from napari's dark canvas.
_DARKEST = 0.2


class RangeColormap(Colormap):
    """A colormap over a fixed range of raw values; NaN is grey, values outside are clipped."""

    limits: tuple[float, float] = (0.0, 1.0)
    logarithmic: bool = False

    def map(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return one RGBA colour for each raw value."""
        numbers = np.atleast_1d(np.asarray(values, dtype=np.float64))
        low, high = self.limits
        if self.logarithmic:
            low, high = np.log(low), np.log(high)
            with np.errstate(divide="ignore", invalid="ignore"):
                numbers = np.where(numbers > 0, np.log(numbers), np.nan)
        share = np.clip((numbers - low) / (high - low), 0.0, 1.0)
        return np.asarray(super().map(share), dtype=np.float64)


class CodeColormap(Colormap):
    """One colour for each integer code; every other value, NaN included, is grey."""

    def map(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return one RGBA colour for each code."""
        numbers = np.atleast_1d(np.asarray(values, dtype=np.float64))
        known = np.isfinite(numbers) & (numbers >= 0) & (numbers < len(self.colors))
        codes = np.where(known, numbers, 0).astype(np.intp)
        picked = np.where(known[:, None], np.asarray(self.colors)[codes], self.nan_color)
        return np.asarray(picked, dtype=np.float64)


def model_colormap(names: Sequence[str] = MODELS) -> CodeColormap:
    """Return the colormap of the integer codes of ``names``, in the fixed colours of the models."""
    return CodeColormap(
        colors=[MODEL_COLORS[name] for name in names],
        name="perrin-models",
        nan_color=ColorValue(UNKNOWN_COLOR),
    )


def state_colormap(n_codes: int) -> CodeColormap:
    """Return a colormap of so many integer codes, in the colours of states."""
    return CodeColormap(
        colors=[state_color(code) for code in range(n_codes)],
        name="perrin-codes",
        nan_color=ColorValue(UNKNOWN_COLOR),
    )


def colormap_for(feature: str, values: npt.ArrayLike) -> Colormap:
    """Return the colormap for one numeric feature of a Tracks layer.

    Parameters
    ----------
    feature
        Name of the feature; it decides the natural range and whether the scale is logarithmic.
    values : array, shape (N,)
        The feature's values, from which a robust range is taken where there is no natural one.
    """
    if feature == MODEL:
        return model_colormap()
    quantity: Quantity = quantity_of(feature)
    limits = robust_range(values, quantity)
    arguments: dict[str, Any] = {
        "colors": AVAILABLE_COLORMAPS[_SEQUENTIAL].map(np.linspace(_DARKEST, 1, 64)),
        "name": f"perrin-{feature}",
        "nan_color": ColorValue(UNKNOWN_COLOR),
    }
    if limits is None:
        return RangeColormap(**arguments)
    low, high = limits
    logarithmic = quantity.logarithmic and low > 0
    return RangeColormap(**arguments, limits=(low, high), logarithmic=logarithmic)


def model_codes(names: pd.Series[Any]) -> npt.NDArray[np.int64]:
    """Return the code of each model's name, :data:`UNKNOWN` for anything else."""
    codes = {name: code for code, name in enumerate(MODELS)}
    return np.asarray(names.map(codes).fillna(UNKNOWN), dtype=np.int64)


def names_of(codes: npt.NDArray[Any], names: Sequence[str] = MODELS) -> list[str]:
    """Return the name of each code, an empty text for any other, as where no model is called."""
    return [names[int(code)] if 0 <= code < len(names) else "" for code in codes]
