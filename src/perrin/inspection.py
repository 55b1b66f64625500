"""One track by itself: all that is known of it, in the units people read.

The window's inspector and :func:`perrin.track_figure.track_figure` both draw what is computed here,
so that they cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.analysis import FLAGS
from perrin.errors import InputError
from perrin.models import MODELS, PROBABILITY_COLUMNS
from perrin.statistics import (
    blurred_power,
    fit_msd,
    msd_covariance,
    non_gaussian_parameter,
    time_averaged_msd,
    van_hove,
)
from perrin.tracks import Calibration, axes_of, validate_tracks

if TYPE_CHECKING:
    from perrin.analysis import Analysis

__all__ = [
    "STATE_COLORS",
    "MsdCurve",
    "Steps",
    "TrackReport",
    "flags_of",
    "inspect_track",
    "numbers_of",
    "state_color",
]

Array = npt.NDArray[np.float64]

STATE_COLORS = ("#4AA3DF", "#EE7733", "#EE3377", "#BBAA33", "#33BB99")
"""Colour of the states of a track, the slowest first; seen on black and on white.

After the scheme *vibrant* of Paul Tol (2021), *Colour Schemes*, with a lighter blue.
"""

_PER_FRAME = (
    "p_switch", "state", "diffusivity", "diffusivity_lo", "diffusivity_hi", "alpha", "weight"
)  # fmt: skip
# From the middle of a normal distribution to its 95 % quantile: the intervals of an analysis.
_TO_95 = 1.645
_FEWEST_BINS, _MOST_BINS = 9, 61
_MOST_LAGS, _SHORT_LAGS = 60, 10


@dataclass(frozen=True)
class MsdCurve:
    """The time-averaged MSD of a track, and the power law fitted to it.

    Attributes
    ----------
    lag, msd
        Lag time and MSD (time and squared length units), up to half the track's duration.
    error
        Standard error of ``msd`` under the fitted law; NaN beyond the lags that were fitted.
    fitted_lag, fitted, low, high
        The fitted law over the fitted lags, and where it lies with an exponent at its 5 % and 95 %
        bounds, turned about the middle of these lags. Empty if nothing could be fitted.
    alpha, alpha_se
        The exponent of the fit and its standard error.
    floor
        What localization errors alone add to every MSD, twice their variance for each axis; NaN
        if they are not known.
    """

    lag: Array
    msd: Array
    error: Array
    fitted_lag: Array
    fitted: Array
    low: Array
    high: Array
    alpha: float
    alpha_se: float
    floor: float


@dataclass(frozen=True)
class Steps:
    """How displacements from one frame to the next are distributed, axes pooled.

    Attributes
    ----------
    displacement, density
        Centres of the bins (length unit) and the density of displacements (1/length unit).
    width
        Width of the bins.
    curve, gaussian
        The normal distribution of the same variance, on a fine grid.
    non_gaussian
        The non-Gaussian parameter, 0 for Gaussian displacements; see
        :func:`perrin.statistics.non_gaussian_parameter`.
    """

    displacement: Array
    density: Array
    width: float
    curve: Array
    gaussian: Array
    non_gaussian: float


@dataclass(frozen=True)
class TrackReport:
    """All that is known of one track; lengths and times are in the units of ``calibration``.

    Attributes
    ----------
    particle
        Its number.
    calibration
        Pixel size and frame interval.
    frame : array, shape (N,)
        Frame of each localization.
    path : array, shape (N, n_axes)
        Positions, in the order of ``axes``.
    axes
        ``("x",)``, ``("y", "x")`` or ``("z", "y", "x")``.
    over_time
        ``p_switch``, ``state``, ``diffusivity`` with its bounds ``diffusivity_lo`` and
        ``diffusivity_hi``, ``alpha`` and ``weight`` of each localization, each of shape (N,) and
        NaN where nothing is known; see :class:`perrin.Analysis`.
    motion : array, shape (N,)
        Kind of motion at each localization (immobile, confined, free or directed); empty where
        none is known.
    switches
        The rows of ``Analysis.switches`` of this track.
    answer
        Its row of ``Analysis.per_track``; ``None`` if it was not analysed.
    msd
        Its MSD; ``None`` if it has no two localizations.
    steps
        Its displacements; ``None`` if it was never seen in two frames in a row, or never moved.
    """

    particle: int
    calibration: Calibration
    frame: npt.NDArray[np.int64]
    path: Array
    axes: tuple[str, ...]
    over_time: Mapping[str, Array]
    motion: npt.NDArray[np.object_]
    switches: pd.DataFrame
    answer: pd.Series | None
    msd: MsdCurve | None
    steps: Steps | None

    @cached_property
    def time(self) -> Array:
        """Time of each localization since frame 0."""
        return np.asarray(self.frame * self.calibration.time_scale, dtype=np.float64)

    @cached_property
    def switch_times(self) -> Array:
        """Time of each switch, and the 5 % and 95 % bounds of it, shape ``(n_switches, 3)``."""
        frames = self.switches[["frame", "frame_lo", "frame_hi"]].to_numpy(np.float64)
        return np.asarray(frames * self.calibration.time_scale, dtype=np.float64)

    @property
    def model(self) -> str | None:
        """The model called, if one is."""
        name = None if self.answer is None else self.answer["model"]
        return name if isinstance(name, str) else None

    @cached_property
    def probabilities(self) -> dict[str, float]:
        """Probability of each model; empty if they are not known."""
        if self.answer is None or pd.isna(self.answer[PROBABILITY_COLUMNS[0]]):
            return {}
        pairs = zip(MODELS, PROBABILITY_COLUMNS, strict=True)
        return {name: float(self.answer[column]) for name, column in pairs}

    def value(self, column: str) -> float:
        """Return a number of ``Analysis.per_track``, NaN if it is not known."""
        if self.answer is None or pd.isna(self.answer[column]):
            return float("nan")
        return float(self.answer[column])


def inspect_track(
    tracks: pd.DataFrame,
    particle: int,
    analysis: Analysis | None = None,
    calibration: Calibration | None = None,
) -> TrackReport:
    r"""Collect all that is known of one track.

    Parameters
    ----------
    tracks
        A track table, positions in px; other tracks may be in it.
    particle
        The number of the track.
    analysis
        What :func:`perrin.analyze` found, if it was asked.
    calibration
        Pixel size and frame interval; those of the analysis, or of ``tracks.attrs``, if not given.

    Raises
    ------
    InputError
        If the table is not a track table or has no such track.

    Notes
    -----
    The law fitted to the MSD is that of :func:`perrin.statistics.fit_msd`, error bars are those of
    :func:`perrin.statistics.msd_covariance` (exact without gaps). For motion that is not ergodic
    (CTRW, ATTM) the exponent of a single track's MSD differs from that of the process; the one in
    ``answer`` is the engine's.
    """
    table = validate_tracks(tracks)
    here = _rows_of(table, particle)
    if here.start == here.stop:
        raise InputError(f"There is no track {particle} in the table.")
    if calibration is None:
        found = tracks.attrs.get("calibration") if analysis is None else analysis.calibration
        calibration = found or Calibration()
    axes = axes_of(table)
    frame = table["frame"].to_numpy(np.int64)[here]
    columns: dict[str, npt.NDArray[Any]] = {
        "particle": np.full(frame.size, particle, dtype=np.int64),
        "frame": frame,
    }
    for axis in axes:
        # Statistics know no unit of length, so that of their results is the one put in here.
        positions = table[axis].to_numpy(np.float64)[here]
        columns[axis] = positions * calibration.length_scale(axis)
    track = pd.DataFrame(columns)
    answer = None if analysis is None else _answer(analysis, particle)
    noise = float("nan") if answer is None or pd.isna(answer["noise"]) else float(answer["noise"])
    noise *= calibration.length_scale() / calibration.noise_scale
    msd = _msd(track, calibration, noise)
    over_time, motion = _over_time(analysis, particle, frame)
    return TrackReport(
        particle=particle,
        calibration=calibration,
        frame=frame,
        path=track[list(axes)].to_numpy(np.float64),
        axes=axes,
        over_time=over_time,
        motion=motion,
        switches=_switches(analysis, particle),
        answer=answer,
        msd=msd,
        steps=None if msd is None else _steps(track, float(msd.msd[0])),
    )


def state_color(state: float) -> str:
    """Return the colour of a state; the first of :data:`STATE_COLORS` where none is known."""
    return STATE_COLORS[int(state) % len(STATE_COLORS) if np.isfinite(state) else 0]


def flags_of(report: TrackReport) -> list[str]:
    """Return what is remarked about a track, in words."""
    if report.answer is None:
        return []
    given = str(report.answer["flags"] or "").split(";")
    return [words for flag, words in FLAGS.items() if flag in given]


def numbers_of(report: TrackReport) -> dict[str, str]:
    """Return the numbers of a track as texts, with units and 5 % to 95 % ranges, by their names."""
    calibration, frames = report.calibration, report.frame
    span = int(frames[-1] - frames[0]) + 1
    numbers: dict[str, str] = {}
    if report.answer is not None:
        numbers["Model"] = (
            f"{report.model}, {_probability(report.probabilities[report.model])}"
            if report.model
            else "not called"
        )
        numbers["α"] = _with_range(report, "alpha", "")
        numbers["D"] = _with_range(report, "diffusivity", calibration.diffusivity_unit)
        numbers["Localization error"] = _number(report.value("noise"), calibration.noise_unit)
        numbers["Ergodic"] = _probability(report.value("p_ergodic"))
        numbers["Switches"] = _switch_times(report)
        numbers["Motion"] = _kinds_of_motion(report)
    if report.msd is not None and np.isfinite(report.msd.alpha):
        numbers["α of its MSD"] = f"{report.msd.alpha:.2f} ± {report.msd.alpha_se:.2f}"
    if report.steps is not None:
        numbers["Non-Gaussian"] = f"{report.steps.non_gaussian:.2f} (0 for Gaussian steps)"
    duration = (span - 1) * calibration.time_scale
    numbers["Seen"] = f"{frames.size} of {span} frames ({frames[0]} to {frames[-1]})"
    numbers["Duration"] = f"{duration:.3g} {_plural(calibration.time_unit, duration)}"
    return numbers


def _plural(unit: str, value: float) -> str:
    return "frames" if unit == "frame" and value != 1 else unit


def _number(value: float, unit: str) -> str:
    return f"{value:.3g} {unit}".strip() if np.isfinite(value) else "not known"


def _probability(value: float) -> str:
    return f"probability {value:.2f}" if np.isfinite(value) else "not known"


def _with_range(report: TrackReport, column: str, unit: str) -> str:
    value, low, high = (report.value(f"{column}{end}") for end in ("", "_lo", "_hi"))
    if not (np.isfinite(low) and np.isfinite(high)):
        return _number(value, unit)
    return f"{_number(value, unit)} ({low:.3g} to {high:.3g})"


def _switch_times(report: TrackReport) -> str:
    if report.switches.empty:
        return "none found"
    unit, times = report.calibration.time_unit, report.switch_times[:, 0]
    text = ", ".join(f"{time:.4g}" for time in times)
    said = f"{times.size}, at {text} {unit}" if unit == "s" else f"{times.size}, in frame {text}"
    models = report.switches.get("model_before")
    if models is None or models.isna().all():
        return said
    changes = zip(models, report.switches["model_after"], strict=True)
    return said + ": " + ", ".join(f"{before} to {after}" for before, after in changes)


def _kinds_of_motion(report: TrackReport) -> str:
    kinds = pd.Series(report.motion[report.motion != ""]).value_counts(normalize=True)
    if kinds.empty:
        return "not known"
    shares = [f"{kind} {share:.0%}" for kind, share in kinds.items()]
    return str(kinds.index[0]) if len(shares) == 1 else ", ".join(shares)


def _rows_of(table: pd.DataFrame, particle: int) -> slice:
    """Rows of one particle in a table that is sorted by particle, as those of an analysis are."""
    owner = table["particle"].to_numpy(np.int64)
    return slice(*np.searchsorted(owner, (particle, particle + 1)))


def _answer(analysis: Analysis, particle: int) -> pd.Series | None:
    rows = analysis.per_track.iloc[_rows_of(analysis.per_track, particle)]
    return None if rows.empty else rows.iloc[0]


def _switches(analysis: Analysis | None, particle: int) -> pd.DataFrame:
    if analysis is None:
        return pd.DataFrame({name: np.empty(0) for name in ("frame", "frame_lo", "frame_hi")})
    rows = analysis.switches.iloc[_rows_of(analysis.switches, particle)]
    return rows.reset_index(drop=True)


def _over_time(
    analysis: Analysis | None, particle: int, frame: npt.NDArray[np.int64]
) -> tuple[dict[str, Array], npt.NDArray[np.object_]]:
    columns = {name: np.full(frame.size, np.nan) for name in _PER_FRAME}
    motion = np.full(frame.size, "", dtype=object)
    if analysis is None:
        return columns, motion
    rows = analysis.per_frame.iloc[_rows_of(analysis.per_frame, particle)]
    place = pd.Index(rows["frame"]).get_indexer(pd.Index(frame))
    known = place >= 0
    for name in _PER_FRAME:
        if name in rows:
            values = rows[name].to_numpy(np.float64, na_value=np.nan)
            columns[name][known] = values[place[known]]
    if "motion" in rows:
        motion[known] = rows["motion"].fillna("").to_numpy(dtype=object)[place[known]]
    return columns, motion


def _msd(track: pd.DataFrame, calibration: Calibration, noise: float) -> MsdCurve | None:
    if len(track) < 2:
        return None
    single = time_averaged_msd(track)
    n_axes, frames = len(axes_of(track)), single.lags.astype(np.float64)
    half = max(int(frames[-1]) // 2, 1)
    # Evenly spaced on the logarithmic axis they are drawn on: hundreds of long lags say little.
    spaced = np.unique(np.geomspace(1, max(half, 3), _MOST_LAGS).round())
    known = (single.n_pairs > 0) & (np.isin(frames, spaced) | (frames <= min(half, _SHORT_LAGS)))
    lag, msd = frames[known], single.msd[known]
    fit = fit_msd(track, exposure=calibration.exposure).iloc[0]
    alpha, coefficient = float(fit["alpha"]), float(fit["coefficient"])
    error = np.full(lag.size, np.nan)
    floor = 2 * n_axes * noise**2
    fitted_lag = fitted = low = high = np.empty(0)
    if np.isfinite([alpha, coefficient, float(fit["noise"])]).all():
        n_lags = min(int(fit["n_lags"]), len(track) - 1)
        covariance = msd_covariance(
            len(track),
            n_lags,
            coefficient=coefficient,
            alpha=alpha,
            noise=float(fit["noise"]),
            exposure=calibration.exposure,
            n_axes=n_axes,
        )
        inside = lag <= n_lags
        error[inside] = np.sqrt(np.diag(covariance))[lag[inside].astype(np.intp) - 1]
        fitted_lag = np.geomspace(1, n_lags, 60)
        added = 2 * n_axes * float(fit["noise"]) ** 2
        law = 2 * n_axes * coefficient * blurred_power(fitted_lag, alpha, calibration.exposure)
        turn = (fitted_lag / np.sqrt(n_lags)) ** (_TO_95 * float(fit["alpha_se"]))
        fitted = law + added
        low, high = np.minimum(law / turn, law * turn), np.maximum(law / turn, law * turn)
        low, high = low + added, high + added
        if not np.isfinite(floor):
            floor = added
    return MsdCurve(
        lag=lag * calibration.time_scale,
        msd=msd,
        error=error,
        fitted_lag=fitted_lag * calibration.time_scale,
        fitted=fitted,
        low=low,
        high=high,
        alpha=alpha,
        alpha_se=float(fit["alpha_se"]),
        floor=floor,
    )


def _steps(track: pd.DataFrame, first_msd: float) -> Steps | None:
    axes = list(axes_of(track))
    in_a_row = np.diff(track["frame"].to_numpy(np.int64)) == 1
    moved = np.diff(track[axes].to_numpy(np.float64), axis=0)[in_a_row]
    if moved.size == 0 or first_msd <= 0:
        return None
    # The rule of Rice, and an odd number so that no edge cuts the middle.
    n_bins = int(np.clip(np.ceil(2 * np.cbrt(moved.size)), _FEWEST_BINS, _MOST_BINS)) | 1
    furthest = float(np.abs(moved).max())
    edges = np.linspace(-furthest, furthest, n_bins + 1)
    found = van_hove(track, bins=edges)
    spread = np.sqrt(first_msd / len(axes))
    reach = max(furthest, 3 * spread)
    curve = np.linspace(-reach, reach, 121)
    gaussian = np.exp(-(curve**2) / (2 * spread**2)) / np.sqrt(2 * np.pi) / spread
    parameter = non_gaussian_parameter(track, 1, n_bootstrap=2)["parameter"].iloc[0]
    return Steps(
        displacement=found["displacement"].to_numpy(np.float64),
        density=found["density"].to_numpy(np.float64),
        width=float(edges[1] - edges[0]),
        curve=curve,
        gaussian=gaussian,
        non_gaussian=float(parameter),
    )
