"""*Table of tracks* in the real window: sorting, filters, and the link with the canvas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from napari.layers import Tracks
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication

from napari_perrin._session import Session
from napari_perrin.inspect._plot_style import PlotColors
from napari_perrin.inspect._table import TableWidget
from napari_perrin.inspect._table_model import TrackTableModel
from perrin import Analysis
from perrin.tracks import Calibration

ASCENDING, DESCENDING = Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder


@pytest.fixture
def model_of_three() -> TrackTableModel:
    """Three tracks; of one nothing is known."""
    model = TrackTableModel()
    numbers = pd.DataFrame(
        {
            "particle": [2, 5, 9],
            "n_points": [30, 4, 60],
            "model": ["SBM", None, "ATTM"],
            "alpha": [0.5, np.nan, 1.25],
            "diffusivity": [2.0, 0.1, 30.0],
            "flags": ["", "too_short;has_gaps", ""],
        }
    )
    model.show_numbers(numbers, Calibration(pixel_size=0.1, frame_interval=0.1))
    return model


def column(model: TrackTableModel, name: str) -> list[str]:
    place = model.columns.index(name)
    return [model.data(model.index(row, place)) for row in range(model.rowCount())]


def test_cells_say_what_the_numbers_are(model_of_three: TrackTableModel) -> None:
    model = model_of_three
    headings = [
        model.headerData(place, Qt.Orientation.Horizontal) for place in range(model.columnCount())
    ]
    assert headings == ["Track", "Model", "Points", "α", "D (µm²/s)", "Remarks"]
    assert column(model, "model") == ["SBM", "not judged", "ATTM"]
    assert column(model, "alpha") == ["0.5", "", "1.25"]
    assert column(model, "flags") == ["", "too short, has gaps", ""]


@pytest.mark.parametrize(
    ("name", "order", "expected"),
    [
        ("particle", DESCENDING, [9, 5, 2]),
        ("n_points", ASCENDING, [5, 2, 9]),
        # What is not known comes last either way.
        ("alpha", ASCENDING, [2, 9, 5]),
        ("alpha", DESCENDING, [9, 2, 5]),
        ("model", ASCENDING, [9, 2, 5]),
        ("model", DESCENDING, [2, 9, 5]),
    ],
)
def test_sorting(
    model_of_three: TrackTableModel, name: str, order: Any, expected: list[int]
) -> None:
    model = model_of_three
    model.sort(model.columns.index(name), order)
    assert model.particles.tolist() == expected
    assert column(model, "particle") == [str(number) for number in expected]
    model.keep(np.array([True, False, True]))
    assert model.particles.tolist() == [number for number in expected if number != 5]
    assert model.rows_of({9, 5}).tolist() == [model.particles.tolist().index(9)]


def test_the_model_is_a_table_in_the_eyes_of_qt(
    model_of_three: TrackTableModel, qtmodeltester: Any
) -> None:
    qtmodeltester.check(model_of_three)
    model_of_three.keep(np.zeros(3, np.bool_))
    qtmodeltester.check(model_of_three)


def test_a_range_is_set_by_dragging_and_by_typing(qtbot: Any) -> None:
    from napari_perrin.inspect._filters import RangeFilter

    made = RangeFilter({"alpha": "α", "diffusivity": "D"}, PlotColors.of_theme("dark"))
    qtbot.addWidget(made)
    values = np.array([0.01, 0.1, 1.0, 10.0])
    made.show_values(values, True)
    assert made.range() is None
    assert made.histogram is not None
    with qtbot.waitSignal(made.changed):
        made.histogram.region.setRegion((-1.5, 0.5))
    assert made.range() == pytest.approx((10**-1.5, 10**0.5))
    assert float(made.low.text()) == pytest.approx(10**-1.5, rel=1e-3)
    # What is typed holds to the last digit; an end that reaches all values is open.
    made.low.setText("0,1")
    made.low.editingFinished.emit()
    assert made.range() == (0.1, pytest.approx(10**0.5))
    made.histogram.region.setRegion((-1.5, 1.0))
    assert made.range() == (pytest.approx(10**-1.5), None)
    made.low.setText("much")
    made.low.editingFinished.emit()
    assert made.range() == (pytest.approx(10**-1.5), None)
    made.set_range((1 / 3, 0.7))
    assert made.range() == (1 / 3, 0.7)
    # A quantity with values that have no logarithm is shown as it is.
    made.show_values(np.array([0.0, 1.0, 2.0]), True)
    made.set_range((None, 1.0))
    assert made.range() == (None, 1.0)


def test_rows_and_canvas_are_linked_both_ways(
    viewer: Any, dock: Any, analyzed: Tracks, session: Session, place: Any, click: Any, qtbot: Any
) -> None:
    widget: TableWidget = dock("Table of tracks")
    record = session.record(analyzed)
    # Click in the canvas, see the row.
    click(place(analyzed, 40 * 3 + 35))
    assert record.selection == {40}
    assert selected(widget) == [40]
    # Click on rows, see the tracks.
    left, control = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier
    qtbot.mouseClick(widget.table.viewport(), left, pos=cell_of(widget, 70))
    assert record.selection == {70}
    qtbot.mouseClick(widget.table.viewport(), left, control, cell_of(widget, 20))
    assert record.selection == {20, 70}
    assert "2 selected" in widget.count.text()
    assert visible(analyzed) == set(range(10, 100, 10))
    qtbot.mouseClick(widget.only_selected, left)
    assert visible(analyzed) == {20, 70}
    qtbot.mouseClick(widget.only_selected, left)
    assert visible(analyzed) == set(range(10, 100, 10))
    # A double click shows where the track begins.
    viewer.dims.set_current_step(0, 30)
    qtbot.mouseDClick(widget.table.viewport(), left, pos=cell_of(widget, 20))
    assert viewer.dims.current_step[0] == 0

    # Sorting keeps the selection, and steps follow it.
    session.select(analyzed, [20, 70])
    heading = widget.table.horizontalHeader()
    alpha = widget.model.columns.index("alpha")
    widget.table.sortByColumn(alpha, DESCENDING)
    values = widget.model.values("alpha")[widget.model.particles // 10 - 1]
    assert (np.diff(values) <= 0).all()
    assert sorted(selected(widget)) == [20, 70]
    assert heading.sortIndicatorSection() == alpha
    session.select(analyzed, [int(widget.model.particles[0])])
    widget.canvas.step(1)
    assert record.selection == {int(widget.model.particles[1])}


def test_filters_hide_rows_and_tracks_and_can_be_opened_again(
    viewer: Any, dock: Any, analyzed: Tracks, analysis: Analysis, session: Session, qtbot: Any,
    choose: Any,
) -> None:  # fmt: skip
    widget: TableWidget = dock("Table of tracks")
    per_track = analysis.per_track
    middle = float(per_track["alpha"].median())
    (made,) = (made for made in widget.filter_panel.ranges if made.name == "alpha")
    made.set_range((middle, None))
    expected = set(per_track.loc[per_track["alpha"] >= middle, "particle"])
    qtbot.waitUntil(lambda: set(widget.model.particles.tolist()) == expected, timeout=5000)
    assert visible(analyzed) == expected
    assert widget.count.text().startswith(f"{len(expected)} of 9 tracks shown")
    # A second quantity, chosen by hand.
    (other,) = (made for made in widget.filter_panel.ranges if made.name == "n_points")
    choose(other.choice, "Error (nm)")
    noise = float(per_track["noise"].median())
    other.set_range((None, noise))
    expected &= set(per_track.loc[per_track["noise"] <= noise, "particle"])
    qtbot.waitUntil(lambda: set(widget.model.particles.tolist()) == expected, timeout=5000)
    # Every filter can be taken away.
    other.removed.emit(other)
    assert len(widget.model.particles) > len(expected)
    qtbot.mouseClick(widget.filter_panel.clear_button, Qt.MouseButton.LeftButton)
    assert visible(analyzed) == set(range(10, 100, 10))
    assert session.record(analyzed).shown is None
    # Models are ticked.
    name = str(per_track["model"].mode()[0])
    qtbot.mouseClick(
        widget.filter_panel.models.boxes[name], Qt.MouseButton.LeftButton, pos=QPoint(8, 8)
    )
    expected = set(per_track.loc[per_track["model"] != name, "particle"])
    qtbot.waitUntil(lambda: set(widget.model.particles.tolist()) == expected, timeout=5000)
    assert visible(analyzed) == expected


def test_tracks_that_were_not_analysed_are_listed_too(
    viewer: Any, dock: Any, layer: Tracks, session: Session
) -> None:
    widget: TableWidget = dock("Table of tracks")
    assert widget.model.columns == ["particle", "n_points", "first_frame"]
    assert widget.model.particles.tolist() == list(range(10, 100, 10))
    assert widget.filter_panel.models.isHidden()
    layer.data = layer.data[layer.data[:, 0] > 30]
    assert widget.model.particles.tolist() == list(range(40, 100, 10))
    viewer.layers.clear()
    assert widget.model.rowCount() == 0
    assert "Track particles first" in widget.count.text()


def selected(widget: TableWidget) -> list[int]:
    rows = [index.row() for index in widget.table.selectionModel().selectedRows()]
    return [int(widget.model.particles[row]) for row in rows]


def cell_of(widget: TableWidget, particle: int) -> QPoint:
    row = int(widget.model.rows_of({particle})[0])
    return widget.table.visualRect(widget.model.index(row, 0)).center()


def visible(layer: Tracks) -> set[int]:
    """Return the tracks that are drawn."""
    QApplication.processEvents()  # the canvas comes after what the views show
    numbers = layer.features["particle"].to_numpy()
    return set(np.unique(numbers[layer.track_colors[:, 3] > 0]).tolist())
