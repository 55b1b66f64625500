"""New tracks that look like given ones: training of a generator, and its use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from perrin.engine.weights import load_as, save_network
from perrin.errors import InputError, Progress
from perrin.learn.fitting import Watch, fit
from perrin.learn.generator import Architecture, Generator
from perrin.learn.labelled import collect, some_held_out
from perrin.learn.parameters import Generation, GeneratorTraining
from perrin.learn.sampling import Stretch
from perrin.tracks import Calibration

__all__ = [
    "Generation", "GeneratorTraining", "LearntGenerator", "generate_tracks", "learn_generator",
    "load_generator", "save_generator",
]  # fmt: skip

_MAKER = "perrin learn generate train"
_LEAST_TRACKS = 10
_LEAST_STEPS = 10
_LONGEST = 300
_COST_OF_LATENT = 0.3
"""Of what latent numbers tell of a track; below 1, since new tracks draw theirs from given ones."""


class LearntGenerator(NamedTuple):
    """A trained generator and its learning curve."""

    network: Generator
    curve: pd.DataFrame


def learn_generator(
    tables: Iterable[pd.DataFrame],
    training: GeneratorTraining | None = None,
    *,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> LearntGenerator:
    """Learn to make tracks that look like given ones.

    Parameters
    ----------
    tables
        Track tables of one kind of motion.
    training
        How to learn.
    progress
        Called with every batch.
    watch
        Told of each epoch: ``epoch``, ``training_loss`` and ``validation_loss``, both the negative
        log-likelihood per step and, where there are latent numbers, what they cost.

    Raises
    ------
    InputError
        If there are too few tracks or steps, or recordings cannot be compared.
    Cancelled
        If ``progress`` raises it.
    """
    training = training or GeneratorTraining()
    labelled = collect(
        [("these tracks", table) for table in tables],
        least_tracks=_LEAST_TRACKS, least_steps=_LEAST_STEPS, least_classes=1,
    )  # fmt: skip
    every = np.concatenate([s.steps for s in labelled.stretches])
    still = np.ptp(every, axis=0) == 0
    if still.all():
        raise InputError("None of these tracks moves: there is nothing to learn from them.")
    keep = np.flatnonzero(~still | training.still_axes)
    stretches = [
        Stretch(s.track, part[:, keep])
        for s in labelled.stretches
        for part in np.array_split(s.steps, -(-len(s.steps) // _LONGEST))
    ]
    sampling = labelled.sampling
    torch.manual_seed(training.seed)
    network = Generator(
        Architecture(
            axes=sampling.axes,
            moving=tuple(sampling.axes[i] for i in keep),
            interval=sampling.interval,
            length_unit=sampling.length_unit,
            time_unit=sampling.time_unit,
            pixel_size=sampling.pixel_size,
            typical_steps=int(np.median([len(s.steps) for s in labelled.stretches])),
            n_tracks=len(stretches),
            units=training.units,
            components=training.components,
            latent=training.latent,
            frame=training.frame,
            tails=training.tails,
        )
    )
    size = np.sqrt((every**2).sum(1))
    network.scale.fill_(float(np.sqrt((size**2).mean())))
    network.longest.fill_(float(size.max()) / float(network.scale))
    held_out = some_held_out(labelled, training.seed)
    lesson = _Sequences(network, stretches, held_out, training)
    fitted = fit(network, lesson, training, progress=progress, watch=watch)
    if training.latent:
        _keep_latents(fitted.network, stretches)
    return LearntGenerator(fitted.network, fitted.curve)


def generate_tracks(
    network: Generator, generation: Generation | None = None, **values: object
) -> pd.DataFrame:
    """Make new tracks.

    Parameters
    ----------
    network
        What :func:`learn_generator` made or :func:`load_generator` read.
    generation
        Which tracks.
    **values
        Fields of :class:`Generation` that replace those of ``generation``.

    Returns
    -------
    pandas.DataFrame
        A track table in pixels, with the calibration of the training in ``attrs``.
    """
    g = Generation.checked(**((generation or Generation()).model_dump() | values))
    a = network.architecture
    n_steps = a.typical_steps if g.n_points is None else g.n_points - 1
    steps = network.make(g.n_tracks, n_steps, g.seed).double().numpy()
    pixel = a.pixel_size or 1.0
    rng = np.random.default_rng([g.seed, 1])
    table = pd.DataFrame(
        {
            "particle": np.repeat(np.arange(g.n_tracks), n_steps + 1),
            "frame": np.tile(np.arange(n_steps + 1), g.n_tracks),
        }
    )
    for axis in a.axes:
        path = np.zeros((g.n_tracks, n_steps + 1))
        if axis in a.moving:
            np.cumsum(steps[:, :, a.moving.index(axis)] / pixel, axis=1, out=path[:, 1:])
            if axis != "z":
                path += rng.uniform(0, g.field, (g.n_tracks, 1))
        table[axis] = path.ravel()
    if a.pixel_size is not None:
        table.attrs["calibration"] = Calibration(pixel_size=a.pixel_size, frame_interval=a.interval)
    return table


def save_generator(path: Path, learnt: LearntGenerator, training: GeneratorTraining) -> None:
    """Write a generator and its card.

    Parameters
    ----------
    path
        Ends in ``.safetensors``; the card gets the same name ending in ``.yaml``.
    learnt
        What :func:`learn_generator` returned.
    training
        How it was made.
    """
    best = learnt.curve.sort_values("validation_loss").iloc[0]
    card = {
        "name": "Network that makes tracks",
        "answers": "probability density of the next displacement",
        "trained_on": f"{learnt.network.architecture.n_tracks} stretches of tracks",
        "command": _MAKER,
        "training": training.model_dump(mode="json"),
        "held_out": {
            "epoch": int(best["epoch"]),
            "loss_per_step": round(float(best["validation_loss"]), 4),
        },
    }
    save_network(path, learnt.network, card)


def load_generator(path: Path) -> Generator:
    """Load what :func:`save_generator` wrote.

    Raises
    ------
    InputError
        If the file is missing, not Perrin's, for another network, or of a newer format.
    """
    return load_as(Generator, path, "making tracks", _MAKER)


class _Batch(NamedTuple):
    steps: Tensor
    there: Tensor


class _Sequences:
    """Whole tracks, turned and mirrored at random."""

    def __init__(
        self,
        network: Generator,
        stretches: Sequence[Stretch],
        held_out: np.ndarray,
        training: GeneratorTraining,
    ) -> None:
        scale = float(network.scale)
        self._training = training
        self._learnt = [_tensor(s, scale) for s in stretches if not held_out[s.track]]
        self._checked = _padded([_tensor(s, scale) for s in stretches if held_out[s.track]])

    def batches(self, rng: np.random.Generator, device: torch.device) -> Iterator[_Batch]:
        order = rng.permutation(len(self._learnt))
        for first in range(0, order.size, self._training.batch):
            batch = _padded([self._learnt[i] for i in order[first : first + self._training.batch]])
            yield _Batch(batch.steps.to(device), batch.there.to(device))

    def loss(self, network: Generator, batch: _Batch) -> Tensor:
        return _loss(network, batch, spread=True)

    def look(self, network: Generator, device: torch.device) -> dict[str, float]:
        batch = _Batch(*(part.to(device) for part in self._checked))
        return {"validation_loss": float(_loss(network, batch, spread=False))}


def _loss(network: Generator, batch: _Batch, *, spread: bool) -> Tensor:
    """Compute what training makes small: the negative log-likelihood per step, and a cost.

    The cost is of what the latent numbers tell of a track; at its full weight the sum would be an
    upper bound of the negative log-likelihood (Higgins et al. 2017, beta-VAE).

    Parameters
    ----------
    network, batch
        What is judged, on what.
    spread
        Whether to draw headings, mirrors and latent numbers, or to take fixed ones.
    """
    n, _, n_axes = batch.steps.shape
    steps, heading = batch.steps, torch.zeros(n, device=batch.steps.device)
    if spread and network.architecture.frame == "track":
        signs = torch.randint(2, (n, 1, n_axes), device=steps.device) * 2.0 - 1.0
        steps, heading = steps * signs, 2 * torch.pi * torch.rand_like(heading) * (n_axes > 1)
    local = network.localised(steps, heading)
    count = batch.there.sum()
    mean = log_spread = local.new_zeros(n, 0)
    if network.architecture.latent:
        mean, log_spread = network.encode(local, batch.there)
    noise = torch.randn_like(mean) if spread else torch.zeros_like(mean)
    log_p = network(local, mean + log_spread.exp() * noise).log_density(local)
    divergence = (mean.square() + (2 * log_spread).exp() - 1) / 2 - log_spread
    loss: Tensor = (_COST_OF_LATENT * divergence.sum() - (log_p * batch.there).sum()) / count
    return loss


def _tensor(stretch: Stretch, scale: float) -> Tensor:
    return torch.as_tensor(stretch.steps / scale, dtype=torch.float32)


def _padded(sequences: Sequence[Tensor]) -> _Batch:
    lengths = torch.tensor([len(s) for s in sequences])
    steps = pad_sequence(list(sequences), batch_first=True)
    return _Batch(steps, torch.arange(steps.shape[1]) < lengths[:, None])


@torch.no_grad()
def _keep_latents(network: Generator, stretches: Sequence[Stretch]) -> None:
    """Infer the latent numbers of the given tracks, for new ones to draw theirs from."""
    batch = _padded([_tensor(s, float(network.scale)) for s in stretches])
    local = network.localised(batch.steps, torch.zeros(len(stretches)))
    mean, log_spread = network.encode(local, batch.there)
    network.latent_mean.copy_(mean)
    network.latent_log_spread.copy_(log_spread)
