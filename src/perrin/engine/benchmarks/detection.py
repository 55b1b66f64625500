"""Whether tracks unlike the five models are recognised as such."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd
import torch
from torch import Tensor

from perrin.engine.benchmarks.measures import mean_and_error
from perrin.engine.benchmarks.records import Setting, record
from perrin.engine.calibrate import FALSE_ALARMS
from perrin.simulate import oddities
from perrin.simulate.protocols import TheoryTracks, theory

__all__ = ["ODDITIES", "detected"]

_NOISE = 0.3
ODDITIES: dict[tuple[str, str], Callable[..., Tensor]] = {
    **{
        ("confined", f"box of {size} steps"): partial(oddities.confined, size=size, noise=_NOISE)
        for size in (2, 5, 10)
    },
    **{
        ("confined", f"harmonic trap, as wide as a box of {size} steps"): partial(
            oddities.confined, size=size, wall="harmonic", noise=_NOISE
        )
        for size in (2, 5, 10)
    },
    **{
        ("directed", f"{speed:g} steps per frame"): partial(
            oddities.drifting, speed=speed, noise=_NOISE
        )
        for speed in (0.3, 1, 3)
    },
    ("immobile", "noise alone"): oddities.immobile,
    ("swapped", "with a particle alike, 5 steps away"): partial(
        oddities.swapped, ratio=1, distance=5, noise=_NOISE
    ),
    ("swapped", "with one 3 times as mobile, 2 steps away"): partial(
        oddities.swapped, ratio=3, distance=2, noise=_NOISE
    ),
    **{
        ("jumped", f"{size} steps"): partial(oddities.jumped, size=size, noise=_NOISE)
        for size in (5, 10, 30)
    },
}
"""Tracks to recognise, by kind and detail; localization noise of 0.3 steps."""

_LENGTHS = (50, 150, 500)
_SHARE = 10  # part of the main figures' tracks in each row


def detected(setting: Setting) -> pd.DataFrame:
    """Measure how many odd tracks are called unlike the training.

    Returns
    -------
    pandas.DataFrame
        One row per ``dim`` (1 and 2), ``n_points`` and kind of tracks: ``kind`` and ``detail``;
        ``n_tracks``; ``flagged``, the share that the engine's own limit finds; ``detected``, the
        share farther than 95 % of the ordinary tracks of that length and dimension, half of them
        theory-v1, half theory-v2. The rows of kind ``ordinary`` hold these: their ``flagged`` is
        the rate of false alarms.
    """
    n = max(2, setting.n_tracks // _SHARE)
    rows: list[dict[str, object]] = []
    cells = [(dim, n_points) for dim in (1, 2) for n_points in _LENGTHS]
    for dim, n_points in setting.each("Looking for odd tracks", cells):
        generator = setting.generator("oddities", dim, n_points)
        usual = pd.concat(
            [
                record(
                    setting,
                    theory(
                        n,
                        dim,
                        noise_per=noise_per,
                        shortest=n_points,
                        longest=n_points,
                        generator=generator,
                    ),
                )
                for noise_per in ("axis", "track")
            ]
        )
        limit = float(usual["distance"].quantile(1 - FALSE_ALARMS))
        cell = {"dim": dim, "n_points": n_points}
        rows.append({**cell, "kind": "ordinary", "detail": "", **_shares(usual, limit)})
        for (kind, detail), make in ODDITIES.items():
            positions = make(n, n_points, dim, generator=generator)
            odd = record(setting, _without_truth(positions))
            rows.append({**cell, "kind": kind, "detail": detail, **_shares(odd, limit)})
    return pd.DataFrame(rows)


def _shares(answers: pd.DataFrame, limit: float) -> dict[str, float]:
    flagged, flagged_se = mean_and_error(answers["flagged"])
    found, found_se = mean_and_error(answers["distance"] > limit)
    return {
        "n_tracks": len(answers),
        "flagged": flagged,
        "flagged_se": flagged_se,
        "detected": found,
        "detected_se": found_se,
    }


def _without_truth(positions: Tensor) -> TheoryTracks:
    n, dim, n_points = positions.shape
    none = torch.zeros(n, device=positions.device)
    return TheoryTracks(
        positions,
        torch.full((n,), n_points, device=positions.device),
        none.long(),
        none,
        none[:, None].expand(n, dim),
    )
