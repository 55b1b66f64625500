"""From frames to localizations."""

from perrin._callable import make_callable
from perrin.localize._localize import Detector, localize, localize_frame, resolve_detector
from perrin.localize._trackpy import TrackpyDetector

__all__ = ["Detector", "TrackpyDetector", "localize", "localize_frame", "resolve_detector"]

make_callable(__name__, localize)
