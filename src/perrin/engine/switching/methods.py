"""What finds switches: Perrin's network, or a method to compare it with.

Nothing that computes is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Literal

import pandas as pd

from perrin import statistics
from perrin.errors import Progress
from perrin.parameters import parameter
from perrin.statistics import SwitchDetection, Switches

__all__ = ["CHANGE_METHOD", "NETWORK_METHOD", "MethodName", "SwitchCalls", "find_switches"]

NETWORK_METHOD = "network"
"""What the tables' ``attrs["method"]`` says of switches that the network found."""

CHANGE_METHOD = "change of model"
"""The same, of changes of diffusion model or exponent."""

MethodName = Literal["network", "likelihood", "model"]

_NETWORKS: dict[MethodName, tuple[str, str]] = {
    "network": ("perrin.engine.switching.find", "by_network"),
    "model": ("perrin.engine.changes.find", "by_changes"),
}


class SwitchCalls(SwitchDetection):
    """What finds switches, and how readily they are reported."""

    switch_method: MethodName = parameter(
        "network",
        "What finds switches: Perrin's network; penalised likelihood; or, by a network of its own, "
        "at most one change of diffusion model or exponent in each track.",
        label="Switches by",
    )
    switch_threshold: float = parameter(
        0.5,
        "Least probability at which a network's switches are reported; higher means fewer false "
        "switches and more missed ones.",
        label="Least probability of a switch",
        gt=0,
        le=1,
    )
    shared_states: bool = parameter(
        False,
        "Judge the segments of all tracks together, as those of one movie, recorded alike: they "
        "share a localization error and a few states, which makes diffusivity, exponent and motion "
        "of each more certain. For switches by the network; needs ten segments.",
        label="Tracks share states",
    )


def find_switches(
    tracks: pd.DataFrame,
    parameters: SwitchCalls | None = None,
    *,
    exposure: float = 1.0,
    device: str = "auto",
    weights: Path | None = None,
    progress: Progress | None = None,
) -> Switches:
    """Find where the motion of each track changes, and what it is in between.

    Parameters
    ----------
    tracks
        A track table (positions in px); missing frames are known to the network as missing.
    parameters
        What finds them, and how readily a switch is reported. With ``"likelihood"`` all is as
        :func:`perrin.statistics.find_switches` has it. With ``"model"`` a switch is the one change
        of diffusion model or exponent of a track, if there is one (:mod:`perrin.engine.changes`).
    exposure
        Share of the frame interval during which the shutter is open, 0 to 1.
    device, weights
        As for :func:`perrin.engine.predict`; weights come from ``perrin train --engine switches``,
        with ``"model"`` from ``perrin train --engine changes``.
    progress
        Called as ``progress("Finding switches", done, total)`` with numbers of frames.

    Returns
    -------
    Switches
        ``per_frame``, one row per localization, sorted by ``particle`` and ``frame``:

        - ``particle``, ``frame``;
        - ``p_switch``: probability that a new state begins here, after the localization before;
        - ``state``: 0 for the slowest level of this track, 1 for the next, ...; segments whose
          diffusivities cannot be told apart share a level;
        - ``motion``: what the segment does, out of :data:`perrin.models.STATES`;
        - ``diffusivity`` (px²/frame^alpha): generalised diffusivity D of the current state,
          ``<x²> = 2 D t^alpha`` along each axis, with ``diffusivity_lo``, ``diffusivity_hi``
          (5 % and 95 %); 0 where immobile;
        - ``alpha``, ``alpha_lo``, ``alpha_hi``: anomalous exponent; NaN where immobile.

        Of tracks of fewer than 20 localizations, or that never move, nothing is said: ``state`` is
        0, and all else of them is empty (NaN).

        ``switches``, one row per switch: ``particle``; ``frame``, the first frame of the new
        segment; ``frame_lo``, ``frame_hi`` (5 % to 95 %); ``diffusivity_before``,
        ``diffusivity_after``, ``alpha_before``, ``alpha_after`` of the segments, NaN or 0 as above.

        ``attrs["method"]`` of both is :data:`NETWORK_METHOD`.

        With ``"model"``, ``motion`` is empty; diffusivities are short-time ones (px²/frame), of the
        two parts of a track that changes (:func:`perrin.statistics.estimate_diffusivity`), and
        empty in all other tracks, as is alpha; and ``switches`` has the models besides:
        ``model_before``, ``model_after``. ``attrs["method"]`` is :data:`CHANGE_METHOD`.

    Raises
    ------
    InputError
        If the table, the device or the weights cannot be used, or ``exposure`` is out of range.
    Cancelled
        If ``progress`` raises it.

    Notes
    -----
    *Ends*: no switch is reported within ``min_segment`` localizations of an end. *Gaps*: a switch
    that may have happened while the particle was not seen is told at the localization after the
    gap.
    """
    chosen = parameters or SwitchCalls()
    if chosen.switch_method == "likelihood":
        return statistics.find_switches(tracks, chosen, exposure=exposure, progress=progress)
    module, function = _NETWORKS[chosen.switch_method]
    find = getattr(import_module(module), function)
    return Switches(
        *find(
            tracks,
            chosen,
            exposure=exposure,
            device=device,
            weights=weights,
            progress=progress,
        )
    )
