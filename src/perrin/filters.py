"""Filters of tracks: ranges of what was found of each track, and models of motion."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import field_validator

from perrin.errors import InputError
from perrin.models import MODELS
from perrin.parameters import Parameters, parameter
from perrin.summary import NOT_JUDGED
from perrin.tracks import index_tracks

__all__ = ["NO_FILTERS", "Limits", "TrackFilters", "with_first_frame"]

Limits = tuple[float | None, float | None]
"""Lowest and highest value that is kept; ``None`` is no limit."""


class TrackFilters(Parameters):
    """Which tracks count: those that lie in every range and have one of the models.

    The other tracks are not deleted: tables say of every track whether it is kept.
    """

    ranges: dict[str, Limits] = parameter(
        {},
        "Lowest and highest value of a column of per_track, null for no limit, as "
        "{alpha: [0.5, 1.2], n_points: [30, null]}; tracks without a value are left out.",
        label="Ranges",
    )
    models: tuple[str, ...] | None = parameter(
        None,
        f"Models that are kept, out of {', '.join(MODELS)} and '{NOT_JUDGED}'; all if not given.",
        label="Models",
    )

    @field_validator("ranges")
    @classmethod
    def _in_order(cls, ranges: dict[str, Limits]) -> dict[str, Limits]:
        for name, (low, high) in ranges.items():
            if low is not None and high is not None and not low <= high:
                raise ValueError(f"the range of {name} ends below its beginning")
        return ranges

    @field_validator("models", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("models")
    @classmethod
    def _known(cls, models: tuple[str, ...] | None) -> tuple[str, ...] | None:
        unknown = [name for name in models or () if name not in (*MODELS, NOT_JUDGED)]
        if unknown:
            raise ValueError(f"there is no model {unknown[0]!r}")
        return models

    def kept(self, numbers: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Say which tracks are kept.

        Parameters
        ----------
        numbers
            One row per track: ``Analysis.per_track``, or any part of it.

        Returns
        -------
        array of bool, shape (n_tracks,)

        Raises
        ------
        InputError
            If a range is of a column that is not there, or holds no numbers.
        """
        kept = np.ones(len(numbers), np.bool_)
        for name, (low, high) in self.ranges.items():
            if name not in numbers or not pd.api.types.is_numeric_dtype(numbers[name].dtype):
                known = [str(x) for x in numbers.select_dtypes("number")]
                raise InputError(
                    f"Tracks cannot be filtered by {name!r}. What is known of them in numbers: "
                    f"{', '.join(known)}."
                )
            values = numbers[name].to_numpy(np.float64, na_value=np.nan)
            kept &= np.isfinite(values)
            kept &= values >= (-np.inf if low is None else low)
            kept &= values <= (np.inf if high is None else high)
        if self.models is not None and "model" in numbers:
            names = numbers["model"].astype(object)
            called = names.notna() & (names != "")
            kept &= names.where(called, NOT_JUDGED).isin(self.models).to_numpy(np.bool_)
        return kept

    def of_columns(self, names: Collection[str]) -> TrackFilters:
        """Return these filters without those of what is not among ``names``."""
        ranges = {name: limits for name, limits in self.ranges.items() if name in names}
        models = self.models if "model" in names else None
        return TrackFilters(ranges=ranges, models=models)


NO_FILTERS = TrackFilters()
"""Keep all tracks."""


def with_first_frame(per_track: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    """Add to numbers of tracks the frame in which each begins, ``first_frame``.

    Parameters
    ----------
    per_track
        One row per track, with its number in ``particle``.
    tracks
        A checked track table.
    """
    index = index_tracks(tracks)
    first = pd.Series(tracks["frame"].to_numpy()[index.starts], index.particles)
    return per_track.assign(first_frame=per_track["particle"].map(first))
