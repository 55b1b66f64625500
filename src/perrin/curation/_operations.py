"""What can be done to tracks by hand, and the file that keeps it."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal, Self

import numpy as np
import pandas as pd
import yaml
from pydantic import Field, field_validator, model_validator

import perrin
from perrin.errors import InputError
from perrin.filters import TrackFilters
from perrin.parameters import Parameters

__all__ = [
    "Curation", "Delete", "Filter", "Join", "Judge", "Label", "Operation", "Split", "fingerprint",
]  # fmt: skip

_VERSION = 1

# The least of all numbers is the owner of what was deleted.
Number = Annotated[int, Field(gt=-(2**63), lt=2**63)]
Numbers = Annotated[tuple[Number, ...], Field(min_length=1)]


class Judge(Parameters):
    """Accept tracks, or reject them: rejected tracks are hidden, and no longer kept."""

    kind: Literal["accept", "reject"]
    particles: Numbers


class Label(Parameters):
    """Give tracks a label of one's own; an empty one takes the label away."""

    kind: Literal["label"] = "label"
    particles: Numbers
    label: str

    @field_validator("label")
    @classmethod
    def _one_line(cls, label: str) -> str:
        return " ".join(label.split())


class Split(Parameters):
    """Cut a track in pieces: each of ``frames`` is the first of a piece of a new number."""

    kind: Literal["split"] = "split"
    particle: Number
    frames: Numbers
    new: Numbers

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if len(self.frames) != len(self.new):
            raise ValueError("a split needs as many new track numbers as frames")
        if any(
            second <= first for first, second in zip(self.frames, self.frames[1:], strict=False)
        ):
            raise ValueError("the frames of a split must rise")
        return self


class Join(Parameters):
    """Make two tracks that have no frame in common one, under the number of the first."""

    kind: Literal["join"] = "join"
    particle: Number
    other: Number


class Delete(Parameters):
    """Delete the localization of a track in one frame."""

    kind: Literal["delete"] = "delete"
    particle: Number
    frame: Number


class Filter(Parameters):
    """Set the filters anew; a curation that is saved leaves this to the recipe."""

    kind: Literal["filter"] = "filter"
    filters: TrackFilters


Operation = Annotated[Judge | Label | Split | Join | Delete, Field(discriminator="kind")]
"""What a curation is made of."""


class Curation(Parameters):
    """What was done to the tracks of one movie by hand, in the order in which it was done.

    A recipe fits any movie; a curation speaks of track numbers and frames, and fits the tracks
    that it was made on alone.
    """

    version: Literal[1] = Field(default=1, description="Version of the file's format.")
    tracks: str = Field(description="What tells the tracks that it was made on from others.")
    operations: tuple[Operation, ...] = Field(default=(), description="What was done.")

    @classmethod
    def checked(cls, **values: Any) -> Self:
        """Build the curation, turning what is wrong with it into one :class:`InputError`."""
        version = values.get("version", _VERSION)
        if version != _VERSION:
            raise InputError(
                f"This curation has the version {version!r}; Perrin {perrin.__version__} reads "
                f"version {_VERSION}. Use the Perrin that wrote it, or a newer one."
            )
        return super().checked(**values)

    def to_yaml(self) -> str:
        """Write the curation as YAML text, short operations on one line."""
        values = self.model_dump(mode="json")
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, default_flow_style=None)


def fingerprint(tracks: pd.DataFrame) -> str:
    """Return what tells tracks from others: which track was seen in which frame.

    Positions do not count: another computer finds the same tracks with other last digits.

    Parameters
    ----------
    tracks
        A checked track table.
    """
    rows = np.ascontiguousarray(tracks[["particle", "frame"]].to_numpy("<i8"))
    return hashlib.sha256(rows.tobytes()).hexdigest()[:16]
