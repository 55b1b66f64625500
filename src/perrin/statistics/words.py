"""Statistics in words: the numbers that are asked for first, with their errors and units."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from perrin.statistics._comparison import Comparison
from perrin.statistics._rest import LEVEL_OF_REST, MIN_POINTS_AT_REST
from perrin.statistics._survey import Survey

__all__ = [
    "comparison_lines",
    "correlation_lines",
    "displacement_lines",
    "ergodicity_lines",
    "msd_lines",
    "state_lines",
    "survey_lines",
]


def survey_lines(survey: Survey) -> list[str]:
    """Say what was found in a set of tracks, a line per number."""
    topics = (msd_lines, state_lines, ergodicity_lines, displacement_lines, correlation_lines)
    return [line for topic in topics for line in topic(survey)]


def msd_lines(survey: Survey) -> list[str]:
    """Say the power law of the averaged MSDs; averages that could not be fitted are left out."""
    return [
        "MSD, {average} average: alpha {alpha:.2f} ± {alpha_se:.2f}, "
        "K {coefficient:.3g} ± {coefficient_se:.2g} {coefficient_unit}, "
        "noise {noise:.3g} {noise_unit} ({n_lags} lags)".format(**fit)
        for fit in _records(survey.tables["msd_fits"])
        if fit["n_lags"]
    ]


def state_lines(survey: Survey) -> list[str]:
    """Say the diffusive states, and how many tracks are not seen to move."""
    lines = [
        "State {state}: D {diffusivity:.3g} ({diffusivity_lo:.3g} to {diffusivity_hi:.3g}) "
        "{diffusivity_unit}, {occupancy:.2f} ({occupancy_lo:.2f} to {occupancy_hi:.2f}) of "
        "displacements".format(**state)
        for state in _records(survey.tables["states"])
    ]
    rest = survey.tables["diffusivity"]["p_immobile"].dropna()
    if len(rest):
        lines.append(
            f"{int((rest >= LEVEL_OF_REST).sum())} of {len(rest)} tracks of "
            f"{MIN_POINTS_AT_REST} points and more are not seen to move"
        )
    return lines


def ergodicity_lines(survey: Survey) -> list[str]:
    """Say the ergodicity breaking at the longest time that half of the tracks last."""
    table = survey.tables["ergodicity"].dropna(subset=["eb"])
    table = table[table["n_tracks"] >= table["n_tracks"].max() / 2]
    if table.empty:
        return []
    row = table.iloc[-1]
    brownian = float(survey.brownian_eb(np.array([row["time"]]))[0])
    return [
        f"Ergodicity breaking after {row['time']:.3g} {survey.calibration.time_unit}: "
        f"{row['eb']:.2g} ({row['eb_lo']:.2g} to {row['eb_hi']:.2g}); "
        f"Brownian motion: {brownian:.2g}"
    ]


def displacement_lines(survey: Survey) -> list[str]:
    """Say the non-Gaussian parameter of the displacements from one frame to the next."""
    row = survey.tables["non_gaussian"].iloc[0]
    return [
        f"Non-Gaussian parameter at {row['lag']:.3g} {survey.calibration.time_unit}: "
        f"{row['parameter']:.2f} ± {row['parameter_se']:.2f} (0 for normal displacements)"
    ]


def correlation_lines(survey: Survey) -> list[str]:
    """Say how successive displacements are correlated."""
    table = survey.tables["velocity_autocorrelation"]
    table = table[(table["lag"] > 0) & (table["n_pairs"] > 1)]
    if table.empty:
        return []
    row = table.iloc[0]
    return [
        f"Correlation of successive displacements: {row['correlation']:.2f} ± "
        f"{row['correlation_se']:.2f}"
    ]


def comparison_lines(comparison: Comparison) -> list[str]:
    """Say the differences between two conditions, after a line that says what they are."""
    first, second = comparison.names
    return [
        f"{second} less {first}, with {comparison.level:.0%} intervals by movie:",
        *(
            "{quantity}: {difference:+.3g} ({difference_lo:+.3g} to {difference_hi:+.3g}) "
            "{unit}".format(**row).rstrip()
            for row in _records(comparison.table)
        ),
    ]


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
