"""One change of diffusion model or exponent in a track: whether, when, and from what to what.

The question of the first AnDi challenge's third task. Such a change need not show in how fast a
particle moves, so that it takes a network of its own beside that for
:mod:`~perrin.engine.switching`: :mod:`~.network` answers, :mod:`~.data` and :mod:`~.train` teach
it, :mod:`~.inference` asks it about a table of tracks, and :mod:`~.find` puts its answers into
tables.
"""
