"""How long the window takes with 1,000, 10,000 and 50,000 tracks of 20 localizations each.

Needs a display, real or virtual: ``sh scripts/with-display.sh python benchmarks/window.py``. Mouse
clicks are real ones; each time ends when the window has drawn what follows, or where it is said,
when the inspector has. Wall time depends on what else the machine does, computing time less so;
both are written, as medians over repetitions.

A click ends when the button is released. When it is pressed napari draws the canvas once, whatever
is under the mouse, which without a graphics card takes long; a hand takes 0.1 s in between.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pandas as pd
from napari.layers import Layer, Tracks
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_perrin._features import add_features, analysis_features, color_by
from napari_perrin._layers import table_of_layer, tracks_layer_data
from napari_perrin._session import Session
from napari_perrin.population._selecting import Area, Shape
from perrin import Analysis, Calibration, Recipe
from perrin.analysis import AnalysisParameters
from perrin.models import MODELS, PROBABILITY_COLUMNS, STATES

N_POINTS = 20
SIDE = 2048  # px
REPEATS = 9
CALIBRATION = Calibration(pixel_size=0.1, frame_interval=0.02)
RESULTS = Path(__file__).resolve().parent / "results" / "window.csv"


def main() -> None:
    """Measure, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, nargs="+", default=[1_000, 10_000, 50_000])
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = [row for n_tracks in options.tracks for row in measure(n_tracks)]
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    options.out.parent.mkdir(exist_ok=True)
    table.to_csv(options.out, index=False)


def measure(n_tracks: int) -> list[dict[str, Any]]:
    """Open a window with so many tracks, and return how long each thing takes."""
    tracks, analysis = simulated(n_tracks)
    rows: list[dict[str, Any]] = []

    def take(what: str, *actions: Callable[[], Any]) -> None:
        """Time some actions, each once."""
        times = []
        for action in actions:
            settle()
            began = time.perf_counter(), time.process_time()
            action()
            settle()
            times.append((time.perf_counter() - began[0], time.process_time() - began[1]))
        add_row(what, times)

    def add_row(what: str, times: list[tuple[float, float]]) -> None:
        wall, computing = 1000 * np.median(times, axis=0)
        rows.append(
            {
                "tracks": n_tracks,
                "localizations": len(tracks),
                "action": what,
                "wall_ms": round(wall, 1),
                "computing_ms": round(computing, 1),
                "repeats": len(times),
            }
        )

    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.window.resize(1600, 1000)
    session = Session.of(viewer)
    layers: list[Tracks] = []

    def add() -> None:
        data = tracks_layer_data(tracks, name="tracks", calibration=CALIBRATION)
        layers.append(viewer.add_layer(Layer.create(*data)))

    def analyzed() -> None:
        (layer,) = layers
        add_features(layer, analysis_features(table_of_layer(layer), analysis), CALIBRATION)
        session.add_analysis(layer, analysis, Recipe(calibration=CALIBRATION))
        session.current = layer
        color_by(layer, "model")

    take("add the layer of tracks", add)
    take("show an analysis and colour by model", analyzed)
    (layer,) = layers
    viewer.dims.set_current_step(0, N_POINTS - 1)
    canvas = viewer.window._qt_viewer.canvas
    take("draw the canvas once", *[canvas.native.repaint] * REPEATS)
    docked = viewer.window.add_plugin_dock_widget
    opened: dict[str, Any] = {}

    def open_widget(name: str) -> Callable[[], None]:
        def work() -> None:
            opened[name] = docked("napari-perrin", name)[1]

        return work

    take("open Inspect tracks", open_widget("Inspect tracks"))
    inspector = opened["Inspect tracks"]
    wait_for(lambda: inspector._warming._worker is None)
    viewer.reset_view()
    settle()
    chosen = np.linspace(0, n_tracks - 1, REPEATS, dtype=int)
    times = []
    with painted(inspector.plots) as at:
        for track in chosen:
            press, release = clicker(viewer, layer, track)
            press()
            settle()
            at.clear()
            began = time.perf_counter(), time.process_time()
            release()
            settle()
            assert at
            assert inspector.report is not None
            times.append((at[0][0] - began[0], at[0][1] - began[1]))
    add_row("click a track until the inspector shows it", times)

    def click(track: int) -> None:
        for part in clicker(viewer, layer, track):
            part()

    take("press, release, until inspector and canvas are drawn",
         *(lambda track=track: click(track) for track in chosen[::-1]))  # fmt: skip
    session.select(layer, ())
    take("open Table of tracks", open_widget("Table of tracks"))
    table = opened["Table of tracks"]
    columns = [table.model.columns.index(name) for name in ("alpha", "diffusivity", "model")]
    orders = (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder)
    take(
        "sort the table",
        *(lambda c=c, o=o: table.table.sortByColumn(c, o) for c in columns for o in orders),
    )
    (alpha,) = (made for made in table.filter_panel.ranges if made.name == "alpha")
    take(
        "filter the table",
        *(lambda low=low: (alpha.set_range((low, 2.0)), table.apply_filters())
          for low in np.linspace(0.2, 1.5, REPEATS)),
    )  # fmt: skip
    table.filter_panel.clear()
    take("select all shown", table.table.selectAll)
    session.select(layer, ())
    take("open Population", open_widget("Population"))
    population = opened["Population"]
    wait_for(lambda: not population.states_message.text().startswith("Looking"))
    scatter = population.plots.scatter
    (left, right), (low, _) = scatter.vb.viewRange()
    areas = [
        Area(Shape.RECTANGLE, np.array([[left, low], [right, top]]))
        for top in np.linspace(0.3, 1.8, REPEATS)
    ]
    take(
        "select with a rectangle in Population",
        *(lambda area=area: scatter.box.drawn.emit(area, False) for area in areas),
    )
    session.select(layer, ())
    features = ["alpha", "diffusivity", "model", "noise"]
    take("colour by another feature", *(lambda f=f: color_by(layer, f) for f in features))
    viewer.close()
    settle()
    return rows


def simulated(n_tracks: int) -> tuple[pd.DataFrame, Analysis]:
    """Return random walks, and what an analysis of them might look like."""
    rng = np.random.default_rng(n_tracks)
    starts = rng.uniform(0, SIDE, (n_tracks, 1, 2))
    paths = starts + rng.normal(0, 1.0, (n_tracks, N_POINTS, 2)).cumsum(axis=1)
    particle = np.repeat(np.arange(n_tracks), N_POINTS)
    frame = np.tile(np.arange(N_POINTS), n_tracks)
    tracks = pd.DataFrame(
        {"particle": particle, "frame": frame, "y": paths[..., 0].ravel(),
         "x": paths[..., 1].ravel()}
    )  # fmt: skip
    tracks.attrs["calibration"] = CALIBRATION
    alpha = rng.uniform(0.1, 1.9, n_tracks)
    diffusivity = 10 ** rng.normal(-1, 0.5, n_tracks)
    called = rng.integers(0, len(MODELS) + 1, n_tracks)
    model = np.array([*MODELS, None], dtype=object)[called]
    switches = rng.random(n_tracks) < 0.3
    per_track = pd.DataFrame(
        {"particle": np.arange(n_tracks), "n_points": N_POINTS,
         "model": pd.Series(model, dtype="str"),
         **dict.fromkeys(PROBABILITY_COLUMNS, 0.2),
         "alpha": alpha, "alpha_lo": (alpha - 0.2).clip(0), "alpha_hi": (alpha + 0.2).clip(max=2),
         "p_ergodic": 0.5, "diffusivity": diffusivity, "diffusivity_lo": diffusivity / 1.5,
         "diffusivity_hi": diffusivity * 1.5, "noise": rng.gamma(4, 8, n_tracks),
         "diffusivity_by": "covariance", "n_switches": switches.astype(int), "flags": "",
         "diffusivity_unit": CALIBRATION.diffusivity_unit, "noise_unit": "nm"}
    )  # fmt: skip
    late = switches[particle] & (frame >= N_POINTS // 2)
    d = diffusivity[particle] * np.where(late, 10, 1)
    per_frame = pd.DataFrame(
        {"particle": particle, "frame": frame, "p_switch": 0.01, "state": late.astype(int),
         "motion": STATES[2], "diffusivity": d, "diffusivity_lo": d / 1.5,
         "diffusivity_hi": d * 1.5, "alpha": 1.0, "alpha_lo": 0.8, "alpha_hi": 1.2, "weight": 1.0,
         "diffusivity_unit": CALIBRATION.diffusivity_unit}
    )  # fmt: skip
    where = np.flatnonzero(switches)
    middle = N_POINTS // 2
    found = pd.DataFrame(
        {"particle": where, "frame": middle, "frame_lo": middle - 1, "frame_hi": middle + 1,
         "diffusivity_before": diffusivity[where], "diffusivity_after": 10 * diffusivity[where],
         "alpha_before": 1.0, "alpha_after": 1.0,
         "diffusivity_unit": CALIBRATION.diffusivity_unit, "method": "network"}
    )  # fmt: skip
    return tracks, Analysis(per_track, per_frame, found, CALIBRATION, AnalysisParameters())


def clicker(viewer: Any, layer: Tracks, track: int) -> tuple[Callable[[], None], ...]:
    """Return what presses and what releases the button where a track's last localization is."""
    canvas = viewer.window._qt_viewer.canvas
    canvas.on_draw(None)
    node = canvas.layer_to_visual[layer].node
    drawn = layer._view_data[track * N_POINTS + N_POINTS - 1]
    x, y, _, w = node.get_transform("visual", "canvas").map(drawn)
    place = QPointF(x / w, y / w)
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier

    def send(kind: QEvent.Type) -> None:
        at = canvas.native.mapToGlobal(place)
        QApplication.sendEvent(canvas.native, QMouseEvent(kind, place, at, left, left, none))

    kinds = (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonRelease)
    return tuple(partial(send, kind) for kind in kinds)


@contextmanager
def painted(plots: Any) -> Iterator[list[tuple[float, float]]]:
    """Collect when plots were painted: wall time and computing time."""
    times: list[tuple[float, float]] = []
    kind = type(plots)
    paint = kind.paintEvent

    def noted(self: Any, event: Any) -> None:
        paint(self, event)
        times.append((time.perf_counter(), time.process_time()))

    kind.paintEvent = noted
    try:
        yield times
    finally:
        kind.paintEvent = paint


def settle() -> None:
    """Let the window do and draw everything that is waiting."""
    for _ in range(3):
        QApplication.processEvents()


def wait_for(done: Callable[[], bool]) -> None:
    """Let the window go on until something is done."""
    while not done():
        QApplication.processEvents()
        time.sleep(0.01)


if __name__ == "__main__":
    main()
