"""The bundled network beside the published ones."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd
import torch

from perrin.device import pick_device
from perrin.engine.score import score
from perrin.engine.weights import load_network
from perrin.errors import Progress
from perrin.simulate.protocols import theory

__all__ = ["PUBLISHED", "andi1"]

PUBLISHED = {
    ("theory-v1", 1): (0.1507, 0.8808, "WADNet, Li 2021"),
    ("theory-v1", 2): (0.1320, 0.9095, "WADNet, Li 2021"),
    ("theory-v1", 3): (0.1109, 0.9454, "RANDI, Argun 2021 (alpha); WADNet, Li 2021 (model)"),
    ("short", 1): (0.453, 0.563, "ConvTransformer, Firbas 2023"),
}
"""Best published mean absolute error of alpha and micro-averaged F1, by protocol and dimension."""

_PROTOCOLS = {
    "theory-v1": partial(theory, noise_per="axis"),
    "theory-v2": partial(theory, noise_per="track"),
    "short": partial(theory, noise_per="axis", longest=50),
}


def andi1(
    n_tracks: int = 10_000,
    *,
    device: str = "auto",
    seed: int = 0,
    weights: Path | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Measure alpha and model on fresh tracks of the first AnDi challenge.

    Parameters
    ----------
    n_tracks
        Tracks for each of the two tasks, three protocols and three dimensions.
    device
        Where to compute.
    seed
        Seed of the tracks.
    weights
        A file written by ``perrin train``; the bundled weights if not given.
    progress
        Called with the number of sets measured and to measure.

    Returns
    -------
    pandas.DataFrame
        One row per protocol and dimension: ``protocol``, ``dim``, ``n_tracks``; ``alpha_mae`` and
        ``alpha_mae_se`` on tracks in which every exponent is as frequent (task 1);
        ``alpha_coverage``, the share of true exponents in the 90 % interval, on further tracks
        whose exponents lie anywhere between; ``model_f1`` and
        ``model_f1_se`` on tracks in which every model is as frequent (task 2); and the best
        published figures with their source.
    """
    where = pick_device(device)
    network = load_network(weights).to(where)
    generator = torch.Generator(where).manual_seed(1_618_033_988 + seed)
    rows = []
    for protocol, make in _PROTOCOLS.items():
        for dim in (1, 2, 3):
            alpha = score(network, make(n_tracks, dim, task="alpha", generator=generator), where)
            model = score(network, make(n_tracks, dim, task="model", generator=generator), where)
            spread = score(
                network, make(n_tracks, dim, task="alpha", spread=True, generator=generator), where
            )
            mae, f1, source = PUBLISHED.get((protocol, dim), (float("nan"), float("nan"), ""))
            rows.append(
                {
                    "protocol": protocol,
                    "dim": dim,
                    "n_tracks": n_tracks,
                    "alpha_mae": round(alpha.alpha_mae, 4),
                    "alpha_mae_se": round(alpha.alpha_mae_se, 4),
                    "alpha_coverage": round(spread.coverage, 4),
                    "model_f1": round(model.model_f1, 4),
                    "model_f1_se": round(model.model_f1_se, 4),
                    "published_alpha_mae": mae,
                    "published_model_f1": f1,
                    "published_by": source,
                }
            )
            if progress is not None:
                progress("Measuring", len(rows), 3 * len(_PROTOCOLS))
    return pd.DataFrame(rows)
