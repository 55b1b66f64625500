"""The tracks of a layer, indexed once: where each lies in the layer and in the track table."""

from __future__ import annotations

from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import pandas as pd
from napari.layers import Tracks

from napari_perrin._layers import table_of_layer
from perrin.analysis import Analysis
from perrin.tracks import axes_of, index_tracks

__all__ = ["COUNTED", "LayerTracks"]

Ints = npt.NDArray[np.int64]

COUNTED = ("particle", "first_frame", "n_points")
"""What is known of tracks without any analysis."""


class LayerTracks:
    """Where each track of a layer lies.

    Use :meth:`of`, which makes the index once for each state of the layer's data.

    Attributes
    ----------
    table
        The track table: ``particle``, ``frame`` and positions in px.
    particles : array, shape (n_tracks,)
        Number of each track, sorted.
    vertex_track : array, shape (n_vertices,)
        Which of ``particles`` each vertex of the layer belongs to.
    """

    _known: ClassVar[WeakKeyDictionary[Tracks, LayerTracks]] = WeakKeyDictionary()

    def __init__(self, layer: Tracks) -> None:
        self._data = layer.data
        table = table_of_layer(layer)
        # Copies of a table copy its attrs too, at a high price.
        self.table = pd.DataFrame(
            {name: table[name].to_numpy() for name in ("particle", "frame", *axes_of(table))}
        )
        index = index_tracks(self.table)
        self.particles, self._starts, self._stops = index
        features = layer.features
        numbers = features["particle"] if "particle" in features else self._data[:, 0]
        numbers = np.asarray(numbers, dtype=np.int64)
        self.vertex_track: Ints = np.searchsorted(self.particles, numbers)

    @classmethod
    def of(cls, layer: Tracks) -> LayerTracks:
        """Return the index of a layer's tracks.

        Raises
        ------
        InputError
            If the layer holds no track table; see
            :func:`napari_perrin._layers.table_of_layer`.
        """
        known = cls._known.get(layer)
        if known is None or known._data is not layer.data:
            known = cls._known[layer] = cls(layer)
        return known

    def rows(self, particle: int) -> pd.DataFrame:
        """Return one track's rows of the table; none if there is no such track."""
        place = self.place(particle)
        return self.table.iloc[slice(0) if place is None else self._rows_of(place)]

    def place(self, particle: int) -> int | None:
        """Return where a track is in ``particles``."""
        place = int(np.searchsorted(self.particles, particle))
        found = place < self.particles.size and self.particles[place] == particle
        return place if found else None

    def vertices(self, particle: int) -> npt.NDArray[np.intp]:
        """Return the vertices of a track in the layer."""
        return np.flatnonzero(self.vertex_track == self.place(particle))

    def frames(self, particle: int) -> tuple[int, int]:
        """Return a track's first and last frame."""
        frame = self.rows(particle)["frame"]
        return int(frame.iloc[0]), int(frame.iloc[-1])

    def are(self, particles: frozenset[int] | Ints) -> npt.NDArray[np.bool_]:
        """Say of each of ``particles`` whether it is among those given."""
        wanted = np.fromiter(particles, np.int64, len(particles))
        return np.isin(self.particles, wanted)

    def among(self, particles: frozenset[int]) -> Ints:
        """Return those of some tracks that are there, sorted."""
        return np.asarray(self.particles[self.are(particles)])

    def numbers(self, analysis: Analysis | None) -> pd.DataFrame:
        """Return one row per track, in the order of ``particles``.

        Returns
        -------
        pandas.DataFrame
            ``particle``, ``first_frame``, ``n_points``, and the columns of
            ``Analysis.per_track`` if there is an analysis, empty for tracks it does not know.
        """
        columns: dict[str, Any] = {
            "particle": self.particles,
            "first_frame": self.table["frame"].to_numpy()[self._starts],
            "n_points": self._stops - self._starts,
        }
        if analysis is not None:
            known = analysis.per_track.drop(columns="n_points").set_index("particle")
            if not np.array_equal(known.index, self.particles):
                known = known.reindex(self.particles)
            columns |= {str(name): known[name].array for name in known}
        return pd.DataFrame(columns)

    def _rows_of(self, place: int) -> slice:
        return slice(int(self._starts[place]), int(self._stops[place]))
