"""Answers to batches: padding and order change nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perrin.engine.network import LENGTH_CLASSES, Architecture, Network
from perrin.engine.score import answer
from perrin.engine.verdict import Verdict, ask, batches_of, in_order
from perrin.simulate.protocols import theory

CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("single_precision")


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    small = Architecture(width=16, stem_width=8, n_filters=4, n_blocks=2, n_heads=2, hidden=16)
    network = Network(small).eval().requires_grad_(requires_grad=False)
    n = len(LENGTH_CLASSES)
    network.temperature.copy_(torch.linspace(0.5, 2, 3 * n).view(n, 3))
    network.farthest.copy_(torch.linspace(1, 2, 3 * n).view(n, 3))
    for name, buffer in network.detector.named_buffers():
        if name.startswith("weight"):
            buffer.normal_(std=0.1)
    return network


def parts_of(verdict: Verdict) -> tuple[torch.Tensor, ...]:
    return verdict.posterior, verdict.distance, verdict.limit, *verdict.scale


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lengths=st.lists(st.integers(10, 999), min_size=1, max_size=8),
    dim=st.integers(1, 3),
    seed=st.integers(0, 9),
)
def test_padded_answers_are_those_of_each_track_alone(
    network: Network, lengths: list[int], dim: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    walks = torch.randn(len(lengths), dim, 999, generator=generator).cumsum(2)
    n_points = np.array(lengths)
    batches = batches_of(network, n_points, CPU)
    verdicts = []
    for batch in batches:
        rows = torch.from_numpy(batch)
        longest = int(n_points[batch].max())
        some = torch.tensor(lengths)[rows]
        # Whatever follows the end of a track must not matter.
        padded = walks[rows, :, :longest].clone()
        padded[torch.arange(longest)[None, None].expand_as(padded) >= some[:, None, None]] = 1e6
        verdicts.append(ask(network, padded, lengths=some))
    together = in_order(verdicts, batches)
    for i, n in enumerate(lengths):
        alone = ask(network, walks[i : i + 1, :, :n])
        for padded_part, part in zip(parts_of(together), parts_of(alone), strict=True):
            torch.testing.assert_close(padded_part[i : i + 1], part, rtol=1e-3, atol=1e-4)


def test_the_calibration_is_that_of_each_tracks_own_length(network: Network) -> None:
    walk = torch.randn(2, 2, 110, generator=torch.Generator().manual_seed(1)).cumsum(2)
    verdict = ask(network, walk, lengths=torch.tensor([90, 110]))
    torch.testing.assert_close(verdict.limit, network.farthest[[3, 4], 1])


def test_scores_do_not_depend_on_the_order_of_the_tracks(network: Network) -> None:
    tracks = theory(40, 2, generator=torch.Generator().manual_seed(3))
    order = torch.randperm(40, generator=torch.Generator().manual_seed(4))
    shuffled = type(tracks)(
        tracks.positions[order], tracks.lengths[order], tracks.model[order],
        tracks.alpha[order], tracks.noise[order],
    )  # fmt: skip
    first, second = answer(network, tracks, CPU), answer(network, shuffled, CPU)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one[order.numpy()], other, rtol=1e-3, atol=1e-4)
