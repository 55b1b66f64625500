"""The figure of many movies side by side; matplotlib is imported only when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from perrin.population import GROUP_COLORS, GROUPS, count_models, numbers_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["movies_figure"]

_MOST_NAMES = 60  # beyond, movies are numbered as in the table beside the figure
_COLOR = "#2c6fbb"
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def movies_figure(tables: Sequence[pd.DataFrame], names: Sequence[str]) -> Figure:
    """Draw what was found in each of some movies.

    Parameters
    ----------
    tables
        Table ``per_track`` of each movie, as :func:`perrin.analyze` returned it or as it was read.
    names
        What to call the movies.

    Returns
    -------
    matplotlib.figure.Figure
        From above: number of tracks; share of the tracks of each model; medians of the diffusivity
        and of the exponent over the tracks, with bars from their 25 % to their 75 % and lines from
        their 5 % to their 95 % quantile. Movies whose diffusivity has another unit than that of
        most are left out there.
    """
    from matplotlib.figure import Figure

    n = len(tables)
    width = float(np.clip(2.5 + 0.28 * n, 7, 16))
    figure = Figure(figsize=(width, 9.5), layout="constrained")
    counts, models, diffusivity, alpha = figure.subplots(
        4, 1, sharex=True, height_ratios=(1, 1.1, 1.4, 1.4)
    )
    places = np.arange(1, n + 1)
    counts.bar(places, [len(table) for table in tables], color="0.55")
    counts.set_ylabel("tracks")
    _draw_models(models, tables, places)
    unit = _common_unit(tables)
    known = [
        numbers_of(table, "diffusivity") if _unit(table) == unit else np.empty(0)
        for table in tables
    ]
    _draw_spread(diffusivity, [values[values > 0] for values in known], places)
    diffusivity.set(yscale="log", ylabel=f"D ({unit})")
    _draw_spread(alpha, [numbers_of(table, "alpha") for table in tables], places)
    alpha.axhline(1, color="0.6", linewidth=0.8, zorder=0)
    alpha.set(ylabel="alpha", ylim=(0, 2.05), xlim=(0.4, n + 0.6))
    if n <= _MOST_NAMES:
        alpha.set_xticks(places, [_short(name) for name in names], rotation=90, fontsize=8)
    else:
        alpha.set_xlabel("movie, numbered as in the table")
    for axes in (counts, models, diffusivity, alpha):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(axis="x", length=0)
    return figure


def _draw_models(axes: Axes, tables: Sequence[pd.DataFrame], places: np.ndarray) -> None:
    shares = np.array([count_models(table)["share"].fillna(0) for table in tables])
    below = np.zeros(len(tables))
    for group, share in zip(GROUPS, shares.T, strict=True):
        axes.bar(places, share, bottom=below, color=GROUP_COLORS[group], label=group)
        below += share
    axes.set(ylabel="share of tracks", ylim=(0, 1))
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)


def _draw_spread(axes: Axes, values: Sequence[np.ndarray], places: np.ndarray) -> None:
    for place, of_movie in zip(places, values, strict=True):
        known = of_movie[np.isfinite(of_movie)]
        if not known.size:
            continue
        lowest, low, middle, high, highest = np.quantile(known, _QUANTILES)
        axes.plot([place, place], [lowest, highest], color=_COLOR, linewidth=0.9)
        axes.plot([place, place], [low, high], color=_COLOR, linewidth=5, alpha=0.45)
        axes.plot([place], [middle], "o", color=_COLOR, markersize=5)


def _unit(table: pd.DataFrame) -> str | None:
    return str(table["diffusivity_unit"].iloc[0]) if len(table) else None


def _common_unit(tables: Sequence[pd.DataFrame]) -> str:
    units = [unit for table in tables if (unit := _unit(table)) is not None]
    return max(sorted(set(units)), key=units.count, default="px²/frame")


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:11]}…{name[-12:]}"
