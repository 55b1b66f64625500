"""Writing leaves nothing half-done: for each way of failing, the folder is as it was."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pandas as pd
import pytest

from perrin.errors import Cancelled, OutputError
from perrin.io import atomic_files, atomic_write, write_table, write_together


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_file_appears_only_when_complete(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    with atomic_write(target) as temporary:
        temporary.write_text("complete")
        assert not target.exists()
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".csv"
    assert contents(tmp_path) == {"a.csv": b"complete"}


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.csv") as temporary:
        temporary.write_text("x")
    (tmp_path / "b.csv").write_text("x")
    assert (tmp_path / "a.csv").stat().st_mode == (tmp_path / "b.csv").stat().st_mode


@pytest.mark.parametrize("error", [ValueError("no"), Cancelled("stop"), KeyboardInterrupt()])
def test_an_error_in_the_block_passes_through_and_leaves_the_old_file(
    tmp_path: Path, error: BaseException
) -> None:
    target = tmp_path / "a.csv"
    target.write_text("old")

    def write() -> None:
        with atomic_write(target, overwrite=True) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert contents(tmp_path) == {"a.csv": b"old"}


def test_an_existing_file_is_refused_by_name(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    target.write_text("old")
    with pytest.raises(OutputError, match=r"a\.csv exists already.*overwriting"):
        write_table(pd.DataFrame({"a": [1]}), target)
    assert contents(tmp_path) == {"a.csv": b"old"}
    write_table(pd.DataFrame({"a": [1]}), target, overwrite=True)
    assert contents(tmp_path) == {"a.csv": b"a\n1\n"}


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"

    def write() -> None:
        with atomic_write(target) as temporary:
            temporary.write_text("mine")
            target.write_text("theirs")

    with pytest.raises(OutputError, match="exists already"):
        write()
    assert contents(tmp_path) == {"a.csv": b"theirs"}


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "disk is full"), (errno.EACCES, "may not write"), (errno.EROFS, "read-only")],
)
def test_failures_of_the_disk_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    (tmp_path / "a.csv").write_text("old")

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    with pytest.raises(OutputError, match=rf"a\.csv cannot be written: .*{words}") as caught:
        write_table(pd.DataFrame({"a": [1]}), tmp_path / "a.csv", overwrite=True)
    assert isinstance(caught.value.__cause__, OSError)
    assert contents(tmp_path) == {"a.csv": b"old"}


def test_a_disk_that_fills_up_while_flushing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="disk is full"):
        write_table(pd.DataFrame({"a": [1]}), tmp_path / "a.csv")
    assert contents(tmp_path) == {}


def test_a_real_limit_on_file_size(tmp_path: Path) -> None:
    """Not simulated: the kernel refuses to let the file grow beyond 64 kB, in mid-table."""
    resource = pytest.importorskip("resource", reason="limits on file size are POSIX")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, hard))
    try:
        with pytest.raises(OutputError, match="larger than this disk or your account allows"):
            write_table(pd.DataFrame({"a": range(100_000)}), tmp_path / "a.csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert contents(tmp_path) == {}


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="may not write there"):
            write_table(pd.DataFrame({"a": [1]}), tmp_path / "a.csv")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("existing", [True, False])
def test_a_folder_that_refuses_new_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existing: bool
) -> None:
    """The same for root, to whom no permission is denied."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    if existing:
        (tmp_path / "a.csv").write_text("old")
    before = contents(tmp_path)
    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(OutputError, match=r"a\.csv cannot be written: you may not write there"):
        write_table(pd.DataFrame({"a": [1]}), tmp_path / "a.csv", overwrite=True)
    assert contents(tmp_path) == before


def test_a_missing_folder_and_a_file_as_folder(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1]})
    with pytest.raises(OutputError, match="folder does not exist"):
        write_table(table, tmp_path / "none" / "a.csv")
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is a file"):
        write_table(table, tmp_path / "file" / "a.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(OutputError, match="name of a folder"):
        write_table(table, tmp_path / "folder.csv", overwrite=True)
    assert contents(tmp_path) == {"file": b"x"}


def test_several_files_all_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "deep" / "results"
    table = pd.DataFrame({"a": [1]})
    paths = write_together({"one.csv": table, "recipe.yaml": "version: 1\n"}, folder)
    assert [p.name for p in paths] == ["one.csv", "recipe.yaml"]
    assert contents(folder) == {"one.csv": b"a\n1\n", "recipe.yaml": b"version: 1\n"}
    before = contents(folder)

    # The third of three renames fails: the first two are taken back.
    moved = []
    replace = Path.replace

    def fail_at_third(self: Path, target: Path) -> Path:
        if self.name.endswith((".tmp.csv", ".tmp.yaml")):
            moved.append(target)
            if len(moved) == 3:
                raise OSError(errno.EACCES, "open in another program")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail_at_third)
    new = pd.DataFrame({"a": [2]})
    with pytest.raises(OutputError, match="another program"):
        write_together(
            {"one.csv": new, "two.csv": new, "recipe.yaml": "new"}, folder, overwrite=True
        )
    assert len(moved) == 3
    assert contents(folder) == before


def test_the_same_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", no_links)
    for content in ("old", "new"):
        write_together({"a.txt": content, "b.txt": content}, tmp_path, overwrite=True)
    assert contents(tmp_path) == {"a.txt": b"new", "b.txt": b"new"}


def test_folders_made_for_nothing_are_removed(tmp_path: Path) -> None:
    target = tmp_path / "new" / "deep" / "a.txt"
    with pytest.raises(RuntimeError), atomic_files([target], make_folders=True):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
