"""Ctrl-C in the middle of a movie, and the same command again, as a person does it."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import termios
from pathlib import Path

import tifffile

from perrin.simulate import Camera, render_movie
from perrin.simulate.switching import simulate_switching

N_FRAMES = 240


def run(movie: Path, out: Path, *, stop_at: int | None = None) -> tuple[int, list[int], str]:
    """Run ``perrin track`` on a terminal, and press Ctrl-C when so many frames are shown.

    Returns the exit code, the numbers of frames that the progress bar showed, and all that was
    said.
    """
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 120))
    process = subprocess.Popen(
        [sys.executable, "-m", "perrin", "track", movie, "-o", out, "--diameter", "7",
         "--search-range", "4"],
        stdout=subprocess.DEVNULL, stderr=end,
        # A runner in the background may have told its children to ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )  # fmt: skip
    os.close(end)
    said = ""
    while True:
        try:
            read = os.read(terminal, 4096)
        except OSError:  # how a terminal says that nobody writes to it any more
            break
        said += read.decode("utf-8", "replace")
        shown = [int(n) for n in re.findall(rf"Localizing.*?(\d+)/{N_FRAMES}", said)]
        if stop_at is not None and shown and shown[-1] >= stop_at:
            process.send_signal(signal.SIGINT)
            stop_at = None
    os.close(terminal)
    return process.wait(), shown, said


def test_stopped_by_a_person_it_goes_on_to_the_same_result(tmp_path: Path) -> None:
    tracks = simulate_switching([0.3], n_tracks=9, n_points=N_FRAMES, box=(144, 144), seed=1)
    tracks[["y", "x"]] += 8
    frames = render_movie(tracks, (160, 160), N_FRAMES, Camera(photons=2000), seed=6)
    movie = tmp_path / "long.tif"
    tifffile.imwrite(movie, frames, imagej=True, metadata={"axes": "TYX"})

    code, _, said = run(movie, tmp_path / "out", stop_at=20)
    assert code == 130, said
    kept = re.search(r"The spots of (\d+) frames are kept in", said)
    assert kept is not None, said
    assert "the same command goes on from there" in " ".join(said.split())
    assert 20 <= int(kept[1]) < N_FRAMES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.tif", "out.unfinished"]

    code, shown, said = run(movie, tmp_path / "out")
    assert code == 0, said
    # The bar begins where the work does, and speaks of the frames of the whole movie.
    assert shown[0] == int(kept[1])
    assert shown[-1] == N_FRAMES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.tif", "out"]

    code, _, said = run(movie, tmp_path / "whole")
    assert code == 0, said
    for name in ("tracks.csv", "recipe.yaml"):
        one, two = (tmp_path / folder / name for folder in ("out", "whole"))
        assert one.read_bytes() == two.read_bytes(), name
