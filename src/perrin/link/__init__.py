"""From localizations to tracks; drift."""

from perrin._callable import make_callable
from perrin.link._drift import DriftCorrection, correct_drift, estimate_drift, remove_drift
from perrin.link._link import Linker, NearestLinker, filter_by_length, link

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

make_callable(__name__, link)
