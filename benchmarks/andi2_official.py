"""Switches on tracks that andi-datasets made, scored by andi-datasets, beside our own scores.

Simulates fields of view of the nine experiments of the AnDi-2 benchmark with andi-datasets, asks
Perrin's network and the classical methods, writes the answers in the format of the challenge and
has them scored by the challenge's own functions. The same answers scored by Perrin must give the
same numbers. So must the states of populations, of tracks that Perrin simulated:

    python benchmarks/andi2_official.py --fields 1
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd

from _environments import HERE, OUTPUT, python_with_andi, run_peer
from perrin.engine.benchmarks.andi2 import challenge_truth
from perrin.engine.benchmarks.challenge2 import Pieces, score_experiments
from perrin.engine.benchmarks.ensemble2 import (
    Ensemble,
    one_state,
    score_ensemble,
    true_ensemble,
)
from perrin.engine.benchmarks.switch_methods import (
    BY_DISPLACEMENTS,
    cut_by_hidden_states,
    pieces_from_cuts,
    pieces_of,
    shared_by,
)
from perrin.engine.switching.inference import ask_frames
from perrin.engine.switching.methods import SwitchCalls
from perrin.simulate.phenomenological import BENCHMARK, simulate_experiment
from phenomenological import COLUMNS, for_andi

RESULTS = HERE / "results" / "andi2_official.csv"
RESULTS_OF_STATES = HERE / "results" / "andi2_official_states.csv"


def write_experiments(experiments: Sequence[Sequence[Pieces]], folder: Path, start: str) -> Path:
    """Write the segments of each experiment into the folders that the challenge scores."""
    for number, pieces in enumerate(experiments):
        place = folder / "track_2" / f"exp_{number}"
        place.mkdir(parents=True, exist_ok=True)
        write(pieces, place / f"{start}fov_0.txt")
    return folder


def write(pieces: Sequence[Pieces], path: Path) -> None:
    """Write segments in the format of the challenge."""
    lines = [
        ",".join(
            [f"{k}", *(f"{d:.10g},{a:.10g},{s},{e}" for e, a, d, s in zip(*piece, strict=True))]
        )
        for k, piece in enumerate(pieces)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def simulate(python: Path, number: int, n_fields: int) -> pd.DataFrame:
    """Tracks of one experiment, numbered through all fields, with their truth."""
    path = OUTPUT / f"andi2_{number}_{n_fields}.npz"
    if not path.exists():
        given = json.dumps(for_andi(BENCHMARK[number]))
        run_peer(python, "andi_phenomenological.py", given, str(n_fields), path)
    table = pd.DataFrame(np.load(path)["rows"], columns=COLUMNS)
    table["particle"] = table.groupby(["field", "track"], sort=True).ngroup()
    return table.sort_values(["particle", "frame"], ignore_index=True).astype(
        {"frame": int, "state": int, "field": int}
    )


def score_states(python: Path, pairs: Sequence[tuple[str, Ensemble, Ensemble]]) -> pd.DataFrame:
    """Have states scored by andi-datasets and by Perrin; means over all experiments."""
    matrices = [[np.array(each).tolist() for each in pair] for _, *pair in pairs]
    given, said = OUTPUT / "andi2_states.json", OUTPUT / "andi2_states_scores.json"
    given.write_text(json.dumps(matrices), encoding="utf-8")
    run_peer(python, "andi_states.py", given, said)
    official = np.array(json.loads(said.read_text(encoding="utf-8")))
    ours = np.array([score_ensemble(true, found) for _, true, found in pairs])
    table = pd.DataFrame(official, columns=["alpha_distance", "diffusivity_distance"])
    table.insert(0, "method", [name for name, _, _ in pairs])
    table["differs"] = np.abs(official - ours).max(1)
    means = table.groupby("method").agg(
        {"alpha_distance": "mean", "diffusivity_distance": "mean", "differs": "max"}
    )
    means.insert(0, "n_fields", table.groupby("method").size())
    return means.reset_index()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=int, default=1, help="fields of view per experiment")
    n_fields = parser.parse_args().fields
    OUTPUT.mkdir(exist_ok=True)
    python = python_with_andi()
    threshold = SwitchCalls().switch_threshold
    truth: list[list[Pieces]] = []
    answers: dict[str, list[list[Pieces]]] = {}
    states: list[tuple[str, Ensemble, Ensemble]] = []
    for number, experiment in enumerate(BENCHMARK):
        truth.append([])
        for of_method in answers.values():
            of_method.append([])
        for _, tracks in simulate(python, number, n_fields).groupby("field"):
            truth[-1] += challenge_truth(tracks)
            frames = ask_frames(tracks[["particle", "frame", "y", "x"]], exposure=0.0)
            said = {
                "network": pieces_of(frames, threshold),
                "network, tracks of a movie pooled": shared_by(frames, threshold, tracks)[0],
                **{name: pieces_from_cuts(tracks, cut) for name, cut in BY_DISPLACEMENTS.items()},
                "hidden Markov model": pieces_from_cuts(tracks, cut_by_hidden_states(tracks)),
                "no switch": pieces_from_cuts(tracks, lambda _: np.empty(0, np.int64)),
            }
            for name, pieces in said.items():
                answers.setdefault(name, [[]])[-1].extend(pieces)
        # andi-datasets does not say which population a frame belongs to.
        own = simulate_experiment(experiment, seed=number)
        ensemble = true_ensemble(experiment.motion, own)
        found = shared_by(ask_frames(own, exposure=0.0), threshold, own)[1]
        states.append(("network", ensemble, found))
        pieces = pieces_from_cuts(own, lambda _: np.empty(0, np.int64))
        states.append(("one state, MSD", ensemble, one_state(pieces)))
        print(f"experiment {number + 1}: {sum(map(len, truth))} tracks so far", flush=True)
    true = write_experiments(truth, OUTPUT / "andi2_truth", "traj_labs_")
    rows = []
    for name, experiments in answers.items():
        said = write_experiments(experiments, OUTPUT / "andi2_answers", "")
        run_peer(python, "andi_scores.py", true, said, OUTPUT / "andi2_scores.json")
        official = json.loads((OUTPUT / "andi2_scores.json").read_text(encoding="utf-8"))
        ours = score_experiments(truth, experiments)._asdict()
        differs = max(abs(official[key] - ours[key]) for key in ours)
        rows.append(
            {"method": name, "n_tracks": sum(map(len, truth))} | official | {"differs": differs}
        )
    for path, table in (
        (RESULTS, pd.DataFrame(rows)),
        (RESULTS_OF_STATES, score_states(python, states)),
    ):
        table = table.round(5)
        table.to_csv(path, index=False)
        print(table.to_string(index=False))
