"""From tracks to answers: model, anomalous exponent, diffusivity and switches of every track."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from perrin.errors import InputError, Progress
from perrin.models import MODELS, PROBABILITY_COLUMNS
from perrin.parameters import parameter
from perrin.statistics import (
    SWITCH_METHOD,
    SwitchDetection,
    Switches,
    estimate_diffusivity,
    find_switches,
)
from perrin.tracks import Calibration, axes_of, index_tracks, validate_tracks

__all__ = ["FLAGS", "Analysis", "AnalysisParameters", "analyze"]

FLAGS = {
    "too_short": "too short for a model to be called",
    "has_gaps": "not seen in some of its frames",
    "unlike_training": "unlike any motion the network was trained on: model and alpha are doubtful",
}
"""What can be remarked about a track, with what it means in words."""

_PER_ALPHA = ("alpha", "alpha_lo", "alpha_hi")


class AnalysisParameters(SwitchDetection):
    """How tracks are analysed."""

    min_points: int = parameter(
        20,
        "Fewest localizations of a track for which a model and alpha are called.",
        unit="points",
        label="Shortest track judged",
        ge=10,
    )


@dataclass(frozen=True, repr=False)
class Analysis:
    """What :func:`analyze` found, in physical units where the calibration is known.

    Attributes
    ----------
    per_track
        One row per particle: ``particle, n_points, model, p_attm, p_ctrw, p_fbm, p_lw, p_sbm,
        alpha, alpha_lo, alpha_hi, diffusivity, diffusivity_lo, diffusivity_hi, noise, n_switches,
        flags`` and the units of the diffusivities and of the noise. Intervals run from 5 % to
        95 %; ``flags`` are the keys of :data:`FLAGS`, separated by ``;``; what cannot be said is
        empty.
    per_frame
        One row per localization: ``particle, frame, p_switch, state, diffusivity, alpha`` and the
        unit. The exponent is that of the segment between switches, where it is long enough.
    switches
        One row per switch: ``particle, frame, frame_lo, frame_hi, diffusivity_before,
        diffusivity_after, alpha_before, alpha_after``, the unit, and the method that found it.
    calibration
        Pixel size and frame interval that were used.
    parameters
        How it was done.
    """

    per_track: pd.DataFrame
    per_frame: pd.DataFrame
    switches: pd.DataFrame
    calibration: Calibration
    parameters: AnalysisParameters

    def __repr__(self) -> str:
        from perrin.summary import describe

        return describe(self)


def analyze(
    tracks: pd.DataFrame,
    calibration: Calibration | None = None,
    *,
    device: str = "auto",
    parameters: AnalysisParameters | None = None,
    progress: Progress | None = None,
) -> Analysis:
    """Say for every track which motion it is, how anomalous, how fast, and where it changes.

    Parameters
    ----------
    tracks
        A track table, positions in pixels: ``x``, or ``y, x``, or ``z, y, x``.
    calibration
        Pixel size and frame interval; ``tracks.attrs["calibration"]`` if not given, and if that
        is not there either, results are in pixels and frames.
    device
        Where the network computes: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    parameters
        How to analyse.
    progress
        Called as ``progress(what, done, total)``.

    Returns
    -------
    Analysis
        Three tables; see there.

    Raises
    ------
    InputError
        If the table is not a track table, has no rows, or the device does not exist.
    Cancelled
        If ``progress`` raises it.

    Notes
    -----
    Model and exponent: :func:`perrin.engine.predict`. Diffusivity and noise:
    :func:`perrin.statistics.estimate_diffusivity`; the diffusivity is the short-time one, whatever
    the exponent. Switches: :func:`perrin.statistics.find_switches`.
    """
    from perrin.engine import predict

    chosen = parameters or AnalysisParameters()
    table = validate_tracks(tracks)
    if table.empty:
        raise InputError("There are no tracks to analyse: the table has no rows.")
    calibration = calibration or tracks.attrs.get("calibration") or Calibration()
    table = _in_even_pixels(table, calibration)

    per_track = _judge(table, predict(table, device=device, progress=progress), chosen)
    spread = estimate_diffusivity(table, exposure=calibration.exposure)
    diffusivities = ["diffusivity", "diffusivity_lo", "diffusivity_hi"]
    per_track[diffusivities] = spread[diffusivities] * calibration.diffusivity_scale
    per_track["noise"] = spread["noise"] * calibration.noise_scale
    found = find_switches(table, chosen, exposure=calibration.exposure, progress=progress)
    found = _with_alpha(table, found, per_track, chosen, device)
    found.per_frame["diffusivity"] *= calibration.diffusivity_scale
    found.switches[["diffusivity_before", "diffusivity_after"]] *= calibration.diffusivity_scale
    counts = found.switches["particle"].value_counts()
    per_track["n_switches"] = per_track["particle"].map(counts).fillna(0).astype(np.int64)
    per_track["flags"] = _flags(table, per_track, chosen)
    per_track = per_track.drop(columns="unlike_training")
    for part in (per_track, found.per_frame, found.switches):
        part["diffusivity_unit"] = calibration.diffusivity_unit
    per_track["noise_unit"] = calibration.noise_unit
    found.switches["method"] = SWITCH_METHOD
    return Analysis(per_track, found.per_frame, found.switches, calibration, chosen)


def _in_even_pixels(table: pd.DataFrame, calibration: Calibration) -> pd.DataFrame:
    """Give every axis the length unit of x, so that axes can be pooled."""
    ratio = calibration.length_scale("z") / calibration.length_scale("x")
    if "z" in axes_of(table) and ratio != 1:
        return table.assign(z=table["z"] * ratio)
    return table


def _judge(
    table: pd.DataFrame, answers: pd.DataFrame, parameters: AnalysisParameters
) -> pd.DataFrame:
    """Name the most probable model; leave everything empty for tracks that are too short."""
    probabilities = list(PROBABILITY_COLUMNS)
    short = answers["n_points"] < parameters.min_points
    answers = answers.copy()
    answers.loc[short, [*probabilities, *_PER_ALPHA]] = np.nan
    answers.loc[short, "unlike_training"] = False
    known = answers[probabilities[0]].notna().to_numpy()
    names = np.full(len(answers), None, dtype=object)
    names[known] = np.array(MODELS, dtype=object)[
        answers.loc[known, probabilities].to_numpy().argmax(1)
    ]
    answers.insert(2, "model", pd.Series(names, dtype="str", index=answers.index))
    return answers


def _with_alpha(
    table: pd.DataFrame,
    found: Switches,
    per_track: pd.DataFrame,
    parameters: AnalysisParameters,
    device: str,
) -> Switches:
    """Fill in the exponent of every segment: the track's own where it does not switch."""
    from perrin.engine import predict

    per_frame = found.per_frame.copy()
    switches = found.switches.copy()
    alpha = per_track.set_index("particle")["alpha"]
    per_frame["alpha"] = per_frame["particle"].map(alpha)
    switching = per_frame["particle"].isin(switches["particle"]).to_numpy()
    if not switching.any():
        return Switches(per_frame, switches)
    starts = pd.MultiIndex.from_frame(switches[["particle", "frame"]])
    rows = pd.MultiIndex.from_frame(per_frame[["particle", "frame"]])
    begins = rows.isin(starts)
    begins[index_tracks(per_frame).starts] = True
    segment = np.cumsum(begins)
    pieces = table[switching].assign(particle=segment[switching])
    answers = predict(pieces, device=device)
    answers.loc[answers["n_points"] < parameters.min_points, "alpha"] = np.nan
    of_segment = answers.set_index("particle")["alpha"]
    per_frame.loc[switching, "alpha"] = of_segment.loc[segment[switching]].to_numpy()
    after = segment[rows.get_indexer(starts)]
    switches["alpha_before"] = of_segment.loc[after - 1].to_numpy()
    switches["alpha_after"] = of_segment.loc[after].to_numpy()
    return Switches(per_frame, switches)


def _flags(
    table: pd.DataFrame, per_track: pd.DataFrame, parameters: AnalysisParameters
) -> pd.Series:
    index = index_tracks(table)
    gaps = index.spans(table["frame"].to_numpy(np.int64)) > index.lengths
    marks = {
        "too_short": per_track["n_points"].to_numpy() < parameters.min_points,
        "has_gaps": gaps,
        "unlike_training": per_track["unlike_training"].to_numpy(bool),
    }
    text = np.full(len(per_track), "", dtype=object)
    for name in FLAGS:
        here = marks[name]
        text[here] = np.where(text[here] == "", name, text[here] + f";{name}")
    return pd.Series(text, index=per_track.index, dtype="str")
