"""Where networks compute, and in which precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from perrin.device import autocast, pick_device
from perrin.engine import predict
from perrin.errors import InputError
from perrin.simulate import simulate_tracks

CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("single_precision")


@pytest.mark.parametrize("instructions", ["amx_tile", "avx512_bf16"])
def test_a_processor_that_can_multiplies_in_bfloat16(
    instructions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = torch.ones(2, 2)
    with autocast(CPU):
        assert (matrix @ matrix).dtype == torch.float32
    monkeypatch.setattr(f"torch.cpu._is_{instructions}_supported", lambda: True)
    with autocast(CPU):
        assert (matrix @ matrix).dtype == torch.bfloat16


def test_answers_hardly_depend_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tracks = simulate_tracks(n_tracks=40, n_points=100, seed=2)
    single = predict(tracks, device="cpu")
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: True)
    half = predict(tracks, device="cpu")
    assert not half["alpha"].equals(single["alpha"])
    names = ["p_attm", "p_ctrw", "p_fbm", "p_lw", "p_sbm", "alpha"]
    difference = np.abs(half[names] - single[names])
    assert difference.mean().max() < 0.005
    assert difference.max().max() < 0.05


def test_a_device_that_is_not_there_is_named() -> None:
    assert pick_device("cpu") == CPU
    with pytest.raises(InputError, match="cannot compute on 'nowhere'"):
        pick_device("nowhere")
