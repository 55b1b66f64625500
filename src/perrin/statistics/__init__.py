"""Statistics of single tracks and of populations of tracks.

Lengths are in pixels and times in frames throughout; ``Calibration`` converts.
"""

from perrin.statistics._diffusivity import estimate_diffusivity
from perrin.statistics._fbm import cramer_rao, fit_fbm
from perrin.statistics._motion import blurred_power, michalet_lags
from perrin.statistics._msd import TrackMsd, ensemble_msd, time_averaged_msd, time_ensemble_msd
from perrin.statistics._msd_fit import fit_msd, msd_covariance
from perrin.statistics._switches import (
    SWITCH_METHOD,
    SwitchDetection,
    Switches,
    find_switches,
)

__all__ = [
    "SWITCH_METHOD",
    "SwitchDetection",
    "Switches",
    "TrackMsd",
    "blurred_power",
    "cramer_rao",
    "ensemble_msd",
    "estimate_diffusivity",
    "find_switches",
    "fit_fbm",
    "fit_msd",
    "michalet_lags",
    "msd_covariance",
    "time_averaged_msd",
    "time_ensemble_msd",
]
