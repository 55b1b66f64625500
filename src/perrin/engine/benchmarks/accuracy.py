"""How right the answers are: by protocol, length, noise, model and exponent."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from perrin.engine.benchmarks.measures import (
    Sets,
    accuracy,
    calibration,
    mean_and_error,
    reliability,
)
from perrin.engine.benchmarks.published import PUBLISHED, RANDI_BY_LENGTH, best_published
from perrin.engine.benchmarks.records import Setting, answer_set
from perrin.models import MODELS
from perrin.simulate.models import attm_periods, isotropic_steps, simulate_displacements
from perrin.simulate.protocols import theory

__all__ = ["PROTOCOLS", "attm_of_andi_datasets", "by_length", "main_figures", "with_either_attm"]

PROTOCOLS = {
    "theory-v1": partial(theory, noise_per="axis"),
    "theory-v2": partial(theory, noise_per="track"),
    "short": partial(theory, noise_per="axis", longest=50),
}
"""How the tracks of each protocol are made."""

DIMS = (1, 2, 3)

_TASKS: dict[str, dict[str, Any]] = {
    "alpha": {"task": "alpha"},
    "model": {"task": "model"},
    "spread": {"task": "alpha", "spread": True},
}
_NOISES: dict[str, tuple[float, float]] = {
    "0.1": (0, 0.11), "0.1 to 0.5": (0.11, 0.49), "0.5": (0.49, 0.51), "0.5 to 1": (0.51, 0.99),
    "1": (0.99, np.inf),
}  # fmt: skip
_ALPHAS: dict[str, tuple[float, float]] = {
    "0.05 to 0.5": (0, 0.525), "0.55 to 1": (0.525, 1.025), "1.05 to 1.5": (1.025, 1.525),
    "1.55 to 2": (1.525, np.inf),
}  # fmt: skip
_LENGTHS: dict[str, tuple[float, float]] = {
    "10 to 19": (10, 20), "20 to 49": (20, 50), "50 to 99": (50, 100), "100 to 199": (100, 200),
    "200 to 399": (200, 400), "400 to 999": (400, 1000),
}  # fmt: skip
_SHARE_BY_LENGTH = 4  # part of the main figures' tracks in each class of lengths
_BIN = 0.1  # of alpha, where answers are compared with the truth
_LEAST = 10  # tracks from which quantiles are computed
_QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}


def main_figures(setting: Setting) -> dict[str, pd.DataFrame]:
    """Measure alpha and model on fresh tracks of every protocol and dimension.

    Returns
    -------
    dict of pandas.DataFrame
        Each with the columns ``protocol`` and ``dim``.

        ``figures``: :func:`~.measures.accuracy`, :func:`~.measures.calibration` and the best
        published figures (:func:`~.published.best_published`).
        ``comparison``: one row per method, Perrin's first.
        ``breakdown``: accuracy by ``length``, ``noise``, ``model`` and ``alpha`` (column ``by``),
        ``group`` by group.
        ``confusion``: how often (``n_tracks``, ``share``) tracks of ``model`` are ``called`` what.
        ``alpha``: 5, 25, 50, 75 and 95 % quantiles of the answers for tracks of ``model`` whose
        true ``alpha`` lies within a tenth.
        ``reliability``: :func:`~.measures.reliability`.
    """
    names = ("figures", "comparison", "breakdown", "confusion", "alpha", "reliability")
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in names}
    cells = [(protocol, dim) for protocol in PROTOCOLS for dim in DIMS]
    for protocol, dim in setting.each("Measuring accuracy", cells):
        sets = _sets(setting, protocol, dim, setting.n_tracks, ("main",))
        figures = accuracy(sets)
        rows = {
            "figures": pd.DataFrame(
                [figures | calibration(sets.model) | best_published(protocol, dim)]
            ),
            "comparison": _comparison(protocol, dim, figures),
            "breakdown": _breakdown(sets),
            "confusion": _confusion(sets.model),
            "alpha": _answers_by_alpha(pd.concat((sets.alpha, sets.model), ignore_index=True)),
            "reliability": reliability(sets.model),
        }
        for name, table in rows.items():
            table.insert(0, "protocol", protocol)
            table.insert(1, "dim", dim)
            parts[name].append(table)
    return {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}


def by_length(setting: Setting) -> pd.DataFrame:
    """Measure accuracy, calibration and false alarms in classes of lengths.

    Returns
    -------
    pandas.DataFrame
        One row per protocol (theory-v1 and theory-v2), dimension and class (``shortest`` and
        ``longest``), a quarter of the setting's tracks in each: :func:`~.measures.accuracy`,
        :func:`~.measures.calibration`, and ``flagged``, the share of these ordinary tracks that
        is called unlike the training.
    """
    n_tracks = max(1, setting.n_tracks // _SHARE_BY_LENGTH)
    classes = list(zip(RANDI_BY_LENGTH["shortest"], RANDI_BY_LENGTH["longest"], strict=True))
    cells = [
        (protocol, dim, int(shortest), int(longest))
        for protocol in ("theory-v1", "theory-v2")
        for dim in DIMS
        for shortest, longest in classes
    ]
    rows = []
    for protocol, dim, shortest, longest in setting.each("Measuring by length", cells):
        limits = {"shortest": shortest, "longest": longest}
        sets = _sets(setting, protocol, dim, n_tracks, ("length", shortest), **limits)
        share, error = mean_and_error(pd.concat(sets)["flagged"])
        rows.append(
            {"protocol": protocol, "dim": dim, **limits}
            | accuracy(sets)
            | calibration(sets.model)
            | {"flagged": share, "flagged_se": error}
        )
    return pd.DataFrame(rows)


def with_either_attm(setting: Setting) -> pd.DataFrame:
    """Measure accuracy in 3D with ATTM as the model has it, and as ``andi-datasets`` makes it.

    Returns
    -------
    pandas.DataFrame
        One row per protocol, ``attm`` (``diffusing``, as in the main figures, or ``jittering``, see
        :func:`attm_of_andi_datasets`) and ``group``, which is ``all`` or a model:
        :func:`~.measures.accuracy`.
    """
    kinds = {"diffusing": simulate_displacements, "jittering": _their_displacements}
    cells = [(protocol, attm) for protocol in PROTOCOLS for attm in kinds]
    rows: list[dict[str, object]] = []
    for protocol, attm in setting.each("Measuring with either ATTM", cells):
        sets = _sets(setting, protocol, 3, setting.n_tracks, ("main",), displacements=kinds[attm])
        for group, some in {"all": sets, **_by_model(sets)}.items():
            row = {"protocol": protocol, "dim": 3, "attm": attm, "group": group}
            rows.append(row | accuracy(some))
    return pd.DataFrame(rows)


def attm_of_andi_datasets(
    alpha: Tensor, n_points: int, dim: int, generator: torch.Generator
) -> Tensor:
    """ATTM as ``andi-datasets`` 2.1.13 makes it in 3D.

    Within a period of constant diffusivity it puts every position at one random step from where
    the period before ended, instead of adding the steps up, so that the particle jitters in place
    and moves on by one step per period only.

    Parameters
    ----------
    alpha, n_points, dim, generator
        As for :func:`perrin.simulate.models.attm`.
    """
    scale, period = attm_periods(alpha, n_points, generator)
    steps = isotropic_steps(alpha.numel(), dim, n_points - 1, generator) * scale[:, None]
    displacements = steps.clone()
    same = (period[:, 1:] == period[:, :-1])[:, None]
    displacements[..., 1:] -= steps[..., :-1] * same
    return displacements


def _their_displacements(
    model: Tensor, alpha: Tensor, n_points: int, dim: int, generator: torch.Generator
) -> Tensor:
    displacements = simulate_displacements(model, alpha, n_points, dim, generator)
    rows = torch.nonzero(model == MODELS.index("ATTM"))[:, 0]
    displacements[rows] = attm_of_andi_datasets(alpha[rows], n_points, dim, generator)
    return displacements


def _sets(
    setting: Setting,
    protocol: str,
    dim: int,
    n_tracks: int,
    key: tuple[object, ...],
    **changes: Any,
) -> Sets:
    make = PROTOCOLS[protocol]
    return Sets(
        *(
            answer_set(
                setting,
                partial(make, dim=dim, **task, **changes),
                n_tracks,
                setting.generator(*key, protocol, dim, name),
            )
            for name, task in _TASKS.items()
        )
    )


def _comparison(protocol: str, dim: int, figures: dict[str, float]) -> pd.DataFrame:
    ours = {name: figures[name] for name in ("alpha_mae", "alpha_mae_se", "model_f1",
                                             "model_f1_se")}  # fmt: skip
    source = f"this run, {figures['n_alpha']:,} tracks"
    theirs = [
        {
            "method": p.method,
            "alpha_mae": p.alpha_mae[dim - 1],
            "model_f1": p.model_f1[dim - 1],
            "source": p.source,
        }
        for p in PUBLISHED
        if p.protocol == protocol and (p.alpha_mae[dim - 1] or p.model_f1[dim - 1])
    ]
    return pd.DataFrame([{"method": "Perrin", **ours, "source": source}, *theirs])


def _breakdown(sets: Sets) -> pd.DataFrame:
    parts = {
        "length": _by_range(sets, "n_points", _LENGTHS),
        "noise": _by_range(sets, "noise", _NOISES),
        "model": _by_model(sets),
        "alpha": _by_range(sets, "alpha", _ALPHAS),
    }
    return pd.DataFrame(
        [
            {"by": by, "group": group, **accuracy(some)}
            for by, groups in parts.items()
            for group, some in groups.items()
        ]
    )


def _by_range(sets: Sets, column: str, groups: dict[str, tuple[float, float]]) -> dict[str, Sets]:
    return {
        name: Sets(*(t[t[column].between(*limits, inclusive="left")] for t in sets))
        for name, limits in groups.items()
    }


def _by_model(sets: Sets) -> dict[str, Sets]:
    return {name: Sets(*(t[t["model"] == code] for t in sets)) for code, name in enumerate(MODELS)}


def _confusion(answers: pd.DataFrame) -> pd.DataFrame:
    codes = range(len(MODELS))
    counts = pd.crosstab(answers["model"], answers["called"])
    counts = counts.reindex(index=codes, columns=codes, fill_value=0)
    names = np.array(MODELS)
    total = counts.sum(axis=1).to_numpy()
    return pd.DataFrame(
        {
            "model": np.repeat(names, len(MODELS)),
            "called": np.tile(names, len(MODELS)),
            "n_tracks": counts.to_numpy().ravel(),
            "share": (counts.to_numpy() / np.maximum(total, 1)[:, None]).ravel(),
        }
    )


def _answers_by_alpha(answers: pd.DataFrame) -> pd.DataFrame:
    bin_ = np.ceil(answers["alpha"] / _BIN - 0.01)
    rows = []
    for code, name in enumerate(MODELS):
        of_model = answers[answers["model"] == code]
        for _, some in of_model.groupby(bin_[answers["model"] == code]):
            if len(some) >= _LEAST:
                quantiles = some["answer"].quantile(list(_QUANTILES.values()))
                rows.append(
                    {
                        "model": name,
                        "alpha": float(some["alpha"].mean()),
                        "n_tracks": len(some),
                        **dict(zip(_QUANTILES, quantiles, strict=True)),
                    }
                )
    table = pd.DataFrame(rows, columns=["model", "alpha", "n_tracks", *_QUANTILES])
    return table.astype({"n_tracks": np.int64} | dict.fromkeys(("alpha", *_QUANTILES), np.float64))
