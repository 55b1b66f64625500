"""Whether a particle is seen to move at all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import gammaln, pbdv
from scipy.stats import norm

from perrin.statistics._arrays import arrays_of, steps_of, sum_by_track

__all__ = ["LEVEL_OF_REST", "MIN_POINTS_AT_REST", "immobility"]

Array = npt.NDArray[np.float64]

MIN_POINTS_AT_REST = 5
"""Fewest localizations of a track that :func:`immobility` judges."""

LEVEL_OF_REST = 0.05
"""The ``p_immobile`` below which a particle counts as seen to move."""

_N_TERMS = 24
# Below the first (per axis) and above the second the tail is 1 and 0 to five and eleven digits.
_CERTAIN = 0.01, 6.0


def immobility(tracks: pd.DataFrame) -> pd.DataFrame:
    r"""Ask of every track whether it could be an immobile particle seen with localization noise.

    Parameters
    ----------
    tracks
        A track table (positions in px); missing frames do not matter.

    Returns
    -------
    pandas.DataFrame
        One row per particle, sorted by ``particle``:

        - ``particle``, ``n_points`` (localizations);
        - ``wandering``: statistic of Nyblom and Mäkeläinen, summed over axes; (n + 1)/6n per axis
          on average for a particle at rest seen n times, larger for one that moves;
        - ``smoothness``: in standard errors, by how much the displacements between neighbouring
          localizations are smaller than those between any two;
        - ``p_immobile``: probability that a particle at rest shows as much motion, at least.

        All but the first two are NaN for tracks of fewer than five localizations.

    Raises
    ------
    InputError
        If the table is not a track table.

    Notes
    -----
    Of a particle at rest the positions :math:`x_i` along an axis are independent, with one mean
    and one variance. With :math:`e_i = x_i - \bar x`, n localizations and d axes, two statistics
    tell this from motion:

    .. math::
        w = \sum_\mathrm{axes} \frac{\sum_i\bigl(\sum_{j\le i} e_j\bigr)^2}{n\sum_i e_i^2},
        \qquad
        z = \sqrt{\frac{n^2-1}{d\,(n-2)}}\;\sum_\mathrm{axes}
            \Bigl(1 - \frac{\sum_i (x_{i+1}-x_i)^2}{2\sum_i e_i^2}\Bigr).

    The first is the locally best test against a random walk below the noise [1]_ (in econometrics
    KPSS); its distribution is that of :math:`\int|B|^2`, B being d Brownian bridges [2]_. The
    second is the ratio of von Neumann [3]_, approximately normal, which also finds motion that is
    confined. ``p_immobile`` is twice the smaller of the two tails.

    Checked on 4,000 simulated tracks per case, 1D to 3D: of particles at rest 4 % to 5 % get a
    ``p_immobile`` below 0.05 with 20 to 200 points, 2 % to 4 % with 5 to 10, so it errs on the
    side of rest. A high value does not prove rest: the shorter the track and the stronger the
    noise, the more motion is missed. Of 4,000 Brownian particles in 2D whose step per frame and
    axis is 0.2 of the noise, 77 % are told from rest at the level of 0.05 with 50 points; a test
    that knew that number would find 86 % (``benchmarks/conditions.py``).

    References
    ----------
    .. [1] Nyblom, Mäkeläinen (1983), J. Am. Stat. Assoc. 78, 856.
    .. [2] Kiefer (1959), Ann. Math. Stat. 30, 420, eq. (3.8); Nyblom, Harvey (2000), Econometric
       Theory 16, 176, table 1.
    .. [3] von Neumann (1941), Ann. Math. Stat. 12, 367.
    """
    arrays = arrays_of(tracks)
    steps = steps_of(arrays)
    starts = arrays.layout.starts
    n = arrays.layout.lengths.astype(np.float64)
    track = np.repeat(np.arange(len(n)), arrays.layout.lengths)
    # From the first localization on, a coordinate that never changes is 0, free of rounding.
    moved = arrays.position - arrays.position[starts][track]
    away = moved - (np.add.reduceat(moved, starts, axis=0) / n[:, None])[track]
    # Away from the mean the sum over a track is 0, so that running sums need no restart.
    total = np.cumsum(away, axis=0)
    squares = np.add.reduceat(away**2, starts, axis=0)
    sums = np.add.reduceat(total**2, starts, axis=0)
    neighbours = np.stack([sum_by_track(d**2, steps.track, len(n)) for d in steps.delta.T], axis=1)
    # An axis along which nothing changes says nothing against rest.
    still = squares == 0
    squares[still], neighbours[still] = 1, 2
    wandering = (sums / (n[:, None] * squares)).sum(1)
    smoother = (1 - neighbours / (2 * squares)).sum(1)
    smoothness = smoother * np.sqrt((n**2 - 1) / (arrays.n_axes * np.maximum(n - 2, 1)))
    tail = np.minimum(wandering_tail(wandering, arrays.n_axes), norm.sf(smoothness))
    result = pd.DataFrame(
        {
            "particle": arrays.layout.particles,
            "n_points": arrays.layout.lengths,
            "wandering": wandering,
            "smoothness": smoothness,
            "p_immobile": np.minimum(1, 2 * tail),
        }
    )
    result.loc[n < MIN_POINTS_AT_REST, ["wandering", "smoothness", "p_immobile"]] = np.nan
    return result


def wandering_tail(statistic: Array, n_axes: int) -> Array:
    """Probability that the squared size of Brownian bridges, one per axis, exceeds a statistic.

    Kiefer (1959), eq. (3.8): a series of parabolic cylinder functions.
    """
    x = np.clip(statistic, _CERTAIN[0] * n_axes, _CERTAIN[1])[:, None]
    j = np.arange(_N_TERMS)
    size = np.exp(gammaln(j + n_axes / 2) - gammaln(j + 1) - gammaln(n_axes / 2))
    cylinder, _ = pbdv((n_axes - 2) / 2, (2 * j + n_axes / 2) / np.sqrt(x))
    terms = size * np.exp(-((j + n_axes / 4) ** 2) / x) * cylinder
    scale = 2 ** ((n_axes + 1) / 2) / (np.sqrt(np.pi) * x[:, 0] ** (n_axes / 4))
    tail: Array = np.clip(1 - scale * terms.sum(1), 0, 1)
    return np.where(np.isnan(statistic), np.nan, tail)
