"""One loop that trains either network: Adam, for a given time, on tracks simulated on the fly."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
import yaml
from torch import Tensor, nn

from perrin.device import pick_device
from perrin.engine.training import Training, add_row, cosine
from perrin.engine.weights import load_tensors, save_tensors
from perrin.errors import InputError, Progress
from perrin.io import atomic_write

__all__ = ["PARAMETERS", "Baseline", "Lesson", "load", "train"]

PARAMETERS = ("minutes", "learning_rate", "batch_points", "seed", "save_every", "device")
"""Fields of :class:`~perrin.engine.training.Training` that a baseline's training obeys."""

_FORMAT = 1
_STEPS_PER_TICK = 10
_N_LOOKED_AT = 300
_N_JUDGED = 2000
_HELD_OUT_SEED = 141_421_356

Lesson = tuple[Tensor, int]
"""What to make small in one step, and of how many tracks it is the loss."""


class Baseline(nn.Module, ABC):
    """A network, or several, that one optimiser trains."""

    name: ClassVar[str]
    """Name of the engine."""

    about: ClassVar[dict[str, str]]
    """What the card says besides time and figures."""

    @abstractmethod
    def lessons(self, seed: int, n_points: int, device: torch.device) -> Iterator[Lesson]:
        """Yield an endless series of losses over new tracks.

        Parameters
        ----------
        seed
            Every seed is another series.
        n_points
            Localizations per step.
        device
            Where to simulate.
        """

    @abstractmethod
    def figures(self, n_tracks: int, seed: int, device: torch.device) -> dict[str, float]:
        """Measure the accuracy on ``n_tracks`` new tracks of each kind, with standard errors."""


AnyBaseline = TypeVar("AnyBaseline", bound=Baseline)


def train(
    baseline: type[Baseline], parameters: Training, folder: Path, progress: Progress | None = None
) -> Path:
    """Train a baseline and write its weights and card.

    Parameters
    ----------
    baseline
        What to train.
    parameters
        How; of its fields, :data:`PARAMETERS` count. The learning rate rises over 2 % of the time
        and falls to 1 % by half a cosine.
    folder
        Receives ``log.csv`` (the learning curve) and, in the end, ``weights.safetensors`` with its
        card ``weights.yaml``. A training that is stopped leaves no weights, and cannot be resumed.
    progress
        Called with the seconds trained and to train.

    Returns
    -------
    Path
        The weights.

    Raises
    ------
    Cancelled
        If ``progress`` raises it.
    """
    device = pick_device(parameters.device)
    torch.manual_seed(parameters.seed)
    network = baseline().to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=parameters.learning_rate)
    lessons = network.lessons(parameters.seed, parameters.batch_points, device)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log.csv"
    log.unlink(missing_ok=True)
    budget, save_every = 60 * parameters.minutes, 60 * parameters.save_every
    seconds = processor = looked_at = 0.0
    steps = views = 0
    while seconds < budget:
        started, began = time.monotonic(), time.process_time()
        network.train()
        for group in optimiser.param_groups:
            group["lr"] = parameters.learning_rate * _schedule(seconds / budget)
        for _ in range(_STEPS_PER_TICK):
            loss, n_tracks = next(lessons)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            steps, views = steps + 1, views + n_tracks
        seconds += time.monotonic() - started
        processor += time.process_time() - began
        if progress is not None:
            progress("Training", int(seconds), int(budget))
        if seconds - looked_at >= save_every or seconds >= budget:
            looked_at = seconds
            held_out = network.eval().figures(_N_LOOKED_AT, _HELD_OUT_SEED, device)
            add_row(log, {"minutes": round(seconds / 60, 2), "views": views} | held_out)
    path = folder / "weights.safetensors"
    card = network.about | {
        "views": views,
        "minutes": round(seconds / 60, 1),
        "processor_minutes": round(processor / 60, 1),
        "steps": steps,
        "command": _command(network.name, parameters),
        "held_out": network.figures(_N_JUDGED, _HELD_OUT_SEED + 1, device),
    }
    save_tensors(path, network.state_dict(), {"engine": network.name, "format": _FORMAT})
    with atomic_write(path.with_suffix(".yaml"), overwrite=True) as temporary:
        text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True)
        temporary.write_text(text, encoding="utf-8")
    return path


def load(baseline: type[AnyBaseline], path: Path | None) -> AnyBaseline:
    """Load a baseline, by default with the bundled weights, ready to answer.

    Raises
    ------
    InputError
        If the file is missing, not Perrin's, or another engine's.
    """
    path = path or Path(__file__).parents[1] / "bundled" / f"{baseline.name}.safetensors"
    tensors, about = load_tensors(path)
    if about.get("engine") != baseline.name or about.get("format") != _FORMAT:
        raise InputError(
            f"{path} does not hold weights of the engine {baseline.name}. Give a file made by "
            f"'perrin train --engine {baseline.name}'."
        )
    network = baseline()
    network.load_state_dict(tensors)
    return network.eval()


def _schedule(done: float) -> float:
    warm = min(1.0, (done + 1e-3) / 0.02)
    return warm * cosine(min(1.0, done))


def _command(name: str, parameters: Training) -> str:
    options: dict[str, Any] = parameters.model_dump(include=set(PARAMETERS), exclude_defaults=True)
    said = [f"--{option.replace('_', '-')} {value}" for option, value in options.items()]
    return " ".join([f"perrin train --engine {name} --out DIR", *said])
