"""The preview in *Track particles*: a switch, a count, plots, and rings in the canvas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from napari.layers import Image
from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from napari_perrin._jobs import Job
from napari_perrin._movie_layer import array_of, shown_frame
from napari_perrin.inspect._plot_style import PlotColors
from napari_perrin.preview._layer import PreviewLayer
from napari_perrin.preview._plots import PreviewPlots, title_of
from perrin.errors import PerrinError, Progress
from perrin.io import as_movie
from perrin.localization import (
    Detector,
    FramePreview,
    MoviePreview,
    SubpixelBias,
    subpixel_bias,
)

__all__ = ["PreviewPanel"]

_PAUSE_MS = 30  # after the last change, before the frame is looked at
_LEVEL = 0.001  # of the probability of chance; one looks at hundreds of frames


class _Wish(NamedTuple):
    """What is to be looked at."""

    layer: Image
    array: Any
    frame: int
    detector: Detector

    def is_that(self, other: _Wish | None) -> bool:
        """Say whether two wishes are the same; arrays are when they are one object."""
        if other is None or self.layer is not other.layer or self.array is not other.array:
            return False
        return (self.frame, self.detector) == (other.frame, other.detector)


class _Seen(NamedTuple):
    """What was found, and what found it."""

    wish: _Wish
    preview: MoviePreview
    look: FramePreview


class PreviewPanel(QWidget):
    """Shows the spots that will be found in the frame that the window shows.

    Parameters
    ----------
    viewer
        The viewer.
    detector
        Says how spots are found now; may raise :class:`perrin.InputError`.
    is_busy
        Says whether something more important is going on.
    """

    threshold_dragged = Signal(float)
    """The line of the threshold was dragged to a value."""
    shown = Signal()
    """What is seen is what is chosen."""

    def __init__(
        self, viewer: Any, detector: Callable[[], Any], is_busy: Callable[[], bool]
    ) -> None:
        super().__init__()
        self._viewer, self._detector, self._is_busy = viewer, detector, is_busy
        self._movie: Image | None = None
        self._rests = False
        self._known: tuple[Any, MoviePreview] | None = None
        self._last: _Wish | None = None
        self._job: Job | None = None
        self.rings = PreviewLayer(viewer)
        self.switch = QCheckBox("Preview the spots of this frame")
        self.switch.setChecked(True)
        self.switch.setToolTip(
            "Draw rings around the spots that will be found in the frame shown. The layer is only "
            "to look at: it goes when this is switched off or the panel is closed."
        )
        self.count = QLabel()
        self.count.setWordWrap(True)
        self.warning = QLabel()
        self.warning.setWordWrap(True)
        self._colors = PlotColors.of_theme(viewer.theme)
        self.plots = self._make_plots()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self.switch, self.count, self.plots, self.warning):
            layout.addWidget(widget)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.timeout.connect(self._begin)
        self.switch.toggled.connect(self.wake)
        viewer.dims.events.point.connect(self.refresh)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.events.theme.connect(self._on_theme)
        self._show_nothing()

    def show_movie(self, layer: Image | None) -> None:
        """Look at another movie, or at none."""
        self._movie = layer
        self.wake()

    def rest(self) -> None:
        """Show nothing until parameters are chosen again."""
        self._rests = True
        self._show_nothing()

    def wake(self) -> None:
        """Look again, after a rest too."""
        self._rests = False
        self.refresh()

    def refresh(self, _event: Any = None) -> None:
        """Look again, as soon as nothing has changed for a moment."""
        if self._is_wanted:
            self._timer.start()
        else:
            self._show_nothing()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Look at the frame."""
        super().showEvent(event)
        self.refresh()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Take the rings away; a widget that is closed is hidden, too."""
        super().hideEvent(event)
        # Not where the whole window is minimized.
        if event is None or not event.spontaneous():
            self._show_nothing()

    @property
    def _is_wanted(self) -> bool:
        chosen = self._movie is not None and self.switch.isChecked()
        return chosen and self.isVisible() and not self._rests

    def _begin(self) -> None:
        if self._movie is None or self._job is not None or self._is_busy() or not self._is_wanted:
            # A look that is not over yet is followed by another one.
            return
        try:
            wish = self._wish(self._movie)
        except PerrinError as error:
            self._last = None
            self._on_failed(error)
            return
        if wish.is_that(self._last):
            self.shown.emit()
            return
        self._last = wish
        known = self._known[1] if self._known and self._known[0] is wish.array else None
        name = wish.layer.name

        def work(_progress: Progress) -> _Seen:
            preview = known or MoviePreview(as_movie(wish.array, name=name))
            return _Seen(wish, preview, preview.look(wish.frame, wish.detector))

        self._job = Job(work, quiet=True)
        self._job.succeeded.connect(self._on_seen)
        self._job.failed.connect(self._on_failed)
        self._job.finished.connect(self._on_finished)
        self._job.start()

    def _wish(self, layer: Image) -> _Wish:
        array = array_of(layer)
        frame = round(shown_frame(self._viewer, layer))
        return _Wish(layer, array, min(max(frame, 0), array.shape[0] - 1), self._detector())

    def _on_seen(self, seen: _Seen) -> None:
        wish, spots = seen.wish, seen.look.spots
        self._known = (wish.array, seen.preview)
        if not self._is_wanted or self._movie is not wish.layer:
            return
        self.rings.show(
            wish.layer, spots, wish.frame, size=wish.detector.extent, color=self._colors.fit
        )
        biases = {axis: subpixel_bias(spots[axis]) for axis in self.plots.offsets}
        self.plots.draw(wish.detector, seen.look, biases, _LEVEL)
        self.plots.setVisible(True)
        self._say(_count_sentence(wish, len(spots)), _bias_sentence(wish.detector, biases))

    def _on_failed(self, error: Exception) -> None:
        self.rings.remove()
        self.plots.setVisible(False)
        known = isinstance(error, PerrinError)
        self._say(str(error) if known else f"No preview: {type(error).__name__}: {error}")

    def _on_finished(self) -> None:
        self._job = None
        self._begin()

    def _show_nothing(self) -> None:
        self._timer.stop()
        self._last = None
        self.rings.remove()
        self.plots.setVisible(False)
        self._say("")

    def _say(self, count: str, warning: str = "") -> None:
        for label, text in ((self.count, count), (self.warning, warning)):
            label.setText(text)
            label.setVisible(bool(text))

    def _make_plots(self) -> PreviewPlots:
        plots = PreviewPlots(self._colors)
        plots.threshold_dragged.connect(self.threshold_dragged)
        return plots

    def _on_removed(self, event: Any) -> None:
        if event.value is self.rings.layer:
            # Whoever deletes the layer wants no preview.
            self.switch.setChecked(False)

    def _on_theme(self, _event: Any = None) -> None:
        self._colors = PlotColors.of_theme(self._viewer.theme)
        before, self.plots = self.plots, self._make_plots()
        if (layout := self.layout()) is not None:
            layout.replaceWidget(before, self.plots)
        before.deleteLater()
        self._show_nothing()
        self.refresh()


def _count_sentence(wish: _Wish, count: int) -> str:
    if count:
        return f"{count} spot{'s' * (count > 1)} in frame {wish.frame}"
    threshold = title_of(wish.detector, wish.detector.threshold_field)
    return f"No spots in frame {wish.frame}: lower the {threshold}."


def _bias_sentence(detector: Detector, biases: dict[str, SubpixelBias]) -> str:
    biased = {axis: bias for axis, bias in biases.items() if bias.p < _LEVEL}
    if not biased:
        return ""
    edges = all(abs(bias.place) > 0.25 for bias in biased.values())
    size = title_of(detector, detector.size_field)
    return (
        f"⚠ Positions along {' and '.join(biased)} gather at the {'edges' if edges else 'middle'} "
        f"of pixels: the {size} is probably {'not right' if edges else 'too small'}."
    )
