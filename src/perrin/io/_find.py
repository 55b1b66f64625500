"""Which movies folders and patterns hold, and what to call their results."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from perrin.errors import InputError
from perrin.io._checkpoint import UNFINISHED
from perrin.io._open import is_movie

__all__ = ["find_movies", "is_one_movie"]


def is_one_movie(sources: Sequence[str | os.PathLike[str]]) -> bool:
    """Say whether what was given is a single movie, and no folder or pattern of movies."""
    if len(sources) != 1:
        return False
    path = Path(sources[0])
    return is_movie(path) if path.is_dir() else path.exists() or not _is_pattern(path)


def find_movies(
    sources: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str]
) -> dict[str, Path]:
    """Find movies, and name the folder of results of each.

    Parameters
    ----------
    sources
        Movies; folders, in which movies are sought at any depth; patterns such as ``day*/*.tif``.
    out
        Folder for the results, which is not searched.

    Returns
    -------
    dict
        The path of each movie by the name of its results below ``out``: that of the file without
        its suffix, with the folders between it and the folder that was given.

    Raises
    ------
    InputError
        If a folder or a pattern holds no movie, or two movies have the same name.
    """
    out = Path(out).resolve()
    found: list[tuple[Path, Path]] = []
    for source in map(Path, sources):
        if source.is_dir() and not is_movie(source):
            movies = [(path, path.relative_to(source)) for path in _movies_in(source, out)]
        elif not source.exists() and _is_pattern(source):
            pattern = str(source.relative_to(source.anchor))
            matches = sorted(Path(source.anchor).glob(pattern))
            movies = [(path, Path(path.name)) for path in matches if is_movie(path)]
        else:
            movies = [(source, Path(source.name))]
        if not movies:
            raise InputError(
                f"There is no movie in {source}. Give a folder or a pattern with movies (.tif, "
                ".zarr, .nd2, .czi, .lif), or the movies themselves."
            )
        found += movies
    paths = {path.resolve(): name for path, name in found}
    short = [name.with_suffix("") for name in paths.values()]
    named: dict[str, Path] = {}
    for path, name in paths.items():
        # With its suffix where that tells two movies apart.
        bare = name.with_suffix("")
        folder = (bare if short.count(bare) == 1 else name).as_posix()
        if folder in named:
            raise InputError(
                f"{named[folder]} and {path} would have the same folder of results, {folder}. Run "
                "them apart, or give the folder that holds both."
            )
        named[folder] = path
    return named


def _is_pattern(path: Path) -> bool:
    return glob.has_magic(str(path))


def _movies_in(folder: Path, out: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.endswith(UNFINISHED) or path.resolve() == out:
            continue
        if is_movie(path):
            yield path
        elif path.is_dir():
            yield from _movies_in(path, out)
