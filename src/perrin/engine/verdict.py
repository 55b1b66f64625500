"""What the network says of batches of tracks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from perrin.device import autocast
from perrin.engine.batching import batch_limit, pack
from perrin.engine.network import Network
from perrin.engine.scale import Scale, pool_axes
from perrin.engine.trunk import Trunk

__all__ = ["Verdict", "ask", "batches_of", "in_order", "strides"]

Ints = npt.NDArray[np.int64]


class Verdict(NamedTuple):
    """What the network says of some tracks, on the CPU.

    Attributes
    ----------
    posterior
        Calibrated, over (model, exponent bin), shape ``(n_tracks, 5, 40)``.
    distance, limit
        How far each track lies from those of the training, and how far it may, ``(n_tracks,)``.
    scale
        Diffusivity and noise.
    """

    posterior: Tensor
    distance: Tensor
    limit: Tensor
    scale: Scale


def ask(
    network: Network,
    positions: Tensor,
    seen: Tensor | None = None,
    lengths: Tensor | None = None,
    exposure: Tensor | float = 0.0,
) -> Verdict:
    """Ask the network about one batch; parameters as for :meth:`~.network.Network.forward`."""
    n_points = positions.shape[2] if lengths is None else lengths
    with torch.inference_mode():
        with autocast(positions.device):
            output = network(positions, seen, lengths, exposure)
        return Verdict(
            network.posterior(output, n_points).cpu(),
            network.distance(output.embedding).cpu(),
            network.limit(n_points, positions.shape[1]).expand(len(positions)).cpu(),
            pool_axes(output.log_diffusivity.cpu(), output.log_noise.cpu()),
        )


def batches_of(
    network: Trunk, n_points: Ints, device: torch.device, share: float = 1
) -> list[Ints]:
    """Divide tracks of at most 999 points into batches for the network, see :func:`~.pack`.

    Parameters
    ----------
    network
        Whom to ask about them.
    n_points
        Length of each track.
    device
        Where to ask.
    share
        How large batches may be, in units of what :func:`~.batch_limit` says.
    """
    return pack(n_points, strides(network, n_points), int(share * batch_limit(device)))


def strides(network: Trunk, n_points: Ints) -> Ints:
    """Frames per token for tracks of these lengths."""
    lengths, which = np.unique(n_points, return_inverse=True)
    return np.array([network.stride(n) for n in lengths.tolist()], np.int64)[which]


def in_order(verdicts: Sequence[Verdict], batches: Sequence[Ints]) -> Verdict:
    """Join the verdicts on batches and bring them into the order of the tracks."""
    back = torch.from_numpy(np.argsort(np.concatenate(batches)))
    posterior, distance, limit, scales = zip(*verdicts, strict=True)
    return Verdict(
        torch.cat(posterior)[back],
        torch.cat(distance)[back],
        torch.cat(limit)[back],
        Scale(*(torch.cat(each)[back] for each in zip(*scales, strict=True))),
    )
