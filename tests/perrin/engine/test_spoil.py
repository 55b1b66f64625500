"""Spoilt tracks do what their names say."""

from __future__ import annotations

import pytest
import torch

from perrin.engine.spoil import WAYS, spoil


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def walks(n: int, dim: int, n_points: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(n, dim, n_points, generator=generator(seed)).cumsum(2)


def spoilt(name: str, tracks: torch.Tensor) -> torch.Tensor:
    return WAYS[name](tracks, tracks.roll(1, 0), generator())


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("n_points", [10, 57])
def test_every_way_keeps_the_shape_and_spoils(name: str, n_points: int) -> None:
    tracks = walks(40, 2, n_points)
    result = spoil(tracks, generator(), [WAYS[name]])
    assert result.shape == tracks.shape
    assert torch.isfinite(result).all()
    assert (result != tracks).any(2).any(1).float().mean() > 0.5


def test_ways_are_mixed_and_the_tracks_left_as_they_are() -> None:
    tracks = walks(300, 1, 30)
    before = tracks.clone()
    first, second = spoil(tracks, generator(3)), spoil(tracks, generator(3))
    assert torch.equal(first, second)
    assert torch.equal(tracks, before)


@pytest.mark.parametrize("name", WAYS)
def test_strength_is_in_units_of_the_step(name: str) -> None:
    tracks = walks(20, 2, 40)
    torch.testing.assert_close(
        spoilt(name, 1000 * tracks).diff(dim=2)
        / (1 if name == "added" else 1000),  # the sum of two tracks has a unit of its own
        spoilt(name, tracks).diff(dim=2),
        rtol=1e-2,
        atol=1e-2,
    )


def test_a_displaced_track_has_one_other_step() -> None:
    tracks = walks(100, 2, 50)
    changed = (spoilt("displaced", tracks).diff(dim=2) - tracks.diff(dim=2)).abs().amax(1) > 1e-3
    assert changed.sum(1).eq(1).all()


def test_a_carried_track_moves_evenly_beside_its_own_motion() -> None:
    tracks = walks(100, 2, 50)
    added = (spoilt("carried", tracks) - tracks).diff(dim=2)
    torch.testing.assert_close(added, added[..., :1].expand_as(added), rtol=1e-3, atol=1e-3)


def test_a_boxed_track_stays_within_its_box() -> None:
    tracks = walks(100, 2, 2000)
    extent = tracks.amax(2) - tracks.amin(2)
    boxed = spoilt("boxed", tracks)
    # Besides the noise of at most 0.7 steps.
    assert (boxed.amax(2) - boxed.amin(2) < 0.8 * extent + 8).all()


def test_a_tethered_track_forgets_where_it_was() -> None:
    # Pulled back within at most a quarter of the track, both halves have the same mean place.
    tracks = walks(300, 1, 4000)
    free = (tracks[..., :2000].mean(2) - tracks[..., 2000:].mean(2)).square().mean()
    tethered = spoilt("tethered", tracks)
    held = (tethered[..., :2000].mean(2) - tethered[..., 2000:].mean(2)).square().mean()
    assert held < free / 5
    short = tethered.diff(dim=2).square().mean()
    assert 1 < short < 3


def test_shuffled_and_turned_tracks_take_the_same_steps() -> None:
    tracks = walks(50, 1, 200)
    steps = tracks.diff(dim=2)
    shuffled = spoilt("shuffled", tracks).diff(dim=2)
    torch.testing.assert_close(shuffled.sort(2).values, steps.sort(2).values, rtol=1e-3, atol=1e-3)
    turned = spoilt("turned", tracks).diff(dim=2)
    torch.testing.assert_close(turned.abs(), steps.abs(), rtol=1e-3, atol=1e-3)


def test_a_spliced_track_begins_as_one_and_goes_on_as_the_other() -> None:
    tracks = walks(60, 2, 100)
    steps, other = tracks.diff(dim=2), tracks.roll(1, 0).diff(dim=2)
    result = spoilt("spliced", tracks).diff(dim=2)
    own = (result - steps).abs().amax(1) < 1e-3
    first = own.long().cumprod(1).sum(1)
    assert first.min() < 20
    assert first.max() > 80
    for i in range(60):
        # After the step between the two, the other's, all larger or smaller by one ratio.
        rest = result[i, :, first[i] + 1 :] / other[i, :, first[i] + 1 :]
        torch.testing.assert_close(rest, rest[:1, :1].expand_as(rest), rtol=0.05, atol=0.05)
