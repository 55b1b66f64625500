"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Threads that wait for each other on a busy machine make tests many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings, or a skip; CONTRIBUTING.md says where to get them."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("PERRIN_DATA") or beside)
    if not folder.is_dir():
        pytest.skip(f"the real recordings are not in {folder} (PERRIN_DATA): see CONTRIBUTING.md")
    return folder


@pytest.fixture(scope="module")
def single_precision() -> Iterator[None]:
    """Let networks answer alike whatever else is in a batch, which bfloat16 rounds differently."""
    with pytest.MonkeyPatch.context() as patch:
        for instructions in ("amx_tile", "avx512_bf16"):
            patch.setattr(f"torch.cpu._is_{instructions}_supported", lambda: False)
        yield
