"""Track tables become Tracks layers and come back, and no track ever turns invisible."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgba
from napari.layers import Layer, Tracks
from pandas.testing import assert_frame_equal

from napari_perrin._colors import UNKNOWN, RangeColormap, colormap_for
from napari_perrin._features import add_features, color_by
from napari_perrin._layers import (
    ROW,
    export_table,
    points_layer_data,
    table_of_layer,
    tracks_layer_data,
)
from perrin.errors import InputError
from perrin.models import MODEL_COLORS, MODELS, UNKNOWN_COLOR
from perrin.quantities import Quantity, robust_range
from perrin.tracks import Calibration, validate_tracks


def layer_of(table: pd.DataFrame, **options: object) -> Tracks:
    return Layer.create(*tracks_layer_data(validate_tracks(table), name="tracks", **options))


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Track tables in 1D, 2D and 3D, with gaps, odd numbers and unsorted rows."""
    axes = draw(st.sampled_from([("x",), ("y", "x"), ("z", "y", "x")]))
    keys = draw(
        st.lists(
            st.tuples(
                st.one_of(st.integers(-3, 5), st.just(2**40)), st.integers(0, 12)
            ),
            min_size=1, max_size=25, unique=True,
        )
    )  # fmt: skip
    numbers = st.floats(-1e6, 1e6, allow_nan=False)
    columns = {"particle": [k[0] for k in keys], "frame": [k[1] for k in keys]}
    for name in (*axes, "mass"):
        columns[name] = draw(st.lists(numbers, min_size=len(keys), max_size=len(keys)))
    return pd.DataFrame(columns)


@settings(deadline=None, max_examples=40)
@given(table=tables())
def test_a_table_comes_back_from_its_layer_unchanged(table: pd.DataFrame) -> None:
    expected = validate_tracks(table)
    assert_frame_equal(table_of_layer(layer_of(table)), expected, check_like=True)


def test_tracks_that_split_are_joined_in_the_layer() -> None:
    """By the numbers that the layer has, which are not the table's where those are negative."""
    table = pd.DataFrame(
        {
            "particle": [-4, -4, 7, 7, 9, 9],
            "frame": [0, 1, 2, 3, 2, 3],
            "y": 0.0,
            "x": 1.0,
            "parent": [-1, -1, -4, -4, -4, -4],
        }
    )
    layer = layer_of(table)
    assert layer.graph == {1: [0], 2: [0]}
    assert layer_of(table.drop(columns="parent")).graph == {}


def test_a_layer_made_elsewhere_is_read_from_its_data() -> None:
    data = np.array([[7, 3, 1.5, 2.5], [2, 0, 1, 2], [7, 1, 1, 2], [2, 1, 1, 3]])
    layer = Tracks(data, features={"weight": [1.0, 2.0, 3.0, 4.0]})
    table = table_of_layer(layer)
    assert table["particle"].tolist() == [2, 2, 7, 7]
    assert table["frame"].tolist() == [0, 1, 1, 3]
    assert table["weight"].tolist() == [2.0, 4.0, 3.0, 1.0]
    assert list(table.columns) == ["particle", "frame", "y", "x", "weight"]


def test_times_that_are_no_frames_are_refused() -> None:
    layer = Tracks(np.array([[0, 0.5, 1, 1], [0, 1.5, 1, 1]]), name="odd")
    with pytest.raises(InputError, match=r"'odd'.*whole numbers"):
        table_of_layer(layer)


def test_repeated_rows_which_napari_accepts_are_refused() -> None:
    layer = Tracks(np.array([[0, 1, 1, 1], [0, 1, 2, 2], [0, 2, 1, 1]]))
    with pytest.raises(InputError, match="repeat a particle in the same frame"):
        table_of_layer(layer)


def test_planar_tracks_over_a_stack_of_one_plane(tracks: pd.DataFrame) -> None:
    layer = layer_of(tracks, ndim=4)
    assert layer.data.shape[1] == 5
    assert (layer.data[:, 2] == 0).all()
    assert list(table_of_layer(layer).columns[:4]) == ["particle", "frame", "y", "x"]


def test_a_calibrated_layer_is_in_micrometres_and_seconds(tracks: pd.DataFrame) -> None:
    calibration = Calibration(pixel_size=0.16, frame_interval=0.00748)
    layer = layer_of(tracks, calibration=calibration)
    assert layer.scale.tolist() == [0.00748, 0.16, 0.16]
    assert [str(unit) for unit in layer.units] == ["second", "micrometer", "micrometer"]


def test_text_columns_do_not_reach_the_menu_of_colours(tracks: pd.DataFrame) -> None:
    layer = layer_of(tracks.assign(cell="A"))
    assert "cell" not in layer.features
    assert ROW in layer.features


def test_models_come_back_from_a_saved_table_in_their_colours(tracks: pd.DataFrame) -> None:
    names = [*MODELS, None, "nonsense"]
    table = tracks.assign(model=[names[p % len(names)] for p in tracks["particle"]])
    layer = layer_of(table)
    color_by(layer, "model")
    for particle, name in enumerate(names):
        expected = to_rgba(MODEL_COLORS.get(name, UNKNOWN_COLOR))
        seen = layer.track_colors[layer.data[:, 0] == particle]
        np.testing.assert_allclose(seen, np.tile(expected, (len(seen), 1)), atol=1e-6)


@pytest.mark.parametrize("feature", ["alpha", "diffusivity", "mass", "p_fbm"])
@pytest.mark.parametrize("known", [0, 1, 50])
def test_what_is_unknown_is_grey_and_everything_stays_visible(
    tracks: pd.DataFrame, feature: str, known: int
) -> None:
    values = np.full(len(tracks), np.nan)
    values[:known] = np.linspace(0.1, 0.9, known)
    layer = layer_of(tracks.assign(**{feature: values}))
    color_by(layer, feature)
    assert (layer.track_colors[:, 3] == 1).all()
    np.testing.assert_allclose(layer.track_colors[-1], to_rgba(UNKNOWN_COLOR), atol=1e-6)
    grey = np.abs(layer.track_colors - to_rgba(UNKNOWN_COLOR)).max(axis=1) < 1e-6
    assert grey.tolist() == np.isnan(values).tolist()


def test_features_land_on_their_rows_in_a_layer_that_came_unsorted() -> None:
    data = np.array([[9, 1, 0, 0], [4, 1, 0, 0], [9, 0, 0, 0], [4, 0, 0, 0]], float)
    layer = Tracks(data, features={"particle": [1, 5, 1, 5]})
    table = table_of_layer(layer)
    assert table["particle"].tolist() == [1, 1, 5, 5]
    features = pd.DataFrame({"alpha": table["particle"] * 10.0 + table["frame"]})
    add_features(layer, features, Calibration())
    expected = layer.features["particle"] * 10.0 + layer.data[:, 1]
    assert layer.features["alpha"].tolist() == expected.tolist()
    exported = export_table(layer)
    assert (exported["alpha"] == exported["particle"] * 10.0 + exported["frame"]).all()
    # What was added is no part of the track table.
    assert "alpha" not in table_of_layer(layer)


def test_colours_do_not_follow_outliers() -> None:
    values = np.r_[np.linspace(1, 2, 1000), 1e9]
    low, high = robust_range(values)
    assert 1 <= low < high <= 2
    assert robust_range([np.nan, np.inf]) is None
    assert robust_range([3.0, 3.0]) == (1.5, 4.5)
    assert robust_range([-1.0, 0.0], Quantity("D", logarithmic=True)) is None


def test_diffusivity_is_coloured_by_its_logarithm() -> None:
    colormap = colormap_for("diffusivity", np.geomspace(1e-3, 1, 101))
    assert isinstance(colormap, RangeColormap)
    middle = np.sqrt(colormap.limits[0] * colormap.limits[1])
    np.testing.assert_allclose(
        colormap.map(middle), RangeColormap(colors=colormap.colors).map(0.5), atol=1e-6
    )
    np.testing.assert_allclose(colormap.map(0.0)[0], to_rgba(UNKNOWN_COLOR), atol=1e-6)


def test_codes_outside_the_models_are_unknown() -> None:
    colormap = colormap_for("model", [0])
    grey = to_rgba(UNKNOWN_COLOR)
    np.testing.assert_allclose(colormap.map([UNKNOWN, 99, np.nan]), [grey] * 3, atol=1e-6)


def test_localizations_become_points(tracks: pd.DataFrame) -> None:
    spots = tracks.drop(columns="particle")
    geometry = {"scale": (0.1, 2.0, 2.0)}
    layer = Layer.create(*points_layer_data(spots, name="spots", geometry=geometry, ndim=3))
    np.testing.assert_array_equal(layer.data, spots[["frame", "y", "x"]])
    assert layer.features["mass"].tolist() == spots["mass"].tolist()
    assert layer.scale.tolist() == [0.1, 2.0, 2.0]
