"""Switches of motion, found by a network of their own.

:mod:`~.network` answers for every displacement, :mod:`~.data` and :mod:`~.train` teach it,
:mod:`~.inference` asks it about a table of tracks, :mod:`~.decode` chooses the switches,
:mod:`~.segments` says what happens between them, and :mod:`~.find` puts it into tables.
:mod:`~.methods` is where to call it, or a method to compare it with.
"""
