"""Pieces of tracks: drawn at random to learn from, cut side by side to be asked about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from perrin.errors import Progress
from perrin.learn.labelled import Labelled
from perrin.learn.sampling import Stretch

__all__ = ["LEAST_BATCHES", "Cut", "ask", "cut", "draw", "whole_tracks"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Cut = tuple[Ints, Array]
"""The tracks that pieces of one length were cut from, and their steps."""

LEAST_BATCHES = 50
"""Batches of an epoch where tracks are few."""

_LONGEST = 512  # longer stretches are asked about in parts
_STEPS_PER_BATCH = 30_000


def cut(stretches: Sequence[Stretch], n_steps: int, stride: int) -> Cut:
    """Cut stretches into pieces of ``n_steps``, one every ``stride`` steps.

    Returns
    -------
    tracks : array of int, shape (n_pieces,)
    steps : array, shape (n_pieces, n_steps, n_axes)
    """
    tracks, pieces = [], []
    for stretch in stretches:
        for first in range(0, len(stretch.steps) - n_steps + 1, stride):
            tracks.append(stretch.track)
            pieces.append(stretch.steps[first : first + n_steps])
    n_axes = stretches[0].steps.shape[1] if stretches else 0
    return np.array(tracks, np.int64), np.array(pieces).reshape(-1, n_steps, n_axes)


def draw(
    labelled: Labelled,
    lengths: tuple[int, int],
    batch: int,
    *,
    balanced: bool,
    rng: np.random.Generator,
    device: torch.device,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Draw the pieces of one epoch: one for every five steps there are.

    Each batch has pieces of one length, drawn uniformly on a logarithmic scale, so that the
    network meets short and long pieces alike.

    Parameters
    ----------
    labelled
        Where to draw from.
    lengths
        Shortest and longest piece, in steps.
    batch
        Pieces per batch.
    balanced
        Whether every class is drawn as often, however many tracks it has; else tracks are drawn
        by their length.
    rng, device
        Source of randomness, and where the pieces go.

    Yields
    ------
    steps : Tensor, shape (batch, n_steps, n_axes)
    label : Tensor, shape (batch,)
    """
    sizes = np.array([len(s.steps) for s in labelled.stretches])
    label = labelled.label[[s.track for s in labelled.stretches]]
    n_batches = max(LEAST_BATCHES, int(sizes.sum() / (5 * batch)))
    low, high = lengths[0], min(lengths[1], int(sizes.max()))
    for _ in range(n_batches):
        n_steps = min(high, int(low * (high / low) ** rng.random() + 0.5))
        # No class may drop out because all of its tracks are short.
        n_steps = min([n_steps, *(sizes[label == c].max() for c in np.unique(label))])
        weight = np.maximum(sizes - n_steps + 1, 0).astype(np.float64)
        if balanced:
            weight /= np.bincount(label, weight)[label]
        chosen = rng.choice(sizes.size, batch, p=weight / weight.sum())
        first = (rng.random(batch) * (sizes[chosen] - n_steps + 1)).astype(np.int64)
        steps = np.stack(
            [
                labelled.stretches[i].steps[start : start + n_steps]
                for i, start in zip(chosen, first, strict=True)
            ]
        )
        yield (
            torch.as_tensor(steps, dtype=torch.float32, device=device),
            torch.as_tensor(label[chosen], device=device),
        )


def ask(
    answer: Callable[[Tensor], Tensor],
    steps: Array,
    device: torch.device | str = "cpu",
) -> Array:
    """Ask about pieces of one length, some at a time.

    Parameters
    ----------
    answer
        From steps, shape ``(n, n_steps, n_axes)``, to what is asked, shape ``(n, ...)``.
    steps
        Shape ``(n_pieces, n_steps, n_axes)``.
    device
        Where to compute.
    """
    size = max(1, _STEPS_PER_BATCH // max(steps.shape[1], 1))
    answers = []
    with torch.no_grad():
        for first in range(0, len(steps), size):
            part = torch.as_tensor(steps[first : first + size], dtype=torch.float32, device=device)
            answers.append(answer(part).cpu().numpy())
    return np.concatenate(answers).astype(np.float64)


def whole_tracks(
    answer: Callable[[Tensor], Tensor],
    stretches: Sequence[Stretch],
    n_tracks: int,
    device: torch.device | str = "cpu",
    *,
    progress: Progress | None = None,
) -> Array:
    """Probability of each class for whole tracks: the mean over their steps.

    Parameters
    ----------
    answer, device
        As for :func:`ask`; the answer holds logits of the classes.
    stretches
        The tracks' steps.
    n_tracks
        Number of tracks.
    progress
        Called with the stretches answered and to answer.

    Returns
    -------
    array, shape (n_tracks, n_classes)
        NaN for tracks without a stretch.
    """
    by_length: dict[int, list[Stretch]] = defaultdict(list)
    for stretch in stretches:
        n_parts = -(-len(stretch.steps) // _LONGEST)
        for part in np.array_split(stretch.steps, n_parts):
            by_length[len(part)].append(Stretch(stretch.track, part))
    total: Array | None = None
    done, n_parts = 0, sum(map(len, by_length.values()))
    for n_steps, parts in by_length.items():
        logits = torch.as_tensor(ask(answer, np.stack([p.steps for p in parts]), device))
        p = logits.softmax(1).numpy()
        total = np.zeros((n_tracks, p.shape[1])) if total is None else total
        np.add.at(total, [p.track for p in parts], n_steps * p)
        done += len(parts)
        if progress is not None:
            progress("asking the network", done, n_parts)
    if total is None:
        return np.empty((n_tracks, 0))
    with np.errstate(invalid="ignore"):
        share: Array = total / total.sum(1, keepdims=True)
    return share
