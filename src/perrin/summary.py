"""A short table of what an analysis found, for the terminal, the window and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from perrin.models import MODELS, PROBABILITY_COLUMNS

if TYPE_CHECKING:
    from perrin.analysis import Analysis

__all__ = ["NOT_JUDGED", "describe", "kept_rows", "summarize", "summarize_movie"]

NOT_JUDGED = "not judged"
"""What tracks are counted as for which no model is called."""


def kept_rows(per_track: pd.DataFrame) -> pd.DataFrame:
    """Return the tracks that were neither rejected nor filtered out.

    Parameters
    ----------
    per_track
        Table of an :class:`perrin.analysis.Analysis`, or as it was read from a file; where nothing
        was rejected or filtered it has no column ``kept``, and every track is.
    """
    return per_track[per_track["kept"].astype(bool)] if "kept" in per_track else per_track


def summarize(analysis: Analysis) -> pd.DataFrame:
    """Count the tracks of each model, with the medians of what was measured on them.

    Tracks that were rejected, or that a filter does not keep, do not count.

    Parameters
    ----------
    analysis
        What :func:`perrin.analyze` returned.

    Returns
    -------
    pandas.DataFrame
        One row per model that was found, in the order of :data:`perrin.models.MODELS`, one for the
        tracks that were not judged if there are any, and one called ``all``; the columns are
        ``model``, ``tracks``, the medians ``alpha``, ``diffusivity`` (in the analysis's
        ``calibration.diffusivity_unit``) and ``noise`` (``noise_unit``) over the tracks for which
        they are known, and ``switches``, their total number.
    """
    table = kept_rows(analysis.per_track)
    model = table["model"].astype(object).where(table["model"].notna(), NOT_JUDGED)
    rows = [_row(name, table[model == name]) for name in (*MODELS, NOT_JUDGED)]
    return pd.DataFrame([*(row for row in rows if row["tracks"]), _row("all", table)])


def summarize_movie(per_track: pd.DataFrame) -> dict[str, object]:
    """Put what was found in one movie in one row.

    Parameters
    ----------
    per_track
        Table of an :class:`perrin.analysis.Analysis`, or as it was read from a file.

    Returns
    -------
    dict
        ``n_tracks``, ``n_localizations``, ``median_points`` of a track; the medians ``alpha``,
        ``diffusivity`` and ``noise`` with ``diffusivity_unit`` and ``noise_unit``; ``n_switches``;
        and the number of tracks of each model, ``n_attm`` to ``n_sbm``, and ``n_not_judged``.
    """
    whole = _row("all", per_track)
    model = per_track["model"].astype(object).where(per_track["model"].notna(), NOT_JUDGED)
    counts = model.value_counts()
    units = {
        name: per_track[name].iloc[0] if len(per_track) else None
        for name in ("diffusivity_unit", "noise_unit")
    }
    return {
        "n_tracks": whole["tracks"],
        "n_localizations": int(per_track["n_points"].sum()),
        "median_points": _median(per_track["n_points"]),
        **{name: whole[name] for name in ("alpha", "diffusivity", "noise")},
        **units,
        "n_switches": whole["switches"],
        **{
            f"n_{name.lower().replace(' ', '_')}": int(counts.get(name, 0))
            for name in (*MODELS, NOT_JUDGED)
        },
    }


def describe(analysis: Analysis) -> str:
    """Write :func:`summarize` as text with units, one line per model, and how far to trust it.

    Parameters
    ----------
    analysis
        What :func:`perrin.analyze` returned.
    """
    unit, noise_unit = analysis.calibration.diffusivity_unit, analysis.calibration.noise_unit
    heads = {
        "model": "model",
        "tracks": "tracks",
        "alpha": "median alpha",
        "diffusivity": f"median D ({unit})",
        "noise": f"median noise ({noise_unit})",
        "switches": "switches",
    }
    summary = summarize(analysis)
    columns = [[head, *(_shown(value) for value in summary[name])] for name, head in heads.items()]
    widths = [max(map(len, column)) for column in columns]
    lines = []
    for cells in zip(*columns, strict=True):
        first, *rest = zip(cells, widths, strict=True)
        line = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
        lines.append("  ".join(line).rstrip())
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:], _trust(kept_rows(analysis.per_track))])


def _trust(table: pd.DataFrame) -> str:
    """Say how many tracks the medians stand on, and how sure the models are."""
    probabilities = table[list(PROBABILITY_COLUMNS)].max(axis=1)
    said = [
        f"Alpha is known for {int(table['alpha'].notna().sum())} of {len(table)} tracks, "
        f"D for {int(table['diffusivity'].notna().sum())}"
    ]
    if probabilities.notna().any():
        unlike = int(table["flags"].str.contains("unlike_training").sum())
        said.append(
            f"The models called have a median probability of {probabilities.median():.2f}; "
            f"{unlike} of these tracks are unlike the training"
        )
    return "\n".join(f"{line}." for line in said)


def _row(name: str, tracks: pd.DataFrame) -> dict[str, object]:
    return {
        "model": name,
        "tracks": len(tracks),
        "alpha": _median(tracks["alpha"]),
        "diffusivity": _median(tracks["diffusivity"]),
        "noise": _median(tracks["noise"]),
        "switches": int(tracks["n_switches"].sum()),
    }


def _median(values: pd.Series[float]) -> float:
    return float(pd.to_numeric(values, errors="coerce").median())


def _shown(value: object) -> str:
    if isinstance(value, float):
        return "–" if pd.isna(value) else f"{value:.3g}"
    return str(value)
