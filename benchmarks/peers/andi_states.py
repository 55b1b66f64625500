"""Score states of populations with andi-datasets: ``andi_states.py PAIRS OUTPUT``.

PAIRS is a JSON list of pairs, true and found, of matrices in the order of the challenge: means and
variances of alpha and of the diffusivity, and shares, one column per state.
"""

import json
import sys
from pathlib import Path

import numpy as np
from andi_datasets.utils_challenge import error_Ensemble_dataset

if __name__ == "__main__":
    pairs = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    scores = [list(map(float, error_Ensemble_dataset(*map(np.array, pair)))) for pair in pairs]
    Path(sys.argv[2]).write_text(json.dumps(scores), encoding="utf-8")
