"""What the network sees does not depend on how a track lies in the frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from perrin.engine.features import LAGS, N_EVEN, N_ODD, N_SUMMARY, features, fill_gaps


@pytest.fixture
def walk() -> torch.Tensor:
    return torch.randn(5, 2, 60, generator=torch.Generator().manual_seed(0)).cumsum(2)


def test_shapes(walk: torch.Tensor) -> None:
    x = features(walk)
    assert x.odd.shape == (5, 2, N_ODD, 59)
    assert x.even.shape == (5, 2, N_EVEN, 59)
    assert x.joint.shape == (5, 1, 59)
    assert x.summary.shape == (5, 2, N_SUMMARY)


def test_place_and_scale_of_each_axis_do_not_matter(walk: torch.Tensor) -> None:
    moved = walk * torch.tensor([3.0, 0.01])[:, None] + torch.tensor([500.0, -20.0])[:, None]
    x, y = features(walk), features(moved)
    for name in ("odd", "even", "joint", "summary"):
        torch.testing.assert_close(getattr(x, name), getattr(y, name), rtol=1e-2, atol=1e-2)
    scale = torch.tensor([9.0, 1e-4])
    torch.testing.assert_close(y.mean_square, x.mean_square * scale, rtol=1e-3, atol=0)


def test_a_mirrored_axis_changes_the_sign_of_odd_channels_alone(walk: torch.Tensor) -> None:
    x, mirrored = features(walk), features(-walk)
    torch.testing.assert_close(mirrored.odd, -x.odd)
    torch.testing.assert_close(mirrored.even, x.even)
    torch.testing.assert_close(mirrored.summary, x.summary)


def test_the_second_moment_of_brownian_motion_grows_with_lag() -> None:
    walk = torch.randn(400, 1, 900, generator=torch.Generator().manual_seed(1)).cumsum(2)
    moments = features(walk).summary[:, 0, : len(LAGS)].mean(0) * 4
    expected = torch.tensor(LAGS).log()
    torch.testing.assert_close(moments[:9], expected[:9], atol=0.15, rtol=0)


@pytest.mark.parametrize("track", [torch.zeros(1, 2, 12), torch.arange(12.0).expand(1, 2, 12)])
def test_tracks_without_randomness_give_finite_numbers(track: torch.Tensor) -> None:
    assert all(torch.isfinite(part).all() for part in features(track) if part is not None)


def test_gaps_are_filled_by_straight_lines() -> None:
    positions = torch.tensor([[[0.0, 99.0, 99.0, 6.0, 7.0, 99.0, 9.0]]])
    seen = torch.tensor([[True, False, False, True, True, False, True]])
    torch.testing.assert_close(
        fill_gaps(positions, seen), torch.tensor([[[0.0, 2.0, 4.0, 6.0, 7.0, 8.0, 9.0]]])
    )


def test_before_the_first_and_after_the_last_localization_the_nearest_is_repeated() -> None:
    positions = torch.tensor([[[99.0, 1.0, 99.0, 3.0, 99.0, 99.0]]])
    seen = torch.tensor([[False, True, False, True, False, False]])
    torch.testing.assert_close(
        fill_gaps(positions, seen), torch.tensor([[[1.0, 1.0, 2.0, 3.0, 3.0, 3.0]]])
    )


def test_what_follows_a_track_in_its_batch_changes_nothing(walk: torch.Tensor) -> None:
    lengths = torch.tensor([60, 12, 33, 40, 3])
    padded = features(walk, lengths=lengths)
    assert padded.there is not None
    for i, n in enumerate(lengths.tolist()):
        alone = features(walk[i : i + 1, :, :n])
        for name in ("odd", "even", "joint"):
            there, expected = getattr(padded, name)[i, ..., : n - 1], getattr(alone, name)[0]
            torch.testing.assert_close(there, expected, rtol=1e-4, atol=1e-4)
        assert (padded.odd[i, ..., n - 1 :] == 0).all()
        torch.testing.assert_close(padded.summary[i], alone.summary[0], rtol=1e-4, atol=1e-4)
        assert padded.there[i].sum() == n - 1


def test_local_mobility_follows_a_change_of_diffusivity() -> None:
    steps = torch.randn(300, 1, 600, generator=torch.Generator().manual_seed(2))
    steps[..., 300:] *= 3
    even = features(steps.cumsum(2)).even[:, 0]
    for channel in range(4, N_EVEN):
        local = even[:, channel].mean(0)
        # Halved logarithms: a threefold step is a difference of log 3, but for the spread of means.
        assert (local[400:500].mean() - local[100:200].mean()).item() == pytest.approx(
            np.log(3), abs=0.12
        )


def test_steps_beside_a_gap_are_marked_unseen(walk: torch.Tensor) -> None:
    seen = torch.ones(5, 60, dtype=torch.bool)
    seen[:, 10] = False
    whole = features(walk, seen).even[:, :, 2]
    assert (whole[..., 9:11] == 0).all()
    assert whole.sum() == whole.numel() - 5 * 2 * 2
