"""The networks' speed and memory, with the number of tracks as the variable.

Random walks in 2D of 10 to 999 points (all lengths equally likely, 500 on average) and, for more
tracks than fit into memory at that length, of 10 to 100: the time of one call of
``perrin.engine.predict``, which gives model, alpha, diffusivity and noise. Random walks of 200
points: that of ``find_switches``. Each row is measured in a process of its own, with the memory
that it took at most beyond the table and the loaded network. Reads /proc, so that it runs on Linux
only. Run it on an idle machine:

    python benchmarks/engine_speed.py
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd

RESULTS = Path(__file__).parent / "results" / "engine_speed.csv"
SIZES = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
ENGINE, SWITCHES = "model, alpha, D, noise", "switches"
TASKS = ((ENGINE, 10, 999, SIZES), (ENGINE, 10, 100, SIZES), (SWITCHES, 200, 200, SIZES[:-1]))
BYTES_PER_ROW = 4 * 8
MEGABYTE = 2**20


def random_walks(n_tracks: int, shortest: int, longest: int) -> pd.DataFrame:
    """Make Brownian tracks in 2D whose lengths are equally likely."""
    rng = np.random.default_rng(1)
    lengths = rng.integers(shortest, longest + 1, n_tracks)
    starts = np.cumsum(lengths) - lengths
    table = pd.DataFrame({"particle": np.repeat(np.arange(n_tracks), lengths)})
    table["frame"] = np.arange(len(table)) - np.repeat(starts, lengths)
    for axis in ("y", "x"):
        table[axis] = rng.standard_normal(len(table)).cumsum()
    return table


def resident(what: str) -> float:
    """Memory of this process in MB: ``VmRSS`` now, ``VmHWM`` at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(what))
    return int(line.split()[1]) / 1024


def measure(
    task: str, n_tracks: int, shortest: int, longest: int, n_threads: int
) -> dict[str, object]:
    """Time one call, and watch its memory."""
    import torch

    from perrin.engine import predict
    from perrin.engine.switching.methods import find_switches

    torch.set_num_threads(n_threads)
    ask = predict if task == ENGINE else find_switches
    ask(random_walks(20, shortest, longest), device="cpu")
    tracks = random_walks(n_tracks, shortest, longest)
    gc.collect()
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forgets the highest memory so far
    started = time.perf_counter()
    ask(tracks, device="cpu")
    seconds = time.perf_counter() - started
    return {
        "task": task,
        "shortest": shortest,
        "longest": longest,
        "n_tracks": n_tracks,
        "n_localizations": len(tracks),
        "threads": n_threads,
        "seconds": round(seconds, 3),
        "tracks_per_s": round(n_tracks / seconds),
        "table_mb": round(len(tracks) * BYTES_PER_ROW / MEGABYTE),
        "extra_mb": round(resident("VmHWM") - before),
    }


def main(most: int, n_threads: int) -> pd.DataFrame:
    """Measure all sizes of up to ``most`` tracks whose table takes up to half of the memory."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    rows = []
    for task, shortest, longest, sizes in TASKS:
        for n_tracks in sizes:
            size = n_tracks * (shortest + longest) / 2 * BYTES_PER_ROW
            if n_tracks > most or size > memory / 2:
                continue
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                rows.append(pool.apply(measure, (task, n_tracks, shortest, longest, n_threads)))
            print(rows[-1], flush=True)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--most", type=int, default=SIZES[-1], help="largest number of tracks")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads to use")
    given = parser.parse_args()
    table = main(given.most, given.threads)
    table.to_csv(RESULTS, index=False)
    print(table.to_string(index=False))
