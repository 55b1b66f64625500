"""Which frames weighed most: what the weights are, and what they show on simulated tracks."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch
from scipy.ndimage import binary_dilation

from perrin.engine import explain as explain_exposed
from perrin.engine import predict as predict_exposed
from perrin.errors import InputError
from perrin.models import PROBABILITY_COLUMNS
from perrin.simulate import simulate_tracks
from perrin.simulate.models import ctrw, lw
from perrin.simulate.protocols import normalised, observe

N_TRACKS, N_POINTS = 400, 100

Bools = npt.NDArray[np.bool_]

# Simulated tracks are sharp.
predict = functools.partial(predict_exposed, exposure=0)
explain = functools.partial(explain_exposed, exposure=0)


def table_of(steps: torch.Tensor, noise: float) -> pd.DataFrame:
    n = len(steps)
    generator = torch.Generator().manual_seed(1)
    positions = observe(normalised(steps.clone()), torch.full((n, 2), noise), generator)
    y, x = positions.double().numpy().transpose(1, 0, 2).reshape(2, -1)
    particle, frame = np.divmod(np.arange(n * positions.shape[2]), positions.shape[2])
    return pd.DataFrame({"particle": particle, "frame": frame, "y": y, "x": x})


def weights_in_and_out(
    table: pd.DataFrame, inside: Bools, column: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean weights of each rightly called track at the marked localizations, and elsewhere."""
    answers = predict(table)
    weight = explain(table, answers)["weight"].to_numpy().reshape(inside.shape)
    share = inside.mean(1)
    right = (answers[list(PROBABILITY_COLUMNS)].idxmax(axis=1) == column).to_numpy()
    used = right & (share > 0) & (share < 0.6)
    assert used.sum() > 100
    weight, inside = weight[used], inside[used]
    within = (weight * inside).sum(1) / inside.sum(1)
    return within, (weight * ~inside).sum(1) / (~inside).sum(1)


def test_the_turns_of_a_levy_walk_stand_out() -> None:
    generator = torch.Generator().manual_seed(11)
    alpha = 1.6 + 0.35 * torch.rand(N_TRACKS, generator=generator)
    steps = lw(alpha, N_POINTS, 2, generator)
    turns = (steps.diff(dim=2).norm(dim=1) > 1e-3).numpy()
    # The direction changes at the localization between two displacements.
    near = binary_dilation(np.pad(turns, ((0, 0), (1, 1))), np.ones((1, 5)))
    within, elsewhere = weights_in_and_out(table_of(steps, 0.2), near, "p_lw")
    assert within.mean() > 2 * elsewhere.mean()
    assert (within > elsewhere).mean() > 0.9


def test_the_ends_of_the_longest_trap_of_a_ctrw_stand_out() -> None:
    generator = torch.Generator().manual_seed(12)
    alpha = 0.4 + 0.5 * torch.rand(N_TRACKS, generator=generator)
    steps = ctrw(alpha, N_POINTS, 2, generator)
    ends = np.zeros((N_TRACKS, N_POINTS), np.bool_)
    for track, moving in enumerate((steps != 0).any(1).numpy()):
        jumps = np.concatenate(([-1], np.flatnonzero(moving), [N_POINTS - 1]))
        longest = np.diff(jumps).argmax()
        if jumps.size > 6:
            # A trap that the track begins or ends in has one end only.
            for jump in jumps[longest : longest + 2]:
                if 0 <= jump < N_POINTS - 1:
                    ends[track, max(0, jump - 1) : jump + 3] = True
    within, elsewhere = weights_in_and_out(table_of(steps, 0.3), ends, "p_ctrw")
    excess = within - elsewhere
    assert within.mean() > 1.2 * elsewhere.mean()
    assert excess.mean() > 3 * excess.std() / np.sqrt(excess.size)


def test_weights_are_not_negative_and_one_on_average() -> None:
    tracks = simulate_tracks(model="LW", alpha=1.5, n_tracks=12, n_points=300, seed=1)
    rng = np.random.default_rng(0)
    tracks = tracks[(rng.random(len(tracks)) > 0.1) | (tracks["particle"] % 2 == 0)]
    explained = explain(tracks.sample(frac=1, random_state=3))
    assert explained.columns.tolist() == ["particle", "frame", "weight"]
    keys = ["particle", "frame"]
    pd.testing.assert_frame_equal(explained[keys], tracks[keys].reset_index(drop=True))
    assert (explained["weight"] >= 0).all()
    np.testing.assert_allclose(explained.groupby("particle")["weight"].mean(), 1)


def test_a_track_is_explained_the_same_alone_and_among_others() -> None:
    lengths = np.array([40, 60, 61, 64, 300, 350])
    tracks = simulate_tracks(model="SBM", alpha=0.5, n_tracks=6, n_points=350, seed=2)
    tracks = tracks[tracks["frame"] < lengths[tracks["particle"]]]
    among = explain(tracks).set_index("particle")["weight"]
    for particle in range(6):
        alone = explain(tracks[tracks["particle"] == particle])["weight"]
        # In bfloat16 a batch of another shape is rounded differently.
        assert np.corrcoef(alone, among.loc[particle])[0, 1] > 0.98


@pytest.mark.parametrize("n_points", [1500, 2600])
def test_long_tracks_are_explained_in_all_their_frames(n_points: int) -> None:
    tracks = simulate_tracks(model="LW", alpha=1.4, n_tracks=2, n_points=n_points)
    weight = explain(tracks)["weight"]
    assert weight.notna().all()
    assert weight.mean() == pytest.approx(1)


def test_tracks_without_a_model_are_not_explained() -> None:
    tracks = simulate_tracks(n_tracks=2, n_points=50)
    short = tracks[(tracks["particle"] == 0) | (tracks["frame"] < 9)]
    explained = explain(short).groupby("particle")["weight"]
    assert explained.apply(lambda weight: weight.isna().mean()).tolist() == [0, 1]
    answers = predict(tracks)
    answers.loc[0, list(PROBABILITY_COLUMNS)] = np.nan
    explained = explain(tracks, answers).groupby("particle")["weight"]
    assert explained.apply(lambda weight: weight.isna().mean()).tolist() == [1, 0]


def test_answers_about_other_tracks_are_refused() -> None:
    tracks = simulate_tracks(n_tracks=3, n_points=20)
    with pytest.raises(InputError, match="not about these tracks"):
        explain(tracks, predict(tracks[tracks["particle"] > 0]))
