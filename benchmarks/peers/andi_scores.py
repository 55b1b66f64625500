"""Score answers with andi-datasets: ``andi_scores.py TRUTH ANSWERS OUTPUT``.

TRUTH and ANSWERS are text files in the format of the challenge, one line per track.
"""

import contextlib
import io
import json
import sys
import warnings
from pathlib import Path

from andi_datasets.utils_challenge import error_SingleTraj_dataset, load_file_to_df

if __name__ == "__main__":
    truth, answers = (load_file_to_df(path) for path in sys.argv[1:3])
    truth["T"] = [points[-1] for points in truth["changepoints"]]
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        scores = error_SingleTraj_dataset(answers, truth, prints=False, disable_tqdm=True)
    names = ("rmse", "jsc", "alpha_mae", "diffusivity_msle", "state_f1")
    said = dict(zip(names, map(float, scores), strict=True))
    Path(sys.argv[3]).write_text(json.dumps(said), encoding="utf-8")
