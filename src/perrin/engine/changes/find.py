"""Changes of model as tables, from the network's answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from perrin.engine.changes.inference import Changes, ask_changes
from perrin.engine.posterior import alpha_quantiles
from perrin.engine.switching.methods import CHANGE_METHOD, SwitchCalls
from perrin.errors import Progress
from perrin.models import MODELS
from perrin.statistics import Switches, estimate_diffusivity
from perrin.tracks import validate_tracks

__all__ = ["by_changes"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LEVELS = (0.5, 0.05, 0.95)
_NUMBERS = ("diffusivity", "diffusivity_lo", "diffusivity_hi", "alpha", "alpha_lo", "alpha_hi")


def by_changes(
    tracks: pd.DataFrame,
    parameters: SwitchCalls,
    *,
    exposure: float,
    device: str,
    weights: Path | None,
    progress: Progress | None,
) -> Switches:
    """Ask the network and make tables of its answers; see :func:`~.methods.find_switches`."""
    table = validate_tracks(tracks)
    said = ask_changes(table, exposure=exposure, device=device, weights=weights, progress=progress)
    shortest = parameters.min_segment
    changed = np.flatnonzero(said.p_change >= parameters.switch_threshold)
    at, low, high = (
        np.array([_quantile(said, k, level, shortest) for k in changed], np.int64)
        for level in _LEVELS
    )
    second = np.zeros(len(table), np.bool_)
    for k, row in zip(changed, at, strict=True):
        second[row : said.bounds[k + 1]] = True
    of_track = np.repeat(np.arange(said.p_change.size), np.diff(said.bounds))
    parts = _parts(table, said, changed, 2 * of_track + second, exposure)
    tables = Switches(
        _per_frame(said, of_track, second, parts), _switches(said, changed, (at, low, high), parts)
    )
    for each in tables:
        each.attrs["method"] = CHANGE_METHOD
    return tables


def _quantile(said: Changes, track: np.int64, level: float, shortest: int) -> int:
    """Localization at which a share of the change's probability is reached, away from the ends."""
    first, last = said.bounds[track], said.bounds[track + 1]
    row = first + np.searchsorted(said.p_at[first:last].cumsum(), level)
    return int(np.clip(row, first + shortest, last - shortest))


def _parts(
    table: pd.DataFrame, said: Changes, changed: Ints, part: Ints, exposure: float
) -> pd.DataFrame:
    """Diffusivity, exponent and model of both parts of every track that changes, by number."""
    whole = np.isin(part // 2, changed)
    pieces = table[whole].assign(particle=part[whole])
    measured = estimate_diffusivity(pieces, exposure=exposure).set_index("particle")
    number = np.concatenate((2 * changed, 2 * changed + 1))
    posterior = torch.from_numpy(np.concatenate((said.before[changed], said.after[changed])))
    alpha = alpha_quantiles(posterior, _LEVELS).double().numpy()
    values = measured.reindex(number)[["diffusivity", "diffusivity_lo", "diffusivity_hi"]].assign(
        **dict(zip(_NUMBERS[3:], alpha.T, strict=True)),
        model=np.array(MODELS, dtype=object)[posterior.sum(2).argmax(1).numpy()],
    )
    return values.sort_index()


def _per_frame(
    said: Changes, of_track: Ints, second: npt.NDArray[np.bool_], parts: pd.DataFrame
) -> pd.DataFrame:
    part = 2 * of_track + second
    values = parts.reindex(part)
    first, later = (parts.reindex(2 * of_track + side) for side in (0, 1))
    # Levels count from the slowest; those that cannot be told apart are one.
    rises = first["diffusivity_hi"].to_numpy() < later["diffusivity_lo"].to_numpy()
    falls = later["diffusivity_hi"].to_numpy() < first["diffusivity_lo"].to_numpy()
    return pd.DataFrame(
        {
            "particle": said.particle,
            "frame": said.frame,
            "p_switch": said.p_change[of_track] * said.p_at,
            "state": np.where(second, rises, falls).astype(np.int64),
            "motion": pd.Series(np.full(part.size, None, dtype=object), dtype="str"),
            **{name: values[name].to_numpy(np.float64) for name in _NUMBERS},
        }
    )


def _switches(
    said: Changes, changed: Ints, rows: tuple[Ints, Ints, Ints], parts: pd.DataFrame
) -> pd.DataFrame:
    at, low, high = rows
    columns: dict[str, npt.NDArray[Any]] = {
        "particle": said.particle[at],
        "frame": said.frame[at],
        "frame_lo": said.frame[low],
        "frame_hi": said.frame[high],
    }
    before, after = parts.reindex(2 * changed), parts.reindex(2 * changed + 1)
    for name in ("diffusivity", "alpha", "model"):
        columns[f"{name}_before"] = before[name].to_numpy()
        columns[f"{name}_after"] = after[name].to_numpy()
    return pd.DataFrame(columns)
