"""The engines by name: Perrin's own, and those to compare it with.

What an engine says of a track depends on the engine; the table it says it in does not. Nothing
that computes is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import pandas as pd

from perrin.errors import InputError, Progress

if TYPE_CHECKING:
    from perrin.engine.train import Training

__all__ = ["ENGINES", "PARTS", "TRAINABLE", "Engine", "EngineName", "predict", "train"]

EngineName = Literal["perrin", "msd", "msd-plain", "fbm", "convtransformer", "cnn"]
"""What an engine is called in Python, on the command line, in recipes and in the window."""


class Engine(NamedTuple):
    """What there is to know of an engine.

    Attributes
    ----------
    description
        One line for people.
    shortest
        Fewest localizations of a track that it answers for.
    predictor
        Where it answers: module and function.
    takes
        Which of the options of :func:`predict` make a difference to it.
    trainer
        Where it is trained; None if there is nothing to train.
    """

    description: str
    shortest: int
    predictor: str
    takes: tuple[str, ...]
    trainer: str | None = None


_NETWORK = ("device", "weights")
_FIT = ("exposure",)

ENGINES: dict[EngineName, Engine] = {
    "perrin": Engine(
        "Perrin's own network: model, alpha and how sure they are", 10,
        "perrin.engine.inference:predict", (*_NETWORK, *_FIT), "perrin.engine.train:train",
    ),
    "msd": Engine(
        "fit of a power law with noise and motion blur to the MSD: alpha, D, noise", 4,
        "perrin.engine.baselines.msd:with_noise", _FIT,
    ),
    "msd-plain": Engine(
        "straight line through the MSD's logarithm, noise ignored: alpha, D", 3,
        "perrin.engine.baselines.msd:plain", (),
    ),
    "fbm": Engine(
        "maximum likelihood for fractional Brownian motion with noise: alpha, D, noise", 3,
        "perrin.engine.baselines.fbm:likelihood", _FIT,
    ),
    "convtransformer": Engine(
        "network of Firbas et al. 2023, axis by axis: model, alpha", 10,
        "perrin.engine.baselines.convtransformer:predict", _NETWORK,
        "perrin.engine.baselines.convtransformer:train",
    ),
    "cnn": Engine(
        "network of the AnDi tutorial, for noiseless FBM of at least 200 points: alpha", 200,
        "perrin.engine.baselines.cnn:predict", _NETWORK, "perrin.engine.baselines.cnn:train",
    ),
}  # fmt: skip
"""All engines."""

assert tuple(ENGINES) == get_args(EngineName)

PARTS: dict[str, str] = {
    "switches": "perrin.engine.switching.train:train",
    "changes": "perrin.engine.changes.train:train",
}
"""Networks that are no engines by themselves, and where they are trained."""

_WITH_WEIGHTS = ", ".join(name for name, engine in ENGINES.items() if engine.trainer is not None)

TRAINABLE = ", ".join((_WITH_WEIGHTS, *PARTS))
"""What can be trained, for people."""


def predict(
    tracks: pd.DataFrame,
    *,
    engine: EngineName = "perrin",
    device: str = "auto",
    weights: Path | None = None,
    exposure: float = 1.0,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Ask an engine about every track.

    Parameters
    ----------
    tracks
        A track table (positions in px).
    engine
        Name of one of :data:`ENGINES`.
    device
        Where networks compute: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    weights
        A file written by ``perrin train --engine NAME``; the bundled weights if not given.
    exposure
        Share of the frame interval during which the shutter is open.
    progress
        Called as ``progress(what, done, total)``.

    Returns
    -------
    pandas.DataFrame
        One row per particle: ``particle``, ``n_points``; ``p_attm`` … ``p_sbm``, probabilities of
        the models; ``alpha``, ``alpha_lo``, ``alpha_hi`` (5 % and 95 %); ``p_ergodic``,
        probability that the motion is ergodic; ``diffusivity``, ``diffusivity_lo``,
        ``diffusivity_hi`` (short-time, px²/frame); ``noise`` (px); ``unlike_training``. What an
        engine does not say, of all tracks or of one, is NaN, and ``unlike_training`` False.

    Raises
    ------
    InputError
        If there is no such engine, it has no weights although some are given, or the table, the
        device or the weights cannot be used.
    Cancelled
        If ``progress`` raises it.
    """
    chosen = _named(engine)
    if weights is not None and "weights" not in chosen.takes:
        raise InputError(
            f"The engine {engine} has no weights; {_WITH_WEIGHTS} have. Leave the weights out."
        )
    given = {"device": device, "weights": weights, "exposure": exposure}
    answer = _load(chosen.predictor)
    return pd.DataFrame(
        answer(tracks, progress=progress, **{name: given[name] for name in chosen.takes})
    )


def train(
    parameters: Training,
    folder: Path,
    *,
    engine: EngineName | Literal["switches", "changes"] = "perrin",
    resume: bool = True,
    progress: Progress | None = None,
) -> Path:
    """Train an engine, or a network that is part of one, and write its weights and card.

    Parameters
    ----------
    parameters
        How to train. The networks to compare with know few of the fields:
        :data:`perrin.engine.baselines.training.PARAMETERS`.
    folder
        Receives ``weights.safetensors``, its card ``weights.yaml`` and the learning curve
        ``log.csv``; for Perrin's own network also the state to resume from.
    engine
        Name of one of :data:`ENGINES` that can be trained, or of :data:`PARTS`.
    resume
        Go on from a state in the folder if there is one; only Perrin's own networks leave any.
    progress
        Called with the seconds trained and to train.

    Returns
    -------
    Path
        The weights.

    Raises
    ------
    InputError
        If there is no such engine, it cannot be trained, or not with these parameters.
    Cancelled
        If ``progress`` raises it.
    """
    if engine in PARTS:
        learn = _load(PARTS[engine])
        return Path(learn(parameters, folder, resume=resume, progress=progress))
    chosen = _named(engine)
    if chosen.trainer is None:
        raise InputError(
            f"The engine {engine} is a formula, there is nothing to train. Choose one of "
            f"{TRAINABLE}."
        )
    learn = _load(chosen.trainer)
    if engine == "perrin":
        return Path(learn(parameters, folder, resume=resume, progress=progress))
    from perrin.engine.baselines.training import PARAMETERS

    foreign = sorted(parameters.model_fields_set.difference(PARAMETERS))
    if foreign:
        raise InputError(
            f"The engine {engine} is trained without {', '.join(foreign)}. What can be chosen is "
            f"{', '.join(PARAMETERS)}."
        )
    return Path(learn(parameters, folder, progress=progress))


def _named(engine: str) -> Engine:
    for name, found in ENGINES.items():
        if name == engine:
            return found
    raise InputError(f"There is no engine {engine!r}. Choose one of {', '.join(ENGINES)}.")


def _load(place: str) -> Any:
    module, _, function = place.partition(":")
    return getattr(import_module(module), function)
