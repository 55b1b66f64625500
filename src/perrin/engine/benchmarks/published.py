"""What others have published on the first AnDi challenge, and what we measured of theirs."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

__all__ = ["PUBLISHED", "RANDI_BY_LENGTH", "Published", "best_published"]

Triple = tuple[float | None, float | None, float | None]


class Published(NamedTuple):
    """Figures of one method on one protocol, in 1D, 2D and 3D; None where there is none.

    Attributes
    ----------
    method, protocol
        Names.
    alpha_mae
        Mean absolute error of the anomalous exponent.
    model_f1
        Micro-averaged F1 score of the diffusion model.
    source
        Where the figures are published; for those that we measured, on how many tracks.
    measured
        Whether we measured them, with the method's own weights on tracks of the protocol.
    """

    method: str
    protocol: str
    alpha_mae: Triple
    model_f1: Triple
    source: str
    measured: bool = False


_WADNET = "Li et al. 2021, J. Phys. A 54, 404003, Fig. 4"
_WEIGHTS = "measured with its own weights"

PUBLISHED = (
    Published(
        "WADNet", "theory-v1", (0.1507, 0.1320, 0.1121), (0.8808, 0.9095, 0.9454), _WADNET
    ),
    Published(
        "AnDi winners", "theory-v1", (0.1521, 0.1389, 0.1188), (0.8705, 0.8845, 0.9236), _WADNET
    ),
    Published(
        "RANDI", "theory-v1", (0.1558, 0.1345, 0.1109), (0.8705, 0.8916, 0.9371),
        "Argun et al. 2021, J. Phys. A 54, 294003",
    ),
    Published(
        "CONDOR", "theory-v1", (0.161, 0.141, 0.121), (0.844, 0.879, 0.913),
        "Gentili & Volpe 2021, J. Phys. A 54, 314003",
    ),
    Published(
        "RANDI", "theory-v1", (0.161, 0.134, 0.116), (0.860, 0.890, 0.938),
        f"{_WEIGHTS}, 3,000 tracks", measured=True,
    ),
    Published(
        "UPV-MAT", "theory-v1", (0.156, None, None), (None, 0.870, 0.886), _WEIGHTS, measured=True
    ),
    Published(
        "RANDI", "theory-v2", (0.166, 0.161, 0.149), (0.857, 0.864, 0.845),
        f"{_WEIGHTS}, 2,000 tracks", measured=True,
    ),
    Published(
        "ConvTransformer", "short", (0.453, None, None), (0.563, None, None),
        "Firbas et al. 2023, J. Phys. A 56, 014001, table 3",
    ),
    Published(
        "UPV-MAT", "short", (0.345, 0.349, 0.370), (None, 0.580, 0.636), _WEIGHTS, measured=True
    ),
    Published(
        "RANDI", "short", (0.399, 0.362, 0.341), (0.492, 0.584, 0.662), _WEIGHTS, measured=True
    ),
)  # fmt: skip
"""Every figure that Perrin's are shown beside."""

RANDI_BY_LENGTH = pd.DataFrame(
    {
        "shortest": (10, 20, 30, 40, 51, 100, 200, 400, 600),
        "longest": (19, 29, 39, 50, 99, 199, 399, 599, 999),
        "alpha_mae": (0.43, 0.37, 0.34, 0.31, 0.24, 0.20, 0.14, 0.10, 0.10),
        "model_f1": (0.42, 0.55, 0.65, 0.70, 0.78, 0.81, 0.90, 0.93, 0.94),
    }
)
"""RANDI (Argun et al. 2021) in 2D by length, theory-v1, measured by us with its own weights."""


def best_published(protocol: str, dim: int) -> dict[str, float | str]:
    """Look up the best published figures of a protocol; NaN where nothing is published.

    Figures that only we measured do not count.

    Returns
    -------
    dict
        ``published_alpha_mae`` and ``published_alpha_by``, ``published_model_f1`` and
        ``published_model_by``.
    """
    published = [p for p in PUBLISHED if p.protocol == protocol and not p.measured]
    errors = {e: p.method for p in published if (e := p.alpha_mae[dim - 1]) is not None}
    scores = {f: p.method for p in published if (f := p.model_f1[dim - 1]) is not None}
    error, score = min(errors, default=float("nan")), max(scores, default=float("nan"))
    return {
        "published_alpha_mae": error,
        "published_alpha_by": errors.get(error, ""),
        "published_model_f1": score,
        "published_model_by": scores.get(score, ""),
    }
