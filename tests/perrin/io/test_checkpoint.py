"""Work that is stopped goes on where it stopped, with the same result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pandas.testing import assert_frame_equal

from perrin import Cancelled, Checkpoint, GaussianDetector, TrackpyDetector, localize, read_movie
from perrin.localization import Detector

DETECTORS = [TrackpyDetector(diameter=7), GaussianDetector(sigma=1.3)]


class Stopper:
    """Progress that stops the work when so many frames are done, and remembers the first call."""

    def __init__(self, at: int = 10**9) -> None:
        self.at, self.first = at, -1

    def __call__(self, what: str, done: int, total: int) -> None:
        if self.first < 0:
            self.first = done
        if done >= self.at:
            raise Cancelled


def stop(movie: Path, folder: Path, detector: Detector, at: int) -> None:
    with pytest.raises(Cancelled), Checkpoint(folder) as checkpoint:
        localize(read_movie(movie), detector, progress=Stopper(at), checkpoint=checkpoint)


def parts(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*"))


@pytest.mark.parametrize("detector", DETECTORS, ids=["trackpy", "gaussian"])
def test_stopped_twice_is_as_never_stopped(
    detector: Detector, spots_movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Several parts, and several batches in each.
    monkeypatch.setattr("perrin.io._movie.Movie.chunks.__defaults__", (17 * 80 * 96 * 2, 0))
    monkeypatch.setattr(type(detector), "frames_at_once", lambda self, shape: 5)
    movie = read_movie(spots_movie)
    whole = localize(movie, detector)
    folder = tmp_path / "out.unfinished"
    for at in (9, 25):
        stop(spots_movie, folder, detector, at)
    assert parts(folder)[-1] == "work.yaml"
    again = Stopper()
    with Checkpoint(folder) as checkpoint:
        resumed = localize(movie, detector, progress=again, checkpoint=checkpoint)
        assert checkpoint.folder.is_dir()
    assert again.first == 27  # the first end of a batch from 25 on, in parts of 17 frames
    assert_frame_equal(resumed, whole, check_exact=True)
    assert not folder.exists()


def test_other_work_begins_anew(spots_movie: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    stop(spots_movie, folder, DETECTORS[0], 20)
    (folder / "mine.txt").write_text("keep")
    other = Stopper()
    with Checkpoint(folder) as checkpoint:
        localize(
            read_movie(spots_movie),
            TrackpyDetector(diameter=9),
            progress=other,
            checkpoint=checkpoint,
        )
    assert other.first == 1
    assert parts(folder) == ["mine.txt"]


def test_a_movie_that_was_written_again_is_other_work(spots_movie: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a.tif"
    copy.write_bytes(spots_movie.read_bytes())
    stop(copy, tmp_path / "work", DETECTORS[0], 20)
    copy.write_bytes(spots_movie.read_bytes())
    seen = Stopper(at=1)
    with pytest.raises(Cancelled), Checkpoint(tmp_path / "work") as checkpoint:
        localize(read_movie(copy), DETECTORS[0], progress=seen, checkpoint=checkpoint)
    assert seen.first == 1


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut short"])
def test_damaged_parts_are_done_again(damage: bytes, spots_movie: Path, tmp_path: Path) -> None:
    whole = localize(read_movie(spots_movie), DETECTORS[0])
    folder = tmp_path / "work"
    for at in (10, 20, 30):
        stop(spots_movie, folder, DETECTORS[0], at)
    second = folder / parts(folder)[1]
    second.write_bytes(damage)
    seen = Stopper()
    with Checkpoint(folder) as checkpoint:
        resumed = localize(
            read_movie(spots_movie), DETECTORS[0], progress=seen, checkpoint=checkpoint
        )
    assert seen.first == 10
    assert_frame_equal(resumed, whole, check_exact=True)


def test_frames_without_spots_are_done_too(tmp_path: Path) -> None:
    flat = np.zeros((30, 40, 40), np.uint8)
    flat[0, 3, 3] = 1
    detector = TrackpyDetector(minmass=1e6)
    with pytest.raises(Cancelled), Checkpoint(tmp_path / "w") as checkpoint:
        localize(flat, detector, progress=Stopper(12), checkpoint=checkpoint)
    assert checkpoint.n_frames == 12
    seen = Stopper()
    with Checkpoint(tmp_path / "w") as checkpoint:
        assert localize(flat, detector, progress=seen, checkpoint=checkpoint).empty
    assert seen.first == 12


def test_short_work_leaves_no_trace(spots_movie: Path, tmp_path: Path) -> None:
    written: list[int] = []
    with Checkpoint(tmp_path / "w") as checkpoint:
        localize(
            read_movie(spots_movie),
            DETECTORS[0],
            checkpoint=checkpoint,
            progress=lambda *_: written.append(checkpoint.folder.exists()),
        )
    assert not any(written)
    assert parts(tmp_path) == []
