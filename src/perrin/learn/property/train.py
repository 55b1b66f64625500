"""Lessons for the networks that say the mass."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from perrin.errors import Progress
from perrin.learn.fitting import Fitted, Fitting, fit
from perrin.learn.property.features import tokens
from perrin.learn.property.methods import Density
from perrin.learn.property.networks import IMAGE_NETWORKS, MassPosterior, bin_edges
from perrin.learn.property.trap import SIZE, Seen, to_four_warm

__all__ = ["ask_images", "ask_posterior", "train_images", "train_posterior"]

Floats = npt.NDArray[np.float64]

_HUBER = 0.2
_ASKED_AT_ONCE = 256

Images = tuple[Tensor, Tensor, Tensor]
"""Potentials, four-warm images and masses."""

Marked = tuple[Tensor, Tensor]
"""Tokens and bins of the masses."""


def train_images(
    name: str, taught: Seen, held_out: Seen, fitting: Fitting, *, progress: Progress | None = None
) -> Fitted[nn.Module]:
    """Train one of :data:`~perrin.learn.property.networks.IMAGE_NETWORKS`, as they did.

    The loss is Huber's with a width of 0.2. Unlike theirs, examples are turned and mirrored at
    random, and gradients are clipped.
    """
    torch.manual_seed(fitting.seed)
    network = IMAGE_NETWORKS[name]()
    lesson = _ImageLesson(taught, held_out, fitting.batch)
    return fit(network, lesson, fitting, progress=progress, what=f"training ({name})")


def ask_images(network: nn.Module, seen: Seen, device: torch.device | str = "cpu") -> Floats:
    """Masses that a network of images says, shape ``(n,)``."""
    answers = []
    with torch.inference_mode():
        for start in range(0, len(seen.mass), _ASKED_AT_ONCE):
            part = slice(start, start + _ASKED_AT_ONCE)
            field, warm, _ = _images(seen.part(part), device)
            answers.append(network(field, warm).cpu())
    return torch.cat(answers).double().numpy()


def train_posterior(
    taught: Seen, held_out: Seen, fitting: Fitting, *, progress: Progress | None = None
) -> Fitted[MassPosterior]:
    """Train :class:`~perrin.learn.property.networks.MassPosterior` by maximum likelihood."""
    torch.manual_seed(fitting.seed)
    network = MassPosterior()
    lesson = _PosteriorLesson(_marked(taught), _marked(held_out), fitting.batch)
    network.measure_scale(lesson.taught[0])
    return fit(network, lesson, fitting, progress=progress, what="training (posterior)")


def ask_posterior(network: MassPosterior, seen: Seen) -> Density:
    """Posterior of the masses of new particles."""
    with torch.inference_mode():
        probability = network(torch.from_numpy(tokens(seen))).double().exp().numpy()
    return Density(bin_edges().double().numpy(), probability)


class _ImageLesson:
    """Huber's loss of the mass."""

    def __init__(self, taught: Seen, held_out: Seen, batch: int) -> None:
        self.taught, self.held_out, self.batch = taught, held_out, batch

    def batches(self, rng: np.random.Generator, device: torch.device) -> Iterator[Images]:
        order = rng.permutation(len(self.taught.mass))
        for start in range(0, len(order), self.batch):
            part = order[start : start + self.batch]
            yield _images(_turned(self.taught.part(part), rng), device)

    def loss(self, network: nn.Module, batch: Images) -> Tensor:
        field, warm, mass = batch
        return nn.functional.huber_loss(network(field, warm), mass, delta=_HUBER)

    def look(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        said = torch.from_numpy(ask_images(network, self.held_out, device))
        mass = torch.from_numpy(self.held_out.mass)
        square = (said - mass).square().mean()
        return {
            "validation_loss": float(nn.functional.huber_loss(said, mass, delta=_HUBER)),
            "r2": float(1 - square / mass.var(correction=0)),
        }


class _PosteriorLesson:
    """Negative log-likelihood of the mass."""

    def __init__(self, taught: Marked, held_out: Marked, batch: int) -> None:
        self.taught, self.held_out, self.batch = taught, held_out, batch

    def batches(self, rng: np.random.Generator, device: torch.device) -> Iterator[Marked]:
        order = torch.from_numpy(rng.permutation(len(self.taught[1])))
        for start in range(0, len(order), self.batch):
            part = order[start : start + self.batch]
            yield self.taught[0][part].to(device), self.taught[1][part].to(device)

    def loss(self, network: MassPosterior, batch: Marked) -> Tensor:
        return nn.functional.nll_loss(network(batch[0]), batch[1])

    def look(self, network: MassPosterior, device: torch.device) -> dict[str, float]:
        given, marks = (part.to(device) for part in self.held_out)
        return {"validation_loss": float(nn.functional.nll_loss(network(given), marks))}


def _marked(seen: Seen) -> Marked:
    edges = bin_edges()
    marks = torch.bucketize(torch.from_numpy(seen.mass).float(), edges) - 1
    return torch.from_numpy(tokens(seen)), marks.clamp(0, len(edges) - 2)


def _images(seen: Seen, device: torch.device | str) -> Images:
    parts = (seen.field, to_four_warm(seen.positions), seen.mass.astype(np.float32))
    field, warm, mass = (torch.from_numpy(part).to(device) for part in parts)
    return field, warm, mass


def _turned(seen: Seen, rng: np.random.Generator) -> Seen:
    """Turn or mirror all particles in one of the eight ways that keep a square a square."""
    field, positions = seen.field, seen.positions
    for axis in (0, 1):
        if rng.random() < 0.5:
            field = np.flip(field, axis + 1)
            positions = positions.copy()
            positions[:, axis] = SIZE - 1 - positions[:, axis]
    if rng.random() < 0.5:
        field, positions = field.swapaxes(1, 2), positions[:, ::-1]
    return Seen(np.ascontiguousarray(field), positions, seen.mass)
