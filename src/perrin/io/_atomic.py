"""Writing files so that a failure leaves everything as it was.

What is to be written goes to temporary names in the target's own folder (a rename is atomic only
within one file system), is flushed to the disk, and is moved into place at the very end.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from perrin.errors import OutputError

__all__ = ["atomic_files", "atomic_folder", "atomic_write", "probe_files"]

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "your disk quota is used up; free some space or choose another folder",
    errno.EFBIG: "the file is larger than this disk or your account allows; choose another folder",
    errno.EACCES: "you may not write there (or another program has the file open); choose "
    "another folder or close that program",
    errno.EPERM: "you may not write there; choose another folder",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.ENOENT: "its folder does not exist; create the folder or choose another",
    errno.ENOTDIR: "a part of its folder's name is a file; choose another folder",
    errno.EISDIR: "this is the name of a folder; choose another name",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


@contextmanager
def atomic_write(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Write one file completely or not at all.

    Parameters
    ----------
    path
        The file to make. Its folder must exist.
    overwrite
        Whether a file of this name may be replaced.

    Yields
    ------
    pathlib.Path
        A temporary, empty file in the same folder and with the same suffix: write there. It takes
        its final name when the block ends, and is deleted if the block raises.

    Raises
    ------
    OutputError
        If the file exists (and ``overwrite`` is false) or cannot be written. An existing file is
        then unchanged.
    """
    with atomic_files([path], overwrite=overwrite) as temporaries:
        yield temporaries[0]


@contextmanager
def atomic_files(
    paths: Sequence[str | os.PathLike[str]],
    *,
    overwrite: bool = False,
    make_folders: bool = False,
) -> Iterator[list[Path]]:
    """Write several files, all of them or none; see :func:`atomic_write`.

    Parameters
    ----------
    paths
        The files to make.
    overwrite
        Whether existing files may be replaced.
    make_folders
        Whether to create missing folders; those created are removed again if writing fails.

    Yields
    ------
    list of pathlib.Path
        One temporary file for each of ``paths``, in the same order.

    Raises
    ------
    OutputError
        If a file exists or cannot be written; nothing that existed was changed.
    """
    targets = [Path(path) for path in paths]
    for target in targets:
        _refuse_existing(target, overwrite)
    made: list[Path] = []
    temporaries: list[Path] = []
    current = targets[0] if targets else Path()
    try:
        for current in targets:
            if make_folders:
                made += _make_folders(current.parent)
            temporaries.append(_new_temporary(current))
        yield list(temporaries)
        for current, temporary in zip(targets, temporaries, strict=True):
            _refuse_existing(current, overwrite)
            _flush(temporary)
        _move_all(temporaries, targets)
    except BaseException as error:
        for temporary in temporaries:
            _remove(temporary)
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError) and not isinstance(error, OutputError):
            raise OutputError(_sentence(current, targets, error)) from error
        raise


class _Probed(Exception):
    """Ends the trial of writing, so that nothing is kept of it."""


def probe_files(
    paths: Sequence[str | os.PathLike[str]], *, overwrite: bool = False, make_folders: bool = False
) -> None:
    """Try, before long work begins, whether :func:`atomic_files` will be able to write.

    Raises
    ------
    OutputError
        If not. Either way, nothing is left behind.
    """
    with (
        suppress(_Probed),
        atomic_files(paths, overwrite=overwrite, make_folders=make_folders),
    ):
        raise _Probed


@contextmanager
def atomic_folder(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Write a folder that is one thing, such as a Zarr store, completely or not at all.

    Parameters
    ----------
    path
        The folder to make. The one it lies in must exist.
    overwrite
        Whether a folder of this name may be replaced.

    Yields
    ------
    pathlib.Path
        A temporary, empty folder beside it; as for :func:`atomic_write`.

    Raises
    ------
    OutputError
        If the folder exists (and ``overwrite`` is false) or cannot be written.
    """
    target = Path(path)
    if not overwrite and os.path.lexists(target):
        raise OutputError(_exists(target))
    mark = secrets.token_hex(6)
    temporary = target.with_name(f".{target.stem[:80]}.{mark}.tmp{target.suffix}")
    before = target.with_name(f".{target.stem[:80]}.{mark}.old")
    try:
        temporary.mkdir()
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _flush(file)
        if target.exists():
            target.replace(before)
        try:
            temporary.replace(target)
        except BaseException:
            if before.exists():
                before.replace(target)
            raise
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError) and not isinstance(error, OutputError):
            raise OutputError(_sentence(target, [target], error)) from error
        raise
    if before.is_dir():
        shutil.rmtree(before, ignore_errors=True)
    else:
        _remove(before)


def _exists(target: Path) -> str:
    return (
        f"{target} exists already and was left as it is. Choose another name or folder, or "
        "allow overwriting."
    )


def _refuse_existing(target: Path, overwrite: bool) -> None:
    if target.is_dir():
        raise OutputError(f"{target} cannot be written: {_REASONS[errno.EISDIR]}.")
    if not overwrite and os.path.lexists(target):
        raise OutputError(_exists(target))


def _make_folders(folder: Path) -> list[Path]:
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
    return missing[::-1]


def _new_temporary(target: Path) -> Path:
    # Not tempfile.mkstemp: its files are private to the user, and results should have the
    # permissions that any other new file in the folder would get.
    name = f".{target.stem[:80]}.{secrets.token_hex(6)}.tmp{target.suffix}"
    temporary = target.parent / name
    temporary.touch(exist_ok=False)
    return temporary


def _flush(path: Path) -> None:
    # Some file systems report a full disk only when the data is forced out.
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _move_all(temporaries: list[Path], targets: list[Path]) -> None:
    """Rename all; if one rename fails, put back what the earlier ones replaced."""
    if len(targets) == 1:
        temporaries[0].replace(targets[0])
        return
    done: list[Path] = []
    backups: dict[Path, Path] = {}
    try:
        for target in targets:
            if os.path.lexists(target):
                backup = target.with_name(f".{target.name[:80]}.{secrets.token_hex(6)}.old")
                backups[target] = backup
                _keep_copy(target, backup)
        for temporary, target in zip(temporaries, targets, strict=True):
            temporary.replace(target)
            done.append(target)
    except BaseException:
        for target in done:
            if target in backups:
                backups[target].replace(target)
            else:
                _remove(target)
        raise
    finally:
        for backup in backups.values():
            _remove(backup)


def _keep_copy(target: Path, backup: Path) -> None:
    try:
        os.link(target, backup)
    except OSError:  # a file system without hard links
        shutil.copy2(target, backup)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _sentence(current: Path, targets: list[Path], error: OSError) -> str:
    reason = _REASONS.get(error.errno or 0, f"{error.strerror or error}; choose another folder")
    if error.errno == errno.ENOENT and current.parent.is_dir():
        reason = f"{error.strerror}; choose another folder"
    which = current if len(targets) == 1 else f"The results in {current.parent}"
    return f"{which} cannot be written: {reason}. Nothing that was there has been changed."
