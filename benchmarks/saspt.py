"""The state array beside saSPT on the live-cell tracks (HaloTag-NLS, mostly very short).

Both are given the same file, grid (100 diffusivities from 0.01 to 100 µm²/s, 36 localization errors
from 0 to 70 nm), prior and rounds, and pieces of ten displacements. Prints one table: shares of
displacements by range of diffusivity.

    python benchmarks/saspt.py
"""

from __future__ import annotations

import time

import numpy as np

from _data import DATA
from _environments import OUTPUT, python_with, run_peer
from perrin.io import read_tracks
from perrin.statistics import StateArray, fit_states, infer_state_array

TRACKS = DATA / "live_cell_tracks.csv"
PIXEL, INTERVAL = 0.16, 0.00748  # µm, s
EDGES = [0.01, 0.1, 0.5, 1, 2, 5, 10, 20, 100.1]  # µm²/s


def run_theirs(depth: float) -> tuple[np.ndarray, float, str]:
    """Run saSPT in its own environment."""
    path = OUTPUT / "saspt.npz"
    run_peer(
        python_with("saspt", "saspt==0.4.0", "matplotlib<3.9"),
        "saspt_states.py",
        TRACKS,
        str(depth),
        path,
    )
    found = np.load(path)
    return found["occupancy"], float(found["seconds"]), f"{found['pieces']} {found['steps']}"


def run_ours(depth: float) -> tuple[np.ndarray, float, str]:
    """Run Perrin's state array on the same grid."""
    scale = PIXEL**2 / INTERVAL
    parameters = StateArray(
        diffusivity_min=0.01 / scale,
        diffusivity_max=100 / scale,
        noise_max=0.07 / PIXEL,
        n_noises=36,
        focal_depth=None if np.isinf(depth) else depth / PIXEL,
    )
    tracks = read_tracks(TRACKS)
    start = time.perf_counter()
    fit = infer_state_array(tracks, parameters)
    seconds = time.perf_counter() - start
    return fit.occupancy.sum(axis=1), seconds, f"{fit.n_pieces} {fit.n_displacements}"


def main() -> None:
    """Print the comparison."""
    grid = np.logspace(-2, 2, 100)
    which = np.digitize(grid, EDGES) - 1
    columns, notes = [], []
    for depth in (np.inf, 0.7):
        for name, (occupancy, seconds, pieces) in (
            ("saSPT", run_theirs(depth)),
            ("Perrin", run_ours(depth)),
        ):
            columns.append(np.bincount(which, weights=occupancy, minlength=len(EDGES) - 1))
            notes.append(f"{name}, depth {depth:g} µm: {seconds:.2f} s, {pieces} pieces and steps")
    print("D (µm²/s)        saSPT  Perrin | depth 0.7 µm: saSPT  Perrin")
    for row in range(len(EDGES) - 1):
        a, b, c, d = (column[row] for column in columns)
        print(f"{EDGES[row]:6.4g} .. {EDGES[row + 1]:<6.4g} {a:7.3f} {b:7.3f} | {c:19.3f} {d:7.3f}")
    distance = [np.abs(columns[k] - columns[k + 1]).sum() / 2 for k in (0, 2)]
    print(f"distance         {distance[0]:15.3f} | {distance[1]:27.3f}  (share in another range)")
    print("\n".join(notes))
    states = fit_states(read_tracks(TRACKS), exposure=0, n_bootstrap=50)
    scale = PIXEL**2 / INTERVAL
    for row in states.table.itertuples():
        print(
            f"Perrin, state {row.state}: D {row.diffusivity * scale:.3g} "
            f"({row.diffusivity_lo * scale:.3g} to {row.diffusivity_hi * scale:.3g}) µm²/s, "
            f"occupancy {row.occupancy:.3f} ({row.occupancy_lo:.3f} to {row.occupancy_hi:.3f})"
        )


if __name__ == "__main__":
    main()
