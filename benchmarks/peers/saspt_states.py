"""Run saSPT on a track table: ``saspt_states.py TRACKS DEPTH OUT``, in its own environment."""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
import pandas as pd

warnings.simplefilter("ignore")
import saspt  # noqa: E402

table = pd.read_csv(sys.argv[1])
start = time.perf_counter()
array = saspt.StateArray.from_detections(
    table,
    likelihood_type="rbme",
    pixel_size_um=0.16,
    frame_interval=0.00748,
    focal_depth=float(sys.argv[2]),
    progress_bar=False,
)
occupancy = array.posterior_occs.sum(axis=1)
np.savez(
    sys.argv[3],
    occupancy=occupancy,
    seconds=time.perf_counter() - start,
    pieces=array.n_tracks,
    steps=array.n_jumps,
)
