"""Simulate with andi-datasets and time it: ``andi_phenomenological.py EXPERIMENT FIELDS OUTPUT``.

EXPERIMENT is the dictionary that ``challenge_phenom_dataset`` takes, as JSON.
"""

import contextlib
import io
import json
import sys
import time

import numpy as np
import stochastic
from andi_datasets.datasets_challenge import challenge_phenom_dataset

if __name__ == "__main__":
    given, n_fields, path = json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    # The library wants arrays.
    experiment = {
        key: np.array(value) if isinstance(value, list) else value for key, value in given.items()
    }
    np.random.seed(20_261_121)  # noqa: NPY002 - it is what andi-datasets draws from
    stochastic.random.seed(20_261_121)
    started = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        tables = challenge_phenom_dataset(dics=[experiment] * n_fields, return_timestep_labs=True)
    seconds = time.process_time() - started
    columns = ["traj_idx", "frame", "y", "x", "D", "alpha", "state"]
    rows = [
        np.column_stack((np.full(len(table), field), table[columns].to_numpy()))
        for field, table in enumerate(tables[0])
    ]
    np.savez(path, rows=np.concatenate(rows), seconds=seconds)
