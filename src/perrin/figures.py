"""How figures are saved; matplotlib is imported only when one is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from perrin.errors import InputError
from perrin.io import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FIGURE_SUFFIXES", "save_figure"]

FIGURE_SUFFIXES = (".pdf", ".svg", ".png")
"""File types that figures are saved as."""


def save_figure(figure: Figure, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Save a figure; its text stays text in PDF and SVG, so that it can be edited.

    Parameters
    ----------
    figure
        From :mod:`perrin.track_figure` or :mod:`perrin.population_figure`.
    path
        The suffix says how: one of :data:`FIGURE_SUFFIXES`.
    overwrite
        Whether a file of this name may be replaced.

    Raises
    ------
    InputError
        If the suffix is another.
    OutputError
        If the file exists (and ``overwrite`` is false) or cannot be written; nothing was changed.
    """
    import matplotlib as mpl

    suffix = Path(path).suffix.lower()
    if suffix not in FIGURE_SUFFIXES:
        raise InputError(
            f"A figure cannot be saved as '{Path(path).name}': end its name with "
            f"{', '.join(FIGURE_SUFFIXES[:-1])} or {FIGURE_SUFFIXES[-1]}."
        )
    with (
        mpl.rc_context({"pdf.fonttype": 42, "svg.fonttype": "none"}),
        atomic_write(path, overwrite=overwrite) as temporary,
    ):
        figure.savefig(temporary, format=suffix[1:])
