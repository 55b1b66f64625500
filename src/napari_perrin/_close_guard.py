"""Asks before a window is closed whose results no folder holds."""

from __future__ import annotations

from typing import Any, cast

from napari.layers import Tracks
from napari.utils.notifications import show_error
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QFileDialog, QMainWindow, QMessageBox, QWidget

from napari_perrin._saving import save_analysis
from napari_perrin._session import Session
from perrin.errors import PerrinError
from perrin.saved import is_saved

__all__ = ["CloseGuard", "ask_folder"]

_BUTTONS = QMessageBox.StandardButton


def ask_folder(parent: Any, name: str) -> tuple[str, bool] | None:
    """Ask for a folder for results, and whether earlier ones may be replaced.

    Parameters
    ----------
    parent
        The widget that asks.
    name
        Name of the layer they are of.

    Returns
    -------
    (folder, overwrite) or None
        ``None`` if nothing is to be saved after all.
    """
    folder = QFileDialog.getExistingDirectory(
        parent, f"Save the analysis of '{name}' into a folder"
    )
    if not folder:
        return None
    if not is_saved(folder):
        return folder, False
    answer = QMessageBox.question(
        parent,
        "Replace earlier results?",
        f"The folder {folder} holds earlier results. Replace them?",
    )
    return (folder, True) if answer == _BUTTONS.Yes else None


class CloseGuard(QObject):
    """Asks to save, discard or cancel when the user closes a window with unsaved results.

    Parameters
    ----------
    window
        The main window; napari's own question, if it has one, follows.
    session
        What is known of its layers. Scripts that close the viewer are not held up: napari takes
        the layers away first.
    """

    def __init__(self, window: QMainWindow, session: Session) -> None:
        super().__init__(window)
        self._session = session
        window.installEventFilter(self)

    @classmethod
    def install_around(cls, widget: QWidget, session: Session) -> None:
        """Guard the window that a widget is in, once."""
        window = widget.parent()
        while window is not None and not isinstance(window, QMainWindow):
            window = window.parent()
        if window is not None and window.findChild(cls) is None:
            cls(window, session)

    def eventFilter(self, _watched: QObject | None, event: QEvent | None) -> bool:
        """Hold the window open if that is wanted."""
        if event is None or event.type() != QEvent.Type.Close:
            return False
        unsaved = self._session.unsaved
        if not unsaved or self._may_close(unsaved):
            return False
        event.ignore()
        return True

    def _may_close(self, unsaved: list[Tracks]) -> bool:
        names = ", ".join(f"'{layer.name}'" for layer in unsaved)
        answer = QMessageBox.question(
            cast(QMainWindow, self.parent()),
            "Save the analysis?",
            f"The analysis of {names} is not saved. Save it before the window is closed?",
            _BUTTONS.Save | _BUTTONS.Discard | _BUTTONS.Cancel,
            _BUTTONS.Save,
        )
        if answer == _BUTTONS.Save:
            return all(self._save(layer) for layer in unsaved)
        return bool(answer == _BUTTONS.Discard)

    def _save(self, layer: Tracks) -> bool:
        chosen = ask_folder(self.parent(), layer.name)
        if chosen is None:
            return False
        try:
            save_analysis(self._session, layer, chosen[0], overwrite=chosen[1])
        except PerrinError as error:
            show_error(str(error))
            return False
        return True
