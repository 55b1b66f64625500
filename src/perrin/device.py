"""Where to compute, and in which precision."""

from __future__ import annotations

import torch

from perrin.errors import InputError

__all__ = ["autocast", "pick_device"]


def pick_device(name: str = "auto") -> torch.device:
    """Return the device to compute on: the one named, or the fastest there is.

    Raises
    ------
    InputError
        If the named device does not exist on this machine.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        if torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"This machine cannot compute on '{name}' ({reason}). Use 'auto' or 'cpu'."
        ) from None
    return device


def autocast(device: torch.device) -> torch.autocast:
    """Use bfloat16 for products of matrices where that is faster, else single precision.

    A CPU is faster where it has instructions for it: tiles (AMX), or vectors (AVX-512 BF16; on Zen
    4 networks answer 1.4 to 1.7 times as many tracks per second, and learn from as many more).
    """
    if device.type == "cuda":
        enabled = torch.cuda.is_bf16_supported()
    elif device.type == "cpu":
        enabled = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    else:
        enabled = False
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)
