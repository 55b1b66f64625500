"""How labelled tracks are measured and divided, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perrin.errors import InputError
from perrin.learn.labelled import by_column, collect, folds_of
from perrin.simulate import simulate_cells, simulate_superstatistics
from perrin.tracks import Calibration

Recordings = list[tuple[str, pd.DataFrame]]


def recording(
    n_tracks: int = 12, interval: float | None = None, seed: int = 0, **more: float
) -> pd.DataFrame:
    table = simulate_superstatistics(n_tracks=n_tracks, n_points=31, seed=seed, **more)
    if interval is not None:
        table.attrs["calibration"] = Calibration(pixel_size=0.1, frame_interval=interval)
    return table


def test_steps_are_in_micrometres_at_a_common_interval() -> None:
    fine, coarse = recording(interval=60), recording(interval=150)
    labelled = collect([("fine", fine), ("coarse", coarse)])
    assert (labelled.sampling.interval, labelled.sampling.length_unit) == (300, "µm")
    first = labelled.stretches[0]
    path = fine[fine["particle"] == 0][["y", "x"]].to_numpy()[::5]
    np.testing.assert_allclose(first.steps, 0.1 * np.diff(path, axis=0))
    assert len(labelled.stretches[-1].steps) == 15


def test_tracks_are_cut_at_gaps() -> None:
    table = recording()
    table = table[~((table["particle"] == 0) & (table["frame"] == 10))]
    labelled = collect([("a", table), ("b", recording(seed=1))])
    assert [len(s.steps) for s in labelled.stretches if s.track == 0] == [9, 19]


@settings(max_examples=25, deadline=None)
@given(n_folds=st.integers(2, 5), seed=st.integers(0, 1000))
def test_a_movie_is_never_divided_and_classes_are_spread(n_folds: int, seed: int) -> None:
    labelled = collect(CELLS)
    fold = folds_of(labelled, n_folds, seed)
    assert labelled.movies_known
    for group in np.unique(labelled.group):
        assert np.unique(fold[labelled.group == group]).size == 1
    for c in range(len(labelled.names)):
        shares = np.bincount(fold[labelled.label == c], minlength=n_folds)
        assert shares.min() > 0


CELLS = [
    (name, table[table["frame"] < 120]) for name, table in simulate_cells(3, share=0.5).items()
]


def test_without_movies_tracks_are_divided(slow_and_fast: Recordings) -> None:
    assert collect(slow_and_fast).movies_known
    labelled = collect([("a", recording()), ("b", recording(seed=1))])
    assert not labelled.movies_known
    assert np.unique(labelled.group).size == labelled.label.size


def test_labels_of_tracks_divide_a_table() -> None:
    table = recording()
    table["label"] = np.where(table["particle"] < 5, "still", "running")
    table.loc[table["particle"] == 7, "label"] = ""
    parts = dict(by_column(table))
    assert parts["still"]["particle"].nunique() == 5
    assert parts["running"]["particle"].nunique() == 6
    table.loc[0, "label"] = "running"
    with pytest.raises(InputError, match="Track 0 has more than one value"):
        by_column(table)
    with pytest.raises(InputError, match="no column 'cell'"):
        by_column(table, "cell")


@pytest.mark.parametrize(
    ("recordings", "message"),
    [
        ([], "no tracks"),
        ([("a", recording())], "one class only"),
        ([("a", recording()), ("b", recording(4))], "'b' has 4 tracks"),
        ([("a", recording()), ("b", recording(interval=1))], "'a' lack pixel size"),
        (
            [("a", recording(interval=1)), ("b", recording(interval=1.618, seed=1))],
            "no common multiple",
        ),
        ([("a", recording()), ("b", recording(dim=1))], "x alone"),
        ([("a", recording()), ("b", recording())], "12 tracks are there more than once"),
    ],
)
def test_nonsense_is_refused(recordings: Recordings, message: str) -> None:
    with pytest.raises(InputError, match=message):
        collect(recordings)
