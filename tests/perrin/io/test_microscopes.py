"""Movies as microscopes save them, and OME-Zarr: pixels, axes, calibration, laziness, damage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perrin import InputError, Movie, as_movie, read_movie, track_movie
from perrin.io._lazy import Planes, Selected

DATA = np.random.default_rng(0).integers(1, 999, (7, 3, 20, 24)).astype(np.uint16)  # T, C or Z
MOVIE = DATA[:, 0]


def same(movie: Movie, expected: np.ndarray) -> None:
    assert movie.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(movie.frames), expected)
    for number in (0, len(expected) - 1):
        np.testing.assert_array_equal(movie.frame(number), expected[number])


def cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    short = path.with_stem("short")
    short.write_bytes(content[: int(share * len(content))])
    return short


# CZI: written by Zeiss's own package


@pytest.fixture
def czi(tmp_path: Path) -> Path:
    writing = pytest.importorskip("pylibCZIrw.czi")
    path = tmp_path / "a.czi"
    with writing.create_czi(str(path)) as file:
        for scene, x in enumerate((0, 100)):
            for t, c in np.ndindex(7, 3):
                plane = {"T": int(t), "C": int(c), "Z": 0}
                file.write(DATA[t, c, ..., None] + scene, (x, 0), plane, scene=scene)
        file.write_metadata("a", scale_x=1.1e-7, scale_y=1.1e-7, scale_z=3e-7)
    return path


def test_czi(czi: Path) -> None:
    movie = read_movie(czi, channel=2)
    assert isinstance(movie.frames, Planes)
    same(movie, DATA[:, 2])
    assert movie.calibration.pixel_size == pytest.approx(0.11)
    assert movie.calibration.frame_interval is None
    assert "holds 2 images" in movie.notes[0]
    same(read_movie(czi, channel=0, series=1), MOVIE + 1)
    with pytest.raises(InputError, match="has 3 channels; particles are tracked in one"):
        read_movie(czi)
    with pytest.raises(InputError, match=r"no series 2; its series are 0 to 1"):
        read_movie(czi, channel=0, series=2)


def test_czi_says_the_interval(czi: Path) -> None:
    from perrin.io._czi import _calibration

    # As ZEN writes it; the package's writer does not.
    xml = (
        "<ImageDocument><Metadata><Information><Image><Dimensions><T><Positions><Interval>"
        "<Start>0</Start><Increment>0.25</Increment></Interval></Positions></T></Dimensions>"
        "</Image></Information><Scaling><Items><Distance Id='X'><Value>1.1E-07</Value></Distance>"
        "<Distance Id='Y'><Value>2.2E-07</Value></Distance></Items></Scaling></Metadata>"
        "</ImageDocument>"
    )
    notes: list[str] = []
    calibration = _calibration(xml, notes, "a.czi")
    assert (calibration.frame_interval, calibration.pixel_size) == (0.25, pytest.approx(0.11))
    assert "not square" in notes[0]


# LIF and ND2: laid out by the tests, read by the peers' packages


def test_lif(tmp_path: Path, write_lif: Callable[..., None]) -> None:
    pytest.importorskip("liffile")
    path, step = tmp_path / "a.lif", {"X": 1e-7, "Y": 1e-7, "Z": 5e-7, "T": 0.05}
    write_lif(
        path,
        {
            "overview": (DATA[0, 0], "YX", step),
            "movie": (MOVIE, "TYX", step),
            "colours": (DATA, "TCYX", step),
            "stacks": (DATA, "TZYX", step),
        },
    )
    movie = read_movie(path)
    assert isinstance(movie.frames, Planes)
    same(movie, MOVIE)
    assert (movie.calibration.pixel_size, movie.calibration.frame_interval) == pytest.approx(
        (0.1, 0.05)
    )
    assert "number 1 (movie) is read" in movie.notes[0]
    same(read_movie(path, series=2, channel=1), DATA[:, 1])
    stacks = read_movie(path, series=3)
    same(stacks, DATA)
    assert stacks.calibration.z_step == pytest.approx(0.5)
    with pytest.raises(InputError, match="single frame"):
        read_movie(path, series=0)


@pytest.mark.parametrize("measured", [True, False])
def test_nd2(tmp_path: Path, measured: bool, write_nd2: Callable[..., None]) -> None:
    pytest.importorskip("nd2")
    path = tmp_path / "a.nd2"
    write_nd2(path, np.moveaxis(DATA, 1, -1), period=40.0, step=0.11, measured=measured)
    movie = read_movie(path, channel=1)
    assert isinstance(movie.frames, Planes)
    same(movie, DATA[:, 1])
    assert movie.calibration.pixel_size == pytest.approx(0.11)
    # What the microscope did goes before what it was told to do.
    assert movie.calibration.frame_interval == pytest.approx(0.0404 if measured else 0.04)


@pytest.mark.parametrize("suffix", ["nd2", "lif", "czi"])
@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.97])
def test_truncated_files_are_refused_or_read_up_to_the_damage(
    suffix: str, share: float, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "nd2":
        request.getfixturevalue("write_nd2")(path, MOVIE[..., None], period=40.0, step=0.11)
    elif suffix == "lif":
        write_lif = request.getfixturevalue("write_lif")
        write_lif(path, {"movie": (MOVIE, "TYX", {"X": 1e-7, "Y": 1e-7, "T": 0.05})})
    else:
        path = request.getfixturevalue("czi")
    short = cut(path, share)

    def read() -> None:
        np.asarray(read_movie(short, channel=0).frames)

    with pytest.raises(InputError, match=r"short\.(nd2|lif|czi)"):
        read()


@pytest.mark.parametrize("suffix", [".nd2", ".lif", ".czi"])
def test_other_bytes_are_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(np.random.default_rng(1).bytes(5000))
    with pytest.raises(InputError, match=rf"a\{suffix} is not a readable"):
        read_movie(path)


def test_a_package_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    (tmp_path / "a.nd2").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "nd2", None)
    monkeypatch.delitem(sys.modules, "perrin.io._nd2", raising=False)
    with pytest.raises(InputError, match=r"pip install napari-perrin\[nd2\]"):
        read_movie(tmp_path / "a.nd2")


# OME-Zarr: metadata made and checked by ome-zarr-models


def write_ome_zarr(
    path: Path, data: np.ndarray, axes: str, scale: list[float], version: str, **more: Any
) -> None:
    zarr = pytest.importorskip("zarr")
    pytest.importorskip("ome_zarr_models")
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    for level, part in enumerate((data, data[..., ::2, ::2])):
        chunks = (1,) * (data.ndim - 2) + part.shape[-2:]
        array = group.create_array(
            str(level),
            shape=part.shape,
            chunks=chunks,
            dtype=data.dtype,
            dimension_names=None if version == "0.4" else list(axes),
        )
        array[:] = part
    units = {"t": "millisecond", "z": "micrometer", "y": "micrometer", "x": "micrometer"}
    kinds = {"t": "time", "c": "channel"}
    multiscale = {
        "name": "a",
        "axes": [
            {"name": a, "type": kinds.get(a, "space"), **({"unit": units[a]} if a in units else {})}
            for a in axes
        ],
        "datasets": [
            {
                "path": str(level),
                "coordinateTransformations": [
                    {
                        "type": "scale",
                        "scale": [s * 2**level if a in "xy" else s
                                  for a, s in zip(axes, scale, strict=True)],
                    }
                ],
            }
            for level in range(2)
        ],
        **more,
    }  # fmt: skip
    if version == "0.4":
        group.attrs.update({"multiscales": [{**multiscale, "version": version}]})
    else:
        group.attrs.update({"ome": {"version": version, "multiscales": [multiscale]}})


def check_by_peer(path: Path, version: str) -> None:
    """Let the models of the standard's own community say that the metadata are right."""
    import zarr
    from ome_zarr_models.v04.image import ImageAttrs
    from ome_zarr_models.v05 import Image

    group = zarr.open_group(path, mode="r")
    if version == "0.4":
        ImageAttrs.model_validate(dict(group.attrs))
    else:
        Image.from_zarr(group)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr(version: str, tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    scale = [50.0, 1.0, 0.3, 0.1, 0.1]
    data = np.stack([DATA, DATA + 1], 1)  # T, C, Z, Y, X
    write_ome_zarr(path, data, "tczyx", scale, version)
    check_by_peer(path, version)
    movie = read_movie(path, channel=1)
    assert movie.name == "a"
    assert isinstance(movie.frames, Selected)
    same(movie, DATA + 1)
    assert movie.calibration.model_dump(exclude={"exposure"}) == pytest.approx(
        {"pixel_size": 0.1, "frame_interval": 0.05, "z_step": 0.3}
    )
    flat = tmp_path / "flat.zarr"
    both = [{"type": "scale", "scale": [2.0, 0.5, 0.5]}]
    write_ome_zarr(flat, MOVIE, "tyx", [50.0, 0.2, 0.2], version, coordinateTransformations=both)
    same(read_movie(flat), MOVIE)
    assert read_movie(flat).calibration.frame_interval == pytest.approx(0.1)
    assert read_movie(flat).calibration.pixel_size == pytest.approx(0.1)


def test_zarr_of_other_kinds(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(tmp_path / "plain.zarr", data=MOVIE)
    same(read_movie(tmp_path / "plain.zarr"), MOVIE)
    # What Bio-Formats writes: each image in a folder of its own.
    group = zarr.open_group(tmp_path / "all.zarr", mode="w", zarr_format=2)
    group.attrs["bioformats2raw.layout"] = 3
    for number in range(2):
        path = tmp_path / "all.zarr" / str(number)
        write_ome_zarr(path, MOVIE + number, "tyx", [1.0, 1.0, 1.0], "0.4")
    movie = read_movie(tmp_path / "all.zarr", series=1)
    same(movie, MOVIE + 1)
    empty = zarr.open_group(tmp_path / "empty.zarr", mode="w")
    with pytest.raises(InputError, match=r"without the metadata of an image"):
        read_movie(tmp_path / "empty.zarr")
    empty.attrs["plate"] = {}
    with pytest.raises(InputError, match="plate"):
        read_movie(tmp_path / "empty.zarr")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="folder is a folder, and no OME-Zarr movie"):
        read_movie(tmp_path / "folder")
    assert array.shape == MOVIE.shape


def test_a_damaged_part_of_a_zarr_is_told(tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    path = tmp_path / "a.zarr"
    write_ome_zarr(path, MOVIE, "tyx", [1.0, 0.1, 0.1], "0.5")
    movie = read_movie(path)
    (path / "0" / "c" / "5" / "0" / "0").write_bytes(b"not what was written")
    np.testing.assert_array_equal(movie.frame(4), MOVIE[4])
    with pytest.raises(InputError, match=r"Frames of a\.zarr cannot be read"):
        movie.frame(5)


def test_tracks_of_a_dask_array_are_those_of_its_pixels(spots_movie: Path) -> None:
    da = pytest.importorskip("dask.array")
    pixels = np.asarray(read_movie(spots_movie).frames)
    computed: list[int] = []

    def part(block: np.ndarray) -> np.ndarray:
        computed.append(len(block))
        return block

    lazy = da.from_array(pixels, chunks=(8, 80, 96)).map_blocks(part, dtype=pixels.dtype)
    computed.clear()
    movie = as_movie(lazy)
    tracks = track_movie(movie)
    assert tracks.equals(track_movie(pixels))
    # Once for the tracks, once for a look at the first megabytes, and three frames for the noise.
    assert sum(computed) <= 40 + 40 + 3 * 8
