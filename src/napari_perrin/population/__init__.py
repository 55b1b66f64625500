"""Looking at all tracks together: distributions, models, states, and the truth beside them.

:mod:`._widget` is the panel, :mod:`._plots`, of :mod:`._panels`, and :mod:`._states` its plots,
:mod:`._selecting` what the mouse does there. :mod:`._truth_section` compares with the truth,
:mod:`._truth_layers` shows faults in the canvas.
"""
