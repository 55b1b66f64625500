"""Statistics of single tracks and of populations of tracks.

Lengths are in pixels and times in frames throughout; ``Calibration`` converts.
"""

from perrin.statistics._comparison import Comparison, compare_conditions
from perrin.statistics._conditions import join_movies
from perrin.statistics._diffusivity import estimate_diffusivity
from perrin.statistics._ensemble_fit import EnsembleFit, fit_ensemble_msd
from perrin.statistics._ergodicity import ageing, amplitude_scatter, ergodicity_breaking
from perrin.statistics._fbm import cramer_rao, fit_fbm
from perrin.statistics._motion import blurred_power, michalet_lags
from perrin.statistics._msd import TrackMsd, ensemble_msd, time_averaged_msd, time_ensemble_msd
from perrin.statistics._msd_fit import fit_msd, msd_covariance
from perrin.statistics._population import (
    StateArray,
    StateArrayFit,
    infer_state_array,
    remaining_share,
)
from perrin.statistics._rest import LEVEL_OF_REST, MIN_POINTS_AT_REST, immobility
from perrin.statistics._shape import (
    confinement_radius,
    first_passage,
    moment_scaling_spectrum,
    non_gaussian_parameter,
    van_hove,
    velocity_autocorrelation,
)
from perrin.statistics._states import StatesFit, fit_states
from perrin.statistics._survey import Survey, SurveyParameters, survey_tracks
from perrin.statistics._switches import (
    SWITCH_METHOD,
    SwitchDetection,
    Switches,
    find_switches,
)

__all__ = [
    "LEVEL_OF_REST",
    "MIN_POINTS_AT_REST",
    "SWITCH_METHOD",
    "Comparison",
    "EnsembleFit",
    "StateArray",
    "StateArrayFit",
    "StatesFit",
    "Survey",
    "SurveyParameters",
    "SwitchDetection",
    "Switches",
    "TrackMsd",
    "ageing",
    "amplitude_scatter",
    "blurred_power",
    "compare_conditions",
    "confinement_radius",
    "cramer_rao",
    "ensemble_msd",
    "ergodicity_breaking",
    "estimate_diffusivity",
    "find_switches",
    "first_passage",
    "fit_ensemble_msd",
    "fit_fbm",
    "fit_msd",
    "fit_states",
    "immobility",
    "infer_state_array",
    "join_movies",
    "michalet_lags",
    "moment_scaling_spectrum",
    "msd_covariance",
    "non_gaussian_parameter",
    "remaining_share",
    "survey_tracks",
    "time_averaged_msd",
    "time_ensemble_msd",
    "van_hove",
    "velocity_autocorrelation",
]
