"""Calling trackpy without its log lines and warnings reaching the user's terminal."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet"]


@contextmanager
def quiet() -> Iterator[None]:
    """Silence trackpy, and only trackpy, inside the block.

    It logs a line per frame, warns of frames without spots, and uses what pandas 3 deprecates.
    """
    logger = logging.getLogger("trackpy")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"trackpy\b")
            yield
    finally:
        logger.setLevel(level)
