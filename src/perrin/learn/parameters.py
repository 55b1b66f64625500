"""What can be chosen when networks learn from users' tracks; loads no torch."""

from __future__ import annotations

from typing import Any, Literal

from perrin.parameters import Parameters, parameter

__all__ = [
    "ENVIRONMENT", "EnvironmentTraining", "Fitting", "Generation", "GeneratorTraining", "Inputs",
]  # fmt: skip

ENVIRONMENT = "environment"
"""Column with the class that a network calls."""

Inputs = Literal["velocities", "motion", "engine"]
"""What a network that tells environments apart sees of the steps."""


def _epochs(default: int) -> Any:
    return parameter(default, "How often the network sees every track, at most.", ge=1)


def _patience(default: int) -> Any:
    return parameter(
        default,
        "Stop when so many epochs have not made it better on the tracks held out for this.",
        unit="epochs",
        ge=1,
        advanced=True,
    )


def _learning_rate(default: float) -> Any:
    return parameter(default, "Highest step size of the optimiser.", gt=0, advanced=True)


class Fitting(Parameters):
    """How to train a network on given tracks."""

    epochs: int = _epochs(60)
    patience: int = _patience(12)
    learning_rate: float = _learning_rate(3e-3)
    weight_decay: float = parameter(0.01, "Decay of the weights.", ge=0, advanced=True)
    batch: int = parameter(64, "Examples that are seen together.", ge=1, advanced=True)
    seed: int = parameter(1, "Another seed divides and begins otherwise.", ge=0, advanced=True)
    device: str = parameter(
        "auto", "Where to compute: auto, cpu, cuda or mps.", label="Compute on", advanced=True
    )


class EnvironmentTraining(Fitting):
    """How a network learns to tell classes of tracks apart."""

    epochs: int = _epochs(30)
    patience: int = _patience(6)
    inputs: Inputs = parameter(
        "motion",
        "What the network sees: sizes and angles of steps (motion), which rotations do not change; "
        "velocities along each axis; or what the bundled engine makes of the track (engine).",
    )
    folds: int = parameter(
        5,
        "The tracks are divided into so many parts; each is tested by a network that learnt from "
        "the others. All networks together are what is kept.",
        ge=2,
        le=20,
    )
    in_plane: bool = parameter(
        False, "Leave out z, which by itself tells flat recordings from those in 3D.",
        label="Ignore z",
    )  # fmt: skip
    shortest: int = parameter(
        5, "Shortest piece of a track to learn from and to judge.", unit="steps", ge=3,
        advanced=True,
    )  # fmt: skip
    longest: int = parameter(
        150, "Longest piece of a track to learn from.", unit="steps", ge=3, advanced=True
    )
    balanced: bool = parameter(
        True, "Show every class as often, however many tracks it has.", advanced=True
    )
    layers: int = parameter(2, "Recurrent layers (LSTM).", ge=1, le=4, advanced=True)
    units: int = parameter(24, "Units of each recurrent layer.", ge=1, advanced=True)
    pooling: Literal["last", "mean"] = parameter(
        "mean", "Whether the last step's output decides, or the mean over all.", advanced=True
    )


class GeneratorTraining(Fitting):
    """How a network learns to make tracks."""

    epochs: int = _epochs(120)
    patience: int = _patience(25)
    learning_rate: float = _learning_rate(5e-3)
    batch: int = parameter(16, "Tracks that are seen together.", ge=1, advanced=True)
    units: int = parameter(48, "Units of the recurrent layers (LSTM).", ge=1, advanced=True)
    components: int = parameter(10, "Components of the mixture.", ge=1, advanced=True)
    latent: int = parameter(
        4, "Numbers that distinguish one track from another.", ge=0, advanced=True
    )
    frame: Literal["track", "image"] = parameter(
        "track",
        "Whether steps are seen along and across the step before, so that no direction is "
        "preferred, or along the axes of the image.",
        advanced=True,
    )
    tails: Literal["heavy", "normal"] = parameter(
        "heavy",
        "Whether the components are Student's t, which has outliers, or normal distributions.",
        advanced=True,
    )
    still_axes: bool = parameter(
        False, "Let tracks move along axes along which no given track moves.", advanced=True
    )


class Generation(Parameters):
    """Which tracks to make."""

    n_tracks: int = parameter(100, "Number of tracks.", label="Tracks", ge=1)
    n_points: int | None = parameter(
        None, "Localizations per track; as many as the median given track has if left empty.",
        label="Length", unit="frames", ge=2,
    )  # fmt: skip
    field: float = parameter(
        0.0, "Tracks begin anywhere in a square of this size; all at the origin if 0.",
        unit="px", ge=0,
    )  # fmt: skip
    seed: int = parameter(0, "Another seed makes other tracks.", ge=0)
