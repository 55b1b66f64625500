"""Simulated motion as track tables."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.errors import InputError
from perrin.models import MODELS
from perrin.parameters import Parameters, parameter
from perrin.tracks import AXES

__all__ = ["Simulation", "simulate_tracks", "table_of"]


class Simulation(Parameters):
    """Which motion to simulate, and how much of it."""

    model: Literal["ATTM", "CTRW", "FBM", "LW", "SBM"] = parameter(
        "FBM", "Diffusion model; FBM with alpha 1 is Brownian motion."
    )
    alpha: float = parameter(
        1.0,
        "Anomalous exponent: up to 1 for ATTM and CTRW, below 2 for FBM, from 1 to 2 for LW, up to "
        "2 for SBM.",
        ge=0.05,
        le=2,
    )
    n_tracks: int = parameter(100, "Number of tracks.", label="Tracks", ge=1)
    n_points: int = parameter(200, "Localizations per track.", label="Length", unit="frames", ge=2)
    dim: int = parameter(2, "Number of axes: 1, 2 or 3.", label="Dimensions", ge=1, le=3)
    step: float = parameter(
        1.0,
        "Root-mean-square displacement per axis from frame to frame, without noise.",
        unit="px",
        gt=0,
    )
    noise: float = parameter(
        0.1, "Standard deviation of the localization error per axis.", unit="px", ge=0
    )
    seed: int = parameter(0, "Another seed makes other tracks.", ge=0)
    device: str = parameter("cpu", "Where to compute: auto, cpu, cuda or mps.", advanced=True)


def simulate_tracks(simulation: Simulation | None = None, **values: Any) -> pd.DataFrame:
    """Simulate tracks of one of the five diffusion models.

    Parameters
    ----------
    simulation
        What to simulate.
    **values
        Fields of :class:`Simulation` that replace those of ``simulation``, for example
        ``simulate_tracks(model="CTRW", alpha=0.6, n_tracks=500)``.

    Returns
    -------
    pandas.DataFrame
        A track table: ``particle``, ``frame`` and the positions in pixels. Each track is scaled so
        that its root-mean-square displacement is ``step``; a track that never moved stays still.

    Raises
    ------
    InputError
        If a value is out of range, or the model has no such exponent.
    """
    import torch

    from perrin.device import pick_device
    from perrin.simulate.models import ALPHA_RANGE, simulate_displacements
    from perrin.simulate.protocols import observe

    given = (simulation or Simulation()).model_dump()
    s = Simulation.checked(**(given | values))
    low, high = ALPHA_RANGE[s.model]
    if not low <= s.alpha <= high:
        raise InputError(
            f"{s.model} is defined for alpha from {low:g} to {high:g}, not {s.alpha:g}."
        )
    device = pick_device(s.device)
    generator = torch.Generator(device).manual_seed(s.seed)
    alpha = torch.full((s.n_tracks,), s.alpha, device=device)
    model = torch.full((s.n_tracks,), MODELS.index(s.model), device=device)
    steps = simulate_displacements(model, alpha, s.n_points, s.dim, generator)
    peak = steps.abs().amax((1, 2), keepdim=True)
    steps /= torch.where(peak > 0, peak, 1.0)
    size = steps.square().mean((1, 2), keepdim=True).sqrt()
    steps *= s.step / torch.where(size > 0, size, 1.0)
    noise = torch.full((s.n_tracks, s.dim), s.noise, device=device)
    return table_of(observe(steps, noise, generator).cpu())


def table_of(positions: npt.ArrayLike, lengths: npt.ArrayLike | None = None) -> pd.DataFrame:
    """Write positions as a track table; track ``i`` is particle ``i`` and begins at frame 0.

    Parameters
    ----------
    positions
        Shape ``(n_tracks, dim, n_points)``.
    lengths
        Points of each track, which is ``[:lengths[i]]``; all if not given.
    """
    array = np.asarray(positions, np.float64)
    n, dim, n_points = array.shape
    inside = np.ones((n, n_points), np.bool_)
    if lengths is not None:
        inside = np.arange(n_points) < np.asarray(lengths)[:, None]
    particle, frame = np.nonzero(inside)
    axes = {axis: array[:, i][inside] for i, axis in enumerate(AXES[-dim:])}
    return pd.DataFrame({"particle": particle, "frame": frame} | axes)
