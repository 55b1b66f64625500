"""From frames to localizations."""

from perrin.localization._gaussian import GaussianDetector
from perrin.localization._localize import Detector, localize, localize_frame, resolve_detector
from perrin.localization._suggest import (
    SearchRange,
    SuggestedDetector,
    suggest_detector,
    suggest_search_range,
)
from perrin.localization._trackpy import TrackpyDetector

__all__ = [
    "Detector",
    "GaussianDetector",
    "SearchRange",
    "SuggestedDetector",
    "TrackpyDetector",
    "localize",
    "localize_frame",
    "resolve_detector",
    "suggest_detector",
    "suggest_search_range",
]
