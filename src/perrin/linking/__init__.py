"""From localizations to tracks; drift."""

from perrin.linking._drift import DriftCorrection, correct_drift, estimate_drift, remove_drift
from perrin.linking._link import Linker, NearestLinker, filter_by_length, link

__all__ = [
    "DriftCorrection",
    "Linker",
    "NearestLinker",
    "correct_drift",
    "estimate_drift",
    "filter_by_length",
    "link",
    "remove_drift",
]
