"""Networks that users train on their own tracks, in minutes on a laptop.

``environments`` tells in which environment a track was recorded: ``classifier`` is the network,
``members`` its training, ``report`` how good it is. ``generate`` makes new tracks that look like
given ones, by the network of ``generator``; ``resemblance`` says how much they do. ``property``
finds a hidden property of a particle in a known potential. They share how tracks are measured
(``sampling``), collected and divided (``labelled``), what can be chosen (``parameters``) and the
training loop (``fitting``), and are saved and read by :mod:`perrin.engine.weights`. ``benchmark``
measures the first two.
"""
