"""The command line, as a program: what it writes, what it says, how it ends."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml
from click.testing import CliRunner

import perrin
from perrin import Calibration, InputError, Recipe
from perrin.cli import perrin_command
from perrin.cli._options import SectionedCommand, add_options, changes_in
from perrin.cli._shell import exit_code_of
from perrin.parameters import Parameters, parameter
from perrin.simulate import simulate_tracks

FIND = ["--diameter", "7", "--search-range", "4"]


def command(
    *arguments: object, prepare: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "perrin", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        preexec_fn=prepare,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# What it does


def test_run_writes_tables_and_says_what_it_found(spots_movie: Path, tmp_path: Path) -> None:
    done = command("run", spots_movie, "--out", tmp_path / "out", "--device", "cpu", *FIND)
    assert done.returncode == 0, done.stderr
    assert names(tmp_path / "out") == [
        "overview.png", "per_frame.csv", "per_track.csv", "recipe.yaml", "source.yaml",
        "switches.csv", "tracks.csv",
    ]  # fmt: skip
    assert "median D (µm²/s)" in done.stdout
    assert "Pixel size 0.1 µm, frame interval 0.05 s" in done.stderr
    assert "%" not in done.stderr, "no progress bars where there is no terminal"
    recipe = Recipe.read(tmp_path / "out/recipe.yaml")
    assert (recipe.detector.diameter, recipe.linker.search_range) == (7, 4)
    assert recipe.calibration.pixel_size == pytest.approx(0.1)

    # The same numbers as in Python.
    result = perrin.run(perrin.read_movie(spots_movie), recipe, device="cpu")
    saved = pd.read_csv(tmp_path / "out/per_track.csv")
    np.testing.assert_array_equal(saved["particle"], result.analysis.per_track["particle"])
    np.testing.assert_allclose(
        saved["diffusivity"], result.analysis.per_track["diffusivity"].astype(float), rtol=1e-9
    )


def test_track_then_analyze_equals_run(spots_movie: Path, tmp_path: Path) -> None:
    whole = command("run", spots_movie, "-o", tmp_path / "whole", "--device", "cpu", *FIND)
    first = command("track", spots_movie, "-o", tmp_path / "tracks", *FIND)
    assert (whole.returncode, first.returncode) == (0, 0), whole.stderr + first.stderr
    assert names(tmp_path / "tracks") == ["recipe.yaml", "source.yaml", "tracks.csv"]
    second = command(
        "analyze", tmp_path / "tracks/tracks.csv", "-o", tmp_path / "analysis", "--device", "cpu"
    )
    assert second.returncode == 0, second.stderr
    assert f"calibration in {tmp_path / 'tracks/recipe.yaml'}" in second.stderr
    for name in ("per_track.csv", "per_frame.csv", "switches.csv", "recipe.yaml"):
        one, two = (tmp_path / folder / name for folder in ("whole", "analysis"))
        assert one.read_text().splitlines()[1:] == two.read_text().splitlines()[1:], name


def test_tracks_of_another_program(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"trajectory": np.repeat([3, 8], 30), "frame": np.tile(np.arange(30), 2)})
    table[["y", "x"]] = rng.normal(size=(60, 2)).cumsum(0)
    table.to_csv(tmp_path / "spots.csv", index=False)
    plain = command("analyze", tmp_path / "spots.csv", "-o", tmp_path / "px", "--device", "cpu")
    assert plain.returncode == 0, plain.stderr
    assert "without --pixel-size and --frame-interval the results are in pixels" in plain.stderr
    assert "median D (px²/frame)" in plain.stdout
    # How the tracks were found is not known, and the recipe does not say so.
    assert "detector" not in yaml.safe_load((tmp_path / "px/recipe.yaml").read_text())
    physical = command(
        "analyze", tmp_path / "spots.csv", "-o", tmp_path / "um", "--quiet", "--device", "cpu",
        "--pixel-size", 0.2, "--frame-interval", 0.1,
    )  # fmt: skip
    assert physical.returncode == 0
    assert physical.stderr == ""
    px, um = (pd.read_csv(tmp_path / f"{unit}/per_track.csv") for unit in ("px", "um"))
    np.testing.assert_allclose(um["diffusivity"], px["diffusivity"] * 0.2**2 / 0.1, rtol=1e-9)
    np.testing.assert_allclose(um["alpha"], px["alpha"])


def test_recipe_is_the_base_and_options_go_before_it(spots_movie: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("linker: {kind: nearest, search_range: 3, min_length: 5}\n")
    done = command(
        "track", spots_movie, "-o", tmp_path / "out", "--recipe", recipe, "--search-range", 4.5,
        "--pixel-size", 0.3, "--device", "cpu",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "pixel size that was given, 0.3 µm, goes before the 0.1 µm that" in done.stderr
    linker = Recipe.read(tmp_path / "out/recipe.yaml").linker
    assert (linker.search_range, linker.min_length) == (4.5, 5)


def test_samples_are_listed_and_copied(tmp_path: Path) -> None:
    listed = command("samples")
    assert listed.returncode == 0, listed.stderr
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(perrin.SAMPLES)
    name = next(iter(perrin.SAMPLES))
    copied = command("samples", name, "--out", tmp_path / "sample.tif")
    assert copied.returncode == 0, copied.stderr
    assert perrin.read_movie(tmp_path / "sample.tif").n_frames > 1
    assert command("samples", name, "--out", tmp_path / "sample.tif").returncode == 1


def test_simulated_movie_is_tracked_again(tmp_path: Path) -> None:
    made = command(
        "simulate", "--n-tracks", 5, "--n-points", 30, "--seed", 3, "--out", tmp_path / "truth.csv",
        "--movie", tmp_path / "movie.tif", "--size", "72,96", "--photons", 2000,
        "--pixel-size", 0.1, "--frame-interval", 0.02,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    truth = perrin.read_tracks(tmp_path / "truth.csv")
    assert truth["particle"].nunique() == 5
    assert set(truth["model"]) == {"FBM"}
    movie = perrin.read_movie(tmp_path / "movie.tif")
    assert movie.shape == (30, 72, 96)
    for calibration in (movie.calibration, truth.attrs["calibration"]):
        assert calibration.pixel_size == pytest.approx(0.1)
        assert calibration.frame_interval == pytest.approx(0.02)
    spots = perrin.localize(movie)
    inside = truth.query("8 < y < 63 and 8 < x < 87")
    nearest = [
        np.hypot(*(spots.loc[spots["frame"] == frame, ["y", "x"]].to_numpy() - [y, x]).T).min()
        for frame, y, x in inside[["frame", "y", "x"]].itertuples(index=False)
    ]
    assert np.median(nearest) < 0.3


def test_simulated_tracks_follow_the_seed(tmp_path: Path) -> None:
    def simulate(name: str, *arguments: str) -> str:
        path = tmp_path / name
        done = CliRunner().invoke(perrin_command, ["simulate", "--out", str(path), *arguments])
        assert done.exit_code == 0, done.output
        return path.read_text()

    small = ("--model", "CTRW", "--alpha", "0.5", "--n-tracks", "3", "--n-points", "9")
    assert simulate("a.csv", *small) == simulate("b.csv", *small)
    assert simulate("c.csv", *small, "--seed", "1") != simulate("d.csv", *small)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--model", "CTRW", "--alpha", "1.5"], 1),
        (["--movie", "m.tif", "--size", "12,-3"], 1),
        (["--movie", "m.tif", "--noise", "1"], 2),
        (["--n-tracks", "0"], 2),
    ],
)
def test_simulations_that_cannot_be(arguments: list[str], code: int, tmp_path: Path) -> None:
    out = tmp_path / "tracks.csv"
    movie = ["--movie", str(tmp_path / "m.tif")] if "--movie" in arguments else []
    full = ["simulate", "--out", str(out), *arguments, *movie]
    assert exit_code_of(perrin_command, full) == code
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("out", "movie", "words"),
    [
        ("t.xlsx", "m.tif", "tables are written as"),
        ("there.csv", "m.tif", "exists already"),
        ("t.csv", "m.mp4", "must end in .tif or .tiff"),
        ("no/t.csv", "m.tif", "folder does not exist"),
    ],
)
def test_names_are_checked_before_the_simulation(
    out: str,
    movie: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("perrin.cli._simulate.simulate_tracks", None)
    (tmp_path / "there.csv").write_text("mine")
    paths = ["--out", str(tmp_path / out), "--movie", str(tmp_path / movie)]
    assert exit_code_of(perrin_command, ["simulate", *paths]) == 1
    assert words in capsys.readouterr().err
    assert names(tmp_path) == ["there.csv"]


def test_training_gets_its_parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from perrin.cli import _engine

    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(
        _engine, "train", lambda *given, **named: calls.append((*given, named["resume"]))
    )
    arguments = ["train", "-o", str(tmp_path), "--minutes", "2.5", "--width", "32", "--restart"]
    assert CliRunner().invoke(perrin_command, arguments).exit_code == 0
    ((parameters, folder, resume),) = calls
    assert isinstance(parameters, _engine.Training)
    assert (parameters.minutes, parameters.architecture.width) == (2.5, 32)
    assert (folder, resume) == (tmp_path, False)


def test_engines_that_can_be_trained_are_named(tmp_path: Path) -> None:
    formula = command("train", "--engine", "msd", "-o", tmp_path / "msd")
    assert formula.returncode == 1
    assert "Choose one of perrin, convtransformer, cnn, switches, changes." in formula.stderr
    too_much = command("train", "--engine", "cnn", "-o", tmp_path / "cnn", "--width", "32")
    assert too_much.returncode == 1
    assert "cnn is trained without architecture" in too_much.stderr
    assert names(tmp_path) == []
    unknown = command("train", "--engine", "abacus", "-o", tmp_path / "abacus")
    assert unknown.returncode == 2


def test_tracks_can_be_judged_by_another_engine(tmp_path: Path) -> None:
    table = simulate_tracks(n_tracks=3, n_points=80, alpha=0.5)
    table.to_csv(tmp_path / "tracks.csv", index=False)
    for engine in ("msd-plain", "cnn"):
        done = command("analyze", tmp_path / "tracks.csv", "-o", tmp_path / engine,
                       "--engine", engine, "--device", "cpu")  # fmt: skip
        assert done.returncode == 0, done.stderr
        recipe = yaml.safe_load((tmp_path / engine / "recipe.yaml").read_text())
        assert recipe["analysis"]["engine"] == engine
        per_track = pd.read_csv(tmp_path / engine / "per_track.csv")
        assert per_track["model"].isna().all()
        assert per_track["alpha"].notna().all() == (engine == "msd-plain")
        assert per_track["diffusivity"].notna().all()
    assert "the engine cnn answers for tracks of at least 200 points; 3 are shorter" in done.stderr


def test_benchmark_prints_and_writes_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from perrin.engine import benchmarks

    given: dict[str, object] = {}

    def andi1(n_tracks: int, **options: object) -> dict[str, pd.DataFrame]:
        given.update(options, n_tracks=n_tracks)
        return {"blur": pd.DataFrame({
            "dim": [2], "shortest": [10], "longest": [29], "n_tracks": [1500],
            **{f"{name}{se}": [0.01] for se in ("", "_se")
               for name in ("bias_sharp", "bias_blurred", "bias_untold", "change")},
        })}  # fmt: skip

    monkeypatch.setattr(benchmarks, "andi1", andi1)
    out = tmp_path / "results"
    arguments = ["benchmark", "andi1", "--tracks", "7", "--engines", "msd, perrin", "-o", str(out)]
    done = CliRunner().invoke(perrin_command, arguments)
    assert done.exit_code == 0, done.output
    assert "0.0100 ± 0.0100" in done.output
    assert given["n_tracks"] == 7
    assert given["engines"] == ["perrin", "msd"]
    assert pd.read_csv(out / "blur.csv")["n_tracks"].tolist() == [1500]
    (out / "figures.csv").touch()
    again = command(*arguments)
    assert again.returncode == 1
    assert "holds earlier results (figures.csv)" in again.stderr


def test_benchmark_knows_its_engines() -> None:
    arguments = ["benchmark", "andi1", "--engines", "msd,oracle"]
    done = CliRunner().invoke(perrin_command, arguments)
    assert done.exit_code == 2
    assert "'oracle' is not one of perrin, msd" in done.output


# How it ends


def test_version_and_help() -> None:
    assert CliRunner().invoke(perrin_command, ["--version"]).output.split() == [
        "perrin,", "version", perrin.__version__,
    ]  # fmt: skip
    for name in (
        "run", "track", "analyze", "convert", "samples", "simulate", "train", "benchmark",
    ):  # fmt: skip
        shown = CliRunner().invoke(perrin_command, [name, "--help"])
        assert shown.exit_code == 0, name
        assert "Example" in shown.output, name


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "Missing argument 'MOVIES...'"),
        (["run", "movie.tif"], "Missing option '--out'"),
        (["track", "movie.tif", "-o", "out", "--search-range", "0"], "0.0 is not in the range x>0"),
        (
            ["track", "movie.tif", "-o", "out", "--diameter", "wide"],
            "'wide' is not a valid integer",
        ),
        (["trakc"], "No such command 'trakc'"),
    ],
)
def test_a_command_not_understood_ends_with_2(arguments: list[str], said: str) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert said in done.stderr


def _empty(folder: Path) -> Path:
    (folder / "empty.tif").write_bytes(b"")
    return folder / "empty.tif"


def _single_frame(folder: Path) -> Path:
    tifffile.imwrite(folder / "single.tif", np.ones((32, 32), np.uint8))
    return folder / "single.tif"


def _text_column(folder: Path) -> Path:
    (folder / "text.csv").write_text("particle,frame,y,x\n0,0,1.0,2.0\n0,1,1.0,left\n")
    return folder / "text.csv"


@pytest.mark.parametrize(
    ("verb", "make", "said"),
    [
        ("track", _empty, "empty.tif"),
        ("run", _single_frame, "single"),
        ("analyze", _text_column, "column 'x', row 3"),
        ("analyze", lambda folder: folder / "none.csv", "There is no file"),
    ],
)
def test_bad_input_ends_with_1_and_a_sentence(
    verb: str, make: Callable[[Path], Path], said: str, tmp_path: Path
) -> None:
    done = command(verb, make(tmp_path), "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_earlier_results_are_refused_before_the_work(spots_movie: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("old")
    done = command("run", spots_movie, "--out", tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path} holds earlier results (recipe.yaml)" in done.stderr
    assert "--overwrite" in done.stderr
    assert names(tmp_path) == ["recipe.yaml"]


def test_unwritable_folder_is_refused_before_the_work(spots_movie: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = command("run", spots_movie, "--out", tmp_path / "file" / "out")
    assert done.returncode == 1
    assert f"The results in {tmp_path / 'file/out'} cannot be written" in done.stderr
    assert names(tmp_path) == ["file"]


def test_a_disk_that_fills_up_leaves_nothing(spots_movie: Path, tmp_path: Path) -> None:
    def small_files_only() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))

    # What is compiled is kept in larger files, the first time.
    assert command("track", spots_movie, "--out", tmp_path / "before", *FIND).returncode == 0
    out = tmp_path / "out"
    done = command("track", spots_movie, "--out", out, *FIND, prepare=small_files_only)
    assert done.returncode == 1
    assert f"The results in {out} cannot be written" in done.stderr
    assert names(tmp_path) == ["before"]


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "terminated"]
)
def test_stopped_in_the_middle_leaves_no_result(
    sent: signal.Signals, code: int, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    frames = rng.poisson(20, (600, 256, 256)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "long.tif", frames, imagej=True, metadata={"axes": "TYX"})
    process = subprocess.Popen(
        [sys.executable, "-m", "perrin", "run", tmp_path / "long.tif", "-o", tmp_path / "out"],
        stderr=subprocess.PIPE,
        text=True,
        # A runner in the background may have told its children to ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )
    assert process.stderr is not None
    assert "results are in pixels" in process.stderr.readline()  # the work begins
    process.send_signal(sent)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert "Traceback" not in said
    # No result; at most what the same command goes on from.
    assert set(names(tmp_path)) <= {"long.tif", "out.unfinished"}


# Options from models


class Sieve(Parameters):
    kind: Literal["sieve"] = "sieve"
    mesh: float = parameter(0.5, "Width of a hole.", unit="mm", gt=0, lt=9)
    shape: Literal["round", "square"] = parameter("round", "Form of a hole.")
    sizes: int | tuple[int, int] = parameter((3, 4), "Rows and columns.")
    limit: int | None = parameter(None, "How many to keep.", ge=1)


class Dryer(Parameters):
    enabled: bool = parameter(False, "Whether to dry.")
    minutes: float = parameter(5.0, "How long.", unit="min", ge=0)


class Washer(Parameters):
    limit: int | None = parameter(7, "How many to wash.", ge=1)


class Plant(Parameters):
    sieve: Sieve = Sieve()
    dryer: Dryer = Dryer()
    washer: Washer = Washer()


@pytest.fixture
def plant() -> SectionedCommand:
    import click

    @click.command(cls=SectionedCommand)
    @add_options(Plant)
    def work(**values: object) -> None:
        click.echo(yaml.safe_dump(changes_in(values)))

    assert isinstance(work, SectionedCommand)
    return work


def test_options_come_from_fields(plant: SectionedCommand) -> None:
    done = CliRunner().invoke(
        plant,
        ["--mesh", "2", "--shape", "square", "--sizes", "5,6", "--sieve-limit", "3", "--dryer",
         "--dryer-minutes", "2.5"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert yaml.safe_load(done.output) == {
        "sieve": {"mesh": 2.0, "shape": "square", "sizes": [5, 6], "limit": 3},
        "dryer": {"enabled": True, "minutes": 2.5},
    }


def test_options_not_given_are_no_change(plant: SectionedCommand) -> None:
    assert yaml.safe_load(CliRunner().invoke(plant, []).output) == {}


def test_help_shows_unit_default_and_range(plant: SectionedCommand) -> None:
    shown = " ".join(CliRunner().invoke(plant, ["--help"]).output.split())
    assert "Width of a hole. [mm, default: 0.5] [0<x<9]" in shown
    assert "Rows and columns. [default: 3,4]" in shown
    assert "--dryer / --no-dryer Whether to dry. [default: no]" in shown
    assert "--washer-limit N How many to wash. [default: 7]" in shown
    assert "kind" not in shown


def test_values_out_of_range_are_usage_errors(plant: SectionedCommand) -> None:
    for wrong in (["--mesh", "9"], ["--shape", "oval"], ["--washer-limit", "0"]):
        assert CliRunner().invoke(plant, wrong).exit_code == 2


def test_every_parameter_of_the_recipe_is_an_option() -> None:
    shown = CliRunner().invoke(perrin_command, ["run", "--help"]).output
    for step in ("calibration", "detector", "linker"):
        for name in type(getattr(Recipe(), step)).model_fields:
            assert name == "kind" or f"--{name.replace('_', '-')}" in shown, name


def test_calibration_options_set_the_calibration() -> None:
    recipe = Recipe().with_values(changes_in({"calibration__pixel_size": 0.5, "quiet": True}))
    assert recipe.calibration == Calibration(pixel_size=0.5)
    with pytest.raises(InputError, match="diameter"):
        Recipe().with_values(changes_in({"detector__diameter": 8}))
