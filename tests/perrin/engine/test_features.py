"""What the network sees does not depend on how a track lies in the frame."""

from __future__ import annotations

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
    for first, second in zip(features(walk), features(moved), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-2, atol=1e-2)


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
    assert all(torch.isfinite(part).all() for part in features(track))


def test_gaps_are_filled_by_straight_lines() -> None:
    positions = torch.tensor([[[0.0, 99.0, 99.0, 6.0, 7.0, 99.0, 9.0]]])
    seen = torch.tensor([[True, False, False, True, True, False, True]])
    torch.testing.assert_close(
        fill_gaps(positions, seen), torch.tensor([[[0.0, 2.0, 4.0, 6.0, 7.0, 8.0, 9.0]]])
    )


def test_steps_beside_a_gap_are_marked_unseen(walk: torch.Tensor) -> None:
    seen = torch.ones(5, 60, dtype=torch.bool)
    seen[:, 10] = False
    whole = features(walk, seen).even[:, :, 2]
    assert (whole[..., 9:11] == 0).all()
    assert whole.sum() == whole.numel() - 5 * 2 * 2
