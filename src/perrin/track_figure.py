"""The figure of one track, for papers and reports; matplotlib is imported when one is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perrin.inspection import TrackReport, flags_of, numbers_of, state_color
from perrin.models import MODEL_COLORS, MODELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["track_figure"]

_DATA, _FIT, _NOISE, _SWITCH = "0.25", "#0072B2", "0.5", "0.45"


def track_figure(report: TrackReport) -> Figure:
    """Draw what is known of one track.

    Parameters
    ----------
    report
        What :func:`perrin.inspection.inspect_track` returned.

    Returns
    -------
    matplotlib.figure.Figure
        Above: the path coloured by state, the MSD with the fitted power law, and the displacements
        beside a normal distribution. Below: diffusivity, switch probability and the weight of
        each frame over time, the probabilities of the models, and the numbers. What was not
        analysed is left out. Save it with :func:`perrin.figures.save_figure`.
    """
    from matplotlib.figure import Figure

    over_time = [name for name in _TIME_PANELS if np.isfinite(report.over_time[name]).any()]
    figure = Figure(figsize=(11, 7.2 if over_time else 4.4), dpi=200, layout="constrained")
    title = f"Track {report.particle}"
    figure.suptitle(f"{title}: {report.model}" if report.model else title, fontweight="bold")
    grid = figure.add_gridspec(2, 1, height_ratios=(1, 1.15) if over_time else (3.5, 1))
    upper, lower = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    path, msd, steps = upper.subplots(1, 3)
    _draw_path(path, report)
    _draw_msd(msd, report)
    _draw_steps(steps, report)
    sides = lower.add_gridspec(1, 2, width_ratios=(1.9, 1))
    left, right = lower.add_subfigure(sides[0]), lower.add_subfigure(sides[1])
    if over_time:
        panels = left.subplots(len(over_time), 1, sharex=True, squeeze=False)[:, 0]
        for axes, name in zip(panels, over_time, strict=True):
            _draw_over_time(axes, report, name)
        panels[-1].set_xlabel(f"time ({report.calibration.time_unit})")
        left.align_ylabels(list(panels))
    if report.probabilities:
        models, words = right.subplots(2, 1, height_ratios=(1, 1.2))
        _draw_models(models, report)
    else:
        words = (right if over_time else lower).subplots()
    _write_numbers(words, report)
    return figure


def _draw_path(axes: Axes, report: TrackReport) -> None:
    unit, states = report.calibration.length_unit, report.over_time["state"]
    x = report.path[:, -1]
    y = report.path[:, -2] if len(report.axes) > 1 else np.zeros_like(x)
    axes.plot(x, y, color="0.8", linewidth=0.6, zorder=1)
    known = np.unique(states[np.isfinite(states)])
    for state in known if known.size else (np.nan,):
        # A step belongs to the state in which it begins.
        here = states[:-1] == state if known.size else np.ones(x.size - 1, np.bool_)
        rows = np.flatnonzero(here)
        pieces_x, pieces_y = (_pieces(values, rows) for values in (x, y))
        label = f"state {int(state)}" if known.size > 1 else None
        axes.plot(pieces_x, pieces_y, color=state_color(state), linewidth=1.1, label=label)
    axes.plot(x[0], y[0], "o", color="black", markersize=4, zorder=3)
    axes.annotate("start", (x[0], y[0]), (4, 4), textcoords="offset points", fontsize=7)
    axes.set(xlabel=f"x ({unit})", ylabel=f"y ({unit})", title="Path", aspect="equal")
    # Over the path of the picture: y runs downwards, as on the screen.
    axes.invert_yaxis()
    axes.set_adjustable("datalim")
    if known.size > 1:
        axes.legend(fontsize=7, frameon=False, title="0 is the slowest", title_fontsize=7)


def _pieces(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Line up the steps that begin at ``rows``, with a break after each."""
    return np.column_stack((values[rows], values[rows + 1], np.full(rows.size, np.nan))).ravel()


def _draw_msd(axes: Axes, report: TrackReport) -> None:
    calibration, curve = report.calibration, report.msd
    axes.set(
        title="Mean square displacement",
        xlabel=f"lag time ({calibration.time_unit})",
        ylabel=f"MSD ({calibration.length_unit}²)",
    )
    if curve is None or not (curve.msd > 0).any():
        axes.text(0.5, 0.5, "no motion seen", ha="center", transform=axes.transAxes)
        return
    shown = curve.msd > 0
    # On a logarithmic axis a bar that reaches zero would have no end.
    below = np.minimum(curve.error, 0.95 * curve.msd)
    axes.errorbar(
        curve.lag[shown], curve.msd[shown], yerr=[below[shown], curve.error[shown]],
        fmt="o", markersize=3, color=_DATA, elinewidth=0.8, zorder=2,
    )  # fmt: skip
    if curve.fitted.size:
        axes.fill_between(curve.fitted_lag, curve.low, curve.high, color=_FIT, alpha=0.2, lw=0)
        label = f"α = {curve.alpha:.2f} ± {curve.alpha_se:.2f}"
        axes.plot(curve.fitted_lag, curve.fitted, color=_FIT, label=label, zorder=3)
    if curve.floor > 0:
        axes.axhline(curve.floor, color=_NOISE, linestyle="--", linewidth=1, label="noise floor")
    axes.set(xscale="log", yscale="log")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, frameon=False)


def _draw_steps(axes: Axes, report: TrackReport) -> None:
    unit = report.calibration.length_unit
    axes.set(
        title="Steps between frames", xlabel=f"displacement ({unit})", ylabel=f"density (1/{unit})"
    )
    if report.steps is None:
        axes.text(0.5, 0.5, "no steps seen", ha="center", transform=axes.transAxes)
        return
    steps = report.steps
    axes.bar(steps.displacement, steps.density, width=steps.width, color="0.75")
    axes.plot(steps.curve, steps.gaussian, color=_FIT, label="Gaussian of the same variance")
    axes.margins(y=0.2)
    axes.legend(fontsize=7, frameon=False, loc="upper right")


_TIME_PANELS = {"diffusivity": "D ({})", "p_switch": "switch\nprobability", "weight": "weight"}


def _draw_over_time(axes: Axes, report: TrackReport, name: str) -> None:
    values, calibration = report.over_time[name], report.calibration
    axes.set_ylabel(_TIME_PANELS[name].format(calibration.diffusivity_unit))
    for when, earliest, latest in report.switch_times.tolist():
        axes.axvline(when, color=_SWITCH, ls=":", lw=1)
        axes.axvspan(earliest, latest, color=_SWITCH, alpha=0.15, lw=0)
    if name == "p_switch":
        axes.set_ylim(0, 1.05)
    if name == "diffusivity":
        axes.plot(report.time, values, color=_FIT, linewidth=1.4)
        low, high = (report.over_time[f"diffusivity_{end}"] for end in ("lo", "hi"))
        if (values[np.isfinite(values)] > 0).all():
            axes.set_yscale("log")
            # Bounds may lie decades away where a switch is near; the numbers are to be read.
            axes.set_ylim(*_around(values))
        axes.fill_between(report.time, low, high, color=_FIT, alpha=0.15, lw=0)
    elif name == "weight":
        axes.bar(report.time, values, width=calibration.time_scale, color="0.6")
        axes.axhline(1, color="0.3", linewidth=0.6)
    else:
        axes.plot(report.time, values, color=_DATA, linewidth=1)
    axes.spines[["top", "right"]].set_visible(False)


def _around(values: np.ndarray) -> tuple[float, float]:
    """Limits of a logarithmic axis that leave a margin of half a decade around positive values."""
    margin = 10**0.5
    return float(np.nanmin(values)) / margin, float(np.nanmax(values)) * margin


def _draw_models(axes: Axes, report: TrackReport) -> None:
    values = list(report.probabilities.values())
    bars = axes.bar(list(MODELS), values, color=[MODEL_COLORS[name] for name in MODELS])
    axes.bar_label(bars, fmt="%.2f", fontsize=7)
    axes.set(ylim=(0, 1.15), ylabel="probability", title="Model")
    axes.spines[["top", "right"]].set_visible(False)


def _write_numbers(axes: Axes, report: TrackReport) -> None:
    axes.set_axis_off()
    lines = [f"{name}: {text}" for name, text in numbers_of(report).items()]
    lines += [f"Remark: {words}" for words in flags_of(report)]
    axes.text(0, 1, "\n".join(lines), va="top", fontsize=7.5, transform=axes.transAxes, wrap=True)
