"""A movie of 20 GB: memory, time, and going on after Ctrl-C.

    nice python benchmarks/large_movie.py [--gigabytes 20] [--folder FOLDER] [--keep]

Writes a BigTIFF of frames of 2048 × 2048 pixels of 16 bits, with twelve Brownian spots over Poisson
noise, and tracks it with ``perrin track`` in a process of its own. That is stopped by SIGINT when
half of the frames are done, and begun again. Printed are, for both runs, the seconds they took, the
frames per second and the largest memory that the process had (its resident set), and at the end how
many of the true positions were found within 1 px.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile
from scipy.spatial import cKDTree

from perrin import read_tracks

SIDE, N_SPOTS, SIGMA, LIGHT, STEP = 2048, 12, 1.4, 2000.0, 2.0
REACH = 6
COMMAND = ("--detector", "gaussian", "--sigma", "1.4", "--fit", "radial", "--search-range", "12")


def main() -> None:
    """Make the movie, track it in two runs, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=20)
    parser.add_argument("--folder", type=Path, help="where the movie is written")
    parser.add_argument("--keep", action="store_true", help="leave the movie there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        movie = Path(folder) / "large.tif"
        n_frames = int(given.gigabytes * 1e9 / (SIDE * SIDE * 2))
        begun = time.monotonic()
        truth = write_movie(movie, n_frames)
        size = movie.stat().st_size / 1e9
        print(f"{n_frames} frames, {size:.1f} GB, written in {time.monotonic() - begun:.0f} s")
        print("run       frames  seconds  frames/s  memory (GB)")
        out = Path(folder) / "out"
        first = run(movie, out, stop_at=n_frames // 2)
        kept = sum(
            int(stop) - int(start)
            for path in Path(f"{out}.unfinished").glob("*.npz")
            for start, stop in [re.findall(r"\d+", path.stem)]
        )
        report("stopped", kept, first)
        second = run(movie, out)
        report("went on", n_frames - kept, second)
        print(f"{found(out, truth):.2%} of the true positions were found within 1 px")
        if given.keep:
            movie.rename(Path(given.folder or ".") / movie.name)


def write_movie(path: Path, n_frames: int) -> npt.NDArray[np.float64]:
    """Write the movie; return the true positions, ``(frames, spots, 2)``."""
    rng = np.random.default_rng(0)
    middle = rng.uniform(100, SIDE - 100, (N_SPOTS, 2))
    steps = rng.normal(0, STEP, (n_frames, N_SPOTS, 2)).cumsum(axis=0)
    # Reflected, so that spots stay in the frame.
    truth = SIDE / 2 - 20 - np.abs((middle + steps) % (2 * SIDE - 80) - (SIDE - 40)) + SIDE / 2
    noise = rng.poisson(20, (8, SIDE, SIDE)).astype(np.uint16)
    tifffile.imwrite(path, None, shape=(n_frames, SIDE, SIDE), dtype=np.uint16, bigtiff=True)
    offset = tifffile.TiffFile(path).series[0].dataoffset
    grid = np.arange(-REACH, REACH + 1)
    with path.open("rb+") as file:
        file.seek(offset)
        for number in range(n_frames):
            # Eight fields of noise, shifted, are as good as new ones, and much faster.
            frame = np.roll(noise[number % 8], rng.integers(SIDE, size=2), (0, 1))
            for position in truth[number]:
                y, x = np.rint(position).astype(int)
                dy, dx = grid + y - position[0], grid + x - position[1]
                spot = np.exp(-0.5 * (dy[:, None] ** 2 + dx**2) / SIGMA**2)
                spot *= LIGHT / (2 * np.pi * SIGMA**2)
                frame[y - REACH : y + REACH + 1, x - REACH : x + REACH + 1] += rng.poisson(
                    spot
                ).astype(np.uint16)
            file.write(frame.tobytes())
    return truth


def run(movie: Path, out: Path, stop_at: int | None = None) -> tuple[float, float]:
    """Track the movie, or stop when so many frames are kept; return seconds and gigabytes."""
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "perrin", "track", movie, "--out", out, "--quiet", *COMMAND],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )
    unfinished = Path(f"{out}.unfinished")
    while stop_at is not None and process.poll() is None:
        stops = [int(re.findall(r"\d+", path.stem)[1]) for path in unfinished.glob("*.npz")]
        if max(stops, default=0) >= stop_at:
            process.send_signal(signal.SIGINT)
            break
        time.sleep(0.5)
    _, status, usage = os.wait4(process.pid, 0)
    expected = 130 if stop_at is not None else 0
    if os.waitstatus_to_exitcode(status) != expected:
        raise SystemExit(f"perrin track ended with {os.waitstatus_to_exitcode(status)}")
    return time.monotonic() - begun, usage.ru_maxrss * 1024 / 1e9


def report(name: str, n_frames: int, measured: tuple[float, float]) -> None:
    """Print one line of the table."""
    seconds, memory = measured
    print(f"{name:8s} {n_frames:7d} {seconds:8.0f} {n_frames / seconds:9.2f} {memory:12.2f}")


def found(out: Path, truth: npt.NDArray[np.float64]) -> float:
    """Return the share of true positions with a localization of a track within 1 px."""
    tracks = read_tracks(out / "tracks.csv")
    far = 10.0 * SIDE  # keeps frames apart
    seen = cKDTree(tracks[["frame", "y", "x"]].to_numpy() * [far, 1, 1])
    frames = np.repeat(np.arange(len(truth)), N_SPOTS)
    true = np.column_stack((frames * far, truth.reshape(-1, 2)))
    return float(np.isfinite(seen.query(true, distance_upper_bound=1.0)[0]).mean())


if __name__ == "__main__":
    main()
