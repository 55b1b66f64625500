"""One switch of model or exponent on tracks that andi-datasets made, beside Perrin's own.

Task 3 of the first AnDi challenge. The package that made the challenge's data gave noise and factor
to every axis of every track and joined these; version 2 joins first, and draws one noise level and
one factor for the whole. In 3D it lets an ATTM particle jitter in place (docs/engine.md).

    python benchmarks/one_switch_official.py --tracks 2000
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from _environments import HERE, OUTPUT, python_with, python_with_andi, run_peer
from _one_switch import FRAMES, N_POINTS, posterior, row
from perrin.engine.changes.data import one_switch
from perrin.simulate.protocols import NoisePer

VERSION_1 = ("andi-datasets==0.0.5", "numpy<2", "scipy", "h5py", "tqdm", "fbm")
NOISE: dict[NoisePer, str] = {
    "axis": "noise before joining",
    "track": "noise after joining",
}
RESULTS = HERE / "results" / "one_switch_official.csv"


def scored(
    source: str, positions: npt.NDArray[np.float64], at: npt.NDArray[np.int64]
) -> dict[str, object]:
    """Score the network on some tracks."""
    return row({"tracks": source}, positions.shape[1], posterior(positions) @ FRAMES - at)


def made(folder: str, n_tracks: int, python: Callable[[], Path]) -> Mapping[str, Any]:
    """Return tracks and labels of a version of andi-datasets, made if need be."""
    path = OUTPUT / f"{folder}_one_switch.npz"
    if not path.exists():
        run_peer(python(), "andi_one_switch.py", path, str(n_tracks))
    found: Mapping[str, Any] = np.load(path)
    return found


def main(n_tracks: int) -> pd.DataFrame:
    """Measure all sources."""
    sources = {
        "axis": (
            "andi-datasets 0.0.5",
            made("andi1", n_tracks, lambda: python_with("andi1", *VERSION_1)),
        ),
        "track": ("andi-datasets 2", made("andi", n_tracks, python_with_andi)),
    }
    generator = torch.Generator().manual_seed(7)
    rows = []
    for noise_per, words in NOISE.items():
        name, tracks = sources[noise_per]
        for dim in (1, 2, 3):
            positions, labels = tracks[f"positions_{dim}"], tracks[f"labels_{dim}"]
            rows.append(scored(f"{name}, {words}", positions, labels[:, 0].astype(int)))
            own, true = one_switch(n_tracks, dim, N_POINTS, generator, noise_per=noise_per)
            rows.append(scored(f"Perrin, {words}", own.double().numpy(), true.at.numpy()))
            print(*rows[-2:], sep="\n", flush=True)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tracks", type=int, default=2000, help="tracks per dimension and source")
    table = main(parser.parse_args().tracks)
    table.to_csv(RESULTS, index=False)
    print(table.to_string(index=False))
