"""What every view of the tracks shares: it watches the canvas while it is open, and one layer."""

from __future__ import annotations

from typing import Any

from napari.layers import Tracks
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_perrin._calibration import find_calibration
from napari_perrin._close_guard import CloseGuard
from napari_perrin._layer_choice import LayerChoice
from napari_perrin._session import Session
from napari_perrin._step_widget import StepWidget
from napari_perrin._usable import NO_TRACKS
from napari_perrin.inspect._canvas import Canvas
from napari_perrin.inspect._layer_tracks import LayerTracks
from perrin.errors import InputError
from perrin.tracks import Calibration

__all__ = ["TracksView"]


class TracksView(QWidget):
    """Base of the views of the session's current Tracks layer.

    Subclasses implement :meth:`show_layer` and :meth:`show_selection`.

    Parameters
    ----------
    viewer
        The viewer the view is docked in.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self.session = Session.of(viewer)
        self.viewer = self.session.viewer
        self.canvas = Canvas.of(viewer)
        self.layer_choice = LayerChoice(self.viewer, Tracks)
        self.layer_choice.setToolTip("The Tracks layer that is looked at.")
        self.layer: Tracks | None = None
        self.tracks: LayerTracks | None = None
        self.problem = NO_TRACKS
        self._settled = False

    def begin(self) -> None:
        """Show the current layer and follow what happens; called once the view is built."""
        self.canvas.watch(self)
        self.layer_choice.chosen.connect(self._on_chosen)
        self.session.current_changed.connect(self._on_current)
        self.session.analyzed.connect(self._on_analyzed)
        self.session.selection_changed.connect(self._on_selected)
        self._on_current(self.session.current)

    def show_layer(self) -> None:
        """Show :attr:`tracks` of :attr:`layer`, or that there are none."""
        raise NotImplementedError

    def show_selection(self) -> None:
        """Show which tracks are selected."""
        raise NotImplementedError

    def settle(self, window: QMainWindow, dock: QDockWidget) -> None:
        """Find a place in the window, when the view is first seen."""

    @staticmethod
    def share_place(window: QMainWindow, dock: QDockWidget) -> None:
        """Share one place with other panels at the side, for a view that needs the whole height."""
        panels = [x for kind in (StepWidget, TracksView) for x in window.findChildren(kind)]
        side = Qt.DockWidgetArea.RightDockWidgetArea
        others = [
            other
            for panel in panels
            if isinstance(other := panel.parent(), QDockWidget)
            and other is not dock
            and not other.isHidden()
            and not other.isFloating()
            and window.dockWidgetArea(other) == side
        ]
        for other in [*others[1:], dock] if others else ():
            window.tabifyDockWidget(others[0], other)
        dock.raise_()

    @property
    def calibration(self) -> Calibration:
        """Pixel size and frame interval: those of the analysis, else those of the layer."""
        if self.layer is None:
            return Calibration()
        analysis = self.session.record(self.layer).analysis
        return (
            find_calibration(self.layer).calibration if analysis is None else analysis.calibration
        )

    @property
    def selection(self) -> frozenset[int]:
        """Numbers of the tracks that are selected."""
        return frozenset() if self.layer is None else self.session.record(self.layer).selection

    def event(self, event: QEvent | None) -> bool:
        """Leave the canvas alone once the view is closed."""
        # Closing a dock takes the widget out of it, and sends no close event.
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is None:
                self.canvas.leave(self)
            else:
                self.canvas.watch(self)
        return super().event(event)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Find a place in the window, once it has put the view where it likes."""
        super().showEvent(event)
        if not self._settled:
            self._settled = True
            QTimer.singleShot(0, self._settle)

    def _settle(self) -> None:
        dock = self.parent()
        window = dock.parent() if isinstance(dock, QDockWidget) else None
        if isinstance(dock, QDockWidget) and isinstance(window, QMainWindow):
            CloseGuard.install_around(self, self.session)
            self.settle(window, dock)

    def _on_chosen(self, layer: Tracks | None) -> None:
        self.session.current = layer

    def _on_current(self, layer: Tracks | None) -> None:
        if self.layer is not None:
            self.layer.events.data.disconnect(self._on_data)
        self.layer = layer
        if layer is not None:
            layer.events.data.connect(self._on_data)
            self.layer_choice.layer = layer
        self._index()

    def _on_data(self, _event: Any = None) -> None:
        self._index()

    def _on_analyzed(self, layer: Tracks) -> None:
        if layer is self.layer:
            self._index()

    def _on_selected(self, layer: Tracks) -> None:
        if layer is self.layer:
            self.show_selection()

    def _index(self) -> None:
        self.tracks, self.problem = None, NO_TRACKS
        if self.layer is not None:
            try:
                self.tracks = LayerTracks.of(self.layer)
                self.problem = ""
            except InputError as error:
                self.problem = str(error)
        self.show_layer()
