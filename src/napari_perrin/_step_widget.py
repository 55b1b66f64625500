"""What every step in the window shares: inputs, a run button, progress, cancel and messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.utils.notifications import notification_manager, show_error
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QDockWidget,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_perrin._forms import fill_with_page
from napari_perrin._jobs import Job
from napari_perrin._layer_choice import LayerChoice
from napari_perrin._session import Session
from perrin.errors import InputError, PerrinError, Progress

__all__ = ["StepWidget"]

_LEAST_HEIGHT = 120


class _Page(QScrollArea):
    """Scrolls only where there is too little room; asks for all it needs."""

    def sizeHint(self) -> QSize:
        page = self.widget()
        return super().sizeHint() if page is None else page.sizeHint()

    def minimumSizeHint(self) -> QSize:
        page, bar = self.widget(), self.verticalScrollBar()
        width = 0 if page is None else page.minimumSizeHint().width()
        width += 0 if bar is None else bar.sizeHint().width()
        return QSize(width, _LEAST_HEIGHT)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)


class StepWidget(QWidget):
    """Base of the widgets that run one step on one layer.

    Subclasses fill :attr:`inputs` (locked while the step runs) and :attr:`outputs`, and implement
    :meth:`prepare`, :meth:`accept` and :meth:`missing`.

    Parameters
    ----------
    viewer
        The viewer the widget is docked in.
    layer_type
        Type of layer the step works on.
    purpose
        One line that says what the step does.
    action
        Text of the run button.
    """

    finished = Signal()
    """The step has ended: with a result, with an error, or cancelled."""

    def __init__(self, viewer: Any, layer_type: type, *, purpose: str, action: str) -> None:
        super().__init__()
        self.viewer = getattr(viewer, "__wrapped__", viewer)
        self.session = Session.of(viewer)
        self.job: Job | None = None
        self._accept: Callable[[Any], str] = self.accept
        self.layer_choice = LayerChoice(self.viewer, layer_type)

        about = QLabel(purpose)
        about.setWordWrap(True)
        self.inputs = QWidget()
        self.outputs = QWidget()
        self.run_button = QPushButton(action)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setEnabled(False)
        self.progress_bar = QProgressBar()
        self.progress_bar.setTextVisible(False)
        self.progress_bar.setMaximumHeight(6)
        self.progress_bar.setVisible(False)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)

        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button, 2)
        buttons.addWidget(self.cancel_button, 1)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(10, 6, 10, 6)
        layout.setSpacing(6)
        layout.addWidget(about)
        layout.addWidget(self.inputs)
        layout.addLayout(buttons)
        layout.addWidget(self.progress_bar)
        layout.addWidget(self.message)
        layout.addWidget(self.outputs)
        layout.addStretch(1)
        fill_with_page(self, page, _Page())

        self.run_button.clicked.connect(self.start)
        self.cancel_button.clicked.connect(self.cancel)
        self.layer_choice.chosen.connect(self._on_chosen)

    def prepare(self) -> Callable[[Progress], Any]:
        """Collect every input and return the work; called in the window's thread.

        Raises
        ------
        InputError
            With a sentence that says what is wrong and what to do.
        """
        raise NotImplementedError

    def accept(self, result: Any) -> str:
        """Show the result of the work and return one sentence about it."""
        raise NotImplementedError

    def missing(self) -> str:
        """Say what is missing before the step can run, or return an empty string."""
        raise NotImplementedError

    def layer_changed(self, layer: Any) -> None:
        """React to another chosen layer."""

    @property
    def is_running(self) -> bool:
        """Whether the step is running."""
        return self.job is not None

    def start(self) -> None:
        """Run the step with what the inputs say now."""
        self.run(self.prepare, self.accept)

    def run(
        self, prepare: Callable[[], Callable[[Progress], Any]], accept: Callable[[Any], str]
    ) -> None:
        """Run work other than the step's own, in its place.

        Parameters
        ----------
        prepare, accept
            As :meth:`prepare` and :meth:`accept`.
        """
        if self.is_running:
            return
        try:
            work = prepare()
        except PerrinError as error:
            self.show_failure(error)
            return
        self._accept = accept
        self.job = Job(work)
        self.job.progressed.connect(self._on_progress)
        self.job.succeeded.connect(self._on_success)
        self.job.failed.connect(self.show_failure)
        self.job.cancelled.connect(self._on_cancelled)
        self.job.finished.connect(self._on_finished)
        self._lock(True)
        self.say("Starting …")
        self.job.start()

    def cancel(self) -> None:
        """Stop at the next chunk; nothing is changed."""
        if self.job is not None:
            self.cancel_button.setEnabled(False)
            self.say("Cancelling …")
            self.job.cancel()

    def say(self, text: str) -> None:
        """Show a sentence below the buttons."""
        self.message.setText(text)
        self.message.setVisible(bool(text))

    def refresh(self) -> None:
        """Enable the run button, or say what is missing."""
        if self.is_running:
            return
        missing = self.missing()
        self.run_button.setEnabled(not missing)
        self.say(missing)

    def make_room(self) -> None:
        """Share the window's height among Perrin's panels as their contents need it."""
        dock = self.parent()
        window = dock.parent() if isinstance(dock, QDockWidget) else None
        if not isinstance(window, QMainWindow):
            return
        docks, heights = [], []
        for panel in window.findChildren(StepWidget):
            dock = panel.parent()
            if panel.isVisible() and isinstance(dock, QDockWidget):
                docks.append(dock)
                heights.append(panel.sizeHint().height() + dock.height() - panel.height())
        window.resizeDocks(docks, heights, Qt.Orientation.Vertical)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Make room for the content once it is laid out."""
        super().showEvent(event)
        QTimer.singleShot(0, self.make_room)

    def event(self, event: QEvent | None) -> bool:
        """Stop the work when the widget is closed: nobody could cancel it any more."""
        # Closing a dock takes the widget out of it, and sends no close event.
        taken_out = event is not None and event.type() == QEvent.Type.ParentChange
        if taken_out and self.parent() is None and self.job is not None:
            self.job.cancel()
        return super().event(event)

    def _on_chosen(self, layer: Any) -> None:
        self.layer_changed(layer)
        self.refresh()

    def _on_progress(self, what: str, done: int, total: int) -> None:
        if self.job is None or not self.cancel_button.isEnabled():
            return
        self.progress_bar.setRange(0, max(total, 0))
        self.progress_bar.setValue(done)
        self.say(f"{what[:1].upper()}{what[1:]} … {done} of {total}" if total > 0 else f"{what} …")

    def _on_success(self, result: Any) -> None:
        try:
            self.say(self._accept(result))
            QTimer.singleShot(0, self.make_room)
        except InputError as error:
            self.show_failure(error)

    def show_failure(self, error: Exception) -> None:
        """Show an error in the panel and as a notification."""
        if isinstance(error, PerrinError):
            self.say(str(error))
            show_error(str(error))
            return
        self.say(f"Something unforeseen went wrong: {type(error).__name__}: {error}")
        notification_manager.receive_error(type(error), error, error.__traceback__)

    def _on_cancelled(self) -> None:
        self.say("Cancelled; nothing was changed.")

    def _on_finished(self) -> None:
        self.job = None
        self._lock(False)
        self.run_button.setEnabled(not self.missing())
        self.finished.emit()

    def _lock(self, locked: bool) -> None:
        self.inputs.setEnabled(not locked)
        self.run_button.setEnabled(not locked)
        self.cancel_button.setEnabled(locked)
        self.progress_bar.setVisible(locked)
        self.progress_bar.setRange(0, 0)
