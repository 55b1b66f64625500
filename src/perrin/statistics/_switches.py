"""Where a track's diffusivity changes: penalised likelihood on its displacements."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.errors import Progress
from perrin.parameters import Parameters, parameter
from perrin.statistics._arrays import (
    Steps,
    TrackArrays,
    arrays_of,
    check_exposure,
    steps_of,
    sum_by_track,
)
from perrin.statistics._diffusivity import covariance_fit

__all__ = ["MIN_POINTS_TO_SWITCH", "SWITCH_METHOD", "SwitchDetection", "Switches", "find_switches"]

SWITCH_METHOD = "penalised likelihood"
"""How switches were found, as stated in ``attrs["method"]`` of the tables."""

MIN_POINTS_TO_SWITCH = 20
"""Fewest localizations of a track of which Perrin's network says whether it switches."""

_BLOCK = 50_000  # displacements between two reports of progress

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class SwitchDetection(Parameters):
    """How switches are found."""

    penalty: float = parameter(
        2.5,
        "Evidence (natural logarithm of a likelihood ratio) asked for before any switch is "
        "reported in a track, besides the logarithm of its length; higher means fewer false "
        "switches and more missed ones. For penalised likelihood.",
        label="Penalty",
        ge=0,
        advanced=True,
    )
    min_segment: int = parameter(
        3,
        "Frames that a segment lasts at least; shorter ones are never reported.",
        unit="frames",
        label="Shortest segment",
        ge=3,
        advanced=True,
    )


class Switches(NamedTuple):
    """What :func:`find_switches` returns: one row per localization, and one row per switch."""

    per_frame: pd.DataFrame
    switches: pd.DataFrame


def find_switches(
    tracks: pd.DataFrame,
    parameters: SwitchDetection | None = None,
    *,
    exposure: float = 1.0,
    progress: Progress | None = None,
) -> Switches:
    r"""Find where the diffusivity of each track changes, and between which values.

    Parameters
    ----------
    tracks
        A track table (positions in px).
    parameters
        How readily a switch is reported.
    exposure
        Share of the frame interval during which the shutter is open, 0 to 1; it affects the
        diffusivities, not the switches.
    progress
        Called as ``progress("Finding switches", done, total)`` with numbers of tracks.

    Returns
    -------
    Switches
        ``per_frame``, one row per localization, sorted by ``particle`` and ``frame``:

        - ``particle``, ``frame``;
        - ``p_switch``: posterior probability that the motion switches at this frame (see Notes);
          NaN in tracks too short for a switch, 0 where a switch would leave a segment too short;
        - ``state``: 0 for the slowest level of this track, 1 for the next, ...; segments whose
          diffusivities cannot be told apart share a level;
        - ``diffusivity`` (px²/frame) of the segment, corrected for localization noise and motion
          blur; 0 where nothing is left after the correction;
        - ``alpha``: NaN, this method does not estimate it.

        ``switches``, one row per switch: ``particle``; ``frame``, the first frame of the new
        segment; ``frame_lo``, ``frame_hi`` (5 % to 95 %); ``diffusivity_before``,
        ``diffusivity_after`` (px²/frame); ``alpha_before``, ``alpha_after`` (NaN).

        ``attrs["method"]`` of both is :data:`SWITCH_METHOD`.

    Raises
    ------
    InputError
        If the table is not a track table or ``exposure`` is not between 0 and 1.
    Cancelled
        If ``progress`` raises it.

    Notes
    -----
    Within a segment the displacements are taken as Gaussian with one variance, whose value is
    unknown and equally likely on a logarithmic scale. With n displacements in d dimensions and
    squared lengths :math:`\Delta_i^2`, the evidence of a segment is (up to factors common to all
    ways of cutting)

    .. math::
        \Gamma(\nu/2)\,\bigl(\tfrac12\textstyle\sum_i\Delta_i^2\bigr)^{-\nu/2},
        \qquad \nu = nd/\tau.

    Each switch costs ``penalty + log(N)`` in a track of N displacements. In tracks in which a
    switch is found, the cost is then set from the track's own rate of switching. The reported
    switches are those of the most probable way to cut the track, over all ways [1]_; ``p_switch``
    is the sum over all ways that cut at this frame [2]_, so it is a posterior probability *under
    this model*, and a switch whose place is uncertain spreads over several frames. The interval of
    a switch is that of its posterior with its neighbours kept in place.

    :math:`\tau = 1 + 2\sum_k\rho_k^2` discounts correlated displacements (noise, persistent or
    anti-persistent motion), with the correlations :math:`\rho_k` taken from directions alone.

    *Gaps*: a displacement over k frames counts as one, its squared length brought to one frame with
    the track's overall diffusivity and noise. A switch next to a gap may have happened anywhere in
    it, and its interval says so. *Ends*: no switch is reported within ``min_segment`` displacements
    of an end. *Short tracks*: below ``2 * min_segment + 1`` localizations none is reported. *Long
    tracks*: time grows with the square of the length.

    A change of alpha without a change of step size is not seen. A gradual change of diffusivity is
    cut into steps: of 200 tracks of scaled Brownian motion of 200 points in 2D at alpha 0.3 / 0.7 /
    1.5 / 1.9, 100 / 58 / 97 / 100 % were cut (77 / 8 / 29 / 86 % at 50 points). Rests of a CTRW are
    states of their own.

    Measured at the default penalty on simulated tracks. False alarms (share of tracks without a
    switch that were given one; 1,000 tracks of 8, 20 and 50, 300 of 200, 50 of 800 displacements,
    in 1D / 2D / 3D): Brownian motion, Brownian motion with noise of 1 and 5 steps, and fractional
    Brownian motion at alpha 0.2 to 1.98, at most 3.1 / 1.7 / 1.7 %. Two states with mean dwell of
    60 frames (200 tracks of 200 steps in 2D, exponential dwell times of at least 3 frames, noise
    0.35 of the slow state's step): at a ratio of diffusivities of 100 / 10 / 4, Jaccard index of
    switches (within 10 frames) 0.93 / 0.76 / 0.47 and root mean square error 0.4 / 1.5 / 2.6
    frames; the same for kernel change point detection on the logarithm of squared displacements
    (penalty 20, minimum 3) 0.94 / 0.67 / 0.38 and 0.7 / 1.7 / 3.5 frames, which has false alarms of
    55 / 2 / 1 % at 50 and 95 / 8 / 1 % at 200 displacements of Brownian motion.

    References
    ----------
    .. [1] Jackson et al. (2005), IEEE Signal Process. Lett. 12, 105.
    .. [2] Fearnhead (2006), Stat. Comput. 16, 203.
    """
    chosen = parameters or SwitchDetection()
    blur = check_exposure(exposure) / 6
    arrays = arrays_of(tracks)
    steps = steps_of(arrays)
    found = _search(steps, arrays, chosen, blur, progress)
    diffusivity = _segment_diffusivity(steps, found, arrays.layout.particles.size, blur)
    return Switches(
        _per_frame(arrays, found, diffusivity, chosen), _table(arrays, steps, found, diffusivity)
    )


class _Found(NamedTuple):
    """Per displacement; see :func:`perrin.statistics._segmentation.segment_tracks`."""

    posterior: Array
    segment: Ints  # numbered over all tracks
    level: Ints
    low: Ints
    high: Ints


def _search(
    steps: Steps,
    arrays: TrackArrays,
    parameters: SwitchDetection,
    blur: float,
    progress: Progress | None,
) -> _Found:
    from perrin.statistics._segmentation import segment_tracks

    size = steps.track.size
    found = _Found(
        np.zeros(size),
        np.zeros(size, np.int64),
        np.zeros(size, np.int64),
        np.full(size, -1, np.int64),
        np.full(size, -1, np.int64),
    )
    n_tracks = arrays.layout.particles.size
    counts = np.bincount(steps.track, minlength=n_tracks)
    bounds = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    energy = _energy(steps, n_tracks, blur)
    first = 0
    while first < n_tracks:
        last = int(np.searchsorted(bounds, bounds[first] + _BLOCK, side="right")) - 1
        last = min(max(last, first + 1), n_tracks)
        rows = slice(bounds[first], bounds[last])
        segment_tracks(
            steps.delta[rows],
            energy[rows],
            bounds[first : last + 1] - bounds[first],
            parameters.penalty,
            parameters.min_segment,
            found.posterior[rows],
            found.segment[rows],
            found.level[rows],
            found.low[rows],
            found.high[rows],
        )
        for output in (found.low, found.high):
            output[rows][output[rows] >= 0] += bounds[first]
        first = last
        if progress is not None:
            progress("Finding switches", first, n_tracks)
    starts = np.ones(size, np.bool_)
    starts[1:] = (np.diff(found.segment) != 0) | ~steps.pair[:-1]
    return found._replace(segment=np.cumsum(starts) - 1)


def _energy(steps: Steps, n_tracks: int, blur: float) -> Array:
    """Squared lengths, those over several frames brought to what one frame would have given."""
    squared: Array = np.einsum("ij,ij->i", steps.delta, steps.delta)
    if not (steps.frames > 1).any():
        return squared
    fit = covariance_fit(steps, n_tracks, blur, None)
    moving = np.nan_to_num(np.maximum(fit.diffusivity, 0))[steps.track]
    shaking = np.nan_to_num(np.maximum(fit.shift, 0))[steps.track]
    expected = steps.frames * moving + shaking
    ratio = np.divide(moving + shaking, expected, out=1.0 / steps.frames, where=expected > 0)
    return np.asarray(squared * ratio)


def _segment_diffusivity(steps: Steps, found: _Found, n_tracks: int, blur: float) -> Array:
    """Diffusivity of each segment (px²/frame), with one noise for all segments of a track.

    In a track of one segment this is ``estimate_diffusivity``'s value. Elsewhere each segment
    estimates the noise variance in the same way, and the slow ones, which see it best, count most.
    """
    if steps.track.size == 0:
        return np.empty(0)
    n_axes = steps.delta.shape[1]
    n_segments = int(found.segment[-1]) + 1
    first = np.flatnonzero(np.diff(found.segment, prepend=-1))
    owner = steps.track[first]
    squared = np.einsum("ij,ij->i", steps.delta, steps.delta) / n_axes / steps.frames
    count = np.bincount(found.segment, minlength=n_segments).astype(np.float64)
    mean = sum_by_track(squared, found.segment, n_segments) / count
    inverse = sum_by_track(1 / steps.frames, found.segment, n_segments) / count
    inside = found.segment[1:] == found.segment[:-1]
    product = np.einsum("ij,ij->i", steps.delta[:-1], steps.delta[1:])[inside] / n_axes
    crossed = sum_by_track(product, found.segment[1:][inside], n_segments)
    pairs = count - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (1 - 2 * blur * inverse) * -crossed / pairs + blur * mean
        weight = np.where(mean > 0, pairs / mean**2, 0.0)
        noise = sum_by_track(np.where(weight > 0, weight * variance, 0), owner, n_tracks)
        noise /= sum_by_track(weight, owner, n_tracks)
        alone = np.bincount(owner, minlength=n_tracks) == 1
        noise = np.where(alone, noise, np.maximum(noise, 0))
        diffusivity = (mean / 2 - noise[owner] * inverse) / (1 - 2 * blur * inverse)
    # All positions equal: neither motion nor noise.
    diffusivity = np.where((mean == 0) & (pairs > 0), 0.0, diffusivity)
    return np.where(pairs > 0, np.maximum(diffusivity, 0), np.nan)


def _per_frame(
    arrays: TrackArrays, found: _Found, diffusivity: Array, parameters: SwitchDetection
) -> pd.DataFrame:
    lengths = arrays.layout.lengths
    rows = arrays.frame.size
    # The last localization of a track has no displacement of its own and takes the one before.
    step = np.arange(rows) - np.repeat(np.arange(lengths.size), lengths)
    last = np.zeros(rows, np.bool_)
    last[arrays.layout.stops - 1] = True
    single = np.repeat(lengths == 1, lengths)
    step = np.where(last, step - 1, step)
    step[single] = 0
    too_short = np.repeat(lengths < 2 * parameters.min_segment + 1, lengths)
    if found.segment.size == 0:
        none = np.zeros(1, np.int64)
        found = _Found(np.zeros(1), none, none, none, none)
        diffusivity = np.full(1, np.nan)
    table = pd.DataFrame(
        {
            "particle": np.repeat(arrays.layout.particles, lengths),
            "frame": arrays.frame,
            "p_switch": np.where(too_short, np.nan, np.where(last, 0, found.posterior[step])),
            "state": np.where(single, 0, found.level[step]),
            "diffusivity": np.where(single, np.nan, diffusivity[found.segment[step]]),
            "alpha": np.nan,
        }
    )
    table.attrs["method"] = SWITCH_METHOD
    return table


def _table(arrays: TrackArrays, steps: Steps, found: _Found, diffusivity: Array) -> pd.DataFrame:
    at = np.flatnonzero(found.low >= 0)
    track = steps.track[at]
    # Displacement i of all starts at localization i plus one for each track before it.
    low, high = found.low[at], found.high[at]
    segment = found.segment[at]
    table = pd.DataFrame(
        {
            "particle": arrays.layout.particles[track],
            "frame": arrays.frame[at + track],
            "frame_lo": arrays.frame[low - 1 + track] + 1,
            "frame_hi": arrays.frame[high + 1 + track] - 1,
            "diffusivity_before": diffusivity[segment - 1],
            "diffusivity_after": diffusivity[segment],
            "alpha_before": np.nan,
            "alpha_after": np.nan,
        }
    )
    table.attrs["method"] = SWITCH_METHOD
    return table
