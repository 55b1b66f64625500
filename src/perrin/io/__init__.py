"""Movies in; tracks and results in and out."""

from perrin.io._atomic import atomic_files, atomic_write, probe_files
from perrin.io._challenge import write_challenge
from perrin.io._checkpoint import UNFINISHED, Checkpoint, fingerprint
from perrin.io._find import find_movies, is_one_movie
from perrin.io._movie import Movie, as_movie
from perrin.io._open import is_movie, read_movie
from perrin.io._results import ANALYSIS_TABLES, write_analysis, write_together
from perrin.io._tables import check_table, read_table, write_table
from perrin.io._tracks import read_tracks, with_calibration, write_tracks

__all__ = [
    "ANALYSIS_TABLES",
    "UNFINISHED",
    "Checkpoint",
    "Movie",
    "as_movie",
    "atomic_files",
    "atomic_write",
    "check_table",
    "find_movies",
    "fingerprint",
    "is_movie",
    "is_one_movie",
    "probe_files",
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
