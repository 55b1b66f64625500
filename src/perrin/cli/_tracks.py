"""Track tables as every command takes them: with a calibration, without what was rejected."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perrin.cli._shell import note
from perrin.io import read_tracks
from perrin.pipeline import Recipe
from perrin.results import recipe_beside
from perrin.saved import kept_beside

if TYPE_CHECKING:
    import pandas as pd

    from perrin.tracks import Calibration

__all__ = ["calibrated", "read_counted"]


def calibrated(recipe: Recipe, own: Calibration | None, name: str, *, quiet: bool) -> Recipe:
    """Fill in the recipe's calibration by what a file states, and note where it goes before it.

    Parameters
    ----------
    recipe
        With the calibration that was given.
    own
        What the file states.
    name
        How to call the file.
    quiet
        Whether to note nothing.
    """
    for sentence in recipe.overruled(own, name):
        note(f"Note: {sentence}", quiet=quiet)
    return recipe.calibrated(own)


def read_counted(
    path: Path,
    changes: Mapping[str, Mapping[str, Any]],
    *,
    recipe_file: Path | None = None,
    quiet: bool = False,
) -> pd.DataFrame:
    """Read the tracks of a table that count, with the calibration that holds for them.

    Parameters
    ----------
    path
        The table. Tracks that a ``per_track`` of Perrin's own beside it says were rejected or
        filtered are left out.
    changes
        What :func:`perrin.cli._options.changes_in` found; its calibration goes before all others.
    recipe_file
        Whose calibration goes before that of the table; one that Perrin saved beside the table is
        taken if none is given.
    quiet
        Whether to note nothing.

    Returns
    -------
    pandas.DataFrame
        A track table with the calibration in ``attrs["calibration"]``.

    Raises
    ------
    InputError
        If a file cannot be used, or no track is left.
    """
    if recipe_file is None and (beside := recipe_beside(path)) is not None:
        note(f"Using the calibration in {beside}.", quiet=quiet)
        recipe_file = beside
    recipe = Recipe() if recipe_file is None else Recipe.read(recipe_file)
    every = read_tracks(path)
    table = kept_beside(path, every)
    if left_out := every["particle"].nunique() - table["particle"].nunique():
        note(f"Left out {left_out} tracks of {path} that were rejected or filtered.", quiet=quiet)
    chosen = {step: values for step, values in changes.items() if step == "calibration"}
    own = every.attrs.get("calibration")
    recipe = calibrated(recipe.with_values(chosen), own, path.name, quiet=quiet)
    table.attrs["calibration"] = recipe.calibration
    return table
