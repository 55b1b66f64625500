"""Switches of motion, found by a network of their own.

:mod:`~.network` answers for every displacement, :mod:`~.data` and :mod:`~.train` teach it,
:mod:`~.inference` asks it about a table of tracks, :mod:`~.decode` chooses the switches,
:mod:`~.verify` takes back those that do not show, :mod:`~.segments` says what happens between them,
and :mod:`~.find` puts it into tables.

What tracks of one movie share: :mod:`~.population` finds the states, as a :mod:`~.mixture` fitted
to the :mod:`~.evidence` of segments; :mod:`~.paths` follows every track through them, and
:mod:`~.pooling` lets tracks gain from it.

:mod:`~.methods` is where to call it, or a method to compare it with.
"""
