"""From localizations to tracks; drift."""

from perrin.linking._correlation import drift_of_images
from perrin.linking._drift import (
    DriftCorrection,
    correct_drift,
    drift_of_fiducials,
    estimate_drift,
    remove_drift,
)
from perrin.linking._laptrack import LapLinker
from perrin.linking._link import Linker, filter_by_length, link, track_graph
from perrin.linking._motion import MotionLinker
from perrin.linking._nearest import NearestLinker

__all__ = [
    "DriftCorrection",
    "LapLinker",
    "Linker",
    "MotionLinker",
    "NearestLinker",
    "correct_drift",
    "drift_of_fiducials",
    "drift_of_images",
    "estimate_drift",
    "filter_by_length",
    "link",
    "remove_drift",
    "track_graph",
]
