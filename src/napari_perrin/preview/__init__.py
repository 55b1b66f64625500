"""The spots of the frame that is shown, while their parameters are chosen.

:mod:`._panel` looks at a frame in the background whenever something changes, :mod:`._layer` draws
rings around what was found, and :mod:`._plots` shows what it was told from noise by.
"""
