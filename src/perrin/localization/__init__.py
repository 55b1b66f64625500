"""From frames to localizations."""

from perrin.localization._bias import SubpixelBias, subpixel_bias
from perrin.localization._gaussian import GaussianDetector
from perrin.localization._localize import Detector, localize, localize_frame, resolve_detector
from perrin.localization._preview import FramePreview, MoviePreview
from perrin.localization._suggest import (
    SearchRange,
    SuggestedDetector,
    suggest_detector,
    suggest_search_range,
)
from perrin.localization._suggest_trackpy import (
    SuggestedTrackpyDetector,
    suggest_trackpy_detector,
)
from perrin.localization._trackpy import TrackpyDetector

__all__ = [
    "Detector",
    "FramePreview",
    "GaussianDetector",
    "MoviePreview",
    "SearchRange",
    "SubpixelBias",
    "SuggestedDetector",
    "SuggestedTrackpyDetector",
    "TrackpyDetector",
    "localize",
    "localize_frame",
    "resolve_detector",
    "subpixel_bias",
    "suggest_detector",
    "suggest_search_range",
    "suggest_trackpy_detector",
]
