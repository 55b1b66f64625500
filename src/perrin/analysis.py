"""From tracks to answers: model, anomalous exponent, diffusivity and switches of every track."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.engine.engines import EngineName, predict
from perrin.engine.switching.methods import SwitchCalls, find_switches
from perrin.errors import InputError, Progress
from perrin.models import MODELS, PROBABILITY_COLUMNS
from perrin.parameters import parameter
from perrin.statistics import SWITCH_METHOD, Switches, estimate_diffusivity
from perrin.tracks import Calibration, in_even_pixels, index_tracks, validate_tracks

__all__ = ["COVARIANCE", "FLAGS", "Analysis", "AnalysisParameters", "analyze"]

FLAGS = {
    "too_short": "too short for a model to be called",
    "has_gaps": "not seen in some of its frames",
    "unlike_training": "unlike any motion the network was trained on: model and alpha are doubtful",
}
"""What can be remarked about a track, with what it means in words."""

COVARIANCE = "covariance"
"""What ``diffusivity_by`` says of :func:`perrin.statistics.estimate_diffusivity`."""

_JUDGEMENT = (*PROBABILITY_COLUMNS, "alpha", "alpha_lo", "alpha_hi", "p_ergodic")
_DIFFUSIVITIES = ("diffusivity", "diffusivity_lo", "diffusivity_hi")
_PER_TRACK = (
    "particle", "n_points", "model", *_JUDGEMENT, *_DIFFUSIVITIES, "noise", "diffusivity_by",
    "n_switches", "flags", "diffusivity_unit", "noise_unit",
)  # fmt: skip
_MODELS_BESIDE = ("model_before", "model_after")
_SWITCHES = (
    "particle", "frame", "frame_lo", "frame_hi", "diffusivity_before", "diffusivity_after",
    "alpha_before", "alpha_after", *_MODELS_BESIDE, "diffusivity_unit", "method",
)  # fmt: skip
_PER_FRAME = (
    "particle", "frame", "p_switch", "state", "motion", *_DIFFUSIVITIES, "alpha", "alpha_lo",
    "alpha_hi",
)  # fmt: skip


class AnalysisParameters(SwitchCalls):
    """How tracks are analysed."""

    min_points: int = parameter(
        20,
        "Fewest localizations of a track for which a model and alpha are called.",
        unit="points",
        label="Shortest track judged",
        ge=10,
    )
    engine: EngineName = parameter(
        "perrin",
        "What judges the tracks: Perrin's own network, or a method to compare it with.",
        label="Engine",
        advanced=True,
    )


@dataclass(frozen=True, repr=False)
class Analysis:
    """What :func:`analyze` found, in physical units where the calibration is known.

    Attributes
    ----------
    per_track
        One row per particle: ``particle, n_points, model, p_attm, p_ctrw, p_fbm, p_lw, p_sbm,
        alpha, alpha_lo, alpha_hi, p_ergodic, diffusivity, diffusivity_lo, diffusivity_hi, noise,
        diffusivity_by, n_switches, flags`` and the units of the diffusivities and of the noise.
        Intervals run from 5 % to 95 %; ``diffusivity_by`` says what measured diffusivity and
        noise, the engine by its name or :data:`COVARIANCE`; ``flags`` are the keys of
        :data:`FLAGS`, separated by ``;``; what cannot be said is empty.
    per_frame
        One row per localization: ``particle, frame, p_switch, state, motion, diffusivity,
        diffusivity_lo, diffusivity_hi, alpha, alpha_lo, alpha_hi, weight`` and the unit. ``motion``
        is immobile, confined, free or directed; diffusivity and exponent are those of the current
        state, or of the whole track where nothing is said of single frames; ``weight`` is how much
        the frame weighed in the model called, 1 on average.
    switches
        One row per switch: ``particle, frame, frame_lo, frame_hi, diffusivity_before,
        diffusivity_after, alpha_before, alpha_after, model_before, model_after``, the unit, and the
        method that found it; models are empty unless changes of model were looked for.
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
    Model, exponent, and the probability that the motion is ergodic:
    :func:`perrin.engine.engines.predict`. Weights of the frames: :func:`perrin.engine.explain`,
    for Perrin's own network alone. Switches, and what a particle does between them:
    :func:`perrin.engine.switching.methods.find_switches`.

    The diffusivity is the short-time one, whatever the exponent. It and the noise are the engine's
    for the tracks that it judges and that are not unlike its training; Perrin's own network
    measures only those whose exponent it tells from 1 (which the interval of alpha does not hold).
    It knows the motions that remember, whose memory the covariance of displacements takes for
    noise (for FBM tracks of 200 points with little noise its median is 0.43 D at alpha 0.5 and
    1.79 D at alpha 1.5; 100 tracks each). For all others, and where the engine says nothing of it,
    they come from :func:`perrin.statistics.estimate_diffusivity`, which needs three localizations
    and takes displacements for uncorrelated, as those of Brownian motion are, but learnt nothing
    that could mislead it.
    """
    chosen = parameters or AnalysisParameters()
    table = validate_tracks(tracks)
    if table.empty:
        raise InputError("There are no tracks to analyse: the table has no rows.")
    calibration = calibration or tracks.attrs.get("calibration") or Calibration()
    table = in_even_pixels(table, calibration)

    answers = predict(
        table,
        engine=chosen.engine,
        device=device,
        exposure=calibration.exposure,
        progress=progress,
    )
    per_track = _judge(table, answers, chosen)
    spread = estimate_diffusivity(table, exposure=calibration.exposure)
    per_track = _with_diffusivity(per_track, spread, chosen.engine)
    per_track[list(_DIFFUSIVITIES)] *= calibration.diffusivity_scale
    per_track["noise"] *= calibration.noise_scale
    found = find_switches(
        table, chosen, exposure=calibration.exposure, device=device, progress=progress
    )
    method = found.switches.attrs["method"]
    if method == SWITCH_METHOD:
        found = _with_alpha(table, found, per_track, chosen, device, calibration.exposure)
    found = found._replace(per_frame=found.per_frame.reindex(columns=list(_PER_FRAME)))
    found.per_frame[list(_DIFFUSIVITIES)] *= calibration.diffusivity_scale
    found.switches[["diffusivity_before", "diffusivity_after"]] *= calibration.diffusivity_scale
    found = found._replace(per_frame=_filled(found.per_frame, per_track))
    counts = found.switches["particle"].value_counts()
    per_track["n_switches"] = per_track["particle"].map(counts).fillna(0).astype(np.int64)
    per_track["flags"] = _flags(table, per_track, chosen)
    found.per_frame["weight"] = _weights(
        table, per_track, chosen, device, calibration.exposure, progress
    )
    for part in (per_track, found.per_frame, found.switches):
        part["diffusivity_unit"] = calibration.diffusivity_unit
    per_track["noise_unit"] = calibration.noise_unit
    for name in _MODELS_BESIDE:
        if name not in found.switches:
            found.switches[name] = pd.Series(None, found.switches.index, dtype="str")
    found.switches["method"] = method
    per_track = per_track.reindex(columns=list(_PER_TRACK))
    switches = found.switches.reindex(columns=list(_SWITCHES))
    return Analysis(per_track, found.per_frame, switches, calibration, chosen)


def _judge(
    table: pd.DataFrame, answers: pd.DataFrame, parameters: AnalysisParameters
) -> pd.DataFrame:
    """Name the most probable model; leave everything empty for tracks that are too short."""
    probabilities = list(PROBABILITY_COLUMNS)
    short = answers["n_points"] < parameters.min_points
    answers = answers.copy()
    # Engines say at least this much of what is asked; the others say nothing of it.
    answers.loc[short, list(_JUDGEMENT)] = np.nan
    answers.loc[short, "unlike_training"] = False
    known = answers[probabilities[0]].notna().to_numpy()
    names = np.full(len(answers), None, dtype=object)
    names[known] = np.array(MODELS, dtype=object)[
        answers.loc[known, probabilities].to_numpy().argmax(1)
    ]
    answers.insert(2, "model", pd.Series(names, dtype="str", index=answers.index))
    return answers


def _with_diffusivity(
    per_track: pd.DataFrame, spread: pd.DataFrame, engine: EngineName
) -> pd.DataFrame:
    """Take diffusivity and noise from the engine where it can be trusted, else from ``spread``."""
    measured = [*_DIFFUSIVITIES, "noise"]
    trusted = per_track["alpha"].notna() & ~per_track["unlike_training"].astype(bool)
    trusted &= per_track["diffusivity"].notna()
    if engine == "perrin":
        # Of motion that cannot be told from Brownian motion the covariance says all there is.
        trusted &= ~(per_track["alpha_lo"].le(1) & per_track["alpha_hi"].ge(1))
    known = trusted | spread["diffusivity"].notna()
    by = np.where(trusted, engine, COVARIANCE)
    return per_track.assign(
        **{name: per_track[name].where(trusted, spread[name]) for name in measured},
        diffusivity_by=pd.Series(by, per_track.index, dtype="str").where(known),
    )


def _weights(
    table: pd.DataFrame,
    per_track: pd.DataFrame,
    parameters: AnalysisParameters,
    device: str,
    exposure: float,
    progress: Progress | None,
) -> npt.NDArray[np.float64]:
    """How much each localization weighed in the model called."""
    if parameters.engine != "perrin":
        return np.full(len(table), np.nan)
    from perrin.engine import explain

    explained = explain(table, per_track, exposure=exposure, device=device, progress=progress)
    return np.asarray(explained["weight"], np.float64)


def _with_alpha(
    table: pd.DataFrame,
    found: Switches,
    per_track: pd.DataFrame,
    parameters: AnalysisParameters,
    device: str,
    exposure: float,
) -> Switches:
    """Fill in the exponent of every segment: the track's own where it does not switch."""
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
    answers = predict(pieces, engine=parameters.engine, device=device, exposure=exposure)
    answers.loc[answers["n_points"] < parameters.min_points, "alpha"] = np.nan
    of_segment = answers.set_index("particle")["alpha"]
    per_frame.loc[switching, "alpha"] = of_segment.loc[segment[switching]].to_numpy()
    after = segment[rows.get_indexer(starts)]
    switches["alpha_before"] = of_segment.reindex(after - 1).to_numpy()
    switches["alpha_after"] = of_segment.reindex(after).to_numpy()
    return Switches(per_frame, switches)


def _filled(per_frame: pd.DataFrame, per_track: pd.DataFrame) -> pd.DataFrame:
    """Say of frames of which nothing is said what is said of their whole track."""
    silent = per_frame["diffusivity"].isna()
    whole = per_track.set_index("particle")
    values = {
        name: per_frame[name].where(~silent, per_frame["particle"].map(whole[name]))
        for name in (*_DIFFUSIVITIES, "alpha", "alpha_lo", "alpha_hi")
    }
    return per_frame.assign(**values)


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
