"""Which movies folders and patterns hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from perrin import InputError
from perrin.io import find_movies, is_one_movie


def test_movies_are_found_and_named(tmp_path: Path) -> None:
    for name in ("a.tif", "a.nd2", "day 1/b.czi", "day 1/notes.txt", ".hidden/c.tif",
                 "out/old.tif", "d.unfinished/e.tif"):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "z.zarr").mkdir()
    (tmp_path / "z.zarr/zarr.json").touch()
    found = find_movies([tmp_path], tmp_path / "out")
    assert {name: path.relative_to(tmp_path).as_posix() for name, path in found.items()} == {
        "a.nd2": "a.nd2", "a.tif": "a.tif", "day 1/b": "day 1/b.czi", "z": "z.zarr",
    }  # fmt: skip
    assert set(find_movies([tmp_path / "*.nd2", tmp_path / "day 1/b.czi"], tmp_path)) == {"a", "b"}
    assert len(find_movies([tmp_path / "a.tif", tmp_path / "a.tif"], tmp_path)) == 1
    with pytest.raises(InputError, match="no movie in"):
        find_movies([tmp_path / "*.lif"], tmp_path)
    (tmp_path / "day 2").mkdir()
    (tmp_path / "day 2/b.czi").touch()
    with pytest.raises(InputError, match="the same folder of results"):
        find_movies([tmp_path / "day 1/b.czi", tmp_path / "day 2/b.czi"], tmp_path)


def test_one_movie_is_not_a_folder_of_them(tmp_path: Path) -> None:
    (tmp_path / "a.tif").touch()
    (tmp_path / "z.zarr").mkdir()
    (tmp_path / "z.zarr/.zgroup").touch()
    assert is_one_movie([tmp_path / "a.tif"])
    assert is_one_movie([tmp_path / "z.zarr"])
    assert is_one_movie([tmp_path / "missing.tif"])
    assert not is_one_movie([tmp_path])
    assert not is_one_movie([tmp_path / "*.tif"])
    assert not is_one_movie([tmp_path / "a.tif", tmp_path / "b.tif"])
