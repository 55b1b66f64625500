"""Movies in; tracks and results in and out."""

from perrin.io._atomic import atomic_files, atomic_write
from perrin.io._challenge import write_challenge
from perrin.io._checkpoint import UNFINISHED, Checkpoint, fingerprint
from perrin.io._find import find_movies, is_one_movie
from perrin.io._movie import Movie, as_movie
from perrin.io._open import is_movie, read_movie
from perrin.io._results import write_analysis, write_together
from perrin.io._tables import read_table, write_table
from perrin.io._tracks import read_tracks, with_calibration, write_tracks

__all__ = [
    "UNFINISHED",
    "Checkpoint",
    "Movie",
    "as_movie",
    "atomic_files",
    "atomic_write",
    "find_movies",
    "fingerprint",
    "is_movie",
    "is_one_movie",
    "read_movie",
    "read_table",
    "read_tracks",
    "with_calibration",
    "write_analysis",
    "write_challenge",
    "write_table",
    "write_together",
    "write_tracks",
]
