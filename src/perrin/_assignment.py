"""Who belongs to whom: the best set of pairs, each one in at most one of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

__all__ = ["best_pairs"]


def best_pairs(
    row: npt.NDArray[np.int64],
    column: npt.NDArray[np.int64],
    gain: npt.NDArray[np.float64],
) -> npt.NDArray[np.int64]:
    """Choose among candidate pairs those of the highest sum of gains.

    Parameters
    ----------
    row, column, gain
        ``(n,)``: the candidates, no pair of row and column twice. Whoever is in no pair gains
        nothing, so that candidates without a positive gain are never chosen.

    Returns
    -------
    numpy.ndarray
        Indices of the chosen candidates, ascending.

    Notes
    -----
    Solved exactly by scipy's sparse form of the algorithm of Jonker and Volgenant (Computing 38,
    325, 1987); each row has a column of its own that stands for being in no pair.
    """
    candidates = np.flatnonzero(gain > 0)
    if not candidates.size:
        return candidates
    rows, i = np.unique(row[candidates], return_inverse=True)
    columns, j = np.unique(column[candidates], return_inverse=True)
    none = np.arange(len(rows))
    # Costs of zero would count as missing.
    highest = 2 * gain[candidates].max()
    cost = np.concatenate((highest - gain[candidates], np.full(len(rows), highest)))
    at = (np.concatenate((i, none)), np.concatenate((j, len(columns) + none)))
    shape = (len(rows), len(columns) + len(rows))
    i_best, j_best = min_weight_full_bipartite_matching(csr_array((cost, at), shape=shape))
    partner = np.full(len(rows), -1)
    partner[i_best] = j_best
    return candidates[partner[i] == j]
