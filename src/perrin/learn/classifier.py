"""The networks that tell classes of tracks apart.

A network reads the steps of a piece of a track, of any length, and gives the probability of each
class. It is made of several members, each trained on other tracks, whose answers are averaged.
"""

from __future__ import annotations

from functools import cache
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from perrin.engine.network import Network
from perrin.engine.weights import load_network
from perrin.learn.parameters import Inputs
from perrin.parameters import Parameters, parameter

__all__ = ["Architecture", "Classifier", "Member", "describe", "motion"]

_LAGS = (1, 2, 4)
_LEAST_SPEED = 0.02
_N_IN_PLANE = 2 + 2 * len(_LAGS)
_N_ALONG_Z = 2
_N_ENGINE_SCALES = 2


class Architecture(Parameters):
    """What a classifier is made of, and which tracks it is for; stored beside its weights."""

    classes: tuple[str, ...] = parameter((), "Names of the classes.")
    axes: tuple[str, ...] = parameter(("y", "x"), "Position columns that are used.")
    interval: float = parameter(1.0, "Time of one step.", gt=0)
    length_unit: str = parameter("px", "Unit of lengths.")
    time_unit: str = parameter("frame", "Unit of times.")
    least_steps: int = parameter(5, "Shortest stretch of a track that gets an answer.", ge=2)
    inputs: Inputs = parameter(
        "motion",
        "What is seen of the steps: velocities along each axis; their sizes and angles, which no "
        "rotation changes; or what the bundled engine's trunk makes of them.",
    )
    layers: int = parameter(2, "Recurrent layers (LSTM).", ge=1)
    units: int = parameter(24, "Units of each recurrent layer.", ge=1)
    pooling: Literal["last", "mean"] = parameter(
        "mean", "Whether the last step's output decides, or the mean over all steps."
    )
    members: int = parameter(1, "Networks whose answers are averaged.", ge=1)


class Classifier(nn.Module):
    """Probability of each class, from the steps of a track.

    Parameters
    ----------
    architecture
        What it is made of.
    """

    sizes: ClassVar[type[Parameters]] = Architecture

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.members = nn.ModuleList(Member(architecture) for _ in range(architecture.members))

    def forward(self, steps: Tensor) -> Tensor:
        """Logarithm of the probability of each class, shape ``(n_pieces, n_classes)``.

        Parameters
        ----------
        steps
            Displacements of pieces of one length, shape ``(n_pieces, n_steps, n_axes)``.
        """
        answers = [member(steps).softmax(1) for member in self.members]
        return torch.stack(answers).mean(0).clamp_min(1e-9).log()


class Member(nn.Module):
    """One network of a classifier."""

    scale: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = a = architecture
        n_axes, n_classes = len(a.axes), len(a.classes)
        self.register_buffer("scale", torch.ones(()))
        if a.inputs == "engine":
            self.engine = _Engine(n_axes)
            self.answer = nn.Linear(self.engine.width, n_classes)
            return
        width = n_axes
        if a.inputs == "motion":
            width = _N_IN_PLANE + (_N_ALONG_Z if "z" in a.axes else 0)
        self.recurrent = nn.LSTM(width, a.units, a.layers, batch_first=True)
        self.answer = nn.Linear(a.units, n_classes)

    def measure_scale(self, steps: Tensor) -> None:
        """Take the unit of lengths from the training's steps, shape ``(n, n_axes)``.

        Velocities are divided by the largest, so that all lie between -1 and 1 (Rieke 2016); all
        else is in units of the root mean square, which few outliers do not set.
        """
        largest = self.architecture.inputs == "velocities"
        size = steps.abs().max() if largest else steps.square().sum(1).mean().sqrt()
        self.scale.fill_(float(size.clamp_min(1e-12)))

    def forward(self, steps: Tensor) -> Tensor:
        """Logits of the classes, shape ``(n_pieces, n_classes)``."""
        a = self.architecture
        scaled = steps / self.scale
        if a.inputs == "engine":
            pooled = self.engine(scaled)
        else:
            x = motion(scaled, "z" in a.axes) if a.inputs == "motion" else scaled
            output, _ = self.recurrent(x)
            pooled = output[:, -1] if a.pooling == "last" else output.mean(1)
        logits: Tensor = self.answer(pooled)
        return logits


def motion(steps: Tensor, has_z: bool) -> Tensor:
    """Describe steps by what rotations and reflections do not change.

    z is apart from the plane of the image, about whose normal alone tracks may be turned.

    Parameters
    ----------
    steps
        Shape ``(n_pieces, n_steps, n_axes)``, in units of their root mean square.
    has_z
        Whether the first axis is z.

    Returns
    -------
    Tensor
        Logarithm of the speed; for some lags the cosine between steps and their product, both
        zero where there is no earlier step; the change of the logarithm; and, of z, the logarithm
        of its speed and the product with the step before. Shape
        ``(n_pieces, n_steps, n_features)``.
    """
    plane = steps[..., 1:] if has_z else steps
    speed = plane.square().sum(-1).sqrt()
    log_speed = (speed + _LEAST_SPEED).log()
    features = [log_speed, log_speed - _before(log_speed, 1)]
    for lag in _LAGS:
        product = (plane * _before(plane, lag)).sum(-1)
        features.append(product / (speed * _before(speed, lag) + _LEAST_SPEED**2))
        features.append(product.asinh())
    if has_z:
        z = steps[..., 0]
        features += [(z.abs() + _LEAST_SPEED).log(), (z * _before(z, 1)).asinh()]
    return torch.stack(features, -1)


def _before(x: Tensor, lag: int) -> Tensor:
    """Shift in time, so that each step meets the one ``lag`` steps before; zero at first."""
    rest = (0, 0) * (x.ndim - 2)
    return functional.pad(x, (*rest, lag, 0))[:, : x.shape[1]]


class _Engine(nn.Module):
    """The bundled engine's trunk as it is, and the speeds that it does not look at."""

    middle: Tensor
    spread: Tensor

    def __init__(self, n_axes: int) -> None:
        super().__init__()
        self.width = _engine().architecture.hidden + _N_ENGINE_SCALES * (1 + (n_axes == 3))
        self.register_buffer("middle", torch.zeros(self.width))
        self.register_buffer("spread", torch.ones(self.width))

    def standardise(self, x: Tensor) -> None:
        """Take mean and spread of every feature from the training's, shape ``(n, width)``."""
        self.middle.copy_(x.mean(0))
        self.spread.copy_(x.std(0).clamp_min(1e-3))

    def standardised(self, x: Tensor) -> Tensor:
        """Bring features to the mean and spread of the training's."""
        return (x - self.middle) / self.spread

    def forward(self, steps: Tensor) -> Tensor:
        """Describe pieces, shape ``(n_pieces, width)``."""
        return self.standardised(describe(steps))


@cache
def _engine() -> Network:
    # Its weights come with Perrin: no part of the state, and the same for all members.
    return load_network().requires_grad_(requires_grad=False)


def describe(steps: Tensor) -> Tensor:
    """Describe pieces by the engine's last hidden layer, and by speed and persistence.

    Parameters
    ----------
    steps
        Pieces of one length, shape ``(n_pieces, n_steps, n_axes)``.

    Returns
    -------
    Tensor
        Shape ``(n_pieces, n_features)``.
    """
    network = _engine().to(steps.device)
    positions = functional.pad(steps.cumsum(1), (0, 0, 1, 0)).transpose(1, 2)
    embedding = network(positions).embedding[:, : network.architecture.hidden]
    scales = []
    for part in (steps[..., :1], steps[..., 1:]) if steps.shape[2] == 3 else (steps,):
        mean = part.square().sum(2).mean(1) + _LEAST_SPEED**2
        product = (part[:, 1:] * part[:, :-1]).sum(2).mean(1)
        scales += [mean.log(), product / mean]
    return torch.cat((embedding, torch.stack(scales, 1)), 1)
