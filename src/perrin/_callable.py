"""Packages that are called like the function they are named after."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

__all__ = ["make_callable"]


def make_callable(name: str, function: Callable[..., Any]) -> None:
    """Let ``name``, a package, be called, and mean ``function``.

    ``perrin.link`` is both a package and the function that users call. Importing any part of the
    package makes Python store it as the attribute ``link`` of ``perrin``, where the function was
    expected. With this, ``perrin.link(spots)`` works whichever of the two is found there, and
    ``perrin.link.estimate_drift`` as well.

    Parameters
    ----------
    name
        The package's ``__name__``.
    function
        What calling it does.
    """

    class CallablePackage(ModuleType):
        __call__ = staticmethod(function)

    package = sys.modules[name]
    package.__class__ = CallablePackage
    package.__dict__["__signature__"] = inspect.signature(function)
