"""One switch of model or exponent on tracks that andi-datasets made, beside Perrin's own.

Task 3 of the first AnDi challenge as andi-datasets 2 makes it: one noise level and one factor for
each track, not for each axis as in the challenge that was scored. Perrin's own tracks are made both
ways. In 3D andi-datasets lets an ATTM particle jitter in place (docs/engine.md).

    python benchmarks/one_switch_official.py --tracks 2000
"""

from __future__ import annotations

import argparse

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from _environments import HERE, OUTPUT, python_with, run_peer
from _one_switch import FRAMES, N_POINTS, posterior, row
from perrin.engine.changes.data import one_switch

RESULTS = HERE / "results" / "one_switch_official.csv"


def scored(
    source: str, positions: npt.NDArray[np.float64], at: npt.NDArray[np.int64]
) -> dict[str, object]:
    """Score the network on some tracks."""
    return row({"tracks": source}, positions.shape[1], posterior(positions) @ FRAMES - at)


def main(n_tracks: int) -> pd.DataFrame:
    """Measure all three sources."""
    path = OUTPUT / "andi_one_switch.npz"
    if not path.exists():
        python = python_with("andi", "andi-datasets>=2.1,<2.2", "numpy<=1.26.4", "ipython")
        run_peer(python, "andi_one_switch.py", path, str(n_tracks))
    made = np.load(path)
    generator = torch.Generator().manual_seed(7)
    rows = []
    for dim in (1, 2, 3):
        positions, labels = made[f"positions_{dim}"], made[f"labels_{dim}"]
        rows.append(scored("andi-datasets, noise per track", positions, labels[:, 0].astype(int)))
        for noise_per in ("track", "axis"):
            own, true = one_switch(n_tracks, dim, N_POINTS, generator, noise_per=noise_per)
            rows.append(
                scored(f"Perrin, noise per {noise_per}", own.double().numpy(), true.at.numpy())
            )
            print(rows[-1], flush=True)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tracks", type=int, default=2000, help="tracks per dimension and source")
    table = main(parser.parse_args().tracks)
    table.to_csv(RESULTS, index=False)
    print(table.to_string(index=False))
