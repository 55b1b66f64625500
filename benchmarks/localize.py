"""Localization on simulated movies: Perrin's detector beside trackpy.

    OMP_NUM_THREADS=1 python benchmarks/localize.py [--quick] [--device cpu]
    python benchmarks/localize.py --real MOVIE --picture FILE

Spots of sigma 1.3 px on a camera of gain 2 and offset 100 without read noise. Three tables:

- Error: root mean square error of isolated spots (12 px from any other and from the edge) over the
  Cramér–Rao bound of a Gaussian integrated over pixels with known width and unknown background, by
  the Fisher information of all pixels.
- Found: Jaccard index (true positives over true positives, false positives and misses; within 2 px,
  one to one), each detector at its best threshold, trackpy also at its best diameter (5 or 7) and
  separation. Density is spots per µm² at 0.1 µm pixels.
- Speed: seconds of CPU per frame of 512 × 512 with 200 spots, on one thread, everything included.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import torch
import trackpy
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from perrin import Camera, GaussianDetector, localize, read_movie, render_movie
from perrin.localization import suggest_detector
from perrin.localization._spot import derivatives

SIGMA, GAIN, OFFSET = 1.3, 2.0, 100.0
KNOWN = {"gain": GAIN, "offset": OFFSET}
LIGHT = ((100, 10), (300, 10), (300, 100), (600, 20), (1000, 100), (2000, 10), (2000, 100))
DENSITIES = (0.01, 0.1, 0.5)
TOLERANCE = 2.0
TRACKPY = ((7, None), (5, None), (7, 4), (5, 3), (5, 2))


def simulate(
    n: int, n_frames: int, side: int, photons: float, background: float, seed: int = 0
) -> tuple[pd.DataFrame, np.ndarray]:
    """Place spots at random, anew in each frame, and record them."""
    rng = np.random.default_rng(seed)
    truth = pd.DataFrame({"particle": np.tile(np.arange(n), n_frames)})
    truth["frame"] = np.repeat(np.arange(n_frames), n)
    truth[["y", "x"]] = rng.uniform(-0.5, side - 0.5, (len(truth), 2))
    camera = Camera(
        psf_sigma=SIGMA, photons=photons, background=background, gain=GAIN, offset=OFFSET,
        read_noise=0,
    )  # fmt: skip
    return truth, render_movie(truth, (side, side), n_frames, camera, seed=seed)


def with_trackpy(
    movie: np.ndarray, engine: str, *, diameter: int = 7, **options: float
) -> pd.DataFrame:
    """Localize with trackpy itself, frame after frame."""
    trackpy.quiet()
    with np.errstate(all="ignore"):
        tables = [
            trackpy.locate(image, diameter, engine=engine, **options).assign(frame=number)
            for number, image in enumerate(movie)
        ]
    return pd.concat(tables, ignore_index=True)


def bound(photons: float, background: float, reach: int = 12) -> float:
    """Return the Cramér–Rao bound per axis, root mean square over places within a pixel."""
    places = np.random.default_rng(0).uniform(-0.5, 0.5, (100, 2)) + reach
    rest = np.broadcast_to([photons, background, SIGMA], (100, 3))
    spots = torch.from_numpy(np.concatenate((places, rest), 1))
    slopes = derivatives(spots, (2 * reach + 1,) * 2, by_width=False)
    mean = photons * slopes[:, 2] + background
    covariance = torch.linalg.inv(slopes / mean[:, None] @ slopes.mT)
    return float(covariance.diagonal(dim1=1, dim2=2)[:, :2].mean().sqrt())


def isolated_errors(truth: pd.DataFrame, found: pd.DataFrame, side: int) -> np.ndarray:
    """Errors ``(n, 2)`` of what was found within 2 px of isolated spots."""
    errors = []
    for frame, true in truth.groupby("frame"):
        at = true[["y", "x"]].to_numpy()
        alone = cKDTree(at).query(at, k=2)[0][:, 1] > 12
        at = at[alone & (at > 12).all(1) & (at < side - 13).all(1)]
        here = found.loc[found["frame"] == frame, ["y", "x"]].to_numpy()
        if len(here):
            distance, which = cKDTree(here).query(at)
            hit = distance < TOLERANCE
            errors.append(here[which[hit]] - at[hit])
    return np.concatenate(errors)


def jaccard(truth: pd.DataFrame, found: pd.DataFrame) -> float:
    """Jaccard index of a table of spots."""
    n_hits = 0
    for frame, true in truth.groupby("frame"):
        here = found.loc[found["frame"] == frame, ["y", "x"]].to_numpy()
        offset = true[["y", "x"]].to_numpy()[:, None] - here[None]
        # A cost that stays below one per pair makes as many pairs as possible.
        cost = np.minimum(np.hypot(*np.moveaxis(offset, 2, 0)) / TOLERANCE, 1e3)
        n_hits += int((cost[linear_sum_assignment(cost)] <= 1).sum())
    return n_hits / (len(truth) + len(found) - n_hits)


def best_jaccard(truth: pd.DataFrame, tables: Iterable[tuple[pd.DataFrame, str]]) -> float:
    """Return the best Jaccard index over tables and thresholds on a column of each."""
    best = 0.0
    for found, column in tables:
        for threshold in np.quantile(found[column], np.linspace(0, 0.95, 20)):
            best = max(best, jaccard(truth, found[found[column] >= threshold]))
    return best


def errors(n_frames: int, device: str) -> pd.DataFrame:
    """Compare errors of isolated spots with the bound."""
    side = 384
    rows = []
    for photons, background in LIGHT:
        truth, movie = simulate(60, n_frames, side, photons, background)
        limit = bound(photons, background)
        found = {
            "Perrin": localize(movie, GaussianDetector(**KNOWN), device=device),
            "camera unknown": localize(movie, GaussianDetector(), device=device),
            "radial": localize(movie, GaussianDetector(fit="radial", **KNOWN), device=device),
            "trackpy": with_trackpy(movie, "numba", minmass=photons * GAIN / 4),
        }
        row: dict[str, float] = {"photons": photons, "background": background, "bound (px)": limit}
        for name, table in found.items():
            error = isolated_errors(truth, table, side)
            row[name] = float(np.sqrt(np.mean(error**2))) / limit
            row.setdefault("spots", len(error))
        rows.append(row)
    return pd.DataFrame(rows).round(3)


def found_by_each(n_spots: int, device: str) -> pd.DataFrame:
    """Compare what is found, at each density and signal."""
    side = 192
    rows = []
    for density in DENSITIES:
        n = max(1, round(density / 100 * side**2))
        for photons, background in LIGHT:
            truth, movie = simulate(n, max(2, n_spots // n), side, photons, background, seed=5)
            row = {"density": density, "photons": photons, "background": background}
            for name, camera in (("Perrin", KNOWN), ("camera unknown", {})):
                row[name] = best_jaccard(
                    truth,
                    (
                        (
                            localize(movie, GaussianDetector(min_snr=u, **camera), device=device),
                            "snr",
                        )
                        for u in (3.3, 4.0, 5.0, 6.0)
                    ),
                )
            row["trackpy"] = best_jaccard(
                truth,
                (
                    (
                        with_trackpy(movie, "numba", diameter=d, separation=s or d + 1, minmass=0),
                        "mass",
                    )
                    for d, s in TRACKPY
                ),
            )
            rows.append(row)
    return pd.DataFrame(rows).round(3)


def speed(n_frames: int, device: str) -> pd.DataFrame:
    """Compare CPU time per frame, the best of three runs, taken in turns."""
    torch.set_num_threads(1)
    _, movie = simulate(200, n_frames, 512, 600, 20)
    ways: dict[str, Callable[[], pd.DataFrame]] = {
        "trackpy, numba": lambda: with_trackpy(movie, "numba", minmass=300),
        "trackpy, python": lambda: with_trackpy(movie[:2], "python", minmass=300),
        "Perrin": lambda: localize(movie, GaussianDetector(**KNOWN), device=device),
        "Perrin, camera unknown": lambda: localize(movie, GaussianDetector(), device=device),
        "Perrin, one pass": lambda: localize(
            movie, GaussianDetector(passes=1, **KNOWN), device=device
        ),
        "Perrin, radial": lambda: localize(
            movie, GaussianDetector(fit="radial", **KNOWN), device=device
        ),
    }
    best = dict.fromkeys(ways, np.inf)
    wall = dict.fromkeys(ways, np.inf)
    for _ in range(4):  # the first run compiles and is never the best
        for name, way in ways.items():
            started, clock = time.process_time(), time.perf_counter()
            n_done = way()["frame"].nunique()
            best[name] = min(best[name], (time.process_time() - started) / n_done)
            wall[name] = min(wall[name], (time.perf_counter() - clock) / n_done)
    table = pd.DataFrame({"CPU ms per frame": best, "wall ms per frame": wall}).mul(1000)
    numba = "trackpy, numba"
    table["faster than trackpy by"] = table["CPU ms per frame"][numba] / table["CPU ms per frame"]
    return table.round(2)


def apart(table: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Return the spots of a table that have none of the other within 2 px."""
    alone = []
    for frame, here in table.groupby("frame"):
        at = other.loc[other["frame"] == frame, ["y", "x"]].to_numpy()
        alone.append(here[cKDTree(at.reshape(-1, 2)).query(here[["y", "x"]])[0] > TOLERANCE])
    return pd.concat(alone)


def seen_again(table: pd.DataFrame, other: pd.DataFrame) -> tuple[float, float]:
    """Share of spots with one of the other within 2 px in the next frame, and that by chance."""
    hits, chance = [], []
    rng = np.random.default_rng(0)
    extent = other[["y", "x"]].max().to_numpy()
    for frame, here in table[table["frame"] < other["frame"].max()].groupby("frame"):
        tree = cKDTree(other.loc[other["frame"] == frame + 1, ["y", "x"]].to_numpy().reshape(-1, 2))
        hits.append(tree.query(here[["y", "x"]])[0] < TOLERANCE)
        anywhere = tree.query(rng.uniform(0, extent, (500, 2)))[0] < TOLERANCE
        chance.append(np.full(len(here), anywhere.mean()))
    return float(np.concatenate(hits).mean()), float(np.concatenate(chance).mean())


def real(path: str, picture: str | None) -> pd.DataFrame:
    """Compare what both find in a real movie; draw the frame where they differ most."""
    import matplotlib.pyplot as plt

    movie = read_movie(path)
    suggested = suggest_detector(movie, device="cpu")
    print(*suggested.reasons, sep="\n")
    ours, theirs = localize(movie, suggested.detector, device="cpu"), localize(movie)
    only = apart(ours, theirs)
    groups = {"Perrin": ours, "trackpy": theirs, "only Perrin": only}
    groups["only trackpy"] = apart(theirs, ours)
    rows = []
    for name, table in groups.items():
        again = (
            seen_again(table, theirs if "trackpy" in name else ours)
            if len(table)
            else (np.nan, np.nan)
        )
        rows.append((name, len(table), *again))
    if picture is not None:
        inner = only[only["frame"].between(2, movie.n_frames - 3)]
        frame = int(inner["frame"].value_counts().idxmax())
        near = np.mean([movie.frame(frame + i) for i in range(-2, 3)], axis=0)
        figure, both = plt.subplots(1, 2, figsize=(6.4, 3.4), layout="constrained")
        titles = (f"frame {frame}", f"mean of frames {frame - 2} to {frame + 2}")
        for axes, image, title in zip(both, (movie.frame(frame), near), titles, strict=True):
            axes.imshow(
                image, cmap="gray", vmin=np.quantile(image, 0.02), vmax=np.quantile(image, 0.998)
            )
            for table, marker, size, color, name in (
                (theirs, "s", 110, "tab:orange", "trackpy"), (ours, "o", 45, "tab:cyan", "Perrin"),
            ):  # fmt: skip
                here = table[table["frame"] == frame]
                axes.scatter(here["x"], here["y"], s=size, marker=marker, facecolors="none",
                             edgecolors=color, label=name)  # fmt: skip
            axes.set_title(title, fontsize=9)
            axes.set_axis_off()
        both[0].legend(loc="lower left", fontsize=7)
        figure.savefig(picture, dpi=100)
    return pd.DataFrame(rows, columns=["spots", "number", "seen again", "by chance"]).round(3)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a quarter of the frames")
    parser.add_argument("--device", default="cpu", help="where Perrin's detector runs")
    parser.add_argument("--real", metavar="MOVIE", help="compare on this movie, and nothing else")
    parser.add_argument("--picture", metavar="FILE", help="where to save a picture of that")
    given = parser.parse_args()
    if given.real is not None:
        print(real(given.real, given.picture).to_string(index=False))
        return
    share = 4 if given.quick else 1
    table = errors(16 // share, given.device)
    print("Error over the Cramér-Rao bound\n", table.to_string(index=False), flush=True)
    table = found_by_each(300 // share, given.device)
    print("\nBest Jaccard index\n", table.to_string(index=False), flush=True)
    print("\nSpeed\n", speed(16 // share, given.device).to_string(), flush=True)


if __name__ == "__main__":
    main()
