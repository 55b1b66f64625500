"""Other engines beside Perrin's, on the very same tracks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from perrin.engine.baselines._tables import theory_table
from perrin.engine.benchmarks.accuracy import DIMS
from perrin.engine.benchmarks.measures import mean_and_error
from perrin.engine.benchmarks.records import COARSE_LENGTHS, Setting, chunks
from perrin.engine.engines import EngineName, predict
from perrin.models import PROBABILITY_COLUMNS
from perrin.simulate.protocols import TheoryTracks, theory

__all__ = ["side_by_side"]

_SHARE = 4  # part of the main figures' tracks in each class of lengths
_SLOW = ("msd", "fbm", "convtransformer")  # tens of milliseconds for each track
_SHARE_OF_SLOW = 10  # part of all these tracks
_SETS = (("theory-v1", 10, 999), ("short", 10, 50), *(("theory-v1", *c) for c in COARSE_LENGTHS))


def side_by_side(
    setting: Setting, engines: Sequence[EngineName], *, weights: Path | None = None
) -> pd.DataFrame:
    """Ask several engines about the same tracks; slow ones about the first of them.

    Parameters
    ----------
    setting
        On how many tracks, and where.
    engines
        Names known to :func:`perrin.engine.engines.predict`.
    weights
        Weights of Perrin's own engine; the bundled ones if not given.

    Returns
    -------
    pandas.DataFrame
        One row per ``protocol`` (theory-v1 and short), class of lengths (``shortest`` to
        ``longest``), ``dim`` and ``engine``: ``n_tracks`` of each of the challenge's two tasks;
        ``answered``, the share of those of task 1 that got an exponent; ``alpha_mae`` of these, and
        ``model_f1`` on task 2 (empty for engines that name no model), with standard errors.
    """
    cells = [(*one, dim) for one in _SETS for dim in DIMS]
    rows: list[dict[str, object]] = []
    for protocol, shortest, longest, dim in setting.each("Asking every engine", cells):
        cell = {"protocol": protocol, "shortest": shortest, "longest": longest, "dim": dim}
        n_tracks = setting.n_tracks
        if (shortest, longest) in COARSE_LENGTHS:
            n_tracks = max(1, n_tracks // _SHARE)
        make = partial(theory, dim=dim, shortest=shortest, longest=longest)
        key = ("engines", *cell.values())
        of_alpha = partial(make, task="alpha", generator=setting.generator(*key, "alpha"))
        of_model = partial(make, task="model", generator=setting.generator(*key, "model"))
        alpha = _answers(setting, of_alpha, n_tracks, engines, weights)
        naming = [engine for engine in engines if not _models_named(alpha[engine]).empty]
        model = _answers(setting, of_model, n_tracks, naming, weights)
        for engine in engines:
            rows.append({**cell, "engine": engine, **_figures(alpha[engine], model.get(engine))})
    return pd.DataFrame(rows)


def _answers(
    setting: Setting,
    make: Callable[[int], TheoryTracks],
    n_tracks: int,
    engines: Sequence[EngineName],
    weights: Path | None,
) -> dict[EngineName, pd.DataFrame]:
    """Ask every engine about the same tracks, and note the truth beside."""
    left = {e: max(1, n_tracks // (_SHARE_OF_SLOW if e in _SLOW else 1)) for e in engines}
    parts: dict[EngineName, list[pd.DataFrame]] = {engine: [] for engine in engines}
    for size in chunks(n_tracks):
        tracks = make(size)
        for engine in engines:
            n = min(size, left[engine])
            left[engine] -= n
            if n:
                some = TheoryTracks(*(values[:n] for values in vars(tracks).values()))
                said = predict(
                    theory_table(some),
                    engine=engine,
                    device=str(setting.device),
                    weights=weights if engine == "perrin" else None,
                    exposure=0.0,
                )
                truth = {
                    "true_model": some.model.cpu().numpy(),
                    "true_alpha": some.alpha.cpu().numpy(),
                }
                parts[engine].append(said.assign(**truth))
    return {engine: pd.concat(part, ignore_index=True) for engine, part in parts.items()}


def _models_named(answers: pd.DataFrame) -> pd.DataFrame:
    return answers.dropna(subset=list(PROBABILITY_COLUMNS))


def _figures(alpha: pd.DataFrame, model: pd.DataFrame | None) -> dict[str, float]:
    error = (alpha["alpha"] - alpha["true_alpha"]).abs()
    figures: dict[str, float] = {"n_tracks": len(alpha), "answered": float(error.notna().mean())}
    figures["alpha_mae"], figures["alpha_mae_se"] = mean_and_error(error.dropna())
    right: npt.ArrayLike = ()
    if model is not None:
        named = _models_named(model)
        called = named[list(PROBABILITY_COLUMNS)].to_numpy(np.float64).argmax(1)
        right = called == named["true_model"].to_numpy()
    figures["model_f1"], figures["model_f1_se"] = mean_and_error(right)
    return figures
