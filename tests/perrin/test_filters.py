"""Filters of tracks: what they keep, how they are written, and what is wrong with them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from perrin import InputError, Recipe
from perrin.filters import TrackFilters

NUMBERS = pd.DataFrame(
    {
        "particle": [1, 2, 3, 4],
        "n_points": [30, 60, 90, 5],
        "alpha": [0.4, 1.0, 1.6, np.nan],
        "model": pd.Series(["SBM", "FBM", "FBM", None], dtype="str"),
    }
)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [1, 2, 3, 4]),
        ({"ranges": {"alpha": (None, None)}}, [1, 2, 3]),
        ({"ranges": {"alpha": (0.4, 1.0)}}, [1, 2]),
        ({"ranges": {"alpha": (0.5, None), "n_points": (None, 60)}}, [2]),
        ({"models": ("FBM",)}, [2, 3]),
        ({"models": "FBM"}, [2, 3]),
        ({"models": ("SBM", "not judged")}, [1, 4]),
        ({"models": ()}, []),
    ],
)
def test_tracks_outside_a_range_or_of_another_model_are_left_out(
    filters: dict[str, object], expected: list[int]
) -> None:
    kept = TrackFilters.checked(**filters).kept(NUMBERS)
    assert NUMBERS["particle"][kept].tolist() == expected


def test_filters_are_a_step_of_the_recipe() -> None:
    filters = TrackFilters(ranges={"alpha": (0.1 + 0.2, None)}, models=("FBM", "LW"))
    recipe = Recipe(filters=filters)
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe
    changed = Recipe().with_values({"filters": {"ranges": {"n_points": [30, None]}}})
    assert changed.filters.ranges == {"n_points": (30, None)}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"ranges": {"alpha": (1, 0)}}, "alpha ends below"),
        ({"models": ("FBN",)}, "no model 'FBN'"),
        ({"ranges": {"alpha": "high"}}, "ranges.alpha"),
    ],
)
def test_what_is_wrong_with_filters_is_said(values: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        TrackFilters.checked(**values)


@pytest.mark.parametrize("name", ["speed", "model"])
def test_a_range_needs_a_column_of_numbers(name: str) -> None:
    filters = TrackFilters(ranges={name: (0, 1)})
    with pytest.raises(InputError, match=f"filtered by '{name}'.*n_points, alpha"):
        filters.kept(NUMBERS)
