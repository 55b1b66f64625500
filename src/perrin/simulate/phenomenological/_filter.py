"""The challenge's filter of labels, compiled."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["filter_rows"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_WINDOW, _SHORTEST = 5, 3


@numba.njit(cache=True, nogil=True)
def filter_rows(labels: Floats, lengths: Ints) -> None:
    """Filter the first ``lengths`` labels of every row, in place."""
    widest = labels.shape[1]
    values = np.empty(widest)
    tag, common = np.empty(widest, np.int64), np.empty(widest, np.int64)
    ends, kinds = np.empty(widest, np.int64), np.empty(widest, np.int64)
    for i in range(len(lengths)):
        n = lengths[i]
        known = 0
        for t in range(n):
            k = 0
            while k < known and values[k] != labels[i, t]:
                k += 1
            if k == known:
                values[k] = labels[i, t]
                known += 1
            tag[t] = k
        if known < 2:
            continue
        for t in range(n):
            common[t] = _most_frequent(tag[max(t - _WINDOW // 2, 0) : min(t + _WINDOW // 2 + 1, n)])
        # Segments are kept as the frame after their last, and their label.
        count = 0
        for t in range(n):
            if t == n - 1 or common[t + 1] != common[t]:
                ends[count], kinds[count] = t + 1, common[t]
                count += 1
        kept = 0
        for s in range(count):
            begin = ends[kept - 1] if kept else 0
            if kept and ends[s] - begin < _SHORTEST:
                ends[kept - 1] = ends[s]
            elif ends[s] - begin < _SHORTEST and s < count - 1:
                continue
            else:
                ends[kept], kinds[kept] = ends[s], kinds[s]
                kept += 1
        begin = 0
        for s in range(kept):
            labels[i, begin : ends[s]] = values[kinds[s]]
            begin = ends[s]


@numba.njit(cache=True, nogil=True)
def _most_frequent(tags: Ints) -> int:
    """Return the most frequent tag, the lowest among equals."""
    best, most = -1, 0
    for tag in tags:
        count = 0
        for other in tags:
            count += other == tag
        if count > most or (count == most and tag < best):
            best, most = tag, count
    return best
