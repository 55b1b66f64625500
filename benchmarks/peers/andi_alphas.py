"""Exponents at which the simulators are compared."""

ALPHAS = {
    "attm": (0.3, 0.6, 0.9),
    "ctrw": (0.3, 0.6, 0.9),
    "fbm": (0.3, 1.0, 1.7),
    "lw": (1.2, 1.6, 2.0),
    "sbm": (0.3, 1.0, 1.7),
}
