"""The second AnDi challenge, single tracks: its nine experiments, simulated afresh."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from perrin.engine.benchmarks.challenge2 import (
    ChallengeScore,
    Pieces,
    pieces_of_labels,
    score_experiments,
    score_pieces,
)
from perrin.engine.benchmarks.ensemble2 import (
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
from perrin.errors import Progress
from perrin.simulate.phenomenological import BENCHMARK, simulate_experiment

__all__ = ["andi2", "challenge_truth"]

_DIGITS = 4
_NO_SWITCH = "no switch"
_ONE_STATE = "one state, MSD"
_TRACKS_OF_A_FIELD = 275  # of all experiments on average, two of which are dense
_N_RESAMPLES = 30

_ANCHORS = (
    (
        "KernelCPD, log (1,756 tracks of andi-datasets)",
        ChallengeScore(0.72, 1.51, 0.225, 0.0177, 0.906),
    ),
    ("no switch (the same tracks)", ChallengeScore(0.241, np.nan, 0.283, 0.049, 0.908)),
)


def andi2(
    n_tracks: int = 2000,
    *,
    device: str = "auto",
    seed: int = 0,
    weights: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, pd.DataFrame]:
    """Measure what is found of switches, on fresh tracks of the second AnDi challenge.

    Parameters
    ----------
    n_tracks
        Tracks of the nine experiments together, roughly: as many whole fields of view of each.
    device, weights
        As for :func:`perrin.engine.switching.methods.find_switches`.
    seed
        Seed of the tracks.
    progress
        Called with the number of fields measured and to measure.

    Returns
    -------
    dict of pandas.DataFrame
        ``andi2``: one row per method and ``experiment`` (1 to 9, 0 for their average, weighted by
        tracks as in the challenge):
        ``n_tracks`` and the fields of :class:`~.challenge2.ChallengeScore`, each with its standard
        error (``_se``, bootstrap over tracks; of all tracks only). ``states``: one row per method
        and experiment (0 for their mean) with the fields of :class:`~.ensemble2.EnsembleScore`,
        means over fields of view, and how many states there are and were found. ``anchors``: what
        others reached.

    Raises
    ------
    InputError
        If the device or the weights cannot be used.
    Cancelled
        If ``progress`` raises it.

    Notes
    -----
    The methods: the network, each track by itself; the network with what the segments of a field of
    view share (:func:`~.pooling.pooled`); PELT, kernel change point detection and a
    hidden Markov model fitted to the field of view, with an MSD fit for each segment; and no switch
    at all with one such fit. Of states that particles share: those of the network's segments, and a
    single one with the moments of such fits.
    """
    rng = np.random.default_rng(seed)
    n_fields = max(1, round(n_tracks / _TRACKS_OF_A_FIELD / len(BENCHMARK)))
    threshold = SwitchCalls().switch_threshold
    found: dict[str, list[list[list[Pieces]]]] = {}
    truth: list[list[list[Pieces]]] = []
    total, done = len(BENCHMARK) * n_fields, 0
    states: list[dict[str, object]] = []
    for number, experiment in enumerate(BENCHMARK, 1):
        truth.append([])
        for of_method in found.values():
            of_method.append([])
        for _ in range(n_fields):
            tracks = simulate_experiment(experiment, seed=rng)
            frames = ask_frames(tracks, exposure=0.0, device=device, weights=weights)
            truth[-1].append(challenge_truth(tracks))
            pooled, shared = shared_by(frames, threshold, tracks)
            said = {
                "network": pieces_of(frames, threshold),
                "network, tracks of a movie pooled": pooled,
                **{name: pieces_from_cuts(tracks, cut) for name, cut in BY_DISPLACEMENTS.items()},
                "hidden Markov model": pieces_from_cuts(tracks, cut_by_hidden_states(tracks)),
                _NO_SWITCH: pieces_from_cuts(tracks, lambda _: np.empty(0, np.int64)),
            }
            for name, pieces in said.items():
                found.setdefault(name, [[]])[-1].append(pieces)
            ensemble = true_ensemble(experiment.motion, tracks)
            for name, answer in (("network", shared), (_ONE_STATE, one_state(said[_NO_SWITCH]))):
                row = {"n_states": len(ensemble.share), "n_found": len(answer.share)}
                row |= score_ensemble(ensemble, answer)._asdict()
                states.append({"method": name, "experiment": number} | row)
            done += 1
            if progress is not None:
                progress("Measuring switches", done, total)
    rows = [
        row
        for name, of_method in found.items()
        for row in _scores(name, truth, of_method, np.random.default_rng(seed))
    ]
    anchors = pd.DataFrame([{"method": name} | score._asdict() for name, score in _ANCHORS])
    return {
        "andi2": pd.DataFrame(rows).round(_DIGITS),
        "states": _means(pd.DataFrame(states)).round(_DIGITS),
        "anchors": anchors,
    }


def challenge_truth(tracks: pd.DataFrame) -> list[Pieces]:
    """Return the true segments of simulated tracks, see :func:`simulate_experiment`."""
    return [
        pieces_of_labels(
            track["alpha"].to_numpy(), track["diffusivity"].to_numpy(), track["state"].to_numpy()
        )
        for _, track in tracks.groupby("particle")
    ]


def _means(fields: pd.DataFrame) -> pd.DataFrame:
    """Average over fields of view, and, as experiment 0, over experiments."""
    of_each = fields.groupby(["method", "experiment"], as_index=False).mean()
    of_all = of_each.groupby("method", as_index=False).mean().assign(experiment=0)
    return pd.concat([of_all, of_each]).sort_values(
        ["method", "experiment"], kind="stable", ignore_index=True
    )


def _scores(
    name: str,
    truth: Sequence[Sequence[Sequence[Pieces]]],
    found: Sequence[Sequence[Sequence[Pieces]]],
    rng: np.random.Generator,
) -> list[dict[str, object]]:
    """Score each experiment, and their average with errors from resampling tracks."""
    pairs = [
        list(zip(chain(*trues), chain(*saids), strict=True))
        for trues, saids in zip(truth, found, strict=True)
    ]

    def average(some: Sequence[Sequence[tuple[Pieces, Pieces]]]) -> ChallengeScore:
        return score_experiments(
            *([[pair[side] for pair in experiment] for experiment in some] for side in (0, 1))
        )

    draws = [
        average([[of[i] for i in rng.integers(len(of), size=len(of))] for of in pairs])
        for _ in range(_N_RESAMPLES)
    ]
    all_of_them: dict[str, object] = {"method": name, "experiment": 0}
    all_of_them |= {"n_tracks": sum(map(len, pairs))} | average(pairs)._asdict()
    all_of_them |= {
        f"{key}_se": np.std([getattr(draw, key) for draw in draws]) for key in draws[0]._fields
    }
    rows = [all_of_them]
    for number, of in enumerate(pairs, 1):
        row: dict[str, object] = {"method": name, "experiment": number, "n_tracks": len(of)}
        rows.append(row | score_pieces(*zip(*of, strict=True))._asdict())
    return rows
