"""What views at the side of the window share: their size and place, and that plots are saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QDockWidget, QFileDialog, QMainWindow

from napari_perrin.inspect._view import TracksView
from perrin.errors import PerrinError
from perrin.figures import FIGURE_SUFFIXES, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["SideView"]

_WIDTH, _HEIGHT = 440, 900
_LEAST_HEIGHT = 200


class SideView(TracksView):
    """Base of the views that fill the side of the window with plots."""

    def sizeHint(self) -> QSize:
        """Ask for as much as the plots need."""
        return QSize(_WIDTH, _HEIGHT)

    def minimumSizeHint(self) -> QSize:
        """Scroll below this."""
        return QSize(_WIDTH, _LEAST_HEIGHT)

    def settle(self, window: QMainWindow, dock: QDockWidget) -> None:
        """Share one place with the other panels: it needs the whole height."""
        self.share_place(window, dock)

    def ask_for_figure(self, title: str, name: str) -> tuple[str, bool] | None:
        """Ask where a figure goes; return the file and whether it may replace another."""
        kinds = ";;".join(f"{suffix[1:].upper()} (*{suffix})" for suffix in FIGURE_SUFFIXES)
        # Qt asks before a file is chosen that exists.
        path, kind = QFileDialog.getSaveFileName(self, title, f"{name}{FIGURE_SUFFIXES[0]}", kinds)
        if not path:
            return None
        suffix = "" if Path(path).suffix else f".{kind.partition(' ')[0].lower()}"
        return path + suffix, not suffix

    @staticmethod
    def write_figure(make: Callable[[], Figure], path: str, *, overwrite: bool) -> None:
        """Make and save a figure, and say that it is saved or why not."""
        try:
            save_figure(make(), path, overwrite=overwrite)
        except PerrinError as error:
            show_error(str(error))
        else:
            show_info(f"Saved {path}.")
