"""Figures of statistics, drawn with matplotlib, which is imported only when one is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from perrin.statistics._comparison import Comparison
from perrin.statistics._survey import AVERAGES, Survey

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["comparison_figure", "faint_curves", "survey_figure", "title_of"]

_COLORS = ("#0072B2", "#D55E00")  # of Okabe and Ito, told apart by every kind of eye
_FAINT = "0.75"
_MOST_CURVES = 200
_TITLES = {
    "alpha": "anomalous exponent alpha",
    "diffusivity": "diffusivity D",
    "not_seen_moving": "share not seen moving",
    "switching": "share of tracks that switch",
}


def survey_figure(survey: Survey, title: str = "") -> Figure:
    """Draw what was found in a set of tracks.

    Parameters
    ----------
    survey
        What :func:`perrin.statistics.survey_tracks` returned.
    title
        What to write above.

    Returns
    -------
    matplotlib.figure.Figure
        Above: MSDs of single tracks (up to 200) and the two averages, with standard errors and the
        power laws that were fitted to them; the distribution of diffusivities of the population and
        the states; the diffusivities of single tracks. Below: ergodicity breaking over time with
        its 90 % band and that of Brownian motion whose successive displacements are correlated
        alike; the displacements beside the normal distribution of the same variance; the
        correlation of displacements.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6.6), dpi=150, layout="constrained")
    if title:
        figure.suptitle(title)
    axes = figure.subplots(2, 3)
    _draw_msd(axes[0, 0], survey)
    _draw_population(axes[0, 1], survey)
    _draw_single(axes[0, 2], survey)
    _draw_ergodicity(axes[1, 0], survey)
    _draw_displacements(axes[1, 1], survey)
    _draw_correlation(axes[1, 2], survey)
    return figure


def comparison_figure(comparison: Comparison) -> Figure:
    """Draw two conditions side by side.

    Parameters
    ----------
    comparison
        What :func:`perrin.statistics.compare_conditions` returned.

    Returns
    -------
    matplotlib.figure.Figure
        One column per quantity. Above, one point per movie, the condition's own value as a bar, and
        its interval. Below, the difference between the conditions with its interval, and 0.
    """
    from matplotlib.figure import Figure

    rows = list(comparison.table.itertuples())
    figure = Figure(figsize=(max(2.3 * len(rows), 5), 5.2), dpi=150, layout="constrained")
    grid = figure.subplots(2, len(rows), height_ratios=(2, 1), squeeze=False)
    for (upper, lower), row in zip(grid.T, rows, strict=True):
        _draw_conditions(upper, comparison, row)
        _draw_difference(lower, row)
    grid[1, 0].set_ylabel(f"{comparison.names[1]} − {comparison.names[0]}")
    figure.suptitle(
        f"Points: movies. Lines: all tracks, with the {comparison.level:.0%} interval by movie"
    )
    return figure


def faint_curves(survey: Survey) -> list[npt.NDArray[np.float64]]:
    """Return MSDs of single tracks, evenly chosen and up to 200: each ``(n, 2)``, lag and MSD."""
    single = survey.tables["msd"].dropna(subset=["msd"])
    single = single[single["msd"] > 0]
    curves = [part[["lag", "msd"]].to_numpy() for _, part in single.groupby("particle")]
    curves = [curve for curve in curves if len(curve) > 1]
    return curves[:: max(-(-len(curves) // _MOST_CURVES), 1)]


def title_of(comparison: Comparison, quantity: str) -> str:
    """Return what a quantity that was compared is called, in one line or two."""
    if quantity.startswith("occupancy_"):
        state = comparison.states.iloc[int(quantity.removeprefix("occupancy_"))]
        (unit,) = comparison.table.loc[comparison.table["quantity"] == "diffusivity", "unit"]
        return f"share in the state of\nD {state['diffusivity']:.2g} {unit}"
    if quantity.startswith("share_"):
        return f"share called {quantity.removeprefix('share_')}"
    return _TITLES[quantity]


def _draw_msd(axes: Axes, survey: Survey) -> None:
    from matplotlib.collections import LineCollection

    calibration = survey.calibration
    axes.add_collection(
        LineCollection(faint_curves(survey), colors=_FAINT, linewidths=0.5, zorder=0)
    )
    fits = survey.tables["msd_fits"].set_index("average")
    for name, color, marker in zip(AVERAGES, _COLORS, ("o", "s"), strict=True):
        table = survey.tables["mean_msd"]
        table = table[(table["average"] == name) & (table["n_tracks"] > 1) & (table["msd"] > 0)]
        fit = fits.loc[name]
        label = name
        if np.isfinite(fit["alpha"]):
            label += f": alpha {fit['alpha']:.2f} ± {fit['alpha_se']:.2f}"
        axes.errorbar(
            table["lag"],
            table["msd"],
            # On a logarithmic axis a bar must not reach 0.
            yerr=[np.minimum(table["msd_se"], 0.99 * table["msd"]), table["msd_se"]],
            fmt=marker,
            markersize=3,
            linewidth=0.8,
            color=color,
            label=label,
        )
        fitted = survey.fitted_msd(name)
        axes.plot(fitted["lag"], fitted["msd"], color="0.1", linewidth=1.2, zorder=3)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=f"lag ({calibration.time_unit})",
        ylabel=f"MSD ({calibration.length_unit}²)",
        title="Mean squared displacement",
    )
    axes.legend(fontsize="small")


def _draw_population(axes: Axes, survey: Survey) -> None:
    table = survey.tables["population"]
    # Per decade, so that the height does not depend on the grid.
    decade = np.diff(np.log10(table["diffusivity"])).mean()
    axes.fill_between(
        table["diffusivity"],
        table["occupancy_lo"] / decade,
        table["occupancy_hi"] / decade,
        color=_COLORS[0],
        alpha=0.3,
        linewidth=0,
    )
    axes.plot(table["diffusivity"], table["occupancy"] / decade, color=_COLORS[0])
    states = survey.tables["states"]
    # A state slower than the grid is drawn at its edge.
    places = np.maximum(states["diffusivity"].to_numpy(), table["diffusivity"].min())
    for place, share in zip(places, states["occupancy"], strict=True):
        axes.axvline(place, color="0.4", linestyle="--", linewidth=0.8)
        axes.text(
            place, 0.98, f" {share:.0%}",
            transform=axes.get_xaxis_transform(), va="top", fontsize="small",
        )  # fmt: skip
    axes.set(
        xscale="log",
        ylim=(0, None),
        xlabel=f"diffusivity D ({survey.calibration.diffusivity_unit})",
        ylabel="share of displacements per decade",
        title="Population, and states (dashed)",
    )


def _draw_single(axes: Axes, survey: Survey) -> None:
    value = survey.tables["diffusivity"]["diffusivity"].dropna()
    positive = value[value > 0]
    if len(positive):
        low, high = positive.quantile([0.01, 1])
        axes.hist(positive, bins=list(np.geomspace(low, high * 1.001, 40)), color=_COLORS[0])
        axes.set(xscale="log")
    n_zero = int((value == 0).sum())
    axes.set(
        xlabel=f"diffusivity D ({survey.calibration.diffusivity_unit})",
        ylabel="tracks",
        title=f"{len(value)} single tracks; D is 0 in {n_zero}",
    )


def _draw_ergodicity(axes: Axes, survey: Survey) -> None:
    table = survey.tables["ergodicity"].dropna(subset=["eb"])
    table = table[table["eb"] > 0]
    axes.fill_between(
        table["time"], table["eb_lo"], table["eb_hi"], color=_COLORS[0], alpha=0.3, linewidth=0
    )
    axes.plot(table["time"], table["eb"], color=_COLORS[0], label="90 % band")
    lag = survey.ergodicity_lag * survey.calibration.time_scale
    axes.plot(
        table["time"], survey.brownian_eb(table["time"].to_numpy()),
        color="0.4", linestyle="--", linewidth=0.8, label="Brownian motion",
    )  # fmt: skip
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=f"measurement time ({survey.calibration.time_unit})",
        ylabel="EB",
        title=f"Ergodicity breaking at lag {lag:.3g} {survey.calibration.time_unit}",
    )
    axes.legend(fontsize="small")


def _draw_displacements(axes: Axes, survey: Survey) -> None:
    table = survey.tables["displacements"]
    table = table[table["count"] > 0]
    unit = survey.calibration.length_unit
    axes.errorbar(
        table["displacement"], table["density"], yerr=table["density_se"],
        fmt="o", markersize=3, linewidth=0.8, color=_COLORS[0], label="measured",
    )  # fmt: skip
    axes.plot(
        table["displacement"], table["gaussian"], color="0.4", linestyle="--", linewidth=0.8,
        label="normal",
    )  # fmt: skip
    axes.set(
        yscale="log",
        ylim=(table["density"].min() / 3, None),
        xlabel=f"displacement along an axis in a frame ({unit})",
        ylabel=f"density (1/{unit})",
        title="Displacements",
    )
    axes.legend(fontsize="small")


def _draw_correlation(axes: Axes, survey: Survey) -> None:
    table = survey.tables["velocity_autocorrelation"]
    table = table[(table["lag"] > 0) & (table["n_pairs"] > 1)]
    axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    axes.errorbar(
        table["lag"], table["correlation"], yerr=table["correlation_se"].fillna(0),
        fmt="o", markersize=3, linewidth=0.8, color=_COLORS[0],
    )  # fmt: skip
    axes.set(
        xlabel=f"lag ({survey.calibration.time_unit})",
        ylabel="correlation",
        title="Correlation of displacements",
    )


def _draw_conditions(axes: Axes, comparison: Comparison, row: Any) -> None:
    movies = comparison.movies
    for number, (name, color) in enumerate(zip(("first", "second"), _COLORS, strict=True)):
        values = movies.loc[movies["condition"] == number, row.quantity].to_numpy()
        beside = number + np.linspace(-0.18, 0.18, len(values))
        axes.plot(beside, values, "o", markersize=4, color=color, alpha=0.6)
        value, low, high = (getattr(row, f"{name}{end}") for end in ("", "_lo", "_hi"))
        axes.plot([number - 0.3, number + 0.3], [value, value], color="0.1", linewidth=1.6)
        axes.plot([number, number], [low, high], color="0.1", linewidth=1)
    axes.set(
        xlim=(-0.6, 1.6),
        xticks=(0, 1),
        xticklabels=comparison.names,
        title=title_of(comparison, row.quantity),
        ylabel=row.unit or None,
    )
    axes.title.set_fontsize("medium")


def _draw_difference(axes: Axes, row: Any) -> None:
    axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    axes.plot([0.5, 0.5], [row.difference_lo, row.difference_hi], color="0.1", linewidth=1)
    axes.plot(0.5, row.difference, "D", markersize=5, color="0.1")
    axes.margins(y=0.2)
    axes.set(xlim=(-0.6, 1.6), xticks=())
    if np.isfinite(getattr(row, "ratio", np.nan)):
        axes.set_xlabel(
            f"ratio {row.ratio:.3g} ({row.ratio_lo:.3g} to {row.ratio_hi:.3g})", fontsize="small"
        )
