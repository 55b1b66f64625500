"""Statistics of whole sets of tracks as plots in the window.

:mod:`._widget` measures what :mod:`._conditions` says belongs together, in the way of ``perrin
stats``; :mod:`._pages` shows each topic with its numbers, drawn by :mod:`._plots` and, for two
conditions, :mod:`._comparison_plots`.
"""
