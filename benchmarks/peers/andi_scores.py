"""Score answers with andi-datasets: ``andi_scores.py TRUTH ANSWERS OUTPUT``.

TRUTH and ANSWERS are folders as the challenge's scoring expects them.
"""

import contextlib
import io
import json
import sys
import warnings
from pathlib import Path

from andi_datasets.utils_challenge import run_single_task

if __name__ == "__main__":
    truth, answers = sys.argv[1:3]
    numbers = sorted(int(each.name.split("_")[1]) for each in Path(truth, "track_2").iterdir())
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        scores, _ = run_single_task(numbers, 2, answers, truth)
    names = ("rmse", "jsc", "alpha_mae", "diffusivity_msle", "state_f1")
    said = dict(zip(names, map(float, scores), strict=True))
    Path(sys.argv[3]).write_text(json.dumps(said), encoding="utf-8")
