"""The simulator beside andi-datasets: tracks per second on one core, and whether they differ.

Both make the same number of tracks of 1000 points with the same exponents. Each pair of sets is
compared by two-sample Kolmogorov-Smirnov tests of four summary statistics per track; with the 60
tests of a run, a difference is called only below p = 0.05 / 60. Run it on an idle machine:

    python benchmarks/simulate.py
"""

from __future__ import annotations

import argparse
import os
import time

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
import torch
from scipy import stats

from _environments import OUTPUT, python_with_andi, run_peer
from peers.andi_alphas import ALPHAS
from perrin.models import MODELS
from perrin.simulate.models import simulate_displacements

N_POINTS = 1000


def summaries(positions: np.ndarray) -> np.ndarray:
    """Scale-free statistics of each track, shape ``(n_tracks, 4)``."""
    steps = np.diff(positions, axis=2)
    msd = [
        np.square(positions[..., lag:] - positions[..., :-lag]).mean(2).sum(1)
        for lag in (1, 10, 100)
    ]
    total = np.square(steps).sum(1)
    tiny = 1e-300
    statistics = np.stack(
        (
            np.log((msd[1] + tiny) / (msd[0] + tiny)),
            np.log((msd[2] + tiny) / (msd[0] + tiny)),
            np.square(total).mean(1) / (total.mean(1) ** 2 + tiny),
            total[:, : N_POINTS // 2].sum(1) / (total.sum(1) + tiny),
        ),
        axis=1,
    )
    # Beyond these digits they would only tell single from double precision.
    return statistics.round(4)


def main(n: int) -> pd.DataFrame:
    """Compare ``n`` tracks per exponent, model and dimension."""
    torch.set_num_threads(1)
    python = python_with_andi()
    path = OUTPUT / "andi_tracks.npz"
    run_peer(python, "andi_tracks.py", path, str(n), str(N_POINTS))
    peer = np.load(path)
    rows = []
    generator = torch.Generator().manual_seed(1)
    for code, name in enumerate(MODELS):
        alpha = torch.tensor(ALPHAS[name.lower()]).repeat_interleave(n)
        model = torch.full_like(alpha, code, dtype=torch.long)
        for dim in (1, 2, 3):
            started = time.perf_counter()
            steps = simulate_displacements(model, alpha, N_POINTS, dim, generator)
            seconds = time.perf_counter() - started
            ours = np.zeros((len(alpha), dim, N_POINTS))
            ours[..., 1:] = steps.double().cumsum(2).numpy()
            key = f"{name.lower()}_{dim}"
            pairs = zip(summaries(ours).T, summaries(peer[key]).T, strict=True)
            p = [stats.ks_2samp(a, b).pvalue for a, b in pairs]
            theirs = float(peer[f"{key}_seconds"])
            rows.append(
                {
                    "model": name,
                    "dim": dim,
                    "n_tracks": len(alpha),
                    "perrin_per_s": round(len(alpha) / seconds),
                    "andi_per_s": round(len(alpha) / theirs),
                    "ratio": round(theirs / seconds, 1),
                    "smallest_p": f"{min(p):.2g}",
                    "differs": min(p) < 0.05 / 60,
                }
            )
    table = pd.DataFrame(rows)
    count = table["n_tracks"]
    total = {
        "model": "all",
        "n_tracks": count.sum(),
        "perrin_per_s": round(count.sum() / (count / table["perrin_per_s"]).sum()),
        "andi_per_s": round(count.sum() / (count / table["andi_per_s"]).sum()),
        "differs": table["differs"].any(),
    }
    total["ratio"] = round(total["perrin_per_s"] / total["andi_per_s"], 1)
    return pd.concat([table, pd.DataFrame([total])], ignore_index=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=400, help="tracks per exponent")
    OUTPUT.mkdir(exist_ok=True)
    print(main(parser.parse_args().tracks).to_string(index=False, na_rep=""))
