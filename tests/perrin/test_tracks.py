"""The track table's one check, and the calibration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perrin import Calibration, InputError, validate_tracks
from perrin.tracks import axes_of, index_tracks


@st.composite
def track_tables(draw: st.DrawFn) -> pd.DataFrame:
    """Draw tables in any order, with gaps, any of the axes, and a further column of text."""
    keys = draw(
        st.lists(st.tuples(st.integers(-5, 5), st.integers(-3, 10**9)), unique=True, max_size=30)
    )
    axes = draw(st.sampled_from([["x"], ["y", "x"], ["z", "y", "x"]]))
    position = st.floats(-1e9, 1e9, allow_nan=False)
    table = pd.DataFrame(keys, columns=["particle", "frame"], dtype=np.int64)
    for axis in axes:
        table[axis] = draw(
            st.lists(position, min_size=len(keys), max_size=len(keys)).map(
                lambda v: np.array(v, np.float64)
            )
        )
    table["note"] = [f"row {i}" for i in range(len(keys))]
    return table


@settings(deadline=None)
@given(table=track_tables())
def test_a_good_table_is_sorted_and_otherwise_left_alone(table: pd.DataFrame) -> None:
    before = table.copy()
    checked = validate_tracks(table)
    pd.testing.assert_frame_equal(table, before)
    expected = table.sort_values(["particle", "frame"], ignore_index=True)
    pd.testing.assert_frame_equal(checked, expected, check_column_type=False)
    pd.testing.assert_frame_equal(validate_tracks(checked), checked)


@settings(deadline=None)
@given(table=track_tables())
def test_the_index_covers_each_row_once(table: pd.DataFrame) -> None:
    checked = validate_tracks(table)
    index = index_tracks(checked)
    assert index.lengths.sum() == len(checked)
    assert index.particles.tolist() == sorted(set(table["particle"]))
    for particle, start, stop in zip(*index, strict=True):
        assert (checked["particle"].iloc[start:stop] == particle).all()
        assert (np.diff(checked["frame"].iloc[start:stop]) > 0).all()


@settings(deadline=None)
@given(table=track_tables().filter(lambda t: len(t) > 0), data=st.data())
def test_any_single_fault_is_found_and_named(table: pd.DataFrame, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(table) - 1))
    column = data.draw(st.sampled_from(["particle", "frame", *axes_of(table)]))
    fault, words = data.draw(
        st.sampled_from(
            [("drop", f"lacks the column.*'{column}'"),
             ("text", f"text 'oops' in column '{column}'"),
             (np.nan, f"empty value in column '{column}'"),
             (np.inf, f"infinite value in column '{column}'"), ("repeat", "repeat a particle")]
        )
    )  # fmt: skip
    if fault == "drop":
        if column in ("y", "z"):
            return  # without them it is a table of fewer dimensions
        bad = table.drop(columns=column)
    elif fault == "repeat":
        bad = pd.concat([table, table.iloc[[row]]], ignore_index=True)
    else:
        bad = table.astype({column: object})
        bad.loc[row, column] = "oops" if fault == "text" else fault
    with pytest.raises(InputError, match=f"cells.csv.*{words}") as caught:
        validate_tracks(bad, source="cells.csv")
    if fault not in ("drop", "repeat"):
        assert f"row {row}" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["trajectory", "Trajectory", "track_id", "TRACK_ID", "TrackID", "Track", "particle_id"]
)
def test_other_names_of_the_particle(name: str) -> None:
    table = pd.DataFrame({name: [1, 1], "frame": [0, 1], "x": [0.0, 1.0]})
    assert validate_tracks(table).columns.tolist() == ["particle", "frame", "x"]


def test_two_candidates_for_the_particle_are_not_guessed_at() -> None:
    table = pd.DataFrame({"trajectory": [1], "track_id": [1], "frame": [0], "x": [0.0]})
    with pytest.raises(InputError, match="lacks the column 'particle'"):
        validate_tracks(table)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"frame": [0, 0.5]}, "0.5 in column 'frame', row 1.*divide them by the frame interval"),
        ({"particle": [0, 1.5]}, "1.5 in column 'particle'"),
        ({"frame": [0, 0]}, r"1 rows that repeat.*particle 0 in frame 0 \(row 1\)"),
        ({"x": ["1", "2"]}, None),
        ({"frame": ["0", "1"]}, None),
        ({"frame": [0.0, 1.0]}, None),
    ],
)
def test_numbers(values: dict[str, Any], words: str | None) -> None:
    table = pd.DataFrame({"particle": [0, 0], "frame": [0, 1], "y": [0.0, 1], "x": [0.0, 1]})
    table = table.assign(**values)
    if words is None:  # numbers written as text, and whole numbers written as floats, will do
        checked = validate_tracks(table)
        assert checked["frame"].dtype == np.int64
        assert checked["x"].dtype == np.float64
    else:
        with pytest.raises(InputError, match=words):
            validate_tracks(table)


def test_what_is_no_table() -> None:
    with pytest.raises(InputError, match="is a list; give a pandas DataFrame"):
        validate_tracks([1, 2])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="it has: none"):
        validate_tracks(pd.DataFrame())


def test_attributes_of_the_table_are_kept() -> None:
    table = pd.DataFrame({"particle": [0], "frame": [0], "x": [0.0]})
    table.attrs["calibration"] = Calibration(pixel_size=0.1)
    assert validate_tracks(table).attrs == table.attrs


@given(
    size=st.floats(1e-3, 10), interval=st.floats(1e-4, 100), step=st.none() | st.floats(1e-3, 10)
)
def test_conversion_to_physical_units(size: float, interval: float, step: float | None) -> None:
    calibration = Calibration(pixel_size=size, frame_interval=interval, z_step=step)
    assert calibration.is_physical
    assert calibration.length_scale("y") == size
    assert calibration.length_scale("z") == (step or size)
    assert calibration.diffusivity_scale == pytest.approx(size**2 / interval)
    assert calibration.noise_scale == pytest.approx(1000 * size)
    assert calibration.diffusivity_unit == "µm²/s"
    assert calibration.noise_unit == "nm"


@pytest.mark.parametrize("known", [{}, {"pixel_size": 0.1}, {"frame_interval": 0.1}])
def test_half_a_calibration_is_none(known: dict[str, float]) -> None:
    calibration = Calibration(**known)
    assert not calibration.is_physical
    assert (calibration.length_scale(), calibration.time_scale) == (1, 1)
    assert (calibration.diffusivity_scale, calibration.noise_scale) == (1, 1)
    assert calibration.diffusivity_unit == "px²/frame"
    assert calibration.noise_unit == "px"


@pytest.mark.parametrize("field", ["pixel_size", "frame_interval", "z_step"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_calibration_must_be_positive(field: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{field}.*greater than 0"):
        Calibration.checked(**{field: value})
