"""Movies larger than what may be in memory: parts that fit together, and a bound that holds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from perrin import InputError, Movie, as_movie, localize, read_movie
from perrin.io._lazy import Mapped, Planes, Selected
from perrin.io._movie import CHUNK_BYTES

MEGABYTE = 2**20


class Stored:
    """Frames of eight bytes, stored in parts as Zarr (a length) or dask (all lengths) has them."""

    def __init__(self, n_frames: int, chunks: int | tuple[int, ...]) -> None:
        self.data = np.arange(n_frames * 8, dtype=np.uint8).reshape(n_frames, 2, 4)
        self.shape, self.dtype, self.chunks = self.data.shape, self.data.dtype, (chunks, 2, 4)
        self.read: list[range] = []

    def __getitem__(self, key: slice) -> np.ndarray:
        self.read.append(range(*key.indices(len(self.data))))
        return self.data[key]


@given(
    st.lists(st.integers(1, 6), min_size=2, max_size=12),
    st.integers(1, 12),
    st.integers(0, 40),
)
@settings(max_examples=60, deadline=None)
def test_parts_are_those_in_which_frames_are_stored(
    lengths: list[int], limit: int, start: int
) -> None:
    frames = Stored(sum(lengths), tuple(lengths))
    movie = Movie(frames)
    parts = list(movie.chunks(limit=8 * limit, start=start))
    n = max(0, sum(lengths) - start)
    numbers = [first + i for first, part in parts for i in range(len(part))]
    assert numbers == list(range(start, start + n))
    # No stored part is read twice, and memory holds one stored part, or the limit.
    ends = set(np.cumsum(lengths).tolist())
    assert all(read.stop in ends for read in frames.read)
    assert all(len(read) <= max(limit, *lengths) for read in frames.read)
    # What comes before the start changes nothing of what comes after.
    whole = [first for first, _ in movie.chunks(limit=8 * limit)]
    assert {first for first, _ in parts[1:]} <= set(whole)


def test_stored_parts_that_are_too_large_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perrin.io._movie.STORED_BYTES", 10 * 8)
    parts = [len(part) for _, part in Movie(Stored(50, 25)).chunks(limit=4 * 8)]
    assert sum(parts) == 50
    assert max(parts) <= 10


def test_axes_of_an_array_are_chosen_and_ordered() -> None:
    data = np.arange(2 * 3 * 4 * 5 * 6).reshape(2, 3, 4, 5, 6)  # C, Z, T, Y, X
    frames = Selected(data, (1, *[slice(None)] * 4), (1, 0, 2, 3))
    expected = data[1].transpose(1, 0, 2, 3)
    assert frames.shape == expected.shape == (4, 3, 5, 6)
    for key in (2, -1, slice(1, 4, 2), (slice(None), 1), (..., 3), (0, 1, 2), [0, 3]):
        np.testing.assert_array_equal(frames[key], expected[key])
    np.testing.assert_array_equal(np.asarray(frames), expected)


def test_a_file_that_vanishes_or_shrinks_is_said_to(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 99, (6, 20, 24), np.uint16))
    movie = read_movie(path)
    assert isinstance(movie.frames, Mapped)
    with path.open("rb+") as file:
        file.truncate(2000)
    with pytest.raises(InputError, match=r"a\.tif cannot be read any more.*shorter"):
        movie.frame(5)
    path.unlink()
    with pytest.raises(InputError, match="moved or deleted"):
        movie.frame(0)


def test_a_plane_that_cannot_be_read_is_named() -> None:
    def read(number: int) -> np.ndarray:
        if number == 2:
            raise OSError("the network is gone")
        return np.full((3, 4) if number else (2, 2), number)

    frames = Planes(read, np.array([0, 1, 2]), (3, 4), np.int64, "a.nd2", lambda: None)
    assert frames[1].tolist() == [[1] * 4] * 3
    with pytest.raises(InputError, match=r"Image 2 of a\.nd2 cannot be read \(the network is gone"):
        frames[1:]
    with pytest.raises(InputError, match=re.escape("Image 0 of a.nd2 has the size (2, 2)")):
        frames[0]


class Brightest:
    """A detector of one spot per frame that costs nothing."""

    def frames_at_once(self, shape: tuple[int, ...]) -> int:
        return 4

    def model_dump(self, mode: str) -> dict[str, str]:
        return {"kind": "brightest"}

    def columns(self, ndim: int) -> list[str]:
        return ["y", "x"]

    def locate_frames(self, frames: np.ndarray, device: str) -> pd.DataFrame:
        at = frames.reshape(len(frames), -1).argmax(axis=1)
        y, x = np.divmod(at, frames.shape[2])
        return pd.DataFrame({"frame": np.arange(len(frames)), "y": y * 1.0, "x": x * 1.0})


def sparse_tiff(folder: Path, shape: tuple[int, int, int]) -> Any:
    """Lay out a TIFF of zeros, of which only the few pages that are written take room."""
    path = folder / "large.tif"
    tifffile.imwrite(path, None, shape=shape, dtype=np.uint16, bigtiff=True)
    frames = tifffile.memmap(path)
    frames[np.arange(shape[0]), 7, np.arange(shape[0]) % 100] = 9
    frames.flush()
    return read_movie(path)


def zarr_array(folder: Path, shape: tuple[int, int, int]) -> Any:
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(
        folder / "large.zarr", shape=shape, chunks=(20, 512, 512), dtype=np.uint16
    )
    array[0, 7, 3] = 9
    return as_movie(array)


def dask_array(folder: Path, shape: tuple[int, int, int]) -> Any:
    da = pytest.importorskip("dask.array")
    return as_movie(da.random.default_rng(0).integers(0, 9, shape, np.uint16, chunks=(64, -1, -1)))


@pytest.mark.parametrize("make", [sparse_tiff, zarr_array, dask_array])
def test_memory_is_bounded_by_the_part_not_by_the_movie(make: Any, tmp_path: Path) -> None:
    clear = Path("/proc/self/clear_refs")
    if not clear.exists():
        pytest.skip("the peak of the memory in use is only told by Linux")

    def in_use(which: str) -> int:
        status = Path("/proc/self/status").read_text()
        return int(re.search(rf"{which}:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]

    movie = make(tmp_path, (1200, 512, 512))
    n_bytes = int(np.prod(movie.shape)) * 2
    assert n_bytes > 9 * CHUNK_BYTES
    movie.frame(0)
    clear.write_text("5")  # forget the peak so far
    before = in_use("VmRSS")
    spots = localize(movie, Brightest())  # type: ignore[arg-type]
    assert len(spots) == 1200
    # One part that is looked at, one that is read, and what reading needs besides.
    assert in_use("VmHWM") - before < 4.5 * CHUNK_BYTES
