"""Linking simulated localizations: Perrin's linker beside trackpy and laptrack.

    OMP_NUM_THREADS=1 python benchmarks/link.py [--motion NAME] [--quick] [--out FILE]
    OMP_NUM_THREADS=1 python benchmarks/link.py --speed

60 particles for 40 frames in a square field, reflected at its edges; each vanishes with a
probability of 1/60 per frame, and another appears. Localizations err by 0.15 px, 5 % are missed,
and there are false ones, one for ten particles. Motions:

- brownian: the root mean square step, both axes together, is as the table says;
- mixed: half of the particles take steps six times shorter;
- directed: straight at that speed, with Brownian steps of 0.4 px beside;
- blinking: as mixed, and vanishing for 2.5 frames on average with a probability of 5 % per frame.

The truth are the localizations that were made, with their particles, so that a perfect linker
scores 1 everywhere. Scores: ``perrin.scores``, gate 5 px (the challenge's); tracks of a single
localization are left out. Search range and memory (0 or 3) of trackpy, which tries smaller ranges
down to a quarter where it is crowded, and of laptrack (gap closing), are for each row those with
the highest beta on two movies of other seeds than those of the table. Perrin's linker has its
defaults everywhere. ``crowding`` is the step over the mean distance to the nearest other particle.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import time
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from perrin.errors import InputError
from perrin.linking import LapLinker, Linker, MotionLinker, NearestLinker, link
from perrin.scores import TrackingScores, score_tracks

N_PARTICLES, N_FRAMES, LIFETIME = 60, 40, 60
ERROR, MISSED, FALSE = 0.15, 0.05, 0.1
RETURNS = 0.4
RANGES = (1.5, 2.0, 3.0)  # steps
RESULTS = Path(__file__).parent / "results" / "link.csv"


class Condition(NamedTuple):
    """What is simulated."""

    motion: str
    density: float  # particles per px²
    step: float  # px


CONDITIONS = (
    Condition("brownian", 0.002, 1.0),
    Condition("brownian", 0.02, 1.0),
    Condition("brownian", 0.008, 2.5),
    Condition("brownian", 0.02, 2.5),
    *(Condition("mixed", d, 2.5) for d in (0.002, 0.008, 0.02)),
    *(Condition("directed", d, 3.0) for d in (0.002, 0.008, 0.02)),
    *(Condition("blinking", d, 2.5) for d in (0.002, 0.008, 0.02)),
)


def simulate(
    condition: Condition, seed: int, n: int = N_PARTICLES, n_frames: int = N_FRAMES
) -> pd.DataFrame:
    """Simulate localizations; ``particle`` is -1 for false ones."""
    rng = np.random.default_rng(seed)
    side = np.sqrt(n / condition.density)

    def begin(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        position = rng.uniform(0, side, (n, 2))
        spread = np.full(n, condition.step / np.sqrt(2))
        velocity = np.zeros((n, 2))
        if condition.motion in ("mixed", "blinking"):
            spread[rng.random(n) < 0.5] /= 6
        elif condition.motion == "directed":
            spread[:] = 0.4 / np.sqrt(2)
            angle = rng.uniform(0, 2 * np.pi, n)
            velocity = condition.step * np.column_stack((np.sin(angle), np.cos(angle)))
        return position, spread, velocity

    position, spread, velocity = begin(n)
    number, n_so_far = np.arange(n), n
    is_lit = np.ones(n, bool)
    tables = []
    for frame in range(n_frames):
        if frame:
            position = position + velocity + rng.normal(0, 1, (n, 2)) * spread[:, None]
            outside = (position < 0) | (position > side)
            velocity = np.where(outside, -velocity, velocity)
            position = np.where(position > side, 2 * side - position, np.abs(position))
            gone = rng.random(n) < 1 / LIFETIME
            position[gone], spread[gone], velocity[gone] = begin(int(gone.sum()))
            number[gone] = n_so_far + np.arange(gone.sum())
            n_so_far += int(gone.sum())
            off = 0.05 if condition.motion == "blinking" else 0.0
            is_lit = gone | (rng.random(n) < np.where(is_lit, 1 - off, RETURNS))
        seen = is_lit & (rng.random(n) >= MISSED)
        n_false = rng.poisson(FALSE * n)
        at = np.concatenate((position[seen], rng.uniform(0, side, (n_false, 2))))
        at[: seen.sum()] += rng.normal(0, ERROR, (seen.sum(), 2))
        particle = np.append(number[seen], np.full(n_false, -1))
        tables.append(
            pd.DataFrame({"particle": particle, "frame": frame, "y": at[:, 0], "x": at[:, 1]})
        )
    return pd.concat(tables, ignore_index=True)


def score(made: pd.DataFrame, linker: Linker) -> TrackingScores:
    """Score a linker's tracks; a crowd that it refuses scores 0."""
    try:
        tracks = link(made.drop(columns="particle"), linker)
    except InputError:
        return TrackingScores(0.0, 0.0, 0.0, 0.0, np.nan)
    return score_tracks(made[made["particle"] >= 0], tracks)


def best(choices: list[Linker], movies: list[pd.DataFrame]) -> Linker:
    """Return the linker with the highest mean beta."""
    return max(choices, key=lambda linker: sum(score(made, linker).beta for made in movies))


def compare(condition: Condition, n_movies: int) -> pd.DataFrame:
    """Score each linker on movies of a condition: means and standard errors."""
    tuning = [simulate(condition, 1000 + seed) for seed in range(2)]
    settings = list(itertools.product((condition.step * r for r in RANGES), (0, 3)))
    linkers: dict[str, Linker] = {
        "perrin": MotionLinker(),
        "trackpy": best(
            [NearestLinker(search_range=r, memory=m, adaptive_stop=r / 4) for r, m in settings],
            tuning,
        ),
        "laptrack": best([LapLinker(search_range=r, memory=m) for r, m in settings], tuning),
    }
    movies = [simulate(condition, seed) for seed in range(n_movies)]
    crowding = 2 * condition.step * np.sqrt(condition.density)
    rows = []
    for name, linker in linkers.items():
        scores = pd.DataFrame([score(made, linker) for made in movies])
        row = {**condition._asdict(), "crowding": crowding, "linker": name, "n_movies": n_movies}
        row |= {"search_range": linker.search_range, "memory": linker.memory}
        for column in scores:
            row[column] = scores[column].mean()
            row[f"{column}_se"] = scores[column].sem()
        rows.append(row)
    return pd.DataFrame(rows)


def speed() -> None:
    """Link one million localizations; print time, and the memory of this process."""
    condition = Condition("mixed", 0.008, 1.0)
    made = simulate(condition, 0, n=1000, n_frames=1000).drop(columns="particle")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    link(made.iloc[:5000], MotionLinker())  # compiles
    clock, started = time.process_time(), time.perf_counter()
    tracks = link(made, MotionLinker())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{len(made)} localizations, {tracks['particle'].nunique()} tracks: "
        f"{time.process_time() - clock:.1f} s of CPU, {time.perf_counter() - started:.1f} s; "
        f"peak memory {peak:.2f} GiB, {before:.2f} GiB of it before linking"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    motions = sorted({condition.motion for condition in CONDITIONS})
    parser.add_argument("--motion", choices=motions, help="these rows of the table alone")
    parser.add_argument("--quick", action="store_true", help="two movies instead of six")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the table goes (CSV)")
    parser.add_argument("--speed", action="store_true", help="link a million, and nothing else")
    given = parser.parse_args()
    if given.speed:
        speed()
        return
    chosen = [c for c in CONDITIONS if given.motion in (None, c.motion)]
    table = pd.DataFrame()
    if given.motion is not None and given.out.is_file():
        table = pd.read_csv(given.out)
        table = table[table["motion"] != given.motion]
    for number, condition in enumerate(chosen):
        rows = compare(condition, 2 if given.quick else 6)
        print(rows.round(4).to_string(index=False, header=number == 0), flush=True)
        table = pd.concat((table, rows.round(5)))
        table.to_csv(given.out, index=False)


if __name__ == "__main__":
    main()
