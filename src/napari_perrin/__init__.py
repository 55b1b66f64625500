"""The window: napari widgets, readers, writers and samples around :mod:`perrin`."""
