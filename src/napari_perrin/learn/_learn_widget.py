"""The widget *Learn from tracks*: one page for each thing a network can learn."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from napari_perrin._step_widget import StepWidget

__all__ = ["LearnWidget"]

_PAGES = {
    "Environments": "_environments_page:EnvironmentsPage",
    "New tracks": "_generate_page:GeneratePage",
    "In a potential": "_property_page:PropertyPage",
}
"""Title of each page, and where its :class:`StepWidget` is defined."""


class LearnWidget(QWidget):
    """Train a small network on one's own tracks, and use it.

    Parameters
    ----------
    napari_viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.pages: dict[str, StepWidget] = {}
        for title, place in _PAGES.items():
            module, _, name = place.partition(":")
            page = getattr(import_module(f"napari_perrin.learn.{module}"), name)(napari_viewer)
            self.pages[title] = page
            self.tabs.addTab(page, title)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.tabs)

    def event(self, event: QEvent | None) -> bool:
        """Stop all work when the widget is closed: nobody could cancel it any more."""
        # Closing a dock takes the widget out of it, and sends no close event.
        taken_out = event is not None and event.type() == QEvent.Type.ParentChange
        if taken_out and self.parent() is None:
            for page in self.pages.values():
                page.cancel()
        return super().event(event)
