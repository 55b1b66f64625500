"""Curation by hand: what is done to the tracks of a layer, undone, and shown in the layer.

:mod:`._curator` does it and keeps layer and analysis in step, :mod:`._edited` writes into the
layer, and :mod:`._bar` is the row of buttons that the table and the inspector share.
"""
