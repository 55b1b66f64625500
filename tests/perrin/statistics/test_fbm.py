from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

from perrin.errors import Cancelled, InputError
from perrin.statistics import cramer_rao, fit_fbm
from perrin.statistics._motion import structure_function


def step_covariance(frames: np.ndarray, structure: np.ndarray) -> np.ndarray:
    """Covariance along one axis of the displacements between localizations at ``frames``."""
    gap = structure[np.abs(frames[:, None] - frames)]
    return (gap[1:, :-1] + gap[:-1, 1:] - gap[:-1, :-1] - gap[1:, 1:]) / 2


@pytest.mark.parametrize("alpha", [1.0, 0.6, 1.6])
@pytest.mark.parametrize("gaps", [False, True])
def test_likelihood_is_that_of_the_gaussian_it_claims(fractional, as_table, alpha, gaps):
    tracks = as_table(fractional(1, 1, 30, alpha, 0.4))
    if gaps:
        tracks = tracks.drop(index=[3, 4, 11, 20])
    fit = fit_fbm(tracks, alpha=alpha, exposure=0.7).iloc[0]
    structure = structure_function(40, alpha, fit["coefficient"], fit["noise"], 0.7)
    covariance = step_covariance(tracks["frame"].to_numpy(), structure)
    expected = sum(
        multivariate_normal(cov=covariance).logpdf(np.diff(tracks[axis])) for axis in ("y", "x")
    )
    assert fit["log_likelihood"] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(("alpha", "noise"), [(0.5, 0.1), (1.0, 0.7), (1.5, 0.5)])
def test_estimates_reach_the_cramer_rao_bound(fractional, as_table, alpha, noise):
    n_points = 150
    fits = fit_fbm(as_table(fractional(2, 300, n_points, alpha, noise)), noise=noise, exposure=0)
    bound = cramer_rao(
        n_points, coefficient=1, alpha=alpha, noise=noise, exposure=0,
        unknown=("coefficient", "alpha"),
    )  # fmt: skip
    for name, truth in (("alpha", alpha), ("coefficient", 1.0)):
        assert fits[name].mean() == pytest.approx(truth, abs=4 * bound[name] / np.sqrt(300) + 0.02)
        assert fits[name].std() == pytest.approx(bound[name], rel=0.15)
        assert fits[f"{name}_se"].median() == pytest.approx(bound[name], rel=0.12)


def test_all_three_unknowns_together(fractional, as_table):
    fits = fit_fbm(as_table(fractional(3, 200, 200, 1.5, 0.7)), exposure=0)
    bound = cramer_rao(200, coefficient=1, alpha=1.5, noise=0.7, exposure=0)
    assert fits["alpha"].mean() == pytest.approx(1.5, abs=0.04)
    assert fits["noise"].median() == pytest.approx(0.7, abs=0.05)
    for name in ("alpha", "coefficient", "noise"):
        assert fits[name].std() == pytest.approx(bound[name], rel=0.3)


def test_brownian_bound_is_that_of_michalet_and_berglund_2012_without_noise():
    # With no noise and no blur and the noise known, D is a mean of d N squares: D sqrt(2 / (d N)).
    bound = cramer_rao(101, coefficient=3, exposure=0, n_axes=2, unknown=("coefficient",))
    assert bound["coefficient"] == pytest.approx(3 * np.sqrt(2 / 200), rel=1e-6)
    # Noise unknown, long track, x the reduced error: Var(D) = D² 2/N (1 + 2 sqrt(1 + 2x)).
    bound = cramer_rao(1001, coefficient=1, exposure=0, n_axes=1, unknown=("coefficient", "noise"))
    assert bound["coefficient"] == pytest.approx(np.sqrt(2 / 1000 * 3), rel=0.01)
    bound = cramer_rao(
        1001, coefficient=1, noise=1, exposure=0, n_axes=1, unknown=("coefficient", "noise")
    )
    assert bound["coefficient"] == pytest.approx(np.sqrt(2 / 1000 * (1 + 2 * np.sqrt(3))), rel=0.01)


def test_berglund_2010_with_blur_and_gaps(brownian, as_table):
    tracks = as_table(brownian(4, 400, 80, 1.0, 0.5, exposed=16))
    tracks = tracks[np.random.default_rng(0).random(len(tracks)) > 0.2]
    fits = fit_fbm(tracks, alpha=1, exposure=1)
    assert fits["coefficient"].mean() == pytest.approx(1, abs=0.04)
    assert fits["noise"].median() == pytest.approx(0.5, abs=0.07)
    assert fits["alpha"].eq(1).all()
    assert fits["alpha_se"].isna().all()


def test_short_still_and_empty_tracks():
    tracks = pd.DataFrame(
        {"particle": [0, 0, 1, 2, 2, 2, 2], "frame": [0, 1, 0, 0, 1, 2, 3],
         "y": [0.0, 1, 0, 3, 3, 3, 3], "x": [0.0, 1, 0, 2, 2, 2, 2]}
    )  # fmt: skip
    assert fit_fbm(tracks).iloc[:, 2:].isna().all().all()
    assert fit_fbm(tracks.head(0)).empty


@pytest.mark.parametrize(("n_axes", "shortest"), [(1, 5), (2, 3)])
def test_three_unknowns_need_four_coordinates_of_displacements(
    brownian, as_table, n_axes, shortest
):
    for n_points in (shortest - 1, shortest):
        fits = fit_fbm(as_table(brownian(6, 5, n_points, n_axes=n_axes)))
        assert (fits["alpha"].notna() == (n_points == shortest)).all()


def test_bad_arguments_and_progress(brownian, as_table):
    tracks = as_table(brownian(5, 2, 10))
    with pytest.raises(InputError, match="alpha is 2"):
        fit_fbm(tracks, alpha=2)
    with pytest.raises(InputError, match="noise is -1"):
        fit_fbm(tracks, noise=-1)
    with pytest.raises(InputError, match="noise is inf"):
        fit_fbm(tracks, noise=np.inf)
    with pytest.raises(InputError, match="at least 3 points"):
        cramer_rao(2, coefficient=1)

    def stop(*_: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        fit_fbm(tracks, progress=stop)


@pytest.mark.parametrize("alpha", [0.4, 1.5])
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_a_short_memory_hardly_changes_the_fit(fractional, as_table, alpha, missing):
    """Of 300 displacements 32 tell nearly all: the estimates move by a fraction of their error."""
    from perrin.statistics._fbm_kernels import fit_tracks

    table = as_table(fractional(4, 10, 301, alpha, 0.3))
    kept = np.random.default_rng(1).random(len(table)) >= missing
    table = table[kept]
    position = np.ascontiguousarray(table[["y", "x"]].to_numpy())
    frame = table["frame"].to_numpy(np.int64)
    starts = np.flatnonzero(np.diff(table["particle"].to_numpy(), prepend=-1))
    stops = np.append(starts[1:], len(table))
    whole, short = np.empty((2, 10, 4))
    for memory, values in ((301, whole), (32, short)):
        fit_tracks(position, frame, starts, stops, -1.0, 0.3**2, 0.0, memory, values)
    exact = fit_fbm(table, noise=0.3, exposure=0.0)
    np.testing.assert_allclose(whole[:, 1], exact["alpha"], atol=1e-9)
    error = exact["alpha_se"].to_numpy()
    assert np.sqrt(np.square((short - whole)[:, 1] / error).mean()) < 0.4
