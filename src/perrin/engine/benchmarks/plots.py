"""Plots of the benchmark's tables, drawn with matplotlib, imported only when one is asked for."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from perrin.engine.benchmarks.published import RANDI_BY_LENGTH
from perrin.models import MODEL_COLORS, MODELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["PLOTS", "alpha", "as_png", "confusion", "lengths", "reliability", "training"]

_PROTOCOL = "theory-v1"
_DIMS = (1, 2, 3)
_DIM_COLORS = {1: "#9ecae1", 2: "#3182bd", 3: "#08306b"}
_GREY = "0.6"
_LEAST = 10  # tracks from which the share of right answers is drawn
_TOP = 1.03  # so that marks at 1 are whole


def confusion(table: pd.DataFrame) -> Figure:
    """Draw which models are called which, in 1D, 2D and 3D (theory-v1).

    Parameters
    ----------
    table
        ``confusion`` of :func:`~.accuracy.main_figures`.
    """
    figure = _figure(12, 4.6)
    panels = figure.subplots(1, 3, sharey=True)
    for dim, axes in zip(_DIMS, panels, strict=True):
        some = _of(table, dim)
        share = some.set_index(["model", "called"])["share"].unstack()  # noqa: PD010
        share = share.loc[list(MODELS), list(MODELS)]
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for (row, column), value in np.ndenumerate(share.to_numpy()):
            color = "white" if value > 0.5 else "black"
            axes.text(column, row, f"{100 * value:.1f}", ha="center", va="center", color=color)
        axes.set_xticks(range(len(MODELS)), MODELS)
        axes.set_yticks(range(len(MODELS)), MODELS)
        for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
            for label in labels:
                label.set(color=MODEL_COLORS[label.get_text()], fontweight="bold")
        right = some.loc[some["model"] == some["called"], "n_tracks"].sum()
        total = some["n_tracks"].sum()
        axes.set(xlabel="called", title=f"{dim}D: F1 {right / total:.3f} ({total:,} tracks)")
    panels[0].set_ylabel("true model")
    figure.suptitle(f"What tracks of each model are called, in % ({_PROTOCOL})")
    return figure


def lengths(table: pd.DataFrame) -> Figure:
    """Draw error of alpha and F1 score against length, beside RANDI's in 2D (theory-v1).

    Parameters
    ----------
    table
        What :func:`~.accuracy.by_length` returns.
    """
    figure = _figure(11, 4.6)
    panels = figure.subplots(1, 2)
    quantities = {"alpha_mae": "mean absolute error of alpha", "model_f1": "F1 score of the model"}
    for (name, label), axes in zip(quantities.items(), panels, strict=True):
        for dim in _DIMS:
            some = _of(table, dim)
            axes.errorbar(
                _middle(some), some[name], some[f"{name}_se"], fmt="o-", markersize=4,
                color=_DIM_COLORS[dim], label=f"Perrin, {dim}D",
            )  # fmt: skip
        axes.plot(
            _middle(RANDI_BY_LENGTH), RANDI_BY_LENGTH[name], "s--", markersize=5, color="#b30000",
            markerfacecolor="white", label="RANDI, 2D (measured)",
        )  # fmt: skip
        axes.set(xscale="log", xlabel="points per track", ylabel=label)
        axes.set_xticks([10, 20, 50, 100, 200, 500, 1000])
        axes.xaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.set_ylim(0, _TOP if name == "model_f1" else None)
        _plain(axes)
    handles, labels = panels[0].get_legend_handles_labels()
    panels[0].legend(handles[1:] + handles[:1], labels[1:] + labels[:1], frameon=False)
    return figure


def alpha(table: pd.DataFrame) -> Figure:
    """Draw the answers for alpha against the truth, by model and dimension (theory-v1).

    Parameters
    ----------
    table
        ``alpha`` of :func:`~.accuracy.main_figures`.
    """
    figure = _figure(13, 8)
    panels = figure.subplots(3, len(MODELS), sharex=True, sharey=True)
    for dim, row in zip(_DIMS, panels, strict=True):
        for model, axes in zip(MODELS, row, strict=True):
            some = _of(table, dim)
            some = some[some["model"] == model]
            color = MODEL_COLORS[model]
            axes.fill_between(some["alpha"], some["q05"], some["q95"], color=color, alpha=0.2, lw=0)
            axes.fill_between(some["alpha"], some["q25"], some["q75"], color=color, alpha=0.4, lw=0)
            axes.plot(some["alpha"], some["q50"], color=color)
            axes.plot([0, 2], [0, 2], color=_GREY, linewidth=0.8, zorder=0)
            axes.set(xlim=(0, 2), ylim=(0, 2))
            if dim == _DIMS[0]:
                axes.set_title(model, color=color, fontweight="bold")
            if dim == _DIMS[-1]:
                axes.set_xlabel("true alpha")
            _plain(axes)
        row[0].set_ylabel(f"{dim}D: alpha answered")
    about = "Median of the answers, and the ranges that hold 50 % and 90 % of them"
    figure.suptitle(f"{about} ({_PROTOCOL})")
    return figure


def reliability(table: pd.DataFrame) -> Figure:
    """Draw how often the called model is right against its probability (theory-v1).

    Parameters
    ----------
    table
        ``reliability`` of :func:`~.accuracy.main_figures`.
    """
    figure = _figure(12, 4.6)
    panels = figure.subplots(1, 3, sharey=True)
    for dim, axes in zip(_DIMS, panels, strict=True):
        some = _of(table, dim)
        width = some["high"] - some["low"]
        share = some["n_tracks"] / some["n_tracks"].sum()
        many = some[some["n_tracks"] >= _LEAST]
        axes.bar(some["low"], share, width, align="edge", color="0.88", label="share of the tracks")
        axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8)
        axes.errorbar(
            many["confidence"], many["right"], many["right_se"], fmt="o", markersize=4,
            color=_DIM_COLORS[2], label="right, with standard error",
        )  # fmt: skip
        gap = (share * (some["right"] - some["confidence"]).abs()).sum()
        axes.set(
            xlim=(0.15, _TOP), ylim=(0, _TOP), xlabel="probability of the model called",
            title=f"{dim}D: calibration error {gap:.3f}",
        )  # fmt: skip
        _plain(axes)
    panels[0].set_ylabel("share")
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False
    )
    return figure


def training(table: pd.DataFrame) -> Figure:
    """Draw a training's learning curve.

    Parameters
    ----------
    table
        The ``log.csv`` of a training: ``minutes``, and ``alpha_mae_1d``, ``model_f1_1d`` and so on
        for every look at held-out tracks.
    """
    figure = _figure(11, 4.6)
    panels = figure.subplots(1, 2)
    quantities = {"alpha_mae": "mean absolute error of alpha", "model_f1": "F1 score of the model"}
    for (name, label), axes in zip(quantities.items(), panels, strict=True):
        for dim in _DIMS:
            axes.plot(
                table["minutes"], table[f"{name}_{dim}d"], "o-", markersize=3,
                color=_DIM_COLORS[dim], label=f"{dim}D",
            )  # fmt: skip
        axes.set(xlabel="minutes of training", ylabel=label, xlim=(0, None))
        _plain(axes)
    panels[0].legend(frameon=False)
    return figure


PLOTS: dict[str, Callable[[pd.DataFrame], Figure]] = {
    "confusion": confusion,
    "lengths": lengths,
    "alpha": alpha,
    "reliability": reliability,
    "training": training,
}
"""Which tables are drawn, and how."""


def as_png(figure: Figure) -> bytes:
    """Render a figure."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def _of(table: pd.DataFrame, dim: int) -> pd.DataFrame:
    return table[(table["protocol"] == _PROTOCOL) & (table["dim"] == dim)]


def _middle(table: pd.DataFrame) -> pd.Series[float]:
    """Geometric mean of the ends of each class of lengths."""
    product: pd.Series[float] = table["shortest"].astype(float) * table["longest"]
    return product**0.5


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
