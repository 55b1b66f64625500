"""The network's symmetries and its answers' form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from perrin.engine.network import LENGTH_CLASSES, Architecture, Network, length_class
from perrin.simulate.protocols import cell_weights


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    return Network(Architecture(width=16, stem_width=8, n_filters=4, n_blocks=2, n_heads=2)).eval()


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("n_points", [10, 11, 64, 129, 999])
def test_one_network_serves_every_dimension_and_length(
    network: Network, dim: int, n_points: int
) -> None:
    walk = torch.randn(3, dim, n_points).cumsum(2)
    posterior = network.posterior(network(walk), n_points)
    assert posterior.shape == (3, 5, 40)
    torch.testing.assert_close(posterior.sum((1, 2)), torch.ones(3))
    assert (posterior[:, cell_weights("both") == 0] == 0).all()


def test_mirrored_and_swapped_axes_get_the_same_answer(network: Network) -> None:
    walk = torch.randn(4, 3, 50).cumsum(2)
    answer = network(walk).logits
    mirrored = walk * torch.tensor([1.0, -1.0, 1.0])[:, None]
    swapped = walk[:, [2, 0, 1]]
    torch.testing.assert_close(network(mirrored).logits, answer, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(network(swapped).logits, answer, rtol=1e-4, atol=1e-4)


def test_a_track_is_judged_by_itself(network: Network) -> None:
    walk = torch.randn(6, 2, 40).cumsum(2)
    together = network(walk).logits
    alone = network(walk[3:4]).logits
    torch.testing.assert_close(together[3:4], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("lengths", [(999, 530, 700), (60, 10, 33), (120, 70, 99)])
def test_tracks_of_different_length_share_a_batch(
    network: Network, lengths: tuple[int, ...]
) -> None:
    walk = torch.randn(3, 2, max(lengths)).cumsum(2)
    assert len({network.stride(n) for n in lengths}) == 1
    together = network(walk, lengths=torch.tensor(lengths))
    for i, n in enumerate(lengths):
        alone = network(walk[i : i + 1, :, :n])
        for name in ("logits", "embedding", "log_diffusivity", "log_noise"):
            mine, expected = getattr(together, name)[i], getattr(alone, name)[0]
            torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-4)
        n_tokens = (n - 1) // network.stride(n)
        torch.testing.assert_close(
            together.log_mobility[i, :n_tokens], alone.log_mobility[0], rtol=1e-4, atol=1e-4
        )


def test_diffusivity_and_noise_are_in_the_units_of_the_track(network: Network) -> None:
    walk = torch.randn(4, 2, 50).cumsum(2)
    once, scaled = network(walk), network(10 * walk)
    ratio = (scaled.log_diffusivity - once.log_diffusivity).detach()
    assert ratio[..., 0].numpy() == pytest.approx(np.log(100), abs=1e-3)
    assert ratio[..., 1].numpy() == pytest.approx(0, abs=1e-3)
    noise = (scaled.log_noise - once.log_noise)[..., 0].detach()
    assert noise.numpy() == pytest.approx(np.log(10), abs=1e-3)


def test_length_classes() -> None:
    assert [length_class(n) for n in (5, 10, 19, 20, 399, 400, 999)] == [0, 0, 0, 1, 5, 6, 6]
    assert len(LENGTH_CLASSES) == 7
