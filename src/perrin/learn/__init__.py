"""Networks that users train on their own tracks, in minutes on a laptop.

``environments`` tells in which environment a track was recorded, ``generator`` makes new tracks
that look like given ones. ``labelled`` collects tracks and refuses what nothing can be learnt
from, ``fitting`` is the training that networks share; they are saved and read by
:mod:`perrin.engine.weights`. ``benchmark`` measures them.
"""
