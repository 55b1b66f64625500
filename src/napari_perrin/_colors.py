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

from perrin.analysis import FLAGS
from perrin.inspection import STATE_COLORS, state_color
from perrin.models import MODEL_COLORS, MODELS, MOTION_COLORS, STATES, UNKNOWN_COLOR
from perrin.quantities import MODEL, MOTION, Quantity, quantity_of, robust_range

__all__ = [
    "UNKNOWN",
    "CodeColormap",
    "RangeColormap",
    "code_names",
    "codes_of",
    "colormap_for",
    "model_colormap",
    "names_of",
    "state_colormap",
]

UNKNOWN = -1
"""Code of a track for which no model is called."""

_SEQUENTIAL = "viridis"
# The darkest fifth of viridis cannot be told from napari's dark canvas.
_DARKEST = 0.2
_STATE_CODES = range(len(STATE_COLORS))
_NO_YES = ("#4477AA", "#EE6677")


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
    return _code_colormap("models", [MODEL_COLORS[name] for name in names])


def state_colormap(n_codes: int) -> CodeColormap:
    """Return a colormap of so many integer codes, in the colours of states."""
    return _code_colormap("codes", [state_color(code) for code in range(n_codes)])


def code_names(feature: str) -> tuple[str, ...] | None:
    """Return what each code of a feature stands for; ``None`` if it is no code."""
    if feature == "state":
        return tuple(f"{code}, the slowest" if not code else str(code) for code in _STATE_CODES)
    return {MODEL: MODELS, MOTION: STATES, **dict.fromkeys(FLAGS, ("no", "yes"))}.get(feature)


def colormap_for(
    feature: str, values: npt.ArrayLike, limits: tuple[float, float] | None = None
) -> Colormap:
    """Return the colormap for one numeric feature of a Tracks layer.

    Parameters
    ----------
    feature
        Name of the feature; it decides the natural range and whether the scale is logarithmic.
    values : array, shape (N,)
        The feature's values, from which a robust range is taken where there is no natural one.
    limits
        Another range.
    """
    if feature == MODEL:
        return model_colormap()
    if feature == "state":
        return state_colormap(len(_STATE_CODES))
    if feature == MOTION:
        return _code_colormap(MOTION, [MOTION_COLORS[name] for name in STATES])
    if feature in FLAGS:
        return _code_colormap(feature, _NO_YES)
    quantity: Quantity = quantity_of(feature)
    limits = limits or robust_range(values, quantity)
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


def codes_of(values: pd.Series[Any], names: Sequence[str] = MODELS) -> npt.NDArray[np.int64]:
    """Return the code of each name, that of a model or of others; :data:`UNKNOWN` for any else."""
    codes = {name: code for code, name in enumerate(names)}
    return np.asarray(values.map(codes).fillna(UNKNOWN), dtype=np.int64)


def _code_colormap(name: str, colors: Sequence[str]) -> CodeColormap:
    return CodeColormap(
        colors=list(colors), name=f"perrin-{name}", nan_color=ColorValue(UNKNOWN_COLOR)
    )


def names_of(codes: npt.NDArray[Any], names: Sequence[str] = MODELS) -> list[str]:
    """Return the name of each code, an empty text for any other, as where no model is called."""
    return [names[int(code)] if 0 <= code < len(names) else "" for code in codes]
