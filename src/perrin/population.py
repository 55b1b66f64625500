"""What the tracks of an analysis are together: counts of models, distributions, shared states.

Figures, window and command line take these numbers from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.errors import InputError
from perrin.models import MODEL_COLORS, MODELS, UNKNOWN_COLOR
from perrin.quantities import Quantity
from perrin.summary import NOT_JUDGED

if TYPE_CHECKING:
    from perrin.analysis import Analysis

__all__ = [
    "GROUPS",
    "GROUP_COLORS",
    "PopulationStates",
    "count_models",
    "groups_of",
    "histogram_edges",
    "numbers_of",
    "population_states",
]

GROUPS = (*MODELS, NOT_JUDGED)
"""What tracks are counted as, in this order."""

GROUP_COLORS: Mapping[str, str] = MappingProxyType({**MODEL_COLORS, NOT_JUDGED: UNKNOWN_COLOR})
"""Colour of each of :data:`GROUPS`."""

LEVEL = 0.9
"""Of intervals: from 5 % to 95 %, as everywhere."""

_FEWEST_BINS, _MOST_BINS = 8, 60
_MOST_TRACKS = 1000


class PopulationStates(NamedTuple):
    """States that the particles share.

    Attributes
    ----------
    table
        One row per state, slowest first: ``state`` (its number), ``motion``, ``diffusivity`` (in
        the analysis's unit) and ``alpha`` with standard errors (``_se``), ``occupancy`` (share of
        all frames) and ``dwell`` (time from entering to leaving, in the analysis's time unit) with
        their 5 % and 95 % (``_lo``, ``_hi``).
    transition
        ``(n_states, n_states)``: probability to be in the state of the column one frame after
        being in that of the row.
    particles
        Numbers of the tracks that they were found in.
    shares
        ``(n_tracks, n_states)``: share of each track's frames in each state.
    """

    table: pd.DataFrame
    transition: npt.NDArray[np.float64]
    particles: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]

    @property
    def n_tracks(self) -> int:
        """Number of tracks that they were found in."""
        return int(self.particles.size)


def groups_of(per_track: pd.DataFrame) -> npt.NDArray[np.object_]:
    """Return which of :data:`GROUPS` each track of an analysis belongs to."""
    model = per_track["model"].astype(object)
    return np.asarray(model.where(model.isin(MODELS), NOT_JUDGED), dtype=object)


def numbers_of(per_track: pd.DataFrame, name: str) -> npt.NDArray[np.float64]:
    """Return a column of an analysis as numbers, NaN where it is empty."""
    return np.asarray(per_track[name].to_numpy(np.float64, na_value=np.nan))


def count_models(per_track: pd.DataFrame) -> pd.DataFrame:
    """Count the tracks of each model.

    Parameters
    ----------
    per_track
        Table of an :class:`perrin.analysis.Analysis`.

    Returns
    -------
    pandas.DataFrame
        One row for each of :data:`GROUPS`: ``model``, ``tracks``, ``share`` of all tracks, and
        ``share_lo`` and ``share_hi``, the 90 % interval of Wilson [1]_. It says what chance does to
        a count, not how often the engine errs.

    References
    ----------
    .. [1] Wilson (1927), J. Am. Stat. Assoc. 22, 209.
    """
    from scipy.stats import binomtest

    counts = pd.Series(groups_of(per_track)).value_counts()
    n_tracks = len(per_track)
    rows = []
    for name in GROUPS:
        count = int(counts.get(name, 0))
        share, low, high = np.nan, np.nan, np.nan
        if n_tracks:
            share = count / n_tracks
            low, high = binomtest(count, n_tracks).proportion_ci(LEVEL, method="wilson")
        rows.append((name, count, share, low, high))
    return pd.DataFrame(rows, columns=["model", "tracks", "share", "share_lo", "share_hi"])


def histogram_edges(values: npt.NDArray[np.float64], quantity: Quantity) -> Any:
    """Return the edges of a histogram's bins.

    Parameters
    ----------
    values : array, shape (n_tracks,)
        Numbers; what is not finite has no bin, nor what is not positive on a logarithmic axis.
    quantity
        What they are: decides on the range, and on a logarithmic axis.

    Returns
    -------
    array, shape (n_bins + 1,)
        Bins of equal width, or of equal ratio on a logarithmic axis, as wide as the rule of
        Freedman and Diaconis says (Z. Wahrscheinlichkeitstheorie 57, 453, 1981), but neither very
        few nor very many. Whole numbers never share a bin with half of the next.
    """
    known = values[np.isfinite(values)]
    if quantity.logarithmic:
        known = np.log10(known[known > 0])
    if known.size == 0:
        known = np.zeros(1)
    low, high = quantity.limits or (float(known.min()), float(known.max()))
    whole = not quantity.logarithmic and quantity.limits is None and bool((known % 1 == 0).all())
    if low == high and not whole:
        low, high = low - 0.5, high + 0.5
    quartile, third = np.percentile(known, (25, 75))
    width = 2 * (third - quartile) / known.size ** (1 / 3)
    n_bins = np.ceil((high - low) / width) if width > 0 else _MOST_BINS
    n_bins = int(np.clip(n_bins, _FEWEST_BINS, _MOST_BINS))
    if whole:
        step = max(int(np.ceil((high - low + 1) / n_bins)), 1)
        return np.arange(low, high + 1 + step, step) - 0.5
    edges = np.linspace(low, high, n_bins + 1)
    if not quantity.logarithmic:
        return edges
    edges = 10**edges
    # Rounding must not lose the smallest and the largest.
    edges[[0, -1]] *= 1 - 1e-9, 1 + 1e-9
    return edges


def population_states(analysis: Analysis) -> PopulationStates:
    """Find the states that the particles share, from the switches of an analysis.

    Parameters
    ----------
    analysis
        Its switches were found by the network. Of more than 1,000 tracks so many are taken,
        evenly chosen.

    Raises
    ------
    InputError
        If nothing is known of segments, or too few were seen moving.

    Notes
    -----
    See :func:`perrin.engine.switching.population.shared_states`.
    """
    from perrin.engine.switching.population import shared_states
    from perrin.engine.switching.segments import segments_of_tables

    per_frame, switches = analysis.per_frame, analysis.switches
    if per_frame["motion"].isna().all():
        raise InputError(
            "Shared states need switches that the network found: analyse tracks of at least 20 "
            "points with the switch method 'network'."
        )
    particles = analysis.per_track["particle"].to_numpy(np.int64)
    if particles.size > _MOST_TRACKS:
        chosen = np.linspace(0, particles.size - 1, _MOST_TRACKS).round().astype(np.intp)
        particles = particles[chosen]
        per_frame = per_frame[per_frame["particle"].isin(particles)]
        switches = switches[switches["particle"].isin(particles)]
    segments = segments_of_tables(per_frame, switches)
    shared = shared_states(segments)
    table = shared.states.drop(columns=["log_diffusivity_sd", "alpha_sd"])
    for name in ("dwell", "dwell_lo", "dwell_hi"):
        table[name] *= analysis.calibration.time_scale
    table.insert(0, "state", np.arange(len(table)))
    frames = np.zeros((particles.size, len(table)))
    known = shared.of_segment >= 0
    places = (segments.track[known], shared.of_segment[known])
    np.add.at(frames, places, segments.duration[known])
    shares = frames / np.maximum(frames.sum(axis=1, keepdims=True), 1)
    return PopulationStates(table, shared.transition, particles, shares)
