"""How far intervals between conditions, and the test of rest, can be trusted.

    python benchmarks/conditions.py [--quick]

Coverage: pairs of conditions without a difference, 40 tracks per movie whose diffusivities scatter
by a factor exp(0.5), movies that differ by a given factor (one standard deviation). How often the
95 % interval of the ratio of median diffusivities holds 1, drawing movies, and drawing tracks as if
each were a movie.
Rest: particles in 2D at rest, and Brownian ones with a given step per frame and axis, in units of
the noise. How many get a ``p_immobile`` below 0.05, beside the most powerful test of all, which
knows the step.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from estimators import tracks_of
from perrin.statistics import compare_conditions, immobility

LEVEL = 0.05
MOTIONS = ((10, 1.4), (20, 0.25), (20, 0.45), (50, 0.1), (50, 0.2), (200, 0.045))


def movies(
    rng: np.random.Generator, n_movies: int, factor: float, n_tracks: int = 40
) -> pd.DataFrame:
    """Simulate results of tracks of several movies."""
    of_movie = np.repeat(factor ** rng.normal(size=n_movies), n_tracks)
    return pd.DataFrame(
        {
            "movie": np.repeat(np.arange(n_movies), n_tracks),
            "diffusivity": of_movie * np.exp(0.5 * rng.normal(size=of_movie.size)),
        }
    )


def holds(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    """Whether the interval of the ratio holds 1."""
    row = compare_conditions(first, second, n_bootstrap=300).table.iloc[0]
    return bool(row["ratio_lo"] <= 1 <= row["ratio_hi"])


def coverage(n_pairs: int) -> pd.DataFrame:
    """Count how often intervals hold the truth."""
    rows = []
    for factor in (1.0, 1.5):
        for sizes in ((2, 2), (3, 3), (3, 6), (8, 8)):
            rng = np.random.default_rng(sizes[0])
            pairs = [[movies(rng, n, factor) for n in sizes] for _ in range(n_pairs)]
            alone = [
                [table.assign(movie=np.arange(len(table))) for table in pair]
                for pair in pairs[: n_pairs // 5]
            ]
            rows.append(
                {
                    "movies differ by": factor,
                    "movies": f"{sizes[0]} and {sizes[1]}",
                    "pairs": n_pairs,
                    "by movie": np.mean([holds(*pair) for pair in pairs]),
                    "by track": np.mean([holds(*pair) for pair in alone]),
                }
            )
    return pd.DataFrame(rows)


def best_statistic(positions: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Compute the most powerful statistic that shift and scale do not change (King 1987)."""
    n_points = len(covariance)
    basis = np.linalg.qr(np.eye(n_points) - 1 / n_points)[0][:, :-1]
    inverse = np.linalg.inv(basis.T @ covariance @ basis)
    free = np.einsum("ij,kid->kjd", basis, positions)
    weighted = np.einsum("kid,ij,kjd->k", free, inverse, free, optimize=True)
    return (free**2).sum((1, 2)) / weighted


def rest(n_tracks: int) -> pd.DataFrame:
    """Count false alarms and detections."""
    rows = []
    for n_points, step in MOTIONS:
        rng = np.random.default_rng(n_points)
        still = rng.normal(size=(n_tracks, n_points, 2))
        walk = rng.normal(0, step, (n_tracks, n_points, 2)).cumsum(axis=1)
        moving = walk + rng.normal(size=walk.shape)
        frames = np.arange(n_points)
        covariance = np.eye(n_points) + step**2 * np.minimum.outer(frames, frames)
        limit = np.quantile(best_statistic(still, covariance), 1 - LEVEL)
        alarms, found = (
            (immobility(tracks_of(positions))["p_immobile"] < LEVEL).mean()
            for positions in (still, moving)
        )
        best = np.mean(best_statistic(moving, covariance) > limit)
        rows.append(
            {"points": n_points, "step": step, "tracks": n_tracks, "at rest": alarms,
             "moving": found, "best possible": best}
        )  # fmt: skip
    return pd.DataFrame(rows)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the simulations")
    share = 0.1 if parser.parse_args().quick else 1.0
    print("Told from rest\n", rest(int(4000 * share)).round(3).to_string(index=False), flush=True)
    print("\nHow often the 95 % interval holds the truth\n",
          coverage(int(500 * share)).round(3).to_string(index=False))  # fmt: skip


if __name__ == "__main__":
    main()
