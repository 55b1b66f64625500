"""The training loop that networks share.

Runs for a given time, resumes from its last state, averages the weights over the last steps, and
may share the work among several processes on a CPU, which meet at a file and average gradients.
"""

from __future__ import annotations

import copy
import csv
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from perrin.device import pick_device
from perrin.engine.muon import Muon
from perrin.engine.trunk import Architecture
from perrin.engine.weights import load_tensors, save_tensors
from perrin.errors import Progress
from perrin.parameters import Parameters, parameter

__all__ = [
    "Lesson", "Trained", "Training", "add_row", "card", "cosine", "laplace", "learn",
]  # fmt: skip

_AVERAGING = 0.999
_MEETING = "processes"
_BATCHES_PER_LOOK = 20

N = TypeVar("N", bound=nn.Module)
B = TypeVar("B", bound="HasPositions")


class Training(Parameters):
    """How to train the network."""

    minutes: float = parameter(60, "Time to spend on training.", unit="min", gt=0)
    learning_rate: float = parameter(1e-3, "Highest step size of the optimisers.", gt=0)
    muon: bool = parameter(
        True,
        "Muon for the matrices of the trunk, AdamW for the rest; else AdamW for all, which learns "
        "more slowly.",
        advanced=True,
    )
    weight_decay: float = parameter(0.05, "Decay of the weights.", ge=0, advanced=True)
    batch_points: int = parameter(32_000, "Localizations per batch.", ge=1000, advanced=True)
    seed: int = parameter(1, "Seed of the simulated tracks and of the first weights.", ge=0)
    device: str = parameter("auto", "Where to compute: auto, cpu, cuda or mps.")
    processes: int = parameter(1, "Processes that share the work on a CPU.", ge=1)
    start: str | None = parameter(None, "Weights to start from instead of random ones.")
    save_every: float = parameter(
        10, "Time between saved states and looks at held-out tracks.", unit="min", gt=0,
        advanced=True,
    )  # fmt: skip
    architecture: Architecture = parameter(Architecture(), "Size of the network.", advanced=True)


class HasPositions(Protocol):
    """A batch of tracks."""

    @property
    def positions(self) -> Tensor:
        """Shape ``(n_tracks, dim, n_points)``."""


class Lesson(Protocol[N, B]):
    """What is learnt: a network, its batches, and how wrong it is.

    Attributes
    ----------
    head
        Start of the names of the last layer's weights, which Muon leaves to AdamW.
    """

    head: str

    def begin(self, parameters: Training) -> N:
        """Make the network that the training starts from."""

    def batches(self, seed: int, *, share: int, n_points: int, device: torch.device) -> Iterator[B]:
        """Yield batches for ever; see :func:`perrin.engine.data.batches`."""

    def loss(self, network: N, batch: B) -> tuple[Tensor, Tensor]:
        """Compute the loss that is shown, and what is added to it."""

    def look(self, network: N, device: torch.device) -> dict[str, float]:
        """Measure the averaged network on held-out tracks, for the log."""


class Trained(NamedTuple, Generic[N]):
    """Result of a training: the averaged network, and what it took."""

    network: N
    views: int
    seconds: float
    steps: int


def learn(
    lesson: Lesson[N, B],
    parameters: Training,
    folder: Path,
    *,
    resume: bool = True,
    progress: Progress | None = None,
) -> Trained[N]:
    """Train a network.

    Parameters
    ----------
    lesson
        What to learn.
    parameters
        How.
    folder
        Receives ``state.safetensors`` (to resume from) and ``log.csv`` (the learning curve).
    resume
        Go on from a state in the folder if there is one.
    progress
        Called with the seconds trained and to train.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MEETING).unlink(missing_ok=True)
    if not resume:
        for name in ("state.safetensors", "log.csv"):
            (folder / name).unlink(missing_ok=True)
    others = [
        torch.multiprocessing.get_context("spawn").Process(
            target=_work, args=(rank, lesson, parameters, folder), daemon=True
        )
        for rank in range(1, parameters.processes)
    ]
    for process in others:
        process.start()
    n_threads = torch.get_num_threads()
    try:
        trained = _work(0, lesson, parameters, folder, progress)
        for process in others:
            process.join()
    finally:
        # Threads and denormal numbers are the business of whoever computes next in this process.
        torch.set_num_threads(n_threads)
        torch.set_flush_denormal(False)
        for process in others:
            process.terminate()
        if dist.is_initialized():
            dist.destroy_process_group()
        (folder / _MEETING).unlink(missing_ok=True)
    return trained


def _work(
    rank: int,
    lesson: Lesson[N, B],
    parameters: Training,
    folder: Path,
    progress: Progress | None = None,
) -> Trained[N]:
    """Train in one process; process 0 keeps the averaged weights, the log and the state."""
    if parameters.processes > 1:
        dist.init_process_group(
            "gloo",
            init_method=(folder / _MEETING).resolve().as_uri(),
            rank=rank,
            world_size=parameters.processes,
        )
        torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    device = pick_device(parameters.device)
    run = _Run(lesson, parameters, folder, device)
    run.load_or_begin()
    # A resumed run must not see its first tracks again.
    stream = lesson.batches(
        1_000_003 * parameters.seed + run.step,
        share=rank,
        n_points=parameters.batch_points,
        device=device,
    )
    budget = 60 * parameters.minutes
    while run.seconds < budget:
        started = time.monotonic()
        for _ in range(_BATCHES_PER_LOOK):
            run.learn(next(stream))
        run.tick(time.monotonic() - started)
        if rank == 0:
            if progress is not None:
                progress("Training", int(run.seconds), int(budget))
            run.save_if_due(final=run.seconds >= budget)
    return Trained(run.averaged, run.views, run.seconds, run.step)


class _Run(Generic[N, B]):
    """A training in progress: networks, optimiser, clock."""

    def __init__(
        self, lesson: Lesson[N, B], parameters: Training, folder: Path, device: torch.device
    ) -> None:
        self.lesson, self.parameters = lesson, parameters
        self.folder, self.device = folder, device
        torch.manual_seed(parameters.seed)
        self.network = lesson.begin(parameters).to(device)
        self.averaged = copy.deepcopy(self.network).eval()
        self.network.train()
        self.optimisers = _optimisers(self.network, lesson.head, parameters)
        self.step, self.views, self.seconds, self.saved_at = 0, 0, 0.0, 0.0
        self.loss = torch.zeros((), device=device)

    def learn(self, batch: B) -> None:
        """Take one step on one batch."""
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self._learning_rate()
        answer, others = self.lesson.loss(self.network, batch)
        self.network.zero_grad()
        (answer + others).backward()  # type: ignore[no-untyped-call]
        # A layer that only long tracks pass through has no gradient after a batch of short ones.
        for p in self.network.parameters():
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        if self.parameters.processes > 1:
            self._share_gradients()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        self.step += 1
        self.views += len(batch.positions) * self.parameters.processes
        weight = 1 - min(_AVERAGING, self.step / (self.step + 10))
        with torch.no_grad():
            self.loss.lerp_(answer, 0.01)
            torch._foreach_lerp_(
                list(self.averaged.parameters()), list(self.network.parameters()), weight
            )

    def tick(self, seconds: float) -> None:
        """Advance the clock, the same in every process."""
        spent = torch.tensor(seconds)
        if self.parameters.processes > 1:
            dist.broadcast(spent, 0)
        self.seconds += float(spent)

    def load_or_begin(self) -> None:
        """Take up the state in the folder, if there is one."""
        path = self.folder / "state.safetensors"
        if not path.exists():
            return
        tensors, about = load_tensors(path)
        self.step, self.views = about["step"], about["views"]
        self.seconds = self.saved_at = about["seconds"]
        with torch.no_grad():
            for i, (p, q) in enumerate(
                zip(self.network.parameters(), self.averaged.parameters(), strict=True)
            ):
                p.copy_(tensors[f"network.{i}"])
                q.copy_(tensors[f"averaged.{i}"])
        names = {p: i for i, p in enumerate(self.network.parameters())}
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                for p in group["params"]:
                    start = f"optimiser.{names[p]}."
                    optimiser.state[p] = {
                        name.removeprefix(start): tensor.to(p.device if tensor.ndim else "cpu")
                        for name, tensor in tensors.items()
                        if name.startswith(start)
                    }

    def save_if_due(self, *, final: bool) -> None:
        """Save the state and look at held-out tracks, every so often and at the end."""
        if not final and self.seconds - self.saved_at < 60 * self.parameters.save_every:
            return
        self.saved_at = self.seconds
        tensors: dict[str, Tensor] = {}
        pairs = zip(self.network.parameters(), self.averaged.parameters(), strict=True)
        for i, (p, q) in enumerate(pairs):
            tensors[f"network.{i}"], tensors[f"averaged.{i}"] = p, q
            for optimiser in self.optimisers:
                for name, value in optimiser.state.get(p, {}).items():
                    tensors[f"optimiser.{i}.{name}"] = value
        about = {"step": self.step, "views": self.views, "seconds": self.seconds}
        save_tensors(self.folder / "state.safetensors", tensors, about)
        self._log()

    def _log(self) -> None:
        row: dict[str, float] = {
            "minutes": round(self.seconds / 60, 2),
            "views": self.views,
            "loss": round(float(self.loss), 4),
        }
        row |= self.lesson.look(self.averaged, self.device)
        add_row(self.folder / "log.csv", row)

    def _learning_rate(self) -> float:
        """Linear warm-up over 2 % of the time, then half a cosine down to 1 %."""
        done = min(1.0, self.seconds / (60 * self.parameters.minutes))
        warm = min(1.0, max(done, self.step * 1e-4) / 0.02)
        return self.parameters.learning_rate * warm * cosine(done)

    def _share_gradients(self) -> None:
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        nn.utils.vector_to_parameters(flat / self.parameters.processes, gradients)


def cosine(done: float) -> float:
    """Half a cosine: what is left of the learning rate, from 1 down to 1 %.

    Parameters
    ----------
    done
        Share of the training that is done, 0 to 1.
    """
    return 0.505 + 0.495 * math.cos(math.pi * done)


def add_row(log: Path, row: dict[str, float]) -> None:
    """Add a row to a learning curve; begin the file with the names of the columns."""
    new = not log.exists()
    with log.open("a", newline="") as file:
        writer = csv.DictWriter(file, row)
        if new:
            writer.writeheader()
        writer.writerow(row)


def laplace(answer: Tensor, truth: Tensor) -> Tensor:
    """Negative log-likelihood of a Laplacian, up to a constant, so that the answer is a median.

    Parameters
    ----------
    answer
        Location and logarithm of the scale, shape ``(..., 2)``.
    truth
        Shape ``(...)``.
    """
    return (answer[..., 0] - truth).abs() * (-answer[..., 1]).exp() + answer[..., 1]


def _optimisers(network: nn.Module, head: str, parameters: Training) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the trunk if wanted (Jordan 2024), AdamW for everything else."""
    rate, decay = parameters.learning_rate, parameters.weight_decay
    hidden: list[Tensor] = []
    others: list[Tensor] = []
    for name, p in network.named_parameters():
        suits = parameters.muon and p.ndim == 2 and not name.startswith(head)
        (hidden if suits else others).append(p)
    decaying = [p for p in others if p.ndim > 1]
    rest = [p for p in others if p.ndim <= 1]
    groups = [{"params": decaying, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]
    adamw = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))
    if not hidden:
        return [adamw]
    muon = Muon(hidden, lr=rate, weight_decay=decay)
    return [muon, adamw]


def card(
    parameters: Training,
    trained: Trained[N],
    figures: dict[str, Any],
    *,
    engine: str | None = None,
    **about: str,
) -> dict[str, Any]:
    """Say what weights are, and where they come from.

    Parameters
    ----------
    parameters, trained
        How they were trained, and what it took.
    figures
        What was measured on held-out tracks.
    engine
        As for :func:`command`.
    **about
        What is said first: ``name``, ``answers`` and ``trained_on``.
    """
    return {
        **about,
        "views": trained.views,
        "minutes": round(trained.seconds / 60, 1),
        "steps": trained.steps,
        "command": command(parameters, engine),
        "training": parameters.model_dump(mode="json"),
        "held_out": figures,
    }


def command(parameters: Training, engine: str | None = None) -> str:
    """Write the command that made the weights, with every option that is not the default.

    ``engine`` is the value of ``--engine``, where that is not the default.
    """
    options = parameters.model_dump(exclude_defaults=True, exclude={"architecture"})
    options |= parameters.architecture.model_dump(exclude_defaults=True)
    said = ["perrin train"] if engine is None else [f"perrin train --engine {engine}"]
    said.append("--out DIR")
    for name, value in options.items():
        option = name.replace("_", "-")
        said.append(f"--no-{option}" if value is False else f"--{option} {value}")
    return " ".join(said)
