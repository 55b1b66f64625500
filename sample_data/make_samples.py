"""Make the sample movies and their ground truth; the same seeds give the same files.

Run with ``python sample_data/make_samples.py`` from the top of the project.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import tifffile
import torch

from perrin.io import write_table
from perrin.models import MODELS
from perrin.simulate.models import simulate_displacements
from perrin.simulate.movie import Camera, render_movie
from perrin.simulate.switching import simulate_switching
from perrin.tracks import Calibration

HERE = Path(__file__).resolve().parent
SIDE = 128  # px
CLEARANCE = 9.0  # px: spots that come nearer than this at any time could not be told apart
TYPICAL_STEP = 0.5  # px per axis, root mean square
LONGEST_STEP = 4.5  # px: within the default search range
MARGIN = 6.0  # px: spots nearer to the edge than this are not seen whole


def free_beads() -> None:
    """1 µm spheres in water at 21 °C (Stokes–Einstein: 0.44 µm²/s), seen for 5 s."""
    calibration = Calibration(pixel_size=0.2, frame_interval=0.04)
    diffusivity = 0.44
    paths = _paths(
        simulate_switching(
            [diffusivity / calibration.diffusivity_scale],
            n_tracks=400, n_points=125, seed=1,
        ),
        125,
    )  # fmt: skip
    placed, _ = _place(paths, 18, seed=2)
    tracks = _table(placed).assign(state=0, diffusivity=diffusivity)
    truth = pd.DataFrame(
        {"particle": range(len(placed)), "model": "FBM", "alpha": 1.0, "diffusivity": diffusivity}
    )
    _write("free_beads", tracks, truth, calibration, Camera(photons=1500), seed=3)


def two_state_receptors() -> None:
    """Receptors on a cell: 0.2 µm²/s when free, 0.01 when held, for 1.5 and 0.9 s."""
    calibration = Calibration(pixel_size=0.1, frame_interval=0.03)
    diffusivities = np.array([0.01, 0.2])
    frames = 150
    motion = simulate_switching(
        list(diffusivities / calibration.diffusivity_scale),
        transition=[[1 - 1 / 30, 1 / 30], [1 / 50, 1 - 1 / 50]],
        n_tracks=600, n_points=frames, seed=11,
    )  # fmt: skip
    placed, chosen = _place(_paths(motion, frames), 20, seed=12)
    state = motion["state"].to_numpy().reshape(-1, frames)[chosen].ravel()
    tracks = _table(placed).assign(state=state, diffusivity=diffusivities[state])
    truth = pd.DataFrame({"particle": range(len(placed)), "model": "FBM", "alpha": 1.0})
    truth["n_switches"] = [int((np.diff(s) != 0).sum()) for s in state.reshape(-1, frames)[:, :-1]]
    _write(
        "two_state_receptors", tracks, truth, calibration, Camera(photons=800), seed=13, ome=True
    )


def five_models() -> None:
    """Five particles of each model, with exponents where the models differ most."""
    calibration = Calibration(pixel_size=0.1, frame_interval=0.02)
    frames, each = 180, 5
    alphas = {
        "ATTM": np.linspace(0.3, 0.7, each),
        "CTRW": np.linspace(0.4, 0.8, each),
        "FBM": np.array([0.3, 0.5, 0.7, 1.2, 1.4]),
        "LW": np.linspace(1.2, 1.7, each),
        "SBM": np.array([0.3, 0.5, 0.7, 1.4, 1.7]),
    }
    tries = 300
    generator = torch.Generator().manual_seed(21)
    model = torch.arange(len(MODELS)).repeat_interleave(each * tries)
    alpha = torch.tensor(np.concatenate([np.repeat(alphas[name], tries) for name in MODELS]))
    steps = simulate_displacements(model, alpha.float(), frames, 2, generator).numpy()
    steps = steps.transpose(0, 2, 1).astype(np.float64)
    # One typical step for all: neither speed nor brightness tells the models apart.
    size = np.sqrt((steps**2).mean((1, 2), keepdims=True))
    steps *= TYPICAL_STEP / np.where(size > 0, size, np.inf)
    paths = np.concatenate((np.zeros((len(steps), 1, 2)), steps.cumsum(1)), 1)
    moves = (np.abs(steps).max(2) > 0.05).mean(
        1
    ) > 0.02  # a particle that never moves shows nothing
    small = np.ptp(paths, 1).max(1) < SIDE - 4 * MARGIN
    linkable = np.hypot(*steps.transpose(2, 0, 1)).max(1) < LONGEST_STEP
    group = np.repeat(np.arange(len(MODELS) * each), tries)
    first = [
        np.flatnonzero((group == g) & moves & small & linkable)[0]
        for g in range(len(MODELS) * each)
    ]
    # Wide paths first: they are the hardest to place.
    first = sorted(first, key=lambda i: -float(np.ptp(paths[i], 0).max()))
    placed, chosen = _place(paths[first], len(first), seed=22, tries=20000)
    kept = np.array(first)[chosen]
    truth = pd.DataFrame(
        {
            "particle": range(len(kept)),
            "model": [MODELS[int(code)] for code in model[kept]],
            "alpha": np.round(alpha[kept].numpy(), 3),
        }
    )
    _write("five_models", _table(placed), truth, calibration, Camera(photons=1000), seed=23)


def _paths(tracks: pd.DataFrame, frames: int) -> npt.NDArray[np.float64]:
    return tracks[["y", "x"]].to_numpy().reshape(-1, frames, 2)


def _place(
    paths: npt.NDArray[np.float64], wanted: int, seed: int, tries: int = 500
) -> tuple[npt.NDArray[np.float64], list[int]]:
    """Put paths where they stay in view and clear of each other; say which ones could be."""
    rng = np.random.default_rng(seed)
    placed: list[npt.NDArray[np.float64]] = []
    chosen = []
    for number, path in enumerate(paths):
        low, high = MARGIN - path.min(0), SIDE - 1 - MARGIN - path.max(0)
        if (low > high).any():
            continue
        for _ in range(tries):
            moved = path + rng.uniform(low, high)
            if all((np.hypot(*(moved - other).T) > CLEARANCE).all() for other in placed):
                placed.append(moved)
                chosen.append(number)
                break
        if len(placed) == wanted:
            break
    if len(placed) < wanted:
        raise SystemExit(f"only {len(placed)} of {wanted} paths could be placed")
    return np.array(placed), chosen


def _table(paths: Iterable[npt.NDArray[np.float64]]) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"particle": i, "frame": range(len(path)), "y": path[:, 0], "x": path[:, 1]})
        for i, path in enumerate(paths)
    ]
    return pd.concat(parts, ignore_index=True)


def _write(
    name: str,
    tracks: pd.DataFrame,
    truth: pd.DataFrame,
    calibration: Calibration,
    camera: Camera,
    seed: int,
    *,
    ome: bool = False,
) -> None:
    movie = render_movie(tracks, (SIDE, SIDE), camera=camera, seed=seed)
    size, interval = calibration.pixel_size, calibration.frame_interval
    assert size is not None
    path = HERE / f"{name}.tif"
    if ome:
        metadata = {
            "axes": "TYX", "PhysicalSizeX": size, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": size,
            "PhysicalSizeYUnit": "µm", "TimeIncrement": interval, "TimeIncrementUnit": "s",
            "UUID": uuid.uuid5(uuid.NAMESPACE_OID, name).urn,
        }  # fmt: skip
        tifffile.imwrite(path, movie, ome=True, compression="zlib", metadata=metadata)
    else:
        tifffile.imwrite(
            path, movie, imagej=True, compression="zlib", resolution=(1 / size, 1 / size),
            metadata={"axes": "TYX", "unit": "um", "finterval": interval},
        )  # fmt: skip
    write_table(
        tracks.round({"y": 4, "x": 4}), path.with_name(f"{name}_tracks.csv"), overwrite=True
    )
    write_table(truth, path.with_name(f"{name}_truth.csv"), overwrite=True)
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, {len(truth)} particles")


if __name__ == "__main__":
    free_beads()
    two_state_receptors()
    five_models()
