"""Switching motion beside andi-datasets: seconds of processor time, and whether they differ.

Both simulate the same number of fields of view of the nine experiments of the AnDi-2 benchmark, and
of the challenge's five models at one draw of its default parameters, labels and noise included.
Tracks of one field are not independent (pairs move together, neighbours meet the same traps), so
the two-sample Kolmogorov-Smirnov statistic of each quantity is compared with what comes of
shuffling whole fields between the two sets. A difference is called only where p is below 0.05
divided by the number of tests. Most of the time is spent by andi-datasets:

    python benchmarks/phenomenological.py --fields 20
"""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd

from _environments import OUTPUT, python_with_andi, run_peer
from perrin.simulate.phenomenological import (
    BENCHMARK,
    Confinement,
    Dimerization,
    Experiment,
    ImmobileTraps,
    MultiState,
    Population,
    SingleState,
    challenge_experiment,
    simulate_experiment,
)

MODELS = ("single_state", "multi_state", "immobile_traps", "dimerization", "confinement")
PERMUTATIONS = 9999
COLUMNS = ["field", "track", "frame", "y", "x", "diffusivity", "alpha", "state"]


def for_andi(experiment: Experiment) -> dict[str, Any]:
    """Put an experiment into the words of andi-datasets."""
    e = experiment
    given: dict[str, Any] = {
        "model": e.motion.model,
        "N": e.n_particles,
        "T": e.n_frames,
        "L": e.box,
    }
    match e.motion:
        case SingleState(population=population):
            return given | moments(population) | {"dim": 2}
        case MultiState() as m:
            return given | moments(*m.populations) | {"M": m.transition, "return_state_num": True}
        case ImmobileTraps() as m:
            return (
                given
                | moments(m.free)
                | {"Nt": m.n_traps, "r": m.radius, "Pb": m.binding, "Pu": m.unbinding}
            )
        case Dimerization() as m:
            return (
                given
                | moments(m.free, m.paired)
                | {"r": m.radius, "Pb": m.binding, "Pu": m.unbinding, "return_state_num": True}
            )
        case Confinement() as m:
            return (
                given
                | moments(m.free, m.confined)
                | {"Nc": m.n_compartments, "r": m.radius, "trans": m.transmittance}
            )
    raise AssertionError


def moments(*populations: Population) -> dict[str, Any]:
    """Means and variances of one or more populations."""
    diffusivity = [(p.diffusivity, p.diffusivity_variance) for p in populations]
    alpha = [(p.alpha, p.alpha_variance) for p in populations]
    if len(populations) == 1:
        return {"Ds": diffusivity[0], "alphas": alpha[0]}
    return {"Ds": diffusivity, "alphas": alpha}


def quantities(table: pd.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Values of each quantity, and the field that each comes from."""
    found: dict[str, list[tuple[float, int]]] = {}

    def note(name: str, field: int, *values: float) -> None:
        found.setdefault(name, []).extend((float(value), int(field)) for value in values)

    for (field, _), track in table.groupby(["field", "track"]):
        position = track[["y", "x"]].to_numpy()
        labels = track[["diffusivity", "alpha", "state"]].to_numpy()
        steps = np.square(np.diff(position, axis=0)).sum(1)
        fifth = np.square(position[5:] - position[:-5]).sum(1)
        switches = np.flatnonzero((np.diff(labels, axis=0) != 0).any(1)) + 1
        note("length", field, len(track))
        note("switches", field, len(switches))
        note("dwell", field, *np.diff(switches))
        note("diffusivity", field, labels[:, 0].mean())
        note("alpha", field, labels[:, 1].mean())
        note("state", field, labels[:, 2].mean())
        note("msd_1", field, np.log(steps.mean()))
        note("msd_5", field, np.log(fifth.mean() / steps.mean()))
        note("kurtosis", field, np.square(steps).mean() / steps.mean() ** 2)
        # Whether a switch at t is one of the step to t, or from t.
        note("step_to_switch", field, *np.log(steps[switches - 1]))
        note("step_from_switch", field, *np.log(steps[switches[switches < len(steps)]]))
    return {
        name: (np.array([v for v, _ in pairs]), np.array([f for _, f in pairs], int))
        for name, pairs in found.items()
    }


def p_value(
    ours: tuple[np.ndarray, np.ndarray],
    theirs: tuple[np.ndarray, np.ndarray],
    n_fields: int,
    rng: np.random.Generator,
) -> float:
    """Permutation test of the Kolmogorov-Smirnov statistic, whole fields being exchanged."""
    value = np.concatenate((ours[0], theirs[0])).round(4)
    field = np.concatenate((ours[1], theirs[1] + n_fields))
    levels, level = np.unique(value, return_inverse=True)
    # Cumulated counts of each field, so that a permutation is a sum over fields.
    counts = np.zeros((2 * n_fields, len(levels)))
    np.add.at(counts, (field, level), 1)
    counts = counts.cumsum(1)
    total = counts.sum(0)

    def distance(member: np.ndarray) -> np.ndarray:
        one = member @ counts
        other = total - one
        size = one[:, -1:].clip(1), other[:, -1:].clip(1)
        return np.abs(one / size[0] - other / size[1]).max(1)

    seen = distance((np.arange(2 * n_fields) < n_fields)[None].astype(float))[0]
    reached = 1
    for _ in range(PERMUTATIONS // 99):
        order = rng.random((99, 2 * n_fields)).argsort(1)
        reached += int((distance((order < n_fields).astype(float)) >= seen - 1e-12).sum())
    return reached / (PERMUTATIONS // 99 * 99 + 1)


def compare(
    experiment: Experiment, n_fields: int, rng: np.random.Generator
) -> tuple[dict[str, Any], dict[str, float]]:
    """Simulate with both; return counts and times, and the p-value of each quantity."""
    path = OUTPUT / "phenomenological.npz"
    python = python_with_andi()
    given = json.dumps(for_andi(experiment))
    run_peer(python, "andi_phenomenological.py", given, str(n_fields), path)
    peer = np.load(path)
    simulate_experiment(experiment)  # compiled before it is timed
    started = time.process_time()
    ours = simulate_experiment(experiment, n_fields=n_fields, seed=rng)
    seconds = time.process_time() - started
    ours = ours.rename(columns={"particle": "track"})[COLUMNS]
    one, other = quantities(ours), quantities(pd.DataFrame(peer["rows"], columns=COLUMNS))
    both = [quantity for quantity in one if one[quantity][0].size and other[quantity][0].size]
    p = {quantity: p_value(one[quantity], other[quantity], n_fields, rng) for quantity in both}
    theirs = float(peer["seconds"])
    row = {
        "tracks": len(one["length"][0]),
        "andi_tracks": len(other["length"][0]),
        "switches": round(one["switches"][0].mean(), 2),
        "andi_switches": round(other["switches"][0].mean(), 2),
        "seconds": round(seconds, 2),
        "andi_seconds": round(theirs, 1),
        "ratio": round(theirs / seconds),
    }
    return row, p


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=int, default=20, help="fields of view per experiment")
    n_fields = parser.parse_args().fields
    OUTPUT.mkdir(exist_ok=True)
    rng = np.random.default_rng(2)
    experiments = {f"benchmark {k + 1}": e for k, e in enumerate(BENCHMARK)}
    experiments |= {f"default {model}": challenge_experiment(model, rng) for model in MODELS}
    rows, tests = [], []
    for name, experiment in experiments.items():
        row, p = compare(experiment, n_fields, rng)
        rows.append({"experiment": name, "model": experiment.motion.model} | row)
        tests.append({"experiment": name} | p)
        print(f"{name}: {row['ratio']} times as fast, smallest p {min(p.values()):.2g}", flush=True)
    print(f"\n{pd.DataFrame(rows).to_string(index=False)}\n\np-values")
    table = pd.DataFrame(tests).set_index("experiment")
    print(table.to_string(float_format="%.2g", na_rep=""))
    values = table.to_numpy().ravel()
    values = values[np.isfinite(values)]
    print(
        f"\n{len(values)} tests: {(values < 0.05).sum()} below 0.05, {(values < 0.01).sum()} below "
        f"0.01, lowest {values.min():.2g}; differs: {values.min() < 0.05 / len(values)}"
    )
