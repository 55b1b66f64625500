"""``perrin learn`` and ``perrin benchmark learn`` as a user types them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from perrin.cli import perrin_command
from perrin.cli._learn_environments import _recordings
from perrin.cli._shell import exit_code_of
from perrin.io import read_table, write_table
from perrin.learn import benchmark, pieces
from perrin.learn.labelled import collect
from perrin.learn.parameters import EnvironmentTraining, GeneratorTraining
from perrin.tracks import Calibration

Recordings = list[tuple[str, pd.DataFrame]]
QUICK = ["--epochs", "1", "--units", "8"]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(perrin_command, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture
def tables(slow_and_fast: Recordings, tmp_path: Path) -> list[str]:
    named = []
    for number, (name, table) in enumerate(slow_and_fast):
        path = tmp_path / f"{number}.csv"
        write_table(table.assign(label=name), path)
        named.append(f"{name}={path}")
    return named


def test_environments_are_trained_and_applied(
    tables: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network, called = tmp_path / "new" / "net.safetensors", tmp_path / "called.csv"
    train = ["learn", "environments", "train", *tables, "--out", network, "--folds", "2", *QUICK,
             "--pixel-size", "0.5", "--frame-interval", "60"]  # fmt: skip
    done = call(*train)
    assert "whole tracks" in done.output
    assert network.exists()
    assert network.with_suffix(".yaml").exists()
    assert exit_code_of(perrin_command, [str(a) for a in train]) == 1
    path = tables[0].partition("=")[2]
    apply = ["learn", "environments", "apply", path, "--network", network]
    named = ["--pixel-size", "0.5", "--frame-interval", "60"]
    assert exit_code_of(perrin_command, [str(a) for a in [*apply, "--out", called]]) == 1
    assert "Give pixel size and frame interval" in capsys.readouterr().err
    call(*apply, "--out", called, *named)
    assert list(read_table(called)) == ["particle", "environment", "p_slow", "p_fast"]
    for name in (called, tmp_path / "called.xlsx", tmp_path / "no" / "called.csv"):
        assert exit_code_of(perrin_command, [str(a) for a in [*apply, "--out", name]]) == 1
        said = capsys.readouterr().err
        assert "Give pixel size" not in said, "the name is checked first"


def test_labels_may_be_in_a_column(
    slow_and_fast: Recordings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (slow, a), (fast, b) = slow_and_fast[0], slow_and_fast[-1]
    both = pd.concat([a.assign(label=slow), b.assign(label=fast, particle=b["particle"] + 100)])
    write_table(both, tmp_path / "both.csv")
    train = ["learn", "environments", "train", str(tmp_path / "both.csv"), "--folds", "2", *QUICK]
    assert exit_code_of(perrin_command, [*train, "--out", str(tmp_path / "n.safetensors")]) == 0
    assert "Tracks of one movie may be in training and in test" in capsys.readouterr().err
    assert exit_code_of(perrin_command, [*train, "--out", str(tmp_path / "n.pt")]) == 1
    assert "must end in .safetensors" in capsys.readouterr().err


def test_no_movie_with_a_column_of_labels_is_divided(
    slow_and_fast: Recordings, tmp_path: Path
) -> None:
    paths = []
    for number in range(2):
        (slow, a), (fast, b) = slow_and_fast[number], slow_and_fast[2 + number]
        b = b.assign(particle=b["particle"] + 100)
        paths.append(str(tmp_path / f"{number}.csv"))
        write_table(pd.concat([a.assign(label=slow), b.assign(label=fast)]), paths[-1])
    labelled = collect(_recordings(tuple(paths), "label", {}, quiet=True))
    assert labelled.movies_known
    movies = {group: set(labelled.label[labelled.group == group]) for group in labelled.group}
    assert movies == {0: {0, 1}, 1: {0, 1}}


def test_rejected_tracks_are_not_learnt_from(slow_and_fast: Recordings, tmp_path: Path) -> None:
    name, table = slow_and_fast[0]
    write_table(table, tmp_path / "tracks.csv")
    particles = table["particle"].unique()
    answers = pd.DataFrame({"particle": particles, "kept": particles != particles[0]})
    write_table(answers, tmp_path / "per_track.csv")
    given = (f"{name}={tmp_path / 'tracks.csv'}",)
    calibration = {"pixel_size": 0.5, "frame_interval": 60.0}
    ((_, read),) = _recordings(given, "label", {"calibration": calibration}, quiet=True)
    assert set(read["particle"]) == set(particles[1:])
    assert read.attrs["calibration"] == Calibration(**calibration)


def test_tracks_are_learnt_and_made(tables: list[str], tmp_path: Path) -> None:
    network, made = tmp_path / "net.safetensors", tmp_path / "made.csv"
    path = tables[0].partition("=")[2]
    call("learn", "generate", "train", path, "--out", network, *QUICK)
    done = call("learn", "generate", "sample", network, "--n-tracks", "7", "--out", made)
    assert "7 tracks of 41 points" in done.output
    assert read_table(made)["particle"].nunique() == 7


def test_the_benchmark_measures_what_it_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    quick = {"epochs": 1, "units": 8}
    monkeypatch.setattr(pieces, "LEAST_BATCHES", 2)
    monkeypatch.setattr(benchmark, "_FOLDS", 2)
    network = EnvironmentTraining(**quick)
    monkeypatch.setattr(benchmark, "_NETWORKS", {"Perrin": network})
    monkeypatch.setattr(benchmark, "_FEW", ("Perrin",))
    monkeypatch.setattr(benchmark, "_N_TRACKS", (5,))
    monkeypatch.setattr(benchmark, "_GENERATORS", {"Perrin": GeneratorTraining(**quick)})
    monkeypatch.setattr(benchmark, "_GENERATED", ("plastic",))
    monkeypatch.setattr(benchmark, "_JUDGE", network.model_copy(update={"folds": 2}))
    full = benchmark.simulate_cells

    def few(seed: int, *, share: float) -> dict[str, pd.DataFrame]:
        return {name: table[table["frame"] < 150] for name, table in full(seed, share=0.28).items()}

    monkeypatch.setattr(benchmark, "simulate_cells", few)
    done = call("benchmark", "learn", "--out", tmp_path / "results")
    for name, title in benchmark.TITLES.items():
        assert title in done.output
        assert (tmp_path / "results" / f"{name}.csv").exists()
    made = read_table(tmp_path / "results" / "generated.csv")
    assert set(made) >= {"Perrin", "other cells", "ideal"}
    assert call("benchmark", "learn", "--full").exit_code == 2
