"""Figures of results, drawn with matplotlib, which is imported only when one is asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from perrin.errors import InputError
from perrin.io import atomic_write
from perrin.models import MODEL_COLORS, MODELS, UNKNOWN_COLOR
from perrin.summary import NOT_JUDGED
from perrin.tracks import Calibration, axes_of, index_tracks, validate_tracks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from perrin.analysis import Analysis
    from perrin.io import Movie

__all__ = ["FIGURE_SUFFIXES", "overview", "save_figure"]

FIGURE_SUFFIXES = (".pdf", ".svg", ".png")
"""File types that figures are saved as."""

_GROUPS = (*MODELS, NOT_JUDGED)
_COLORS = {**MODEL_COLORS, NOT_JUDGED: UNKNOWN_COLOR}


def save_figure(figure: Figure, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Save a figure; its text stays text in PDF and SVG, so that it can be edited.

    Parameters
    ----------
    figure
        From a function of this module or of :mod:`perrin.track_figure`.
    path
        The suffix says how: one of :data:`FIGURE_SUFFIXES`.
    overwrite
        Whether a file of this name may be replaced.

    Raises
    ------
    InputError
        If the suffix is another.
    OutputError
        If the file exists (and ``overwrite`` is false) or cannot be written; nothing was changed.
    """
    import matplotlib as mpl

    suffix = Path(path).suffix.lower()
    if suffix not in FIGURE_SUFFIXES:
        raise InputError(
            f"A figure cannot be saved as '{Path(path).name}': end its name with "
            f"{', '.join(FIGURE_SUFFIXES[:-1])} or {FIGURE_SUFFIXES[-1]}."
        )
    with (
        mpl.rc_context({"pdf.fonttype": 42, "svg.fonttype": "none"}),
        atomic_write(path, overwrite=overwrite) as temporary,
    ):
        figure.savefig(temporary, format=suffix[1:])


def overview(movie: Movie, tracks: pd.DataFrame, analysis: Analysis) -> Figure:
    """Draw what was found in a movie: the tracks, their exponents and diffusivities, the counts.

    Parameters
    ----------
    movie
        The movie; its brightest pixels over time (and depth) are the background.
    tracks
        The track table in pixels and frames.
    analysis
        The analysis of these tracks.

    Returns
    -------
    matplotlib.figure.Figure
        Left, the tracks over the movie, coloured by model. Right, above, alpha against
        diffusivity, one point per track with bars from the 5 % to the 95 % quantile; right, below,
        the number of tracks of each model. Save it with ``figure.savefig(path)``.
    """
    from matplotlib.figure import Figure

    tracks = validate_tracks(tracks)
    calibration = analysis.calibration
    figure = Figure(figsize=(12, 6.6), dpi=150, layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.3, 1), height_ratios=(2.2, 1))
    _draw_tracks(figure.add_subplot(grid[:, 0]), movie, tracks, analysis)
    _draw_scatter(figure.add_subplot(grid[0, 1]), analysis.per_track, calibration)
    _draw_counts(figure.add_subplot(grid[1, 1]), analysis.per_track)
    return figure


def _groups(per_track: pd.DataFrame) -> pd.Series[Any]:
    model = per_track["model"].astype(object)
    return model.where(model.notna(), NOT_JUDGED)


def _draw_tracks(axes: Axes, movie: Movie, tracks: pd.DataFrame, analysis: Analysis) -> None:
    from matplotlib.collections import LineCollection

    calibration = analysis.calibration
    scale = calibration.length_scale("x")
    image = _projection(movie)
    height, width = image.shape
    # Pixel centres lie at whole numbers, so that the picture begins half a pixel before.
    extent = (-0.5 * scale, (width - 0.5) * scale, (height - 0.5) * scale, -0.5 * scale)
    low, high = np.percentile(image, (1, 99.8))
    # Darkened, so that the tracks stand out where particles were bright.
    top = low + 1.6 * max(high - low, 1e-9)
    axes.imshow(image, cmap="gray", extent=extent, vmin=low, vmax=top)
    index = index_tracks(tracks)
    group_of = dict(zip(analysis.per_track["particle"], _groups(analysis.per_track), strict=True))
    y = tracks["y"].to_numpy() if "y" in axes_of(tracks) else np.zeros(len(tracks))
    points = np.column_stack((tracks["x"].to_numpy(), y)) * scale
    paths = [points[start:stop] for start, stop in zip(index.starts, index.stops, strict=True)]
    colors = [_COLORS[group_of.get(p, NOT_JUDGED)] for p in index.particles]
    axes.add_collection(LineCollection(paths, colors=colors, linewidths=1.1, alpha=0.95))
    axes.set(
        title=f"{movie.name}: {len(paths)} tracks in {movie.n_frames} frames",
        xlabel=f"x ({calibration.length_unit})",
        ylabel=f"y ({calibration.length_unit})",
        xlim=extent[:2],
        ylim=extent[2:],
    )


def _projection(movie: Movie) -> Any:
    """Brightest value of each pixel over time and depth, read a chunk at a time."""
    image: Any = None
    for _, part in movie.chunks():
        brightest = part.max(axis=tuple(range(part.ndim - 2)))
        image = brightest if image is None else np.maximum(image, brightest)
    return np.asarray(image, float)


def _draw_scatter(axes: Axes, per_track: pd.DataFrame, calibration: Calibration) -> None:
    known = per_track.dropna(subset=["alpha", "diffusivity"])
    known = known[known["diffusivity"].astype(float) > 0]
    groups = _groups(known)
    # Hundreds of bars would hide the points; the colours are named by the bars of the counts.
    faintness = float(np.clip(3 / np.sqrt(len(known) + 1), 0.08, 0.4))
    for name in _GROUPS:
        rows = known[groups == name]
        if rows.empty:
            continue
        d, alpha = _numbers(rows["diffusivity"]), _numbers(rows["alpha"])
        axes.errorbar(
            d,
            alpha,
            xerr=_bars(d, rows, "diffusivity"),
            yerr=_bars(alpha, rows, "alpha"),
            fmt="o",
            markersize=4,
            color=_COLORS[name],
            ecolor=(_COLORS[name], faintness),
            elinewidth=0.8,
        )
    axes.axhline(1, color="0.6", linewidth=0.8, zorder=0)
    axes.set(
        xscale="log",
        ylim=(0, 2.05),
        xlabel=f"diffusivity D ({calibration.diffusivity_unit})",
        ylabel="anomalous exponent alpha",
        title="Each track, with its 5–95 % range",
    )
    if known.empty:
        axes.text(0.5, 0.5, "no track could be judged", ha="center", transform=axes.transAxes)


def _draw_counts(axes: Axes, per_track: pd.DataFrame) -> None:
    counts = _groups(per_track).value_counts()
    names = [name for name in _GROUPS if name in MODELS or counts.get(name, 0)]
    values = [int(counts.get(name, 0)) for name in names]
    bars = axes.bar(names, values, color=[_COLORS[name] for name in names])
    axes.bar_label(bars)
    axes.margins(y=0.18)
    axes.set(ylabel="tracks", title="Model called")
    axes.spines[["top", "right"]].set_visible(False)


def _numbers(values: pd.Series[Any]) -> Any:
    return values.to_numpy(dtype=float, na_value=np.nan)


def _bars(middle: Any, rows: pd.DataFrame, name: str) -> Sequence[Any]:
    low, high = _numbers(rows[f"{name}_lo"]), _numbers(rows[f"{name}_hi"])
    # An unknown bound is drawn as none; on a logarithmic axis zero has no place either.
    below, above = np.nan_to_num(middle - low), np.nan_to_num(high - middle)
    if name == "diffusivity":
        below = np.minimum(below, 0.999 * middle)
    return [np.maximum(below, 0), np.maximum(above, 0)]
