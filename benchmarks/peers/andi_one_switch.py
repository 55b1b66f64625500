"""Make tracks of the first challenge's third task: ``andi_one_switch.py OUTPUT N``.

Runs with andi-datasets of either version; that of the challenge called itself ``andi``.
"""

import sys
from collections.abc import Callable

import numpy as np


def _maker() -> Callable[..., tuple]:
    """Return the function of the version that is installed."""
    try:
        from andi_datasets.datasets_challenge import challenge_theory_dataset
    except ModuleNotFoundError:
        from andi import andi_datasets

        return andi_datasets().andi_dataset
    return challenge_theory_dataset


if __name__ == "__main__":
    path, n = sys.argv[1], int(sys.argv[2])
    np.random.seed(20_261_129)  # noqa: NPY002 - it is what andi-datasets draws from
    make = _maker()
    results = {}
    for dim in (1, 2, 3):
        *_, tracks, labels = make(N=n, tasks=3, dimensions=[dim])
        labels = np.array(labels[dim - 1])
        results[f"positions_{dim}"] = np.array(tracks[dim - 1]).reshape(len(labels), dim, -1)
        # Dimension, frame of the switch, then model and exponent of the first and second part.
        results[f"labels_{dim}"] = labels[:, 1:]
    np.savez(path, **results)
