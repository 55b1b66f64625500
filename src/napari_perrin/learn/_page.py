"""What the pages of *Learn from tracks* share: a network to train, to save, to load and to use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari.layers import Tracks
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_perrin._step_widget import StepWidget
from napari_perrin.inspect._plot_style import PlotColors
from napari_perrin.learn._training_plots import LearningPlot
from perrin.errors import InputError, OutputError, PerrinError, Progress

__all__ = ["LearnPage"]

_SUFFIX = ".safetensors"
_FILES = f"Networks (*{_SUFFIX})"


class LearnPage(StepWidget):
    """A page whose step is a training.

    Subclasses fill :attr:`inputs`, :attr:`training_outputs`, :attr:`uses` and :attr:`use_outputs`,
    and implement :meth:`write` and :meth:`read` besides what :class:`StepWidget` asks for.

    Parameters
    ----------
    viewer
        The viewer the widget is docked in.
    purpose
        One line that says what is learnt.
    has_classes
        Whether there are classes to be right about.
    use
        Text of the button that uses the network.
    """

    watched = Signal(object)
    """An epoch of the training is over; emitted where the training runs."""

    def __init__(self, viewer: Any, *, purpose: str, has_classes: bool, use: str) -> None:
        super().__init__(viewer, Tracks, purpose=purpose, action="Train")
        self.network: Any = None
        self.plot = LearningPlot(PlotColors.of_theme(self.viewer.theme), has_accuracy=has_classes)
        self.training_outputs = QVBoxLayout()
        self.about = QLabel("No network yet: train one, or load one.")
        self.about.setWordWrap(True)
        self.run_button.setToolTip("Train a network on the tracks chosen; it can be cancelled.")
        self.save_button = QPushButton("Save network …")
        self.save_button.setToolTip(
            "Write the network as NAME.safetensors, and NAME.yaml, the card that says how it was "
            "made."
        )
        self.load_button = QPushButton("Load network …")
        self.load_button.setToolTip("Use a network that was saved before.")
        self.uses = QWidget()
        self.use_button = QPushButton(use)
        self.use_outputs = QVBoxLayout()
        files = QHBoxLayout()
        files.addWidget(self.save_button)
        files.addWidget(self.load_button)
        layout = QVBoxLayout(self.outputs)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)
        layout.addLayout(self.training_outputs)
        layout.addWidget(self.about)
        layout.addLayout(files)
        layout.addWidget(self.uses)
        layout.addWidget(self.use_button)
        layout.addLayout(self.use_outputs)
        self.watched.connect(self.plot.add)
        self.save_button.clicked.connect(self.ask_and_save)
        self.load_button.clicked.connect(self.ask_and_load)
        self.use_button.clicked.connect(self.use)
        self.finished.connect(self._allow)
        self._allow()

    def write(self, path: Path) -> None:
        """Save the network and its card."""
        raise NotImplementedError

    def read(self, path: Path) -> str:
        """Load a network and return one sentence about it."""
        raise NotImplementedError

    def prepare_use(self) -> Callable[[Progress], Any]:
        """Collect what the network is used on; as :meth:`prepare`."""
        raise NotImplementedError

    def accept_use(self, result: Any) -> str:
        """Show what the network gave; as :meth:`accept`."""
        raise NotImplementedError

    def start(self) -> None:
        """Train, with a fresh learning curve."""
        self.plot.begin()
        super().start()

    def use(self) -> None:
        """Use the network."""
        self.run(self.prepare_use, self.accept_use)
        self._allow()

    def ask_and_save(self) -> None:
        """Ask for a file and save the network there."""
        path, _ = QFileDialog.getSaveFileName(self, "Save the network", "", _FILES)
        if path:
            # Qt has asked, but of the name that was typed, and not of the card.
            asked = Path(path) == _network_file(Path(path)) and Path(path).exists()
            self.save(Path(path), overwrite=asked)

    def ask_and_load(self) -> None:
        """Ask for a file and load a network from it."""
        path, _ = QFileDialog.getOpenFileName(self, "Load a network", "", _FILES)
        if path:
            self.load(Path(path))

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Save the network to a file; over another network only where that was agreed to."""
        path = _network_file(path)
        taken = [each.name for each in (path, path.with_suffix(".yaml")) if each.exists()]
        try:
            if taken and not overwrite:
                raise OutputError(
                    f"{path.parent} holds {' and '.join(taken)} already, left as it was. Choose "
                    "another name."
                )
            self.write(path)
        except PerrinError as error:
            self.show_failure(error)
        else:
            self.say(f"Saved {path.name} and its card {path.with_suffix('.yaml').name}.")

    def load(self, path: Path) -> None:
        """Load a network from a file."""
        try:
            self.about.setText(self.read(path))
        except InputError as error:
            self.show_failure(error)
        else:
            self.plot.begin()
            self._allow()

    def refresh(self) -> None:
        """Enable what can be done now."""
        super().refresh()
        # Called first by the base, before there is anything to enable.
        QTimer.singleShot(0, self._allow)

    def _allow(self) -> None:
        idle = not self.is_running
        self.save_button.setEnabled(idle and self.network is not None and self.is_mine)
        self.load_button.setEnabled(idle)
        self.uses.setEnabled(idle and self.network is not None)
        self.use_button.setEnabled(idle and self.network is not None and self.can_use())

    @property
    def is_mine(self) -> bool:
        """Whether the network was trained here, so that its card can be written."""
        return True

    def can_use(self) -> bool:
        """Whether there is something to use the network on."""
        return True


def _network_file(path: Path) -> Path:
    """Return the file of a name that was typed; dots in it are part of the name."""
    return path if path.suffix == _SUFFIX else path.with_name(path.name + _SUFFIX)
