"""Training the bundled network on simulated tracks.

The length of a training is given in minutes of computing. It can be stopped and resumed at any
time from the state in its folder, runs unchanged on a CPU and on a GPU, and can share the work
among processes that average their gradients.
"""

from __future__ import annotations

import csv
import math
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional

from perrin.device import autocast, pick_device
from perrin.engine.calibrate import calibrate
from perrin.engine.data import Batch, batches
from perrin.engine.network import Architecture, Network, Output
from perrin.engine.scale import LEAST_SHARE
from perrin.engine.score import score
from perrin.engine.weights import load_network, load_tensors, save_network, save_tensors
from perrin.errors import Progress
from perrin.parameters import Parameters, parameter
from perrin.simulate.protocols import theory

__all__ = ["Training", "losses", "train"]

_AVERAGING = 0.999
_MEETING = "processes"
_BATCHES_PER_LOOK = 20
_N_LOOKED_AT = 600
_SHARE_OF_SCALE = 0.1
_SHARE_OF_MOBILITY = 0.1
_LEAST_MOBILITY = 0.01
_TINY = 1e-30


class Training(Parameters):
    """How to train the network."""

    minutes: float = parameter(60, "Time to spend on training.", unit="min", gt=0)
    learning_rate: float = parameter(1e-3, "Highest step size of Muon and AdamW.", gt=0)
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


def train(
    parameters: Training, folder: Path, *, resume: bool = True, progress: Progress | None = None
) -> Path:
    """Train a network, calibrate it, and write its weights and card.

    Parameters
    ----------
    parameters
        How to train.
    folder
        Receives ``state.safetensors`` (to resume from), ``log.csv`` (the learning curve) and, in
        the end, ``weights.safetensors`` with its card ``weights.yaml``.
    resume
        Go on from a state in the folder if there is one.
    progress
        Called with the seconds trained and to train.

    Returns
    -------
    Path
        The weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MEETING).unlink(missing_ok=True)
    if not resume:
        (folder / "state.safetensors").unlink(missing_ok=True)
    others = [
        torch.multiprocessing.get_context("spawn").Process(
            target=_work, args=(rank, parameters, folder), daemon=True
        )
        for rank in range(1, parameters.processes)
    ]
    for process in others:
        process.start()
    n_threads = torch.get_num_threads()
    try:
        network, about = _work(0, parameters, folder, progress)
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
    device = pick_device(parameters.device)
    figures = calibrate(network, seed=parameters.seed, device=device)
    path = folder / "weights.safetensors"
    save_network(path, network, _card(parameters, about, figures))
    return path


def _work(
    rank: int, parameters: Training, folder: Path, progress: Progress | None = None
) -> tuple[Network, dict[str, Any]]:
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
    run = _Run(parameters, folder, device)
    run.load_or_begin()
    # A resumed run must not see its first tracks again.
    stream = batches(
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
    return run.averaged, {"views": run.views, "seconds": run.seconds, "steps": run.step}


class _Run:
    """A training in progress: networks, optimiser, clock."""

    def __init__(self, parameters: Training, folder: Path, device: torch.device) -> None:
        self.parameters, self.folder, self.device = parameters, folder, device
        torch.manual_seed(parameters.seed)
        start = parameters.start
        self.network = (
            load_network(Path(start)) if start else Network(parameters.architecture)
        ).to(device)
        self.averaged = Network(self.network.architecture).to(device)
        self.averaged.load_state_dict(self.network.state_dict())
        self.averaged.eval()
        self.network.train()
        self.optimisers = _optimisers(self.network, parameters)
        self.step, self.views, self.seconds, self.saved_at = 0, 0, 0.0, 0.0
        self.loss = torch.zeros((), device=device)

    def learn(self, batch: Batch) -> None:
        """Take one step on one batch."""
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self._learning_rate()
        with autocast(self.device):
            output = self.network(batch.positions, batch.seen, exposure=batch.exposure)
        answer, others = losses(output, batch, self.network.stride(batch.positions.shape[2]))
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
        self.views += len(batch.cell) * self.parameters.processes
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
        generator = torch.Generator().manual_seed(987_654_321)
        for dim in (1, 2, 3):
            tracks = theory(_N_LOOKED_AT, dim, generator=generator)
            figures = score(self.averaged, tracks, self.device)
            row[f"alpha_mae_{dim}d"] = round(figures.alpha_mae, 4)
            row[f"model_f1_{dim}d"] = round(figures.model_f1, 4)
        path = self.folder / "log.csv"
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, row)
            if new:
                writer.writeheader()
            writer.writerow(row)

    def _learning_rate(self) -> float:
        """Linear warm-up over 2 % of the time, then half a cosine down to 1 %."""
        done = min(1.0, self.seconds / (60 * self.parameters.minutes))
        warm = min(1.0, max(done, self.step * 1e-4) / 0.02)
        return self.parameters.learning_rate * warm * (0.505 + 0.495 * math.cos(math.pi * done))

    def _share_gradients(self) -> None:
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        nn.utils.vector_to_parameters(flat / self.parameters.processes, gradients)


def losses(output: Output, batch: Batch, stride: int) -> tuple[Tensor, Tensor]:
    """Compute what training makes small: for the answer, and for all that is asked besides.

    Parameters
    ----------
    output, batch
        What the network said of the tracks, and the truth.
    stride
        Frames per token.

    Returns
    -------
    tuple of Tensor
        The cross-entropy of model and exponent; and the weighted sum of the negative
        log-likelihoods of diffusivity and noise, whose logarithms are taken to be Laplacian, so
        that the answer is a median, and the mean squared error of the local log-mobility.
    """
    answer = functional.cross_entropy(output.logits.flatten(1), batch.cell)
    mean_square = batch.positions.diff(dim=2).square().mean(2)
    # Noise far below the displacements leaves no trace of its size, nor motion far below noise.
    noise = batch.noise.maximum(LEAST_SHARE * mean_square.sqrt())
    diffusivity = batch.diffusivity.maximum(LEAST_SHARE**2 * mean_square)
    scale = _laplace(output.log_diffusivity, diffusivity) + _laplace(output.log_noise, noise)
    mobility = functional.avg_pool1d(batch.mobility[:, None], stride)[:, 0]
    error = output.log_mobility - (mobility + _LEAST_MOBILITY).log()
    return answer, _SHARE_OF_SCALE * scale + _SHARE_OF_MOBILITY * error.square().mean()


def _laplace(answer: Tensor, truth: Tensor) -> Tensor:
    log_scale = answer[..., 1]
    error = (answer[..., 0] - truth.clamp_min(_TINY).log()).abs()
    return (error * (-log_scale).exp() + log_scale).mean()


def _optimisers(network: Network, parameters: Training) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the trunk, AdamW for everything else (Jordan 2024)."""
    rate, decay = parameters.learning_rate, parameters.weight_decay
    named = dict(network.named_parameters())
    hidden = [name for name, p in named.items() if p.ndim == 2 and not name.startswith("answer")]
    others = [p for name, p in named.items() if name not in hidden]
    return [
        torch.optim.Muon(
            [named[name] for name in hidden],
            lr=rate,
            weight_decay=decay,
            adjust_lr_fn="match_rms_adamw",
        ),
        torch.optim.AdamW(
            [
                {"params": [p for p in others if p.ndim > 1], "weight_decay": decay},
                {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0},
            ],
            lr=rate,
            betas=(0.9, 0.98),
        ),
    ]


def _card(parameters: Training, about: dict[str, Any], figures: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "Perrin's network for whole tracks",
        "answers": "joint posterior over diffusion model and anomalous exponent",
        "trained_on": (
            "tracks simulated on the fly: ATTM, CTRW, FBM, LW and SBM in 1, 2 and 3 dimensions, "
            "10 to 999 points, localization noise per axis or per track, up to 30 % of the frames "
            "missing in 15 % of the batches, held frames in 10 %, motion blur of known exposure in "
            "20 % (perrin.engine.data)"
        ),
        "views": about["views"],
        "minutes": round(about["seconds"] / 60, 1),
        "steps": about["steps"],
        "command": _command(parameters),
        "training": parameters.model_dump(mode="json"),
        "held_out": figures,
    }


def _command(parameters: Training) -> str:
    """Write the command that made the weights, with every option that is not the default."""
    options = parameters.model_dump(exclude_defaults=True, exclude={"architecture"})
    options |= parameters.architecture.model_dump(exclude_defaults=True)
    said = [f"--{name.replace('_', '-')} {value}" for name, value in options.items()]
    return " ".join(["perrin train --out DIR", *said])
