"""Looking at tracks one by one and at many: the inspector, the table, and what the canvas does.

All views share the selection of the :class:`napari_perrin._session.Session` and never talk to each
other: :mod:`._canvas` selects with the mouse and with keys and lets selected tracks stand out,
:mod:`._inspector` shows one track, :mod:`._table` lists, sorts and filters them.
"""
