"""A page about many movies that were done with one recipe."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

import perrin
from perrin.models import MODELS

__all__ = ["REPORT_BEGINS", "movies_report"]

REPORT_BEGINS = '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta name="generator" content="Perrin'
"""By which the page is known as one of Perrin's."""

# Column of the summary, how it is called, and the column or the word that gives its unit.
_COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("n_frames", "frames", ""),
    ("n_tracks", "tracks", ""),
    ("median_points", "length", "points"),
    ("alpha", "alpha", ""),
    ("diffusivity", "D", "diffusivity_unit"),
    ("noise", "noise", "noise_unit"),
    ("n_switches", "switches", ""),
    *((f"n_{name.lower()}", name, "") for name in MODELS),
    ("n_not_judged", "not judged", ""),
    ("seconds", "time", "s"),
)


def movies_report(
    summary: pd.DataFrame,
    per_track: Mapping[Path, pd.DataFrame],
    folder: str | os.PathLike[str],
    recipe: str,
) -> str:
    """Write the page as HTML that needs no other file.

    Parameters
    ----------
    summary
        What :func:`perrin.batch.summary_table` returned.
    per_track
        Table of tracks of each movie that is finished, by its folder of results.
    folder
        Where the page will be, for links to the results of each movie.
    recipe
        Text of the recipe.
    """
    from jinja2 import Environment, StrictUndefined

    folder = Path(folder)
    finished = [Path(path) for path in summary["results"] if Path(path) in per_track]
    names = {path: _name(path, folder) for path in map(Path, summary["results"])}
    numbers = {path: number for number, path in enumerate(finished, start=1)}
    rows = [
        {
            "number": numbers.get(path),
            "name": names[path],
            "link": f"{quote(_name(path, folder))}/" if path in numbers else "",
            "status": row["status"],
            "cells": [_shown(row.get(column)) for column, _, _ in _COLUMNS],
        }
        for row in summary.to_dict("records")
        for path in [Path(row["results"])]
    ]
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        files("perrin").joinpath("report.html").read_text(encoding="utf-8")
    )
    return template.render(
        title=folder.resolve().name,
        version=perrin.__version__,
        date=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        cards=_cards(summary),
        failures=[
            (names[Path(row["results"])], row["reason"])
            for row in summary[summary["status"] == "failed"].to_dict("records")
        ],
        figure=_figure([per_track[path] for path in finished], [names[p] for p in finished]),
        heads=_heads(summary),
        rows=rows,
        recipe=recipe,
    )


def _name(results: Path, folder: Path) -> str:
    return Path(os.path.relpath(results, folder)).as_posix()


def _cards(summary: pd.DataFrame) -> list[tuple[str, str, str]]:
    counts = summary["status"].value_counts()
    finished = int(counts.get("done", 0)) + int(counts.get("skipped", 0))
    cards = [(f"{finished}", "movies finished" if finished != 1 else "movie finished", "")]
    if skipped := int(counts.get("skipped", 0)):
        cards.append((f"{skipped}", "of them before this run", ""))
    if failed := int(counts.get("failed", 0)):
        cards.append((f"{failed}", "failed", "failed"))
    for column, label in (("n_frames", "frames"), ("n_tracks", "tracks"),
                          ("n_localizations", "localizations")):  # fmt: skip
        if column in summary:
            cards.append((f"{int(summary[column].fillna(0).sum()):,}", label, ""))
    return cards


def _heads(summary: pd.DataFrame) -> list[dict[str, str]]:
    heads = [{"name": name, "kind": "text", "unit": ""} for name in ("movie", "status")]
    for _, name, unit in _COLUMNS:
        if unit.endswith("_unit"):
            unit = " or ".join(map(str, summary[unit].dropna().unique())) if unit in summary else ""
        heads.append({"name": name, "kind": "", "unit": unit})
    return heads


def _figure(tables: Sequence[pd.DataFrame], names: Sequence[str]) -> str:
    if not tables:
        return ""
    import matplotlib as mpl

    from perrin.movies_figure import movies_figure

    drawing = io.StringIO()
    # The same movies give the same page.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "perrin"}):
        movies_figure(tables, names).savefig(drawing, format="svg", metadata={"Date": None})
    text = drawing.getvalue()
    return text[text.index("<svg") :]  # what stands before belongs to a file of its own


def _shown(value: Any) -> str:
    if value is None or pd.isna(value):
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
