"""``perrin stats`` as a program: what it writes, what it says, what it refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from perrin.simulate.switching import simulate_switching

QUICK = ("--n-bootstrap", 2, "--max-states", 2, "--n-diffusivities", 20, "--exposure", 0)
UNITS = ("--pixel-size", 0.1, "--frame-interval", 0.02)


def stats(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "perrin", "stats", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )


@pytest.fixture(scope="module")
def movies(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two movies each of particles with D 0.5 and 2 px²/frame."""
    folder = tmp_path_factory.mktemp("movies")
    paths = []
    for number, diffusivity in enumerate((0.5, 0.5, 2.0, 2.0)):
        tracks = simulate_switching([diffusivity], n_tracks=40, n_points=12, noise=0.2, seed=number)
        paths.append(folder / f"cell_{number}.csv")
        tracks[["particle", "frame", "y", "x"]].to_csv(paths[-1], index=False)
    return paths


def test_one_table_of_tracks(movies: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = stats(movies[0], "--out", out, *QUICK, *UNITS, "--max-lag", 3)
    assert done.returncode == 0, done.stderr
    tables = {path.stem: pd.read_csv(path) for path in out.glob("*.csv")}
    assert set(tables) == {
        "diffusivity", "msd", "mean_msd", "msd_fits", "ergodicity", "population", "states",
        "displacements", "non_gaussian", "velocity_autocorrelation",
    }  # fmt: skip
    assert "condition" not in tables["states"]
    assert (out / "statistics.png").stat().st_size > 10_000
    settings = yaml.safe_load((out / "statistics.yaml").read_text())
    assert settings["calibration"]["pixel_size"] == 0.1
    assert (settings["statistics"]["max_lag"], settings["population"]["n_diffusivities"]) == (3, 20)
    assert tables["msd"]["lag"].max() == pytest.approx(0.06)
    # 0.5 px²/frame in µm²/s.
    mean = tables["diffusivity"]["diffusivity"].mean()
    assert mean == pytest.approx(0.25, rel=0.25)
    assert "cell_0.csv: 40 tracks, 480 localizations" in done.stdout
    assert "MSD, time-ensemble average: alpha" in done.stdout
    assert "µm²/s" in done.stdout
    for words in ("Ergodicity breaking after", "Non-Gaussian parameter at 0.02 s", "Correlation"):
        assert words in done.stdout
    assert "Pixel size 0.1 µm, frame interval 0.02 s." in done.stderr
    again = stats(movies[0], "--out", out, *QUICK)
    assert again.returncode == 1
    assert "holds earlier results" in again.stderr


def test_tracks_that_are_not_kept_are_left_out(movies: list[Path], tmp_path: Path) -> None:
    folder, answers = tmp_path / "movie", pd.DataFrame({"particle": range(40), "kept": True})
    folder.mkdir()
    shutil.copy(movies[0], folder / "tracks.csv")
    answers.loc[[3, 7], "kept"] = False
    answers.to_csv(folder / "per_track.csv", index=False)
    done = stats(folder / "tracks.csv", "--out", tmp_path / "out", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "Left out 2 tracks" in done.stderr
    found = pd.read_csv(tmp_path / "out" / "diffusivity.csv")
    assert set(range(40)) - set(found["particle"]) == {3, 7}
    answers.assign(kept=False).to_csv(folder / "per_track.csv", index=False)
    none = stats(folder / "tracks.csv", "--out", tmp_path / "none", *QUICK)
    assert none.returncode == 1
    assert "all tracks in tracks.csv were rejected" in none.stderr


def test_two_conditions_are_compared_by_movie(movies: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = stats(
        *movies[:2], "--against", movies[2], "--against", movies[3], "--names", "control,drug",
        "-o", out, *QUICK, *UNITS, "--quiet",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    table = pd.read_csv(out / "comparison.csv").set_index("quantity")
    speed = table.loc["diffusivity"]
    assert (speed["first_name"], speed["second_name"]) == ("control", "drug")
    assert (speed["unit"], speed["difference"]) == ("µm²/s", pytest.approx(0.75, rel=0.25))
    assert speed["ratio"] == pytest.approx(4, rel=0.25)
    by_movie = pd.read_csv(out / "comparison_movies.csv")
    assert by_movie["condition"].tolist() == ["control"] * 2 + ["drug"] * 2
    assert by_movie["movie"].tolist() == [f"cell_{number}" for number in range(4)]
    assert set(pd.read_csv(out / "comparison_states.csv")["diffusivity_unit"]) == {"µm²/s"}
    single = pd.read_csv(out / "diffusivity.csv")
    assert single.groupby(["condition", "movie"]).size().tolist() == [40] * 4
    for name in ("comparison.png", "statistics_1.png", "statistics_2.png"):
        assert (out / name).stat().st_size > 10_000
    assert "drug less control, with 95% intervals by movie:" in done.stdout


def test_a_column_movie_is_understood(movies: list[Path], tmp_path: Path) -> None:
    parts = [
        pd.read_csv(path).assign(movie=f"day {number}") for number, path in enumerate(movies[:2])
    ]
    parts[1]["particle"] += 100
    pd.concat(parts).to_csv(tmp_path / "all.csv", index=False)
    done = stats(
        tmp_path / "all.csv", "--against", movies[2], "--against", movies[3],
        "-o", tmp_path / "out", *QUICK,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "out/comparison_movies.csv")
    assert table["movie"].tolist() == ["day 0", "day 1", "cell_2", "cell_3"]


def test_one_movie_of_a_condition_is_refused_and_nothing_written(
    movies: list[Path], tmp_path: Path
) -> None:
    done = stats(*movies[:2], "--against", movies[2], "-o", tmp_path / "out", *QUICK)
    assert done.returncode == 1
    assert "'second' has 1 movie" in done.stderr
    assert "cannot be seen in one" in done.stderr
    assert not (tmp_path / "out").exists()


def test_calibrations_that_differ_are_refused(movies: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    pd.read_csv(movies[1]).assign(pixel_size=0.2, frame_interval=0.1).to_csv(other, index=False)
    done = stats(movies[0], other, "-o", tmp_path / "out", *QUICK)
    assert done.returncode == 1
    assert "have different calibrations" in done.stderr
    assert "pixel size 0.2" in done.stderr
    forced = stats(movies[0], other, "-o", tmp_path / "out", *QUICK, *UNITS, "--n-states", 1)
    assert forced.returncode == 0, forced.stderr


def test_recipe_beside_perrins_own_tracks_gives_the_calibration(
    movies: list[Path], tmp_path: Path
) -> None:
    for number in range(2):
        folder = tmp_path / f"movie_{number}"
        folder.mkdir()
        (folder / "tracks.csv").write_bytes(movies[number].read_bytes())
        (folder / "recipe.yaml").write_text(
            "calibration: {pixel_size: 0.1, frame_interval: 0.02, exposure: 0}\n"
        )
    done = stats(
        tmp_path / "movie_0/tracks.csv", tmp_path / "movie_1/tracks.csv", "-o", tmp_path / "out",
        *QUICK,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"calibration in {tmp_path / 'movie_0/recipe.yaml'}" in done.stderr
    table = pd.read_csv(tmp_path / "out/diffusivity.csv")
    assert set(table["diffusivity_unit"]) == {"µm²/s"}
    # Two files of one name are told apart by their folders.
    assert table["movie"].nunique() == 2
    np.testing.assert_array_equal(np.sort(table["particle"]), np.arange(80))


def test_names_that_are_no_two_names_are_not_understood(movies: list[Path], tmp_path: Path) -> None:
    for names in ("control", "a,b,c", "a,a", ",b"):
        done = stats(movies[0], "--names", names, "-o", tmp_path / "out")
        assert done.returncode == 2
        assert "two different names" in done.stderr
