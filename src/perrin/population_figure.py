"""The figure of a population of tracks; matplotlib is imported only when one is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.inspection import state_color
from perrin.population import (
    GROUP_COLORS,
    GROUPS,
    PopulationStates,
    count_models,
    groups_of,
    histogram_edges,
    numbers_of,
)
from perrin.quantities import quantity_of
from perrin.tracks import Calibration, axes_of, index_tracks, validate_tracks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from perrin.analysis import Analysis
    from perrin.io import Movie

__all__ = ["population_figure"]

_MOST_PATHS = 3000
_MOST_BARS = 2000
_DECADES_APART = 300  # from here on, ticks at decades are enough


def population_figure(
    analysis: Analysis,
    *,
    x: str = "diffusivity",
    y: str = "alpha",
    states: PopulationStates | None = None,
    tracks: pd.DataFrame | None = None,
    movie: Movie | None = None,
) -> Figure:
    """Draw what was found in many tracks.

    Parameters
    ----------
    analysis
        What :func:`perrin.analyze` returned.
    x, y
        Numeric columns of its table ``per_track``.
    states
        What :func:`perrin.population.population_states` returned.
    tracks
        The track table in pixels and frames, for a map of the tracks.
    movie
        The movie; its brightest pixels over time (and depth) are the background of that map.

    Returns
    -------
    matplotlib.figure.Figure
        ``y`` over ``x``, one point per track, coloured by model, with bars from the 5 % to the
        95 % quantile where they are known; the number of tracks of each model, with the 90 %
        interval of counting; the distributions of ``x`` and ``y``, by model; the share of time
        spent in each state, with its 90 % interval, and the transitions from frame to frame; at the
        left a map of the tracks. What is not given is left out. Save it with
        :func:`perrin.figures.save_figure`.
    """
    from matplotlib.figure import Figure

    width = 11.0 if tracks is None else 17.0
    height = 7.2 if states is None else 10.2
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    panels: Figure | SubFigure = figure
    if tracks is not None:
        sides = figure.add_gridspec(1, 2, width_ratios=(1, 1.7))
        left, panels = (figure.add_subfigure(sides[k]) for k in (0, 1))
        _draw_tracks(left.subplots(), validate_tracks(tracks), analysis, movie)
    rows = panels.add_gridspec(2 if states is None else 3, 2, width_ratios=(1.35, 1))
    per_track, calibration = analysis.per_track, analysis.calibration
    _draw_scatter(panels.add_subplot(rows[0, 0]), per_track, (x, y), calibration)
    _draw_counts(panels.add_subplot(rows[0, 1]), per_track)
    for column, name in enumerate((x, y)):
        axes = panels.add_subplot(rows[1, column])
        _draw_histogram(axes, per_track, name, calibration)
    if states is not None:
        _draw_occupancy(panels.add_subplot(rows[2, 0]), states, calibration)
        _draw_transitions(panels.add_subplot(rows[2, 1]), states)
    return figure


def _draw_tracks(axes: Axes, tracks: pd.DataFrame, analysis: Analysis, movie: Movie | None) -> None:
    from matplotlib.collections import LineCollection

    calibration = analysis.calibration
    scale = calibration.length_scale("x")
    index = index_tracks(tracks)
    n_tracks = index.particles.size
    shown = np.unique(np.linspace(0, n_tracks - 1, min(n_tracks, _MOST_PATHS)).astype(np.intp))
    group_of = dict(zip(analysis.per_track["particle"], groups_of(analysis.per_track), strict=True))
    y = tracks["y"].to_numpy() if "y" in axes_of(tracks) else np.zeros(len(tracks))
    points = np.column_stack((tracks["x"].to_numpy(), y)) * scale
    paths = [points[index.starts[k] : index.stops[k]] for k in shown]
    colors = [GROUP_COLORS[group_of.get(index.particles[k], GROUPS[-1])] for k in shown]
    lines = LineCollection(paths, colors=colors, linewidths=1.1, alpha=0.95, rasterized=True)
    axes.add_collection(lines)
    title = f"{n_tracks} tracks" if shown.size == n_tracks else f"{shown.size} of {n_tracks} tracks"
    axes.set(
        title=title,
        xlabel=f"x ({calibration.length_unit})",
        ylabel=f"y ({calibration.length_unit})",
        aspect="equal",
    )
    if movie is None:
        axes.autoscale_view()
        # As on the screen: y runs downwards.
        axes.invert_yaxis()
        return
    image = _projection(movie)
    rows, columns = image.shape
    # Pixel centres lie at whole numbers, so that the picture begins half a pixel before.
    extent = (-0.5 * scale, (columns - 0.5) * scale, (rows - 0.5) * scale, -0.5 * scale)
    low, high = np.percentile(image, (1, 99.8))
    # Darkened, so that the tracks stand out where particles were bright.
    top = low + 1.6 * max(high - low, 1e-9)
    axes.imshow(image, cmap="gray", extent=extent, vmin=low, vmax=top)
    axes.set(
        title=f"{movie.name}: {title} in {movie.n_frames} frames", xlim=extent[:2], ylim=extent[2:]
    )


def _projection(movie: Movie) -> Any:
    """Brightest value of each pixel over time and depth, read a chunk at a time."""
    image: Any = None
    for _, part in movie.chunks():
        brightest = part.max(axis=tuple(range(part.ndim - 2)))
        image = brightest if image is None else np.maximum(image, brightest)
    return np.asarray(image, float)


def _draw_scatter(
    axes: Axes, per_track: pd.DataFrame, names: tuple[str, str], calibration: Calibration
) -> None:
    values = [numbers_of(per_track, name) for name in names]
    quantities = [quantity_of(name) for name in names]
    known = np.isfinite(values[0]) & np.isfinite(values[1])
    for value, quantity in zip(values, quantities, strict=True):
        known &= (value > 0) | (not quantity.logarithmic)
    groups = groups_of(per_track)
    n_known = int(known.sum())
    # Hundreds of bars would hide the points; the colours are named by the bars of the counts.
    faintness = float(np.clip(3 / np.sqrt(n_known + 1), 0.08, 0.4))
    for name in GROUPS:
        rows = np.flatnonzero(known & (groups == name))
        if rows.size == 0:
            continue
        color = GROUP_COLORS[name]
        bars = [None, None]
        if n_known <= _MOST_BARS:
            bars = [_bars(per_track, column, rows) for column in names]
        axes.errorbar(
            values[0][rows], values[1][rows], xerr=bars[0], yerr=bars[1], fmt="o",
            markersize=4 if n_known <= _MOST_BARS else 2, color=color, ecolor=(color, faintness),
            elinewidth=0.8, rasterized=n_known > _MOST_BARS,
        )  # fmt: skip
    if "alpha" in names:
        line = axes.axhline if names[1] == "alpha" else axes.axvline
        line(1, color="0.6", linewidth=0.8, zorder=0)
    for side, quantity in zip("xy", quantities, strict=True):
        axes.set(**{f"{side}label": quantity.title(calibration)})
        _set_scale(axes, side, quantity.logarithmic, quantity.limits)
    barred = n_known <= _MOST_BARS and any(f"{name}_lo" in per_track for name in names)
    axes.set(title="Each track, with its 5–95 % range" if barred else "Each track")
    axes.spines[["top", "right"]].set_visible(False)
    if not n_known:
        axes.text(0.5, 0.5, "no track could be judged", ha="center", transform=axes.transAxes)


def _bars(per_track: pd.DataFrame, name: str, rows: npt.NDArray[np.intp]) -> Any:
    if f"{name}_lo" not in per_track:
        return None
    middle, low, high = (numbers_of(per_track, f"{name}{end}")[rows] for end in ("", "_lo", "_hi"))
    # An unknown bound is drawn as none; on a logarithmic axis zero has no place either.
    below, above = np.nan_to_num(middle - low), np.nan_to_num(high - middle)
    if quantity_of(name).logarithmic:
        below = np.minimum(below, 0.999 * middle)
    return [np.maximum(below, 0), np.maximum(above, 0)]


def _set_scale(
    axes: Axes, side: str, logarithmic: bool, limits: tuple[float, float] | None = None
) -> None:
    if logarithmic:
        from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

        axes.set(**{f"{side}scale": "log"})
        axis = axes.xaxis if side == "x" else axes.yaxis
        low, high = axis.get_view_interval()
        mantissas = (1,) if high / low > _DECADES_APART else (1, 2, 5)
        axis.set_major_locator(LogLocator(subs=mantissas))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
    elif limits is not None:
        margin = 0.025 * (limits[1] - limits[0])
        axes.set(**{f"{side}lim": (limits[0], limits[1] + margin)})


def _draw_counts(axes: Axes, per_track: pd.DataFrame) -> None:
    counts = count_models(per_track)
    # Nobody asks how many were not judged where all were.
    counts = counts[(counts["model"] != GROUPS[-1]) | (counts["tracks"] > 0)]
    tracks, n_tracks = counts["tracks"].to_numpy(np.float64), len(per_track)
    low, high = (counts[f"share_{end}"].to_numpy() * n_tracks for end in ("lo", "hi"))
    bars = axes.bar(
        counts["model"],
        tracks,
        yerr=np.maximum([tracks - low, high - tracks], 0),
        ecolor="0.35",
        capsize=3,
        error_kw={"elinewidth": 1},
        color=[GROUP_COLORS[name] for name in counts["model"]],
    )
    labels = [f"{row.tracks}\n{row.share:.0%}" for row in counts.itertuples()]
    axes.bar_label(bars, labels, padding=2, fontsize=8)
    axes.margins(y=0.22)
    axes.set(ylabel="tracks", title="Models, with 90 % intervals of counting")
    axes.spines[["top", "right"]].set_visible(False)


def _draw_histogram(
    axes: Axes, per_track: pd.DataFrame, name: str, calibration: Calibration
) -> None:
    values, groups, quantity = numbers_of(per_track, name), groups_of(per_track), quantity_of(name)
    edges = histogram_edges(values, quantity)
    below = np.zeros(edges.size - 1)
    for group in GROUPS:
        counts, _ = np.histogram(values[groups == group], edges)
        if counts.any():
            axes.stairs(below + counts, edges, baseline=below, fill=True, color=GROUP_COLORS[group])
            below += counts
    n_silent = int((~np.isfinite(values)).sum())
    axes.set(
        xlabel=quantity.title(calibration),
        ylabel="tracks",
        title=f"not known of {n_silent} tracks" if n_silent else None,
        ylim=(0, max(below.max() * 1.08, 1)),
    )
    _set_scale(axes, "x", quantity.logarithmic)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_occupancy(axes: Axes, states: PopulationStates, calibration: Calibration) -> None:
    table = states.table
    share = table["occupancy"].to_numpy()
    error = [share - table["occupancy_lo"], table["occupancy_hi"] - share]
    places = np.arange(len(table))
    axes.barh(
        places,
        share,
        xerr=np.maximum(error, 0),
        ecolor="0.35",
        capsize=3,
        color=[state_color(state) for state in table["state"]],
    )
    for place, row in enumerate(table.to_dict("records")):
        words = f"  {row['occupancy']:.0%}, stays "
        if np.isfinite(row["dwell"]):
            words += "{dwell:.3g} ({dwell_lo:.3g} to {dwell_hi:.3g}) ".format_map(row)
            words += calibration.time_unit
        else:
            words += "not seen to end"
        axes.text(np.nan_to_num(row["occupancy_hi"]), place, words, va="center", fontsize=8)
    labels = [
        f"{row.state}: {row.motion}\n{row.diffusivity:.2g} {calibration.diffusivity_unit}"
        for row in table.itertuples()
    ]
    axes.set(
        yticks=places,
        yticklabels=labels,
        xlabel="share of all frames",
        xlim=(0, 1.6),
        xticks=(0, 0.5, 1),
        title=f"States shared by {states.n_tracks} tracks",
    )
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)


def _draw_transitions(axes: Axes, states: PopulationStates) -> None:
    n_states = len(states.transition)
    axes.imshow(states.transition, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(n_states, n_states):
        value = states.transition[row, column]
        color = "white" if value > 0.6 else "black"
        axes.text(column, row, f"{value:.3f}", ha="center", va="center", color=color, fontsize=9)
    axes.set(
        xticks=range(n_states),
        yticks=range(n_states),
        xlabel="state one frame later",
        ylabel="state",
        title="Transitions from frame to frame",
    )
    axes.spines[:].set_visible(False)
