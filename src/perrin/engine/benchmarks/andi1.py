"""The first AnDi challenge, and what its figures do not say: one run, one folder of tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from perrin.device import pick_device
from perrin.engine.benchmarks.accuracy import by_length, main_figures, with_either_attm
from perrin.engine.benchmarks.detection import detected
from perrin.engine.benchmarks.engines import side_by_side
from perrin.engine.benchmarks.files import check_tables
from perrin.engine.benchmarks.limits import beside_likelihood
from perrin.engine.benchmarks.records import Setting
from perrin.engine.benchmarks.robustness import with_blur, with_gaps
from perrin.engine.engines import EngineName
from perrin.engine.weights import load_network
from perrin.errors import Progress
from perrin.io import read_table

__all__ = ["andi1", "check"]

_PARTS = {
    "lengths": by_length,
    "attm": with_either_attm,
    "gaps": with_gaps,
    "blur": with_blur,
    "limits": beside_likelihood,
    "detection": detected,
}
"""Tables of a full run besides the main figures."""

_MAIN = ("figures", "comparison", "breakdown", "confusion", "alpha", "reliability")
_DIGITS = 4


def andi1(
    n_tracks: int = 10_000,
    *,
    full: bool = False,
    engines: Sequence[EngineName] = (),
    device: str = "auto",
    seed: int = 0,
    weights: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, pd.DataFrame]:
    """Measure the engine on fresh tracks of the first AnDi challenge.

    Parameters
    ----------
    n_tracks
        Tracks for each task, protocol and dimension of the main figures; the other parts take
        a share of it, which their tables state.
    full
        Whether to measure more than the main figures: by length, with missing frames and motion
        blur, beside exact maximum likelihood, on tracks unlike any of the models, and in 3D with
        ATTM as ``andi-datasets`` makes it.
    engines
        Engines to compare on the same tracks (:mod:`perrin.engine.engines`).
    device
        Where to compute.
    seed
        Seed of the tracks.
    weights
        A file written by ``perrin train``; the bundled weights if not given.
    progress
        Called with the number of sets measured and to measure.

    Returns
    -------
    dict of pandas.DataFrame
        ``figures``, ``comparison``, ``breakdown``, ``confusion``, ``alpha`` and ``reliability``
        (:func:`~.accuracy.main_figures`); of a full run also ``lengths``
        (:func:`~.accuracy.by_length`), ``attm`` (:func:`~.accuracy.with_either_attm`), ``gaps`` and
        ``blur`` (:mod:`~.robustness`), ``limits`` (:mod:`~.limits`) and ``detection``
        (:mod:`~.detection`); ``engines`` (:mod:`~.engines`) if any are named; and ``training``, the
        learning curve, if the weights have their training's log beside them.

    Raises
    ------
    InputError
        If the device or the weights cannot be used, or there is no engine of a name.
    Cancelled
        If ``progress`` raises it.
    """
    where = pick_device(device)
    setting = Setting(load_network(weights).to(where), where, n_tracks, seed, progress)
    tables = main_figures(setting)
    if full:
        tables |= {name: measure(setting) for name, measure in _PARTS.items()}
    if engines:
        tables["engines"] = side_by_side(setting, engines, weights=weights)
    if (log := _log_of(weights)) is not None:
        tables["training"] = read_table(log).reset_index(drop=True)
    return {name: table.round(_DIGITS) for name, table in tables.items()}


def check(
    folder: Path,
    *,
    full: bool = False,
    engines: Sequence[EngineName] = (),
    weights: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Make sure, before long work begins, that its results can be saved where they are wanted.

    Parameters
    ----------
    folder
        Where :func:`~.files.save` will write.
    full, engines, weights
        As for :func:`andi1`.
    overwrite
        Whether earlier results may be replaced.

    Raises
    ------
    OutputError
        If they cannot.
    """
    names = [*_MAIN, *(_PARTS if full else ()), *(("engines",) if engines else ())]
    if _log_of(weights) is not None:
        names.append("training")
    check_tables(folder, names, overwrite=overwrite)


def _log_of(weights: Path | None) -> Path | None:
    """Log of the training that made the weights, if it lies beside them."""
    if weights is None:
        return None
    log = weights.with_name("log.csv")
    return log if log.is_file() else None
