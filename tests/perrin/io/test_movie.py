"""Arrays as movies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from perrin import Calibration, InputError, Movie, as_movie

RNG = np.random.default_rng(1)
CALIBRATION = Calibration(pixel_size=0.1, frame_interval=0.02)


class Counting:
    """An array that counts the frames that were read from it."""

    def __init__(self, data: np.ndarray) -> None:
        self.data, self.shape, self.dtype, self.n_read = data, data.shape, data.dtype, 0

    def __getitem__(self, key: Any) -> np.ndarray:
        part = self.data[key]
        self.n_read += part.size // int(np.prod(self.shape[1:]))
        return part


def test_an_array_is_a_movie() -> None:
    data = RNG.random((5, 20, 30))
    movie = as_movie(data, CALIBRATION, "beads")
    assert (movie.name, movie.n_frames, movie.is_3d, movie.shape) == (
        "beads",
        5,
        False,
        (5, 20, 30),
    )
    assert movie.calibration == CALIBRATION
    assert movie.frames is data
    assert as_movie(movie) is movie
    other = as_movie(movie, Calibration(pixel_size=1))
    assert other.frames is data
    assert other.calibration.pixel_size == 1
    assert other.name == "beads"
    assert as_movie(RNG.random((5, 6, 20, 30))).is_3d
    assert as_movie([np.eye(20)] * 3).shape == (3, 20, 20)


@pytest.mark.parametrize("kind", ["dask", "zarr"])
def test_lazy_arrays(kind: str) -> None:
    library = pytest.importorskip(f"{kind}.array" if kind == "dask" else kind)
    data = RNG.integers(0, 100, (6, 1, 20, 30))
    lazy = (
        library.from_array(data, chunks=(2, 1, 20, 30)) if kind == "dask" else library.array(data)
    )
    movie = as_movie(lazy)
    assert movie.shape == (6, 20, 30)
    np.testing.assert_array_equal(movie.frame(4), data[4, 0])
    np.testing.assert_array_equal(
        np.concatenate([part for _, part in movie.chunks(limit=2 * data[0].nbytes)]), data[:, 0]
    )


def test_checking_reads_no_more_than_it_must() -> None:
    data = np.zeros((400, 512, 512), np.uint8)
    data[3, 7, 7] = 1
    frames = Counting(data)
    as_movie(frames)
    assert 0 < frames.n_read <= 40
    movie = as_movie(frames)
    frames.n_read = 0
    movie.frame(200)
    assert frames.n_read == 1


def test_big_endian_frames_come_in_native_order() -> None:
    data = RNG.integers(0, 100, (3, 20, 30)).astype(">u2")
    frame = as_movie(data).frame(1)
    assert frame.dtype.isnative
    np.testing.assert_array_equal(frame, data[1])


def test_frames_outside_the_movie() -> None:
    movie = as_movie(RNG.random((5, 20, 30)))
    for index in (-1, 5):
        with pytest.raises(InputError, match="its frames are 0 to 4"):
            movie.frame(index)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (RNG.random((20, 30)), "single image"),
        (RNG.random((1, 20, 30)), "single frame"),
        (RNG.random((1, 1, 20, 30)), "single frame"),
        (RNG.random((20, 30, 3)), "colour image"),
        (RNG.random((5, 20, 30, 4)), "colour image"),
        (RNG.random((2, 2, 2, 20, 30)), "5 axes"),
        (RNG.random(7), "1 axes"),
        (np.zeros((5, 20, 30)), "only zeros in all 5 frames"),
        (np.full((5, 20, 30), 3), "the value 3 in every pixel"),
        (np.zeros((5, 0, 30)), "is empty"),
        (np.full((5, 20, 30), "a"), "values of type <U1"),
        (np.zeros((5, 20, 30), complex), "values of type complex128"),
        ([np.eye(4), np.eye(5)], "cannot be stacked"),
        ([], "cannot be stacked"),
        ("movie.tif", "is a str.*read_movie"),
        (None, "is a NoneType"),
    ],
)
def test_what_is_no_movie(array: Any, words: str) -> None:
    with pytest.raises(InputError, match=f"recording.*{words}"):
        as_movie(array, name="recording")


def test_repr_does_not_print_pixels() -> None:
    assert "array" not in repr(Movie(np.zeros((3, 4, 5))))
