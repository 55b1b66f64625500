"""The errors that Perrin raises on purpose.

Each message is a sentence for the person at the microscope: what is wrong, where, and what to do.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Cancelled", "InputError", "OutputError", "PerrinError", "Progress"]


class PerrinError(Exception):
    """Base class of every error that Perrin raises on purpose."""


class InputError(PerrinError, ValueError):
    """A movie, a table, a file or a parameter cannot be used as it is."""


class OutputError(PerrinError, OSError):
    """A result could not be written; nothing that existed was changed."""


class Cancelled(PerrinError):
    """Raised by a progress callback to stop the work at the next safe point."""


Progress = Callable[[str, int, int], None]
"""``progress(what, done, total)``, called from long work; it may raise :class:`Cancelled`."""
