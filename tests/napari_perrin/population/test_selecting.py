"""What lies in an area that somebody drew."""

from __future__ import annotations

import numpy as np

from napari_perrin.population._selecting import Area, Shape

X, Y = np.array([0.0, 1.0, 2.0, np.nan]), np.array([0.0, 2.0, 1.0, 1.0])


def test_areas_hold_what_lies_in_them() -> None:
    corners = np.array([[1.5, 2.5], [-0.5, 0.5]])  # drawn from the upper right to the lower left
    assert Area(Shape.RECTANGLE, corners).holds(X, Y).tolist() == [False, True, False, False]
    assert Area(Shape.ACROSS, corners).holds(X, X).tolist() == [True, True, False, False]
    assert Area(Shape.UPWARD, corners).holds(Y, Y).tolist() == [False, True, True, True]
    # A triangle that leaves out one corner of the rectangle around it.
    lasso = Area(Shape.LASSO, np.array([[-1.0, -1.5], [3.0, 0.5], [3.0, 3.0]]))
    assert lasso.holds(X, Y).tolist() == [False, False, True, False]
