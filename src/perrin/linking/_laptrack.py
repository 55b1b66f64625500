"""Linear assignment with gap closing, splitting and merging, by laptrack."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from perrin.errors import Progress
from perrin.linking._parameters import Ints, Linked, LinkerParameters, Spots, without_long_gaps
from perrin.parameters import parameter

__all__ = ["LapLinker"]


class LapLinker(LinkerParameters):
    """Linear assignment in two steps: from frame to frame, then between the pieces.

    The second step closes gaps and, where wanted, finds where tracks split and merge: there they
    end, and new ones begin. Squared distance is the cost.

    References
    ----------
    K. Jaqaman et al., Nat. Methods 5, 695 (2008); Y. T. Fukai, K. Kawaguchi, Bioinformatics 39,
    btac799 (2023), laptrack.
    """

    kind: Literal["lap"] = "lap"
    gap_range: float | None = parameter(
        None,
        "Longest way that a particle may move while it is out of sight; the search range if left "
        "empty.",
        unit="px",
        label="Gap range",
        gt=0,
        advanced=True,
    )
    split_range: float | None = parameter(
        None,
        "How far from another particle a new one may appear, from one frame to the next, to have "
        "split from it; empty if particles never split.",
        unit="px",
        label="Splitting range",
        gt=0,
    )
    merge_range: float | None = parameter(
        None,
        "How far from another particle one may vanish, from one frame to the next, to have merged "
        "with it; empty if particles never merge.",
        unit="px",
        label="Merging range",
        gt=0,
    )

    def assign(self, spots: Spots, search_range: float, progress: Progress | None) -> Linked:
        """Give each localization its track."""
        from laptrack import LapTrack

        numbers = without_long_gaps(spots.frames, self.memory)
        starts = np.searchsorted(numbers, np.arange(int(numbers[-1]) + 2))
        tracker = LapTrack.model_validate(
            {
                "cutoff": search_range**2,
                "gap_closing_cutoff": (self.gap_range or search_range) ** 2
                if self.memory
                else False,
                "gap_closing_max_frame_count": self.memory + 1,
                "splitting_cutoff": self.split_range**2 if self.split_range else False,
                "merging_cutoff": self.merge_range**2 if self.merge_range else False,
            }
        )
        if progress is not None:
            progress("Linking", 0, 1)
        graph = tracker.predict(np.split(spots.positions, starts[1:-1]))
        if progress is not None:
            progress("Linking", 1, 1)
        edges = np.array(list(graph.edges), np.int64).reshape(-1, 2, 2)
        has_events = bool(self.split_range or self.merge_range)
        return _tracks(starts[edges[..., 0]] + edges[..., 1], len(numbers), has_events)


def _tracks(edges: Ints, n: int, has_events: bool) -> Linked:
    """Cut a graph of localizations where tracks split or merge.

    Parameters
    ----------
    edges
        ``(n_edges, 2)``: localizations, the earlier first.
    n
        Number of localizations.
    has_events
        Whether tracks may split or merge.
    """
    n_later, n_earlier = (np.bincount(side, minlength=n) for side in edges.T)
    is_event = (n_later[edges[:, 0]] > 1) | (n_earlier[edges[:, 1]] > 1)
    kept = edges[~is_event]
    graph = coo_array((np.ones(len(kept), np.int8), tuple(kept.T)), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    _, first, number = np.unique(component, return_index=True, return_inverse=True)
    particle = np.argsort(np.argsort(first))[number]
    parents = particle[edges[is_event][:, ::-1]]
    return Linked(particle, parents if has_events else None)
