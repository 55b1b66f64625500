"""What is asked of a set of tracks first, at once and in physical units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.errors import InputError, Progress
from perrin.parameters import Parameters, parameter
from perrin.statistics._diffusivity import estimate_diffusivity
from perrin.statistics._ensemble_fit import EnsembleFit, fit_ensemble_msd
from perrin.statistics._ergodicity import brownian_breaking, ergodicity_breaking
from perrin.statistics._motion import blurred_power
from perrin.statistics._msd import ensemble_msd, time_averaged_msd, time_ensemble_msd
from perrin.statistics._population import StateArray, infer_state_array
from perrin.statistics._rest import immobility
from perrin.statistics._shape import (
    confinement_radius,
    non_gaussian_parameter,
    van_hove,
    velocity_autocorrelation,
)
from perrin.statistics._states import fit_states
from perrin.tracks import Calibration, axes_of, in_even_pixels, validate_tracks

__all__ = ["AVERAGES", "Survey", "SurveyParameters", "survey_tracks"]

AVERAGES: tuple[Literal["time-ensemble"], Literal["ensemble"]] = ("time-ensemble", "ensemble")
"""The two ways to average MSDs over tracks; where they differ, motion is not ergodic."""

_ENDINGS = ("_se", "_lo", "_hi")


class SurveyParameters(Parameters):
    """What is computed, and how far."""

    max_lag: int = parameter(
        20, "Longest lag in the table of single tracks' MSDs; averages have all.",
        unit="frames", ge=1,
    )  # fmt: skip
    ergodicity_lag: int = parameter(
        1, "Lag at which time averages of single tracks are compared.", unit="frames", ge=1
    )
    n_states: int | None = parameter(
        None, "Number of diffusive states; the likeliest by BIC if left empty.", ge=1, le=10
    )
    max_states: int = parameter(3, "Largest number of states to try.", ge=1, le=10)
    n_bootstrap: int = parameter(
        50, "How often tracks are drawn again for the intervals of the states.", ge=0, advanced=True
    )


@dataclass(frozen=True, repr=False)
class Survey:
    """What :func:`survey_tracks` found, in physical units where the calibration is known.

    Attributes
    ----------
    tables
        By name: ``diffusivity`` has one row per track, ``msd`` per track and lag, ``mean_msd`` per
        average and lag, ``msd_fits`` per average, ``ergodicity`` per time, ``population`` per
        diffusivity of a grid, ``states`` per state, ``displacements`` per bin, and
        ``non_gaussian`` and ``velocity_autocorrelation`` per lag. ``docs/statistics.md`` says what
        the columns mean.
    n_axes
        Number of axes of the tracks.
    ergodicity_lag
        Lag of the table ``ergodicity``, in frames.
    calibration
        Pixel size and frame interval that were used.
    """

    tables: Mapping[str, pd.DataFrame]
    n_axes: int
    ergodicity_lag: int
    calibration: Calibration

    def noise_floor(self, average: str) -> float:
        """Return what localization errors add to the MSD of an average, by its fit; NaN without."""
        c = self.calibration
        noise = self._fit(average)["noise"] / c.noise_scale * c.length_scale()
        return float(2 * self.n_axes * noise**2)

    def fitted_msd(self, average: str) -> pd.DataFrame:
        """Return the fit of an average at the lags it was fitted to: ``lag``, ``msd``."""
        fit, time = self._fit(average), self.calibration.time_scale
        frames = np.arange(1.0, fit["n_lags"] + 1)
        shape = blurred_power(frames, fit["alpha"], self.calibration.exposure)
        motion = 2 * self.n_axes * fit["coefficient"] * time ** fit["alpha"] * shape
        return pd.DataFrame({"lag": frames * time, "msd": motion + self.noise_floor(average)})

    def brownian_eb(self, time: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the ergodicity breaking that Brownian motion would have.

        What successive displacements are correlated here is taken for the work of noise and motion
        blur, which cannot correlate them by more than a half; see
        :func:`~perrin.statistics._ergodicity.brownian_breaking`.
        """
        table = self.tables["velocity_autocorrelation"]
        correlation = float(np.nan_to_num(table["correlation"].iloc[1]))
        return brownian_breaking(
            np.rint(time / self.calibration.time_scale).astype(np.int64),
            lag=self.ergodicity_lag,
            n_axes=self.n_axes,
            correlation=min(max(correlation, -0.5), 0.5),
        )

    def _fit(self, average: str) -> pd.Series[Any]:
        fits = self.tables["msd_fits"]
        return fits[fits["average"] == average].iloc[0]


def survey_tracks(
    tracks: pd.DataFrame,
    calibration: Calibration | None = None,
    parameters: SurveyParameters | None = None,
    population: StateArray | None = None,
    *,
    progress: Progress | None = None,
) -> Survey:
    """Compute the statistics of a set of tracks that most questions begin with.

    Parameters
    ----------
    tracks
        A track table, positions in pixels; with the columns of :func:`join_movies`, the tables of
        single tracks have them too.
    calibration
        Pixel size and frame interval; ``tracks.attrs["calibration"]`` if not given, and if that is
        not there either, results are in pixels and frames.
    parameters
        What is computed, and how far.
    population
        How the distribution of diffusivities is inferred; its ``focal_depth`` corrects the
        occupancies of the states too.
    progress
        Called as ``progress(what, done, total)``.

    Returns
    -------
    Survey
        Tables, in the calibration's units; see there.

    Raises
    ------
    InputError
        If the table is not a track table, or no track has two localizations in consecutive frames.

    Notes
    -----
    Each table is what one function gives: :func:`estimate_diffusivity`, :func:`immobility` and
    :func:`confinement_radius` the first, then :func:`time_averaged_msd`,
    :func:`time_ensemble_msd` and :func:`ensemble_msd`, :func:`fit_ensemble_msd`,
    :func:`ergodicity_breaking`, :func:`infer_state_array`, :func:`fit_states`, :func:`van_hove`,
    :func:`non_gaussian_parameter` and :func:`velocity_autocorrelation`.
    """
    chosen, grid = parameters or SurveyParameters(), population or StateArray()
    calibration = calibration or tracks.attrs.get("calibration") or Calibration()
    table = in_even_pixels(validate_tracks(tracks), calibration)
    exposure = calibration.exposure
    # First what refuses tracks of which nothing can be said.
    array = infer_state_array(table, grid, exposure=exposure, progress=progress)
    states = fit_states(
        table, chosen.n_states, max_states=chosen.max_states, exposure=exposure,
        focal_depth=grid.focal_depth, n_bootstrap=chosen.n_bootstrap, progress=progress,
    )  # fmt: skip
    single = time_averaged_msd(table, progress=progress)
    averages = (time_ensemble_msd(single), ensemble_msd(table))
    curves = [part.assign(average=name) for name, part in zip(AVERAGES, averages, strict=True)]
    shown = single.table()
    tables = {
        "diffusivity": _with_movies(_of_tracks(table, exposure), table),
        "msd": _with_movies(shown[shown["lag"] <= chosen.max_lag], table),
        "mean_msd": pd.concat(curves, ignore_index=True)[
            ["average", "lag", "msd", "msd_se", "n_tracks"]
        ],
        "msd_fits": pd.DataFrame([_fit(table, name, exposure) for name in AVERAGES]),
        "ergodicity": ergodicity_breaking(table, lag=chosen.ergodicity_lag),
        "population": array.table(),
        "states": states.table.assign(noise=states.noise),
        "displacements": van_hove(table),
        "non_gaussian": non_gaussian_parameter(table),
        "velocity_autocorrelation": velocity_autocorrelation(table),
    }
    return Survey(
        {name: _in_units(part, calibration) for name, part in tables.items()},
        len(axes_of(table)),
        chosen.ergodicity_lag,
        calibration,
    )


def _of_tracks(table: pd.DataFrame, exposure: float) -> pd.DataFrame:
    rest = immobility(table)[["particle", "p_immobile"]]
    size = confinement_radius(table)[["particle", "radius_of_gyration", "saturation"]]
    return (
        estimate_diffusivity(table, exposure).merge(rest, on="particle").merge(size, on="particle")
    )


def _with_movies(of_tracks: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Say of each particle which movie it is from, where there are several."""
    names = ["movie", "particle_in_movie"]
    if not set(names) <= set(table.columns):
        return of_tracks
    movies = table.drop_duplicates("particle")[["particle", *names]]
    return movies.merge(of_tracks, on="particle", how="right")


def _fit(
    table: pd.DataFrame, name: Literal["time-ensemble", "ensemble"], exposure: float
) -> dict[str, object]:
    """Fit an average, or leave everything empty where the tracks do not allow it."""
    try:
        fit = fit_ensemble_msd(table, name, exposure=exposure)
    except InputError:
        nan = float("nan")
        fit = EnsembleFit(nan, nan, nan, nan, nan, 0, 0)
    return {"average": name, **fit._asdict()}


def _in_units(table: pd.DataFrame, calibration: Calibration) -> pd.DataFrame:
    """Convert px and frames, and say the units in columns of their own."""
    length, time = calibration.length_scale(), calibration.time_scale
    length_unit, time_unit = calibration.length_unit, calibration.time_unit
    kinds = {
        "diffusivity": (calibration.diffusivity_scale, calibration.diffusivity_unit),
        "noise": (calibration.noise_scale, calibration.noise_unit),
        "lag": (time, time_unit),
        "time": (time, time_unit),
        "msd": (length**2, f"{length_unit}²"),
        "radius_of_gyration": (length, length_unit),
        "displacement": (length, length_unit),
        "density": (1 / length, f"1/{length_unit}"),
        "gaussian": (1 / length, f"1/{length_unit}"),
    }
    result = table.reset_index(drop=True)
    if "coefficient" in result:
        powers = length**2 / time ** result["alpha"]
        result[["coefficient", "coefficient_se"]] = result[["coefficient", "coefficient_se"]].mul(
            powers, axis=0
        )
        result["coefficient_unit"] = f"{length_unit}²/{time_unit}^alpha"
    for column in table.columns:
        kind = column
        for ending in _ENDINGS:
            kind = kind.removesuffix(ending)
        if kind in kinds:
            factor, unit = kinds[kind]
            result[column] = result[column] * factor
            result[f"{kind}_unit"] = unit
    return result
