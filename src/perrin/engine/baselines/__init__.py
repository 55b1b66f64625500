"""What people used before, and what was published: engines to compare Perrin's own with.

Each answers for a track table in the same columns and is called by its name through
:mod:`perrin.engine.engines`: ``msd`` and ``msd-plain``, ``fbm``, ``convtransformer``, ``cnn``.
The last two are networks; ``training`` trains either.
"""
