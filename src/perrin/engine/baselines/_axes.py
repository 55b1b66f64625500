"""How a network for tracks along one axis answers for tracks in one, two and three dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from perrin.engine.baselines._tables import equal_spans
from perrin.errors import Progress
from perrin.tracks import index_tracks

__all__ = ["ask_each_axis", "unit_path"]


def unit_path(positions: Tensor) -> Tensor:
    """Let tracks begin at zero, and scale their displacements to unit standard deviation.

    As ``andi_datasets.utils_trajectories.normalize`` does. The last dimension is time; each of the
    others is scaled by itself.
    """
    steps = positions.diff(dim=-1)
    deviation = steps.std(-1, correction=0, keepdim=True)
    steps = steps / torch.where(deviation > 0, deviation, 1.0)
    return functional.pad(steps.cumsum(-1), (1, 0))


def ask_each_axis(
    table: pd.DataFrame,
    answer: Callable[[Tensor], Tensor],
    n_answers: int,
    looks: Callable[[int], Sequence[slice]],
    *,
    shortest: int,
    device: torch.device,
    progress: Progress | None,
) -> npt.NDArray[np.float64]:
    """Ask about every axis of every track, and average.

    Parameters
    ----------
    table
        A checked track table.
    answer
        Maps paths (:func:`unit_path`), shape ``(n, 1, n_points)``, to shape ``(n, n_answers)``.
    n_answers
        Number of answers per path.
    looks
        Which parts of a track of so many frames to ask about.
    shortest
        Fewest localizations of a track.
    device
        Where to compute.
    progress
        Called with the number of localizations judged and to judge.

    Returns
    -------
    numpy.ndarray
        Means over axes and looks, shape ``(n_tracks, n_answers)``. Axes along which nothing moves
        within a look are left out; NaN for tracks that are too short or never move.
    """
    lengths = index_tracks(table).lengths
    means = np.full((lengths.size, n_answers), np.nan)
    done, total = 0, int(lengths[lengths >= shortest].sum())
    for owners, positions in equal_spans(table, shortest):
        x = torch.from_numpy(positions).to(device)
        n, dim, n_frames = x.shape
        answers = []
        for look in looks(n_frames):
            seen = x[..., look]
            moves = (seen != seen[..., :1]).any(2)
            with torch.inference_mode():
                said = answer(unit_path(seen).flatten(0, 1)[:, None]).view(n, dim, n_answers)
            answers.append(torch.where(moves[..., None], said, torch.nan).cpu().double())
        means[owners] = torch.cat(answers, 1).nanmean(1).numpy()
        done += int(lengths[owners].sum())
        if progress is not None:
            progress("Asking the network", done, total)
    return means
