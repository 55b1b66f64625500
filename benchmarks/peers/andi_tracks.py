"""Make tracks with andi-datasets and time it: ``andi_tracks.py OUTPUT N T``."""

import sys
import time

import numpy as np
from andi_alphas import ALPHAS
from andi_datasets.models_theory import models_theory

if __name__ == "__main__":
    path, n, n_points = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    np.random.seed(20_261_121)  # noqa: NPY002 - it is what andi-datasets draws from
    results = {}
    for name, alphas in ALPHAS.items():
        for dim in (1, 2, 3):
            started = time.perf_counter()
            tracks = [
                np.reshape(getattr(models_theory(), name)(n_points, alpha, dim), (dim, n_points))
                for alpha in alphas
                for _ in range(n)
            ]
            seconds = time.perf_counter() - started
            results[f"{name}_{dim}"] = np.array(tracks)
            results[f"{name}_{dim}_seconds"] = seconds
    np.savez(path, **results)
