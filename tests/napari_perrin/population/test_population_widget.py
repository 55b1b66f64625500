"""*Population* in the real window: selecting with the mouse, following, saving."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from napari.layers import Tracks
from qtpy.QtCore import QPoint, QPointF, Qt

from napari_perrin._session import Session
from napari_perrin.curate._curator import Curator
from napari_perrin.population import _widget
from napari_perrin.population._widget import PopulationWidget
from perrin import Analysis
from perrin.errors import InputError
from perrin.population import GROUPS

LEFT = Qt.MouseButton.LeftButton
SHIFT = Qt.KeyboardModifier.ShiftModifier
NONE = Qt.KeyboardModifier.NoModifier


@pytest.fixture
def population(dock: Any, analyzed: Tracks, qtbot: Any) -> PopulationWidget:
    widget: PopulationWidget = dock("Population")
    if widget.states is None:
        qtbot.waitSignal(widget.looked, timeout=20_000).wait()
    # The whole of the plots is to be reached with the mouse.
    widget.plots.grab()
    return widget


@pytest.fixture
def drag(qtbot: Any) -> Callable[..., None]:
    """Drag over a plot from place to place, in the coordinates of its axes."""

    def press_move_and_release(
        area: Any, panel: Any, *way: tuple[float, float], modifier: Any = NONE
    ) -> None:
        points = [_pixel(area, panel, *place) for place in way]
        viewport = area.viewport()
        qtbot.mousePress(viewport, LEFT, modifier, points[0])
        for before, point in pairwise(points):
            # Halfway too: a drag is one only after some pixels.
            for place in ((before + point) / 2, point):
                qtbot.mouseMove(viewport, place)
                # pyqtgraph leaves out what follows sooner.
                qtbot.wait(15)
        qtbot.mouseRelease(viewport, LEFT, modifier, points[-1])

    return press_move_and_release


def between(values: pd.Series) -> float:
    """Return a number with which none of the values coincides, about half of them above it."""
    ordered = np.sort(values.to_numpy(float))
    middle = len(ordered) // 2
    gaps = np.diff(ordered[middle - 2 : middle + 3])
    widest = middle - 2 + int(gaps.argmax())
    return float(ordered[widest : widest + 2].mean())


def _pixel(area: Any, panel: Any, x: float, y: float) -> QPoint:
    return area.mapFromScene(panel.vb.mapViewToScene(QPointF(x, y)))


def test_a_rectangle_selects_in_the_canvas_and_in_the_table(
    dock: Any, population: PopulationWidget, analyzed: Tracks, analysis: Analysis, session: Session,
    drag: Any,
) -> None:  # fmt: skip
    table = dock("Table of tracks")
    record = session.record(analyzed)
    alpha = analysis.per_track["alpha"].astype(float)
    middle = between(alpha)
    scatter = population.plots.scatter
    (left, right), _ = scatter.vb.viewRange()
    area = population.plots
    drag(area, scatter, (left, middle), (right, 2.05))
    above = set(analysis.per_track.loc[alpha >= middle, "particle"])
    assert record.selection == above
    rows = table.table.selectionModel().selectedRows()
    assert {int(table.model.particles[index.row()]) for index in rows} == above
    assert population.count.text().startswith(f"{len(above)} of 9 tracks selected")
    # What is selected stands out in every plot.
    drawn = sum(len(item.data) for item in scatter._chosen)
    assert drawn == len(above)
    # With Shift held, the rest is added; a drag over nothing selects nothing.
    drag(area, scatter, (left, -0.04), (right, middle), modifier=SHIFT)
    assert record.selection == set(analysis.per_track["particle"])
    drag(area, scatter, (left, -0.04), (right, float(alpha.min()) / 2))
    assert record.selection == frozenset()


def test_a_range_of_a_histogram_selects(
    population: PopulationWidget, analyzed: Tracks, analysis: Analysis, session: Session, drag: Any
) -> None:
    diffusivity = np.log10(analysis.per_track["diffusivity"].astype(float))
    cut = between(diffusivity)
    plots = population.plots
    (left, _), (_, high) = plots.across.vb.viewRange()
    drag(plots, plots.across, (left, high / 3), (cut, high / 2))
    expected = set(analysis.per_track.loc[diffusivity <= cut, "particle"])
    assert session.record(analyzed).selection == expected
    # The one beside it has alpha upwards.
    alpha = analysis.per_track["alpha"].astype(float)
    cut = between(alpha)
    (_, right), (_, top) = plots.upward.vb.viewRange()
    drag(plots, plots.upward, (right / 3, cut), (right / 2, top))
    expected = set(analysis.per_track.loc[alpha >= cut, "particle"])
    assert session.record(analyzed).selection == expected


def test_clicks_select_a_point_and_a_model(
    population: PopulationWidget, analyzed: Tracks, analysis: Analysis, session: Session, qtbot: Any
) -> None:
    plots, record = population.plots, session.record(analyzed)
    row = analysis.per_track.iloc[4]
    place = (float(np.log10(row["diffusivity"])), float(row["alpha"]))
    qtbot.mouseClick(plots.viewport(), LEFT, NONE, _pixel(plots, plots.scatter, *place))
    assert record.selection == {int(row["particle"])}
    name = str(analysis.per_track["model"].mode()[0])
    bar = _pixel(plots, plots.counts, GROUPS.index(name), 0.5)
    qtbot.mouseClick(plots.viewport(), LEFT, NONE, bar)
    of_model = set(analysis.per_track.loc[analysis.per_track["model"] == name, "particle"])
    assert record.selection == of_model
    qtbot.mouseClick(population.clear_button, LEFT)
    assert record.selection == frozenset()


def test_a_lasso_leaves_out_what_is_not_inside(
    population: PopulationWidget, analyzed: Tracks, analysis: Analysis, session: Session, drag: Any,
    qtbot: Any,
) -> None:  # fmt: skip
    qtbot.mouseClick(population.lasso_button, LEFT)
    plots = population.plots
    (left, right), (low, high) = plots.scatter.vb.viewRange()
    # The lower triangle of the plot: below the line from the lower left to the upper right.
    inset = 1e-3
    corners = [(left, low), (right - inset, low), (right - inset, high)]
    drag(plots, plots.scatter, *corners)
    x = np.log10(analysis.per_track["diffusivity"].astype(float))
    y = analysis.per_track["alpha"].astype(float)
    below = (y - low) / (high - low) < (x - left) / (right - left)
    assert session.record(analyzed).selection == set(analysis.per_track.loc[below, "particle"])


def test_what_is_selected_and_hidden_elsewhere_is_followed(
    population: PopulationWidget, analyzed: Tracks, session: Session
) -> None:
    session.select(analyzed, [20, 50])
    assert population.count.text().startswith("2 of 9 tracks selected")
    session.show_tracks(analyzed, np.array([50, 20, 80]))
    assert population.numbers["particle"].tolist() == [20, 50, 80]
    assert population.count.text().startswith("2 of 3 tracks selected")
    session.show_tracks(analyzed, None)
    assert len(population.numbers) == 9
    curator = Curator.of(session.viewer)
    curator.judge(analyzed, [20, 30], accept=False)
    assert set(population.numbers["particle"]) == {10, 40, 50, 60, 70, 80, 90}
    assert population.count.text().startswith("1 of 7 tracks selected")
    curator.undo(analyzed)
    assert len(population.numbers) == 9


def test_axes_are_chosen(population: PopulationWidget, choose: Any) -> None:
    choose(population.x_choice, "Number of points")
    choose(population.y_choice, "Localization error (nm)")
    assert not population.plots.upward._edges.size < 2
    x = population.plots.scatter._groups
    assert sum(len(item.data) for item in x) == 9
    known = np.concatenate([item.getData()[0] for item in x])
    assert set(known) == {40.0}


def test_figure_and_numbers_are_saved_and_nothing_is_overwritten(
    population: PopulationWidget, analyzed: Tracks, session: Session, tmp_path: Path,
    notifications: list[str],
) -> None:  # fmt: skip
    session.select(analyzed, [20])
    for suffix in (".pdf", ".svg", ".png"):
        population.save_figure(str(tmp_path / f"all{suffix}"))
        assert (tmp_path / f"all{suffix}").stat().st_size > 5000
    population.save_figure(str(tmp_path / "all.svg"))
    assert "exists already" in notifications[-1]
    population.save_numbers(str(tmp_path))
    tracks = pd.read_csv(tmp_path / "population_tracks.csv")
    assert tracks.loc[tracks["selected"], "particle"].tolist() == [20]
    counts = pd.read_csv(tmp_path / "population_models.csv")
    assert counts["tracks"].sum() == 9
    population.save_numbers(str(tmp_path))
    assert "exists already" in notifications[-1]


def test_tracks_that_were_not_analysed_are_said_to_be(
    viewer: Any, dock: Any, layer: Tracks
) -> None:
    widget: PopulationWidget = dock("Population")
    assert "Not analysed yet" in widget.message.text()
    assert widget.content.isHidden()
    viewer.layers.clear()
    assert "Track particles first" in widget.message.text()


def test_it_closes_with_its_layer_and_follows_the_theme(
    viewer: Any, population: PopulationWidget
) -> None:
    before = population.plots
    viewer.theme = "light"
    assert population.plots is not before
    assert sum(len(item.data) for item in population.plots.scatter._groups) == 9
    viewer.layers.clear()
    assert population.content.isHidden()


def test_shared_states_are_those_of_the_tracks_shown(
    population: PopulationWidget, analyzed: Tracks, session: Session, qtbot: Any, monkeypatch: Any
) -> None:
    asked: list[set[int]] = []

    def look(analysis: Analysis) -> Any:
        asked.append(set(analysis.per_frame["particle"]))
        raise InputError("too few")

    monkeypatch.setattr(_widget, "population_states", look)
    with qtbot.waitSignal(population.looked, timeout=20_000):
        session.show_tracks(analyzed, np.array([20, 30, 40]))
    assert asked == [{20, 30, 40}]
    assert population.states is None
    with qtbot.waitSignal(population.looked, timeout=20_000):
        Curator.of(session.viewer).judge(analyzed, [30], accept=False)
    assert asked[-1] == set(range(10, 100, 10)) - {30}
