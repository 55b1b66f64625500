"""Mobility or mass of particles from their tracks in a potential that is known as an image."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import model_validator

from perrin.errors import InputError, Progress
from perrin.learn.property import _filter
from perrin.learn.property.sampling import Sample, sample_posterior
from perrin.parameters import Parameters, parameter
from perrin.simulate.potential import Potential
from perrin.tracks import Calibration, axes_of, index_tracks, validate_tracks

__all__ = ["FLAGS", "PotentialFit", "fit_in_potential", "units_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FLAGS = ("too_short", "leaves_image", "no_force_seen", "climbs")
"""What can be wrong with a track.

Too few localizations; some of them outside the image; its motion fits no force at all as well; it
moves against the force, as if the potential had the wrong sign.
"""

_LEVELS = (0.05, 0.5, 0.95)
_USUAL_ERROR, _ERROR_SPREAD = 0.2, 1.2  # px, and the natural logarithm's standard deviation
_NOISE_SPREAD = {"overdamped": 2.5, "inertial": 4.0}  # of the natural logarithm
_HIDDEN_SHARE = 1e-4
"""Of the squared acceleration, times a frame: what an image that is nearly right does not show."""
_RESPONSES = np.concatenate([-np.logspace(1, -2, 13), [0.0], np.logspace(-2, 1, 40)])


class PotentialFit(Parameters):
    """How particles answer to the force, and what is known of the potential."""

    motion: Literal["overdamped", "inertial"] = parameter(
        "overdamped",
        "Overdamped, as in water or a membrane: velocity = mobility x force, and diffusion. "
        "Inertial, without friction: acceleration = force / mass.",
        label="Motion",
    )
    energy_per_level: float = parameter(
        1.0,
        "Energy of one step of the image's values; negative where bright pixels attract.",
        label="Energy per level",
    )
    energy_unit: str = parameter(
        "level",
        "Name of that energy's unit, for example kT. Left at 'level', results are in levels of the "
        "image.",
        label="Energy unit",
    )
    thermal_energy: float | None = parameter(
        None,
        "kT in the energy unit. It ties diffusivity to mobility (Einstein's relation), for "
        "overdamped particles in equilibrium. Left empty, both are free.",
        label="Thermal energy kT",
        gt=0,
    )
    localization_error: float | None = parameter(
        None,
        "Standard deviation of the localization error per axis. Left empty, it is found from each "
        "track.",
        label="Localization error",
        unit="px",
        gt=0,
    )
    min_points: int = parameter(10, "Shorter tracks get no answer.", label="Shortest track", ge=5)
    steps_per_frame: int = parameter(
        4, "Steps of the integrator in one frame.", label="Steps per frame", ge=1, advanced=True
    )

    @model_validator(mode="after")
    def _check(self) -> PotentialFit:
        if self.energy_per_level == 0:
            raise InputError("An energy of 0 per level leaves no force; give another number.")
        if self.thermal_energy is not None and self.motion == "inertial":
            raise InputError(
                "The thermal energy is for overdamped motion; leave it empty for inertial motion."
            )
        return self

    @property
    def quantity(self) -> str:
        """Column of what is measured; ``mass`` is brightness in the tables of trackers."""
        return "mobility" if self.motion == "overdamped" else "inertial_mass"


def units_of(fit: PotentialFit, calibration: Calibration) -> dict[str, str]:
    """Name the unit of each number that :func:`fit_in_potential` measures."""
    length, time, energy = calibration.length_unit, calibration.time_unit, fit.energy_unit
    if fit.motion == "overdamped":
        return {
            "mobility": f"{length}²/({time} {energy})",
            "diffusivity": calibration.diffusivity_unit,
            "noise": calibration.noise_unit,
        }
    return {"inertial_mass": f"{energy} {time}²/{length}²", "noise": calibration.noise_unit}


def fit_in_potential(
    tracks: pd.DataFrame,
    potential: Potential,
    fit: PotentialFit | None = None,
    calibration: Calibration | None = None,
    *,
    progress: Progress | None = None,
) -> pd.DataFrame:
    r"""Measure how each particle answers to the force of a known potential.

    Overdamped particles follow :math:`dx = -\mu \nabla U\,dt + \sqrt{2D}\,dW`, inertial ones
    :math:`m\ddot x = -\nabla U` with a weak random acceleration for what the image does not show.
    Both are seen with Gaussian localization errors. The likelihood of a track is that of an
    extended Kalman filter; mobility or inverse mass has a flat prior, negative values included;
    random part and localization error have wide log-normal priors and are integrated out.

    Parameters
    ----------
    tracks
        A 2D track table; its positions are pixels of the potential. Gaps are allowed.
    potential
        The image, in levels.
    fit
        See :class:`PotentialFit`.
    calibration
        Units of the answer; pixels and frames if not given.
    progress
        Called with the number of tracks done and to do.

    Returns
    -------
    pandas.DataFrame
        One row per particle: ``particle``, ``n_points``; ``mobility`` or ``inertial_mass``, the
        posterior's median, with ``_lo`` and ``_hi``, its 5 % and 95 %; for overdamped motion
        ``diffusivity`` likewise; ``noise``, the localization error; ``flags`` (see :data:`FLAGS`,
        joined by ``;``); and the unit of each number in a column ``_unit``. What cannot be said is
        empty: of a particle that might feel no force the mass has no upper end.

    Raises
    ------
    InputError
        If the table is no track table or not in 2D, or no track lies within the image.
    Cancelled
        If ``progress`` raises it.
    """
    how, scale = fit or PotentialFit(), calibration or Calibration()
    table = validate_tracks(tracks)
    if axes_of(table) != ("y", "x"):
        raise InputError("A potential is an image: give 2D tracks, with the columns y and x.")
    positions = table[["y", "x"]].to_numpy()
    frames = table["frame"].to_numpy(np.int64)
    inside = potential.contains(positions)
    if len(table) and not inside.any():
        raise InputError(
            "No localization lies within the image of the potential, whose pixels go from 0 to "
            f"{potential.shape[0] - 1} in y and {potential.shape[1] - 1} in x. Choose the image "
            "that the tracks were recorded on; positions are counted in its pixels."
        )
    index = index_tracks(table)
    rows = []
    for done, (particle, start, stop) in enumerate(
        zip(index.particles, index.starts, index.stops, strict=True)
    ):
        if progress is not None:
            progress("fitting tracks", done, len(index.particles))
        row: dict[str, Any] = {"particle": particle, "n_points": stop - start}
        part = slice(start, stop)
        if stop - start < how.min_points:
            row["flags"] = "too_short"
        elif not inside[part].all():
            row["flags"] = "leaves_image"
        else:
            row |= _measured(_Track(potential, frames[part], positions[part], how), scale)
        rows.append(row)
    units = {f"{name}_unit": unit for name, unit in units_of(how, scale).items()}
    return pd.DataFrame(rows, columns=_columns(how)).assign(**units)


def _columns(how: PotentialFit) -> list[str]:
    measured = ["mobility", "diffusivity"] if how.motion == "overdamped" else ["inertial_mass"]
    ends = [f"{name}{end}" for name in measured for end in ("", "_lo", "_hi")]
    return ["particle", "n_points", *ends, "noise", "flags"]


class _Guess(NamedTuple):
    """Orders of magnitude, from finite differences."""

    response: float
    random: float


class _Track:
    """One track and the density of what is asked about it.

    Its parameters are the response to the force (mobility or inverse mass, per level) over its
    order of magnitude, and the logarithms of the random part (diffusivity, or intensity of the
    random acceleration) and of the localization error. What is known is left out.
    """

    def __init__(
        self, potential: Potential, frames: Ints, positions: Floats, how: PotentialFit
    ) -> None:
        self.field = potential.coefficients[0]
        self.frames, self.positions, self.how = frames, np.ascontiguousarray(positions), how
        force = potential.force(positions)
        self.guess = _guess(frames, positions, force, how.motion)
        self.speed = 3 * float(np.sqrt((np.diff(positions, axis=0) ** 2).mean())) + 1e-6

    def expand(self, values: Floats) -> Floats:
        """Response, random part and localization error, shape ``(n, 3)``."""
        response = values[:, 0] * self.guess.response
        known, rest = self.how.localization_error, values[:, 1:]
        if self.how.thermal_energy is None:
            random, rest = np.exp(rest[:, 0]), rest[:, 1:]
        else:
            random = response * self.how.thermal_energy / self.how.energy_per_level
        error = np.full(len(values), known) if known is not None else np.exp(rest[:, 0])
        return np.stack([response, random, error], axis=1)

    def log_density(self, values: Floats) -> Floats:
        """Logarithm of likelihood times prior."""
        parameters = self.expand(values)
        density = np.full(len(values), -np.inf)
        possible = parameters[:, 1] > 0
        found = np.empty(int(possible.sum()))
        given = (self.field, self.frames, self.positions, self.how.steps_per_frame)
        if self.how.motion == "overdamped":
            _filter.overdamped(*given, parameters[possible], found)
        else:
            _filter.inertial(*given, False, 0.0, self.speed, parameters[possible], found)
        density[possible] = found
        if self.how.thermal_energy is None:
            off = (values[:, 1] - np.log(self.guess.random)) / _NOISE_SPREAD[self.how.motion]
            density -= 0.5 * off**2
        if self.how.localization_error is None:
            density -= 0.5 * ((values[:, -1] - np.log(_USUAL_ERROR)) / _ERROR_SPREAD) ** 2
        return density

    def sample(self) -> Sample:
        """Draw from the posterior."""
        axes = [_RESPONSES]
        if self.how.thermal_energy is None:
            axes.append(np.log(self.guess.random) + np.log([0.01, 0.1, 1.0]))
        if self.how.localization_error is None:
            axes.append(np.log([0.05, 0.2, 0.8]))
        starts = np.stack([axis.ravel() for axis in np.meshgrid(*axes)], axis=1)
        scale = np.array([0.2, 0.5, 0.5][: len(axes)])
        return sample_posterior(self.log_density, starts, scale, np.random.default_rng(0))


def _measured(track: _Track, calibration: Calibration) -> dict[str, Any]:
    how, sample = track.how, track.sample()
    response, random, error = track.expand(sample.values).T
    response = response / how.energy_per_level
    low, middle, high = sample.quantiles(response, _LEVELS)
    row: dict[str, Any] = {
        "noise": float(sample.quantiles(error, [0.5])[0]) * calibration.noise_scale,
        "flags": "climbs" if high < 0 else "no_force_seen" if low <= 0 else "",
    }
    per_pixel = calibration.diffusivity_scale
    if how.motion == "overdamped":
        row |= _interval("mobility", np.array([low, middle, high]) * per_pixel)
        row |= _interval("diffusivity", sample.quantiles(random, _LEVELS) * per_pixel)
        return row
    # Energy time²/length²: time² from frames², length² from pixels².
    unit = (calibration.time_scale / calibration.length_scale()) ** 2
    inverse = np.array([high, middle, low])
    mass = np.where(inverse > 0, unit / np.where(inverse > 0, inverse, 1.0), np.nan)
    return row | _interval("inertial_mass", mass)


def _interval(name: str, quantiles: Floats) -> dict[str, float]:
    low, middle, high = quantiles.tolist()
    return {name: middle, f"{name}_lo": low, f"{name}_hi": high}


def _guess(frames: Ints, positions: Floats, force: Floats, motion: str) -> _Guess:
    """Orders of magnitude of the response and of the random part."""
    apart = np.diff(frames).astype(np.float64)[:, None]
    velocity = np.diff(positions, axis=0) / apart
    size = float(np.sqrt((force**2).mean()))
    if motion == "overdamped":
        spread = float((velocity**2 * apart).mean() / 2) or 1e-12
        square = float((velocity**2).mean()) or 1e-12
        return _Guess(square**0.5 / max(size, 1e-12), spread)
    between = (apart[1:] + apart[:-1]) / 2
    acceleration = (velocity[1:] - velocity[:-1]) / between
    square = float((acceleration**2).mean()) or 1e-12
    return _Guess(square**0.5 / max(size, 1e-12), _HIDDEN_SHARE * square)
