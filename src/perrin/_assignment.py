"""Who belongs to whom: the best set of pairs, each one in at most one of them."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["best_pairs", "match_rows"]


def best_pairs(
    row: npt.NDArray[np.int64],
    column: npt.NDArray[np.int64],
    gain: npt.NDArray[np.float64],
) -> npt.NDArray[np.int64]:
    """Choose among candidate pairs those of the highest sum of gains.

    Parameters
    ----------
    row, column, gain
        ``(n,)``: the candidates, no pair of row and column twice; numbers from 0. Whoever is in
        no pair gains nothing, so that candidates without a positive gain are never chosen.

    Returns
    -------
    numpy.ndarray
        Indices of the chosen candidates, ascending.
    """
    if not len(row):
        return np.empty(0, np.int64)
    order = np.argsort(row, kind="stable")
    starts = np.searchsorted(row[order], np.arange(row.max() + 2))
    partner = match_rows(starts, column[order], gain[order], int(column.max()) + 1)
    return np.flatnonzero(partner[row] == column)


@numba.njit(cache=True, nogil=True)
def match_rows(
    starts: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int64],
    gains: npt.NDArray[np.float64],
    n_columns: int,
) -> npt.NDArray[np.int64]:
    """Match rows with columns for the highest sum of gains.

    Parameters
    ----------
    starts
        ``(n_rows + 1,)``: where each row's candidates begin in the two arrays below.
    columns, gains
        ``(n,)``: candidates row by row.
    n_columns
        Number of columns.

    Returns
    -------
    numpy.ndarray
        ``(n_rows,)``: the column of each row, -1 for none.

    Notes
    -----
    Rows are added one by one, each along the shortest augmenting path by Dijkstra's algorithm on
    reduced costs (R. Jonker, A. Volgenant, Computing 38, 325, 1987). A path ends at a free column,
    or where a row gives its column up for none, and touches only what is near.
    """
    n_rows = len(starts) - 1
    n_all = n_columns + n_rows  # each row has a column of its own, for none
    owner = np.full(n_all, -1)
    partner = np.full(n_rows, -1)
    price = np.zeros(n_all)
    profit = np.zeros(n_rows)
    distance = np.full(n_all, np.inf)
    came_from = np.empty(n_all, np.int64)
    scanned = np.zeros(n_all, np.bool_)
    touched = np.empty(n_all, np.int64)
    for first in range(n_rows):
        n_touched = 0
        row = first
        length = 0.0
        least = -price[n_columns + first]
        for e in range(starts[first], starts[first + 1]):
            least = min(least, -gains[e] - price[columns[e]])
        profit[first] = least
        while True:
            for e in range(starts[row], starts[row + 1] + 1):
                if e < starts[row + 1]:
                    if gains[e] <= 0:
                        continue
                    column, cost = columns[e], -gains[e]
                else:
                    column, cost = n_columns + row, 0.0
                if scanned[column]:
                    continue
                reached = length + max(cost - profit[row] - price[column], 0.0)
                if reached < distance[column]:
                    if distance[column] == np.inf:
                        touched[n_touched] = column
                        n_touched += 1
                    distance[column] = reached
                    came_from[column] = row
            nearest = -1
            length = np.inf
            for t in range(n_touched):
                if not scanned[touched[t]] and distance[touched[t]] < length:
                    nearest, length = touched[t], distance[touched[t]]
            scanned[nearest] = True
            if owner[nearest] < 0:
                break
            row = owner[nearest]
        profit[first] += length
        for t in range(n_touched):
            column = touched[t]
            if scanned[column] and column != nearest:
                price[column] -= length - distance[column]
                profit[owner[column]] += length - distance[column]
            distance[column] = np.inf
            scanned[column] = False
        column = nearest
        while column >= 0:
            row = came_from[column]
            owner[column] = row
            # The row gives up the column it had, which goes to the row before it on the path.
            column, partner[row] = partner[row], column
    return np.where(partner < n_columns, partner, -1)
