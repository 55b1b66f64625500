"""One recipe over many movies: what is done again, what fails, and all of them together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner

import perrin.batch
from perrin import OutputError, Recipe
from perrin.batch import (
    MovieJob,
    Outcome,
    read_per_track,
    run_movie,
    run_movies,
    summary_table,
)
from perrin.cli import perrin_command
from perrin.cli._batch import _line
from perrin.cli._shell import exit_code_of
from perrin.linking import NearestLinker
from perrin.localization import TrackpyDetector
from perrin.report import movies_report
from perrin.simulate import Camera, render_movie
from perrin.simulate.switching import simulate_switching

RECIPE = Recipe(detector=TrackpyDetector(diameter=7), linker=NearestLinker(search_range=4))


def save_movie(path: Path, seed: int) -> Path:
    """Save a movie so short that no network has anything to say of it."""
    tracks = simulate_switching([0.3], n_tracks=4, n_points=12, box=(40, 48), seed=seed)
    tracks[["y", "x"]] += 8
    frames = render_movie(tracks, (56, 64), 12, Camera(photons=2000), seed=seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, frames, imagej=True, metadata={"axes": "TYX"})
    return path


@pytest.fixture
def job(tmp_path: Path) -> MovieJob:
    return MovieJob(save_movie(tmp_path / "in/a.tif", 1), tmp_path / "out/a", RECIPE, device="cpu")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".csv", ".yaml")
    }


# One movie of many


def test_what_is_finished_is_not_done_again(job: MovieJob, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run_movie(job)
    assert (first.status, first.reason, first.n_frames) == ("done", "", 12)
    before = contents(job.out)
    assert {"tracks.csv", "per_track.csv", "recipe.yaml"} <= set(before)
    assert run_movie(job).status == "skipped"
    assert run_movie(replace(job, overwrite=True)).status == "skipped"
    # Another recipe does not write over it, unless it may.
    other = replace(job, recipe=RECIPE.with_values({"linker": {"search_range": 5}}))
    refused = run_movie(other)
    assert (refused.status, contents(job.out)) == ("failed", before)
    assert "holds earlier results" in refused.reason
    assert run_movie(replace(other, overwrite=True)).status == "done"
    assert contents(job.out)["recipe.yaml"] != before["recipe.yaml"]
    # Nor are results of another channel, or of a movie that has changed since, taken for it.
    assert perrin.batch._is_finished(other, (job.out / "recipe.yaml").read_text())
    assert "made from a.tif, channel 0" in replace(job, channel=0).recipe_text(RECIPE)
    os.utime(job.movie, ns=(time.time_ns() + 10**10,) * 2)
    assert not perrin.batch._is_finished(other, (job.out / "recipe.yaml").read_text())


def test_a_calibration_that_goes_before_that_of_the_file_is_noted(job: MovieJob) -> None:
    frames = tifffile.imread(job.movie)
    tifffile.imwrite(
        job.movie, frames, imagej=True, resolution=(10, 10), metadata={"axes": "TYX", "unit": "um"}
    )
    other = replace(job, recipe=RECIPE.with_values({"calibration": {"pixel_size": 0.5}}))
    outcome = run_movie(other)
    assert outcome.status == "done"
    assert [said for said in outcome.notes if "The pixel size that was given, 0.5 µm" in said]
    assert "  Note: The pixel size that was given" in _line(outcome, 1, 1)
    assert "0.5 µm" in summary_table([outcome], {})["notes"][0]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OutputError("The disk is full."), "The disk is full."),
        (MemoryError(), "not enough memory"),
        (ZeroDivisionError("by zero"), r"Perrin itself failed (ZeroDivisionError: by zero)"),
    ],
)
def test_what_fails_has_a_reason_and_no_result(
    error: Exception, reason: str, job: MovieJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(perrin.batch, "run", fail)
    outcome = run_movie(job)
    assert outcome.status == "failed"
    assert reason in outcome.reason
    assert not job.out.exists()


def test_a_movie_that_vanishes_midway_fails_alone(
    job: MovieJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    locate = TrackpyDetector.locate_frames

    def vanish(self: TrackpyDetector, *given: object) -> pd.DataFrame:
        job.movie.unlink(missing_ok=True)
        return locate(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(TrackpyDetector, "locate_frames", vanish)
    monkeypatch.setattr("perrin.io._movie.Movie.chunks.__defaults__", (4 * 56 * 64 * 2, 0))
    outcome = run_movie(job)
    assert outcome.status == "failed"
    assert "moved or deleted" in outcome.reason
    assert not job.out.exists()


# All of them


def test_movies_in_processes_a_summary_and_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    movie = save_movie(tmp_path / "in/day 1/m.tif", 0)
    (tmp_path / "in/broken.tif").write_bytes(movie.read_bytes()[:3000])
    out = tmp_path / "out"
    arguments = ["run", str(tmp_path / "in"), "--out", str(out), "--workers", "1",
                 "--diameter", "7", "--search-range", "4", "--device", "cpu"]  # fmt: skip
    assert exit_code_of(perrin_command, arguments) == 1
    said = capsys.readouterr()
    assert said.out == "2 movies: 1 done, 0 finished before, 1 failed\n"
    assert "Error: " in said.err
    assert "broken.tif is damaged or truncated" in said.err
    summary = pd.read_csv(out / "summary.csv")
    assert summary["status"].tolist() == ["failed", "done"]
    assert summary.loc[1, "n_frames"] == 12
    table = pd.read_csv(out / "day 1/m/per_track.csv")
    assert summary.loc[1, "n_tracks"] == len(table)
    assert summary.loc[1, "n_localizations"] == table["n_points"].sum()
    assert summary.loc[1, "diffusivity"] == pytest.approx(table["diffusivity"].median())
    report = (out / "report.html").read_text(encoding="utf-8")
    assert 'href="day%201/m/"' in report
    assert "<svg" in report
    assert "http" not in report.split("</svg>")[-1], "the page needs no other"
    # A second time, with the same recipe, there is nothing to do.
    recipe = Recipe.read(out / "day 1/m/recipe.yaml")
    assert run_movie(MovieJob(movie, out / "day 1/m", recipe, device="cpu")).status == "skipped"


def test_the_report_says_what_is_missing(tmp_path: Path) -> None:
    failed = Outcome(MovieJob(tmp_path / "a.tif", tmp_path / "a", RECIPE), "failed", "<b>odd</b>")
    table = summary_table([failed], {})
    page = movies_report(table, {}, tmp_path, RECIPE.to_yaml())
    assert "&lt;b&gt;odd&lt;/b&gt;" in page
    assert "<svg" not in page
    assert "diameter: 7" in page


def test_files_of_others_are_refused_before_the_work(tmp_path: Path) -> None:
    save_movie(tmp_path / "in/a.tif", 1)
    (tmp_path / "summary.csv").write_text("mine")
    done = CliRunner().invoke(
        perrin_command, ["run", str(tmp_path / "in"), "-o", str(tmp_path), "--workers", "1"]
    )
    assert isinstance(done.exception, OutputError)
    assert "summary.csv is not from Perrin" in str(done.exception)
    assert (tmp_path / "summary.csv").read_text() == "mine"


# On a cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers, each a process of its own on this machine."""
    pytest.importorskip("distributed")
    file = tmp_path / "scheduler.json"
    log = (tmp_path / "log").open("wb")

    def start(what: str, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments,
             "--scheduler-file", str(file), "--no-dashboard"],
            stdout=log, stderr=log, cwd=tmp_path,
        )  # fmt: skip

    processes = [start("scheduler", "--host", "127.0.0.1", "--port", "0")]
    try:
        worker = ("--nthreads", "1", "--no-nanny", "--host", "127.0.0.1",
                  "--local-directory", str(tmp_path))  # fmt: skip
        processes += [start("worker", *worker) for _ in range(2)]
        yield str(file), processes[1:]
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()
        log.close()


def test_a_worker_of_a_cluster_is_killed_midway(
    tmp_path: Path, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    scheduler, workers = cluster
    movies = [save_movie(tmp_path / f"m{n}.tif", n) for n in range(3)]
    jobs = [MovieJob(m, tmp_path / "out" / m.stem, RECIPE, device="cpu") for m in movies]
    outcomes = []
    begun = time.monotonic()
    while not Path(scheduler).exists():
        assert time.monotonic() - begun < 120
        time.sleep(0.1)
    for outcome in run_movies(jobs, scheduler=scheduler):
        if not outcomes:
            workers[0].send_signal(signal.SIGKILL)
        outcomes.append(outcome)
    assert sorted(outcome.job.movie for outcome in outcomes) == movies
    assert {outcome.status for outcome in outcomes} <= {"done", "skipped"}
    # As one process alone would have done it, and nothing besides.
    for job in jobs:
        alone = run_movie(replace(job, out=tmp_path / "alone" / job.out.name))
        assert alone.status == "done"
        np.testing.assert_array_equal(
            read_per_track(job).to_numpy(str), read_per_track(alone.job).to_numpy(str)
        )
        assert contents(job.out) == contents(alone.job.out)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["m0", "m1", "m2"]
