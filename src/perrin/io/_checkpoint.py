"""Spots of a movie that is not finished, kept so that the work can go on where it stopped."""

from __future__ import annotations

import hashlib
import os
import re
import time
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pandas as pd
import yaml

from perrin.errors import PerrinError
from perrin.io._atomic import atomic_files
from perrin.io._movie import Movie

__all__ = ["UNFINISHED", "Checkpoint", "fingerprint"]

UNFINISHED = ".unfinished"
"""How the name of a folder ends that holds work which is not finished."""

_WORK = "work.yaml"
_PART = re.compile(r"frames_(\d+)_(\d+)\.npz")


class Checkpoint:
    """A folder with the spots of the frames that are done.

    Used around work and saving; afterwards the folder is gone. If the work is stopped or fails, it
    stays, and the same work begun again goes on from there, with the same result to the last digit.

    Parameters
    ----------
    folder
        Made when there is something to keep.
    every
        Seconds between two writes; work that takes less leaves nothing but when it is stopped.

    Examples
    --------
    >>> with perrin.Checkpoint.beside("beads") as checkpoint:
    ...     perrin.run(movie, checkpoint=checkpoint).save("beads")
    """

    def __init__(self, folder: str | os.PathLike[str], *, every: float = 5.0) -> None:
        self.folder = Path(folder)
        self._every = every
        self._work: dict[str, Any] = {}
        self._pending: list[pd.DataFrame] = []
        self._kept = self._stop = 0
        self._last_write = time.monotonic()

    @classmethod
    def beside(cls, results: str | os.PathLike[str]) -> Self:
        """Return the checkpoint of a folder of results, ``NAME.unfinished`` beside it."""
        path = Path(results).resolve()
        return cls(path.with_name(f"{path.name}{UNFINISHED}"))

    @property
    def n_frames(self) -> int:
        """How many frames, from the first on, the folder holds."""
        return self._kept

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.remove()
            return
        with suppress(PerrinError):  # a full disk may be why the work ended
            self.write()

    def begin(self, work: Mapping[str, Any]) -> tuple[list[pd.DataFrame], int]:
        """Take up what is there of this work, and forget what is there of any other.

        Parameters
        ----------
        work
            All that the spots depend on, in values that YAML can hold.

        Returns
        -------
        tables : list of pandas.DataFrame
            The spots found.
        n_frames : int
            In how many frames.
        """
        self._work = dict(work)
        self._pending, self._kept, self._last_write = [], 0, time.monotonic()
        tables: list[pd.DataFrame] = []
        if self._read_work() != self._work:
            self.remove()
        for first, stop, path in self._parts():
            table = _read(path) if first == self._kept else None
            if table is None:
                break
            self._kept = stop
            if len(table.columns):
                tables.append(table)
        self._stop = self._kept
        return tables, self._kept

    def keep(self, spots: pd.DataFrame, stop: int) -> None:
        """Keep the spots of the next frames, up to but without ``stop``.

        Raises
        ------
        OutputError
            If they are written now and cannot be.
        """
        self._stop = stop
        if len(spots):
            self._pending.append(spots)
        if time.monotonic() - self._last_write >= self._every:
            self.write()

    def write(self) -> None:
        """Write what has not been written yet.

        Raises
        ------
        OutputError
            If it cannot be written; what was there stays.
        """
        if self._stop == self._kept:
            return
        table = pd.concat(self._pending, ignore_index=True) if self._pending else pd.DataFrame()
        part = self.folder / f"frames_{self._kept:08d}_{self._stop:08d}.npz"
        work = yaml.safe_dump(self._work, sort_keys=True, allow_unicode=True)
        with atomic_files(
            [part, self.folder / _WORK], overwrite=True, make_folders=True
        ) as temporaries:
            columns: dict[str, Any] = {str(name): table[name].to_numpy() for name in table}
            with temporaries[0].open("wb") as file:
                np.savez(file, allow_pickle=False, **columns)
            temporaries[1].write_text(work, encoding="utf-8")
        self._pending, self._kept = [], self._stop
        self._last_write = time.monotonic()

    def remove(self) -> None:
        """Delete the folder, but for files in it that are not ours."""
        with suppress(OSError):
            for _, _, path in self._parts():
                path.unlink(missing_ok=True)
            (self.folder / _WORK).unlink(missing_ok=True)
            self.folder.rmdir()

    def _parts(self) -> list[tuple[int, int, Path]]:
        if not self.folder.is_dir():
            return []
        found = [(_PART.fullmatch(path.name), path) for path in self.folder.iterdir()]
        return sorted((int(match[1]), int(match[2]), path) for match, path in found if match)

    def _read_work(self) -> Any:
        try:
            return yaml.safe_load((self.folder / _WORK).read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            return None


def fingerprint(movie: Movie) -> dict[str, Any]:
    """Describe a movie so that it is known again: its size, its file, and three of its frames."""
    digest = hashlib.sha256()
    for number in sorted({0, movie.n_frames // 2, movie.n_frames - 1}):
        digest.update(np.ascontiguousarray(movie.frame(number)).tobytes())
    known: dict[str, Any] = {
        "shape": list(movie.shape),
        "dtype": np.dtype(movie.frames.dtype).name,
        "frames": digest.hexdigest(),
    }
    if movie.path is not None:
        status = movie.path.stat()
        known |= {"bytes": status.st_size, "modified": status.st_mtime_ns}
    return known


def _read(path: Path) -> pd.DataFrame | None:
    """Read a part, or return ``None`` if it is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return pd.DataFrame({name: arrays[name] for name in arrays.files})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
