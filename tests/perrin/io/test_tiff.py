"""TIFF movies: axes, calibration, laziness, and every kind of bad file."""

from __future__ import annotations

import functools
import io
import tracemalloc
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from perrin.errors import InputError
from perrin.io import read_movie
from perrin.io._calibration import ome_calibration
from perrin.io._lazy import Mapped
from perrin.tracks import Calibration

RNG = np.random.default_rng(0)
KINDS: dict[str, dict[str, Any]] = {
    "imagej": {"imagej": True, "metadata": {"axes": "TYX"}},
    "imagej_zlib": {"imagej": True, "metadata": {"axes": "TYX"}, "compression": "zlib"},
    "ome": {"ome": True, "metadata": {"axes": "TYX"}},
    "ome_zlib": {"ome": True, "metadata": {"axes": "TYX"}, "compression": "zlib"},
    "shaped": {},
    "shaped_zlib": {"compression": "zlib"},
    "plain": {"metadata": None},
    "plain_zlib": {"metadata": None, "compression": "zlib"},
    "big_endian": {"byteorder": ">"},
    "bigtiff": {"bigtiff": True},
    "tiled": {"tile": (16, 16), "compression": "zlib"},
}


def noise(*shape: int, dtype: str = "uint16") -> np.ndarray:
    return RNG.integers(1, 200, shape).astype(dtype)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_every_kind_of_file_gives_its_pixels(tmp_path: Path, kind: str, dtype: str) -> None:
    data = noise(7, 20, 24, dtype=dtype)
    tifffile.imwrite(tmp_path / "a.tif", data, **KINDS[kind])
    movie = read_movie(tmp_path / "a.tif")
    assert movie.shape == (7, 20, 24)
    assert movie.n_frames == 7
    assert not movie.is_3d
    assert movie.name == "a"
    np.testing.assert_array_equal(np.asarray(movie.frames), data)
    np.testing.assert_array_equal(movie.frame(6), data[6])
    assert movie.frame(0).dtype == np.dtype(dtype)
    assert movie.frame(0).dtype.isnative
    for key in (2, slice(1, 5, 2), (slice(None), 3), (..., 4), (-1, slice(2, 9)), [0, 5]):
        np.testing.assert_array_equal(np.asarray(movie.frames[key]), data[key])
    parts = list(movie.chunks(limit=3 * data[0].nbytes))
    assert [first for first, _ in parts] == [0, 3, 6]
    np.testing.assert_array_equal(np.concatenate([part for _, part in parts]), data)


@pytest.mark.parametrize(("axes", "order"), [("TZYX", (0, 1, 2, 3)), ("ZTYX", (1, 0, 2, 3))])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_three_dimensions(
    tmp_path: Path, axes: str, order: tuple[int, ...], compression: str | None
) -> None:
    data = noise(5, 6, 16, 18)
    tifffile.imwrite(tmp_path / "a.tif", data, compression=compression)
    with pytest.raises(InputError, match=r"axes QQYX.*axes='TZYX'"):
        read_movie(tmp_path / "a.tif")
    movie = read_movie(tmp_path / "a.tif", axes=axes)
    assert movie.is_3d
    np.testing.assert_array_equal(np.asarray(movie.frames), data.transpose(order))
    np.testing.assert_array_equal(movie.frame(1), data.transpose(order)[1])


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_channels_are_chosen_or_refused(tmp_path: Path, compression: str | None) -> None:
    data = noise(5, 2, 16, 18)
    tifffile.imwrite(
        tmp_path / "a.tif", data, imagej=True, metadata={"axes": "TCYX"}, compression=compression
    )
    with pytest.raises(InputError, match=r"a\.tif has 2 channels.*Split Channels"):
        read_movie(tmp_path / "a.tif")
    with pytest.raises(InputError, match="no channel 2"):
        read_movie(tmp_path / "a.tif", channel=2)
    for channel in (0, 1):
        movie = read_movie(tmp_path / "a.tif", channel=channel)
        np.testing.assert_array_equal(np.asarray(movie.frames), data[:, channel])


@pytest.mark.parametrize("kind", [{"imagej": True}, {"ome": True}])
def test_slices_without_time_are_frames(tmp_path: Path, kind: dict[str, Any]) -> None:
    data = noise(60, 16, 18)
    tifffile.imwrite(tmp_path / "a.tif", data, metadata={"axes": "ZYX"}, **kind)
    movie = read_movie(tmp_path / "a.tif")
    assert movie.shape == (60, 16, 18)
    assert len(movie.notes) == 1
    assert "60 slices (Z) and no time points" in movie.notes[0]


def test_many_channels_are_frames_few_are_not(tmp_path: Path) -> None:
    """tifffile, unless told the axes, labels a stack as ImageJ channels."""
    for n in (3, 60):
        tifffile.imwrite(
            tmp_path / f"{n}.tif", noise(n, 16, 18), imagej=True, photometric="minisblack",
            metadata={"axes": "CYX"},
        )  # fmt: skip
    movie = read_movie(tmp_path / "60.tif")
    assert movie.shape == (60, 16, 18)
    assert "60 channels and no time points" in movie.notes[0]
    with pytest.raises(InputError, match=r"3 channels.*say axes='TYX'"):
        read_movie(tmp_path / "3.tif")
    assert read_movie(tmp_path / "3.tif", axes="TYX").n_frames == 3
    with pytest.raises(InputError, match="single frame"):
        read_movie(tmp_path / "60.tif", channel=4)


@pytest.mark.parametrize(
    ("unit", "per_unit", "pixel_size"),
    [("um", 1.0, 0.25), ("micron", 1.0, 0.25), ("\\u00B5m", 1.0, 0.25), ("nm", 0.001, 0.25),
     ("mm", 1000.0, 0.25), ("pixel", 1.0, None), ("inch", 1.0, None)],
)  # fmt: skip
def test_imagej_calibration(
    tmp_path: Path, unit: str, per_unit: float, pixel_size: float | None
) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", noise(4, 16, 18), imagej=True, resolution=(4 * per_unit, 4 * per_unit),
        metadata={"axes": "TYX", "unit": unit, "finterval": 0.05, "fps": 7.0},
    )  # fmt: skip
    calibration = read_movie(tmp_path / "a.tif").calibration
    assert calibration.pixel_size == (None if pixel_size is None else pytest.approx(pixel_size))
    assert calibration.frame_interval == 0.05


def test_imagej_z_step_and_time_unit(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", noise(3, 4, 16, 18), imagej=True, resolution=(10, 10),
        metadata={"axes": "TZYX", "unit": "um", "finterval": 20, "tunit": "ms", "spacing": 0.3},
    )  # fmt: skip
    calibration = read_movie(tmp_path / "a.tif").calibration
    assert (calibration.pixel_size, calibration.frame_interval, calibration.z_step) == (
        0.1, 0.02, 0.3,
    )  # fmt: skip


def test_ome_calibration_with_units(tmp_path: Path) -> None:
    metadata = {
        "axes": "TZYX", "PhysicalSizeX": 65.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 65.0,
        "PhysicalSizeYUnit": "nm", "PhysicalSizeZ": 0.2, "TimeIncrement": 30.0,
        "TimeIncrementUnit": "ms",
    }  # fmt: skip
    tifffile.imwrite(tmp_path / "a.ome.tif", noise(3, 4, 16, 18), ome=True, metadata=metadata)
    movie = read_movie(tmp_path / "a.ome.tif")
    assert movie.name == "a"
    assert movie.shape == (3, 4, 16, 18)
    assert movie.calibration.pixel_size == 0.065
    assert movie.calibration.frame_interval == 0.03
    assert movie.calibration.z_step == 0.2


@pytest.mark.parametrize(
    ("times", "interval", "n_notes"),
    [([0, 0.5, 1.0, 1.5], 0.5, 0), ([0, 0.5, 1.0, 2.5], 0.5, 1), ([0, 0, 0, 0], None, 0)],
)
def test_ome_interval_from_the_planes(
    tmp_path: Path, times: list[float], interval: float | None, n_notes: int
) -> None:
    planes = {"DeltaT": times, "DeltaTUnit": ["s"] * 4}
    tifffile.imwrite(
        tmp_path / "a.tif", noise(4, 16, 18), ome=True, metadata={"axes": "TYX", "Plane": planes}
    )
    movie = read_movie(tmp_path / "a.tif")
    assert movie.calibration.frame_interval == interval
    assert len(movie.notes) == n_notes


def test_pixels_that_are_not_square_are_noted(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", noise(4, 16, 18), imagej=True, resolution=(10, 5),
        metadata={"axes": "TYX", "unit": "um"},
    )  # fmt: skip
    movie = read_movie(tmp_path / "a.tif")
    assert "not square (0.1 × 0.2 µm)" in movie.notes[0]


def test_resolution_of_an_ordinary_tiff_is_not_a_pixel_size(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(5, 16, 18), resolution=(72, 72), resolutionunit=2)
    assert read_movie(tmp_path / "a.tif").calibration.pixel_size is None


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_only_the_frames_asked_for_are_in_memory(tmp_path: Path, compression: str | None) -> None:
    data = np.tile(noise(64, 256), (200, 4, 1))  # 26 MB
    tifffile.imwrite(
        tmp_path / "a.tif", data, imagej=True, metadata={"axes": "TYX"}, compression=compression
    )
    size = data.nbytes
    del data
    tracemalloc.start()
    try:
        movie = read_movie(tmp_path / "a.tif")
        total = sum(int(part.sum(dtype=np.int64)) for _, part in movie.chunks(limit=2**20))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total > 0
    assert peak < size / 2


def test_bulk_water_has_its_calibration(shared_data: Path) -> None:
    movie = read_movie(shared_data / "bulk_water.tif")
    assert movie.shape == (60, 424, 640)
    assert movie.calibration.pixel_size == pytest.approx(1 / 2.85, rel=1e-9)
    assert movie.calibration.frame_interval == pytest.approx(1 / 24, rel=1e-9)
    assert movie.notes == ()
    assert isinstance(movie.frames, Mapped)


def test_lipid_bilayer_has_none(shared_data: Path) -> None:
    movie = read_movie(shared_data / "lipid_bilayer.tif")
    assert movie.shape == (30, 64, 64)
    assert not movie.calibration.is_physical
    assert movie.frame(3).dtype == np.float32


# Bad files


@functools.cache
def whole_file(kind: str) -> tuple[np.ndarray, bytes]:
    """Return the frames of a small movie and the bytes of its file."""
    frames, file = noise(9, 32, 32), io.BytesIO()
    tifffile.imwrite(file, frames, **KINDS[kind])
    return frames, file.getvalue()


def read_or_refuse(path: Path) -> np.ndarray | None:
    """Return all frames, or None if the file was refused in words that name it."""
    try:
        return np.asarray(read_movie(path).frames)
    except InputError as error:
        if path.name not in str(error):
            pytest.fail(f"The error does not say which file it is about: {error}")
        return None


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(kind=st.sampled_from(sorted(KINDS)), share=st.floats(0, 0.9999))
@example(kind="tiled", share=0.900390625)
def test_a_truncated_file_is_always_noticed(tmp_path: Path, kind: str, share: float) -> None:
    """Wherever a file was cut, it gives an error that names it, never fewer or wrong frames."""
    whole, raw = whole_file(kind)
    path = tmp_path / "cut.tif"
    path.write_bytes(raw[: int(len(raw) * share)])
    frames = read_or_refuse(path)
    if frames is not None:  # only what holds no pixels was lost
        np.testing.assert_array_equal(frames, whole)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(kind=st.sampled_from(sorted(KINDS)), at=st.integers(0, 400), byte=st.integers(0, 255))
@example(kind="shaped", at=20, byte=0)
def test_a_changed_byte_gives_no_traceback(tmp_path: Path, kind: str, at: int, byte: int) -> None:
    """Whatever a changed header says, the file is read or refused in a sentence."""
    raw = bytearray(whole_file(kind)[1])
    raw[at] = byte
    path = tmp_path / "changed.tif"
    path.write_bytes(raw)
    read_or_refuse(path)


def test_a_page_that_turns_out_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(5, 1024, 1024), compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[4].dataoffsets[0]
    raw = bytearray(path.read_bytes())
    raw[offset : offset + 8] = b"\0" * 8
    path.write_bytes(raw)
    movie = read_movie(path)
    movie.frame(3)
    with pytest.raises(InputError, match=r"Image 4 of a\.tif cannot be read"):
        movie.frame(4)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", r"a\.tif is empty \(0 bytes\)"),
        (b"hello, this is text", "not a TIFF file"),
        (b"II*\0", "damaged or truncated"),
        (b"II*\0\x08\0\0\0\0\0\0\0\0\0", "damaged or truncated|without images"),
    ],
)
def test_files_that_are_no_movie(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_movie(tmp_path / "a.tif")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file .*none\.tif"):
        read_movie(tmp_path / "none.tif")
    with pytest.raises(InputError, match="is a folder"):
        read_movie(tmp_path)


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ((32, 40), {}, "single frame"),
        ((1, 32, 40), {"imagej": True}, "single frame"),
        ((1, 5, 32, 40), {"ome": True, "metadata": {"axes": "TCYX"}}, "5 channels"),
        ((32, 40, 3), {"photometric": "rgb"}, "colour .RGB."),
        ((6, 32, 40, 3), {"photometric": "rgb"}, "colour .RGB."),
        ((6, 32, 40, 3), {"imagej": True}, "colour .RGB."),
        ((2, 5, 6, 16, 18), {}, "axes QQQYX"),
    ],
)
def test_images_that_are_no_movie(
    tmp_path: Path, shape: tuple[int, ...], options: dict[str, Any], words: str
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(*shape, dtype="uint8"), **options)
    with pytest.raises(InputError, match=rf"a\.tif.*{words}"):
        read_movie(tmp_path / "a.tif")


@pytest.mark.parametrize("value", [0, 7])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_movie_without_content(tmp_path: Path, value: int, compression: str | None) -> None:
    data = np.full((5, 32, 32), value, np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", data, compression=compression)
    what = "only zeros" if value == 0 else "the value 7 in every pixel"
    with pytest.raises(InputError, match=f"a has {what} in all 5 frames"):
        read_movie(tmp_path / "a.tif")


@pytest.mark.parametrize("axes", ["TY", "TTYX", "TQYX"])
def test_axes_that_do_not_fit(tmp_path: Path, axes: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(2, 5, 16, 18))
    with pytest.raises(InputError, match="do not fit"):
        read_movie(tmp_path / "a.tif", axes=axes)


def test_several_positions_are_noted(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as writer:
        for _ in range(2):
            writer.write(noise(4, 16, 18), metadata={"axes": "TYX"})
    movie = read_movie(tmp_path / "a.ome.tif")
    assert movie.n_frames == 4
    assert "holds 2 images (positions or series), of which the first is read" in movie.notes[0]


@pytest.mark.parametrize(("series", "expected"), [(0, (0.1, 1.0)), (1, (0.2, 3.0))])
def test_each_image_has_its_own_calibration(
    tmp_path: Path, series: int, expected: tuple[float, float]
) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as writer:
        for size, interval in ((0.1, 1.0), (0.2, 3.0)):
            writer.write(
                noise(4, 16, 18),
                metadata={"axes": "TYX", "PhysicalSizeX": size, "TimeIncrement": interval},
            )
    movie = read_movie(tmp_path / "a.ome.tif", series=series)
    assert (movie.calibration.pixel_size, movie.calibration.frame_interval) == expected


def test_an_image_that_the_metadata_does_not_tell_of() -> None:
    notes: list[str] = []
    xml = '<OME><Image><Pixels PhysicalSizeX="0.1"/></Image></OME>'
    assert ome_calibration(xml, notes, "a.ome.tif", 0).pixel_size == 0.1
    assert ome_calibration(xml, notes, "a.ome.tif", 1) == Calibration()
    assert notes == [
        "The OME metadata of a.ome.tif tells of 1 images only, not of series 1; give the "
        "calibration yourself."
    ]


def test_compression_that_needs_a_package(tmp_path: Path) -> None:
    if find_spec("imagecodecs") is not None:
        pytest.skip("imagecodecs is here")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(7, 16, 18), compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as tiff:
        for page in tiff.pages:
            page.tags["Compression"].overwrite(tifffile.COMPRESSION.LZW)
    with pytest.raises(InputError, match=r"a\.tif is compressed.*napari-perrin\[tiff\]"):
        read_movie(path).frame(0)


def test_a_table_given_as_a_movie_is_said_to_be_a_table(tmp_path: Path) -> None:
    path = tmp_path / "tracks.csv"
    path.write_text("particle,frame,y,x\n0,0,1,1\n")
    with pytest.raises(InputError, match=r"tracks\.csv is no movie.*perrin analyze"):
        read_movie(path)
