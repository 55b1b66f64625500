"""The challenge's scores, by hand and by what they promise."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perrin import Calibration, InputError
from perrin._assignment import best_pairs
from perrin.scores import score_tracks
from perrin.simulate.switching import simulate_switching


def table(*tracks: tuple[int, list[float]]) -> pd.DataFrame:
    """Tracks along x, each from its first frame on."""
    return pd.concat(
        pd.DataFrame({"particle": i, "frame": np.arange(len(x)) + first, "y": 0.0, "x": x})
        for i, (first, x) in enumerate(tracks)
    )


def moving(n_tracks: int = 8, seed: int = 0) -> pd.DataFrame:
    tracks = simulate_switching([0.5], n_tracks=n_tracks, n_points=12, seed=seed)
    rng = np.random.default_rng(seed)
    tracks[["y", "x"]] += rng.uniform(0, 30, (n_tracks, 2)).repeat(12, 0)
    return tracks[["particle", "frame", "y", "x"]]


def by_hand(truth: pd.DataFrame, tracks: pd.DataFrame, gate: float) -> tuple[float, float]:
    """Alpha and beta straight from their definition: every pairing of the padded sets is tried."""

    def positions(t: pd.DataFrame) -> list[dict[int, np.ndarray]]:
        return [
            dict(zip(one["frame"], one[["y", "x"]].to_numpy(), strict=True))
            for _, one in t.groupby("particle")
        ]

    def distance(a: dict, b: dict) -> float:
        return sum(
            min(np.linalg.norm(a[t] - b[t]), gate) if t in a and t in b else gate
            for t in a.keys() | b.keys()
        )

    true, found = positions(truth), positions(tracks)
    padded = found + [{}] * len(true)

    def cost(order: tuple[int, ...]) -> tuple[float, int]:
        d = sum(distance(a, padded[j]) for a, j in zip(true, order, strict=True))
        # A pair without a common localization may cost as much as none; it is none.
        return round(d, 9), sum(j < len(found) for j in order)

    best = min(itertools.permutations(range(len(padded)), len(true)), key=cost)
    d = cost(best)[0]
    nothing = sum(distance(a, {}) for a in true)
    spurious = sum(distance(b, {}) for j, b in enumerate(found) if j not in best)
    return 1 - d / nothing, (nothing - d) / (nothing + spurious)


def test_perfect_tracks_whatever_their_numbers() -> None:
    truth = moving()
    scores = score_tracks(truth, truth.assign(particle=100 - truth["particle"]))
    assert scores == (1, 1, 1, 1, 0)


def test_nothing_found() -> None:
    truth = moving()
    scores = score_tracks(truth, truth.iloc[:0])
    assert scores[:4] == (0, 0, 0, 0)
    assert np.isnan(scores.rmse)


def test_nothing_right() -> None:
    truth = moving()
    scores = score_tracks(truth, truth.assign(x=truth["x"] + 1000))
    assert scores[:4] == (0, 0, 0, 0)
    assert np.isnan(scores.rmse)


def test_a_case_by_hand() -> None:
    """One true track of 4 points; found 1 px beside it, one point late; and a false track of 2.

    d = 3 * 1 + 1 * 5 = 8 of d0 = 20: alpha 0.6; beta (20 - 8) / (20 + 10) = 0.4; 3 right points of
    4 true and 5 found: 3 / 6; 1 right track of 2.
    """
    truth = table((0, [0, 1, 2, 3]))
    found = table((1, [2, 3, 4]), (0, [50, 50]))
    assert score_tracks(truth, found) == pytest.approx((0.6, 0.4, 0.5, 0.5, 1.0))


def test_a_broken_track() -> None:
    """Only the longer part counts: alpha 0.6; the other is false in beta: 30 / (50 + 20)."""
    x = np.arange(10.0).tolist()
    found = table((0, x[:6]), (6, x[6:]))
    scores = score_tracks(table((0, x)), found)
    assert scores == pytest.approx((0.6, 30 / 70, 6 / 14, 1 / 2, 0.0))


def test_a_track_that_costs_more_than_it_gains_is_paired_with_none() -> None:
    """Four of eight points right, 4 px away: 4 * 4 + 4 * 5 = 36 is more than 20 for nothing."""
    found = table((0, [4.0] * 8))
    assert score_tracks(table((0, [0.0] * 4)), found)[:4] == (0, 0, 0, 0)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), noise=st.floats(0, 4), share=st.floats(0.3, 1))
def test_as_the_definition_says(seed: int, noise: float, share: float) -> None:
    rng = np.random.default_rng(seed)
    truth = moving(3, seed)
    found = moving(3, seed).sample(frac=share, random_state=rng)
    found[["y", "x"]] += rng.normal(0, noise, (len(found), 2))
    # Two that exchange their identity, and one that is not there.
    found.loc[found["frame"] > 6, "particle"] = found["particle"].map({0: 1, 1: 0, 2: 3})
    scores = score_tracks(truth, found)
    assert (scores.alpha, scores.beta) == pytest.approx(by_hand(truth, found, 5.0))
    assert 0 <= scores.beta <= scores.alpha <= 1


def test_z_counts_in_pixels_of_the_plane() -> None:
    truth = table((0, [0, 0, 0])).assign(z=0.0)
    truth.attrs["calibration"] = Calibration(pixel_size=0.1, frame_interval=1, z_step=0.4)
    assert score_tracks(truth, truth.assign(z=1.0)).rmse == pytest.approx(4)


def test_huge_frame_numbers() -> None:
    truth = moving()
    late = truth.assign(frame=truth["frame"] * 10**12)
    assert score_tracks(late, late).beta == 1


def test_bad_input() -> None:
    truth = moving()
    with pytest.raises(InputError, match="true tracks is empty"):
        score_tracks(truth.iloc[:0], truth)
    with pytest.raises(InputError, match="axes y, x, the others x"):
        score_tracks(truth, truth.drop(columns="y"))
    with pytest.raises(InputError, match="table of true tracks lacks the column 'x'"):
        score_tracks(truth.drop(columns="x"), truth)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), density=st.floats(0.1, 1))
def test_no_other_pairs_gain_more(seed: int, density: float) -> None:
    rng = np.random.default_rng(seed)
    gain = rng.normal(0.3, 1, (4, 5))
    row, column = np.nonzero(rng.random((4, 5)) < density)
    chosen = best_pairs(row, column, gain[row, column])
    assert len(set(row[chosen])) == len(set(column[chosen])) == len(chosen)
    full = np.zeros((4, 9))  # four columns more for nobody
    full[row, column] = gain[row, column]
    best = max(
        full[np.arange(4), list(order)].sum() for order in itertools.permutations(range(9), 4)
    )
    assert gain[row, column][chosen].sum() == pytest.approx(best)
