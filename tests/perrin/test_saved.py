"""Folders of results: written with what was done by hand, opened again, and what is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from pandas.testing import assert_frame_equal

from perrin import Analysis, Calibration, InputError, OutputError, Recipe, read_tracks
from perrin.cli import perrin_command
from perrin.cli._shell import exit_code_of
from perrin.curation import Delete, History, Join, Judge, Label, only_kept
from perrin.filters import TrackFilters
from perrin.io import write_tracks
from perrin.pipeline import analyze_curated
from perrin.results import Source, save_results
from perrin.saved import Saved, is_saved, open_saved
from perrin.simulate.switching import simulate_switching
from perrin.summary import summarize

CALIBRATION = Calibration(pixel_size=0.1, frame_interval=0.05)
RECIPE = Recipe(calibration=CALIBRATION, filters=TrackFilters(ranges={"n_points": (12.0, None)}))
TABLES = ("per_track", "per_frame", "switches")


@pytest.fixture(scope="module")
def tracks() -> pd.DataFrame:
    """Five tracks of 40 points, particles 0 to 4."""
    table = simulate_switching([0.05, 2.0], n_tracks=5, n_points=40, box=(64, 64), seed=3)
    table["particle"] -= table["particle"].min()
    table.attrs["calibration"] = CALIBRATION
    return table


@pytest.fixture(scope="module")
def history(tracks: pd.DataFrame) -> History:
    """What somebody did to them."""
    history = History(tracks, RECIPE.filters)
    history.split(0, (10,))
    history.do(Judge(kind="reject", particles=(1,)))
    history.do(Delete(particle=2, frame=int(history.now.frames(2)[3])))
    history.do(Label(particles=(2, 3), label="bound"))
    return history


@pytest.fixture(scope="module")
def analysis(tracks: pd.DataFrame, history: History) -> Analysis:
    return analyze_curated(tracks, RECIPE, history.curation, device="cpu")[1]


@pytest.fixture(scope="module")
def saved_once(
    tracks: pd.DataFrame,
    history: History,
    analysis: Analysis,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    folder = tmp_path_factory.mktemp("once") / "saved"
    save_results(
        folder,
        recipe=RECIPE.to_yaml(),
        tracks=history.now.table(),
        analysis=analysis,
        curation=history.curation,
        uncurated=tracks,
        source=Source(movie="C:\\gone\\movie.tif", layer="beads", color_by="alpha"),
    )
    return folder


@pytest.fixture
def folder(saved_once: Path, tmp_path: Path) -> Path:
    """All of it, saved."""
    return Path(shutil.copytree(saved_once, tmp_path / "saved"))


def test_what_is_saved_comes_back(
    folder: Path, tracks: pd.DataFrame, history: History, analysis: Analysis
) -> None:
    (folder.parent / "movie.tif").touch()
    saved = open_saved(folder)
    for name in TABLES:
        assert_frame_equal(getattr(saved.analysis, name), getattr(analysis, name), check_exact=True)
    assert saved.analysis is not None
    assert saved.analysis.calibration == CALIBRATION
    assert (saved.recipe, saved.source.color_by) == (RECIPE, "alpha")
    assert saved.history.curation == history.curation
    assert saved.history.now.notes == history.now.notes
    assert_frame_equal(saved.history.now.table(), history.now.table(), check_exact=True)
    while saved.history.undo():
        pass
    assert_frame_equal(saved.history.now.table(), tracks, check_exact=True)
    # The movie moved together with the folder.
    assert (saved.movie, saved.missing) == (folder.parent / "movie.tif", ())


def test_rejected_and_filtered_tracks_do_not_count_but_are_there(analysis: Analysis) -> None:
    per_track = analysis.per_track.set_index("particle")
    # Track 0 has ten points left, track 1 was rejected.
    assert per_track["kept"].to_dict() == {0: False, 1: False, 2: True, 3: True, 4: True, 5: True}
    assert summarize(analysis).set_index("model").loc["all", "tracks"] == 4
    kept, table = only_kept(analysis, analysis.per_frame)
    assert table is not None
    for part in (kept.per_track, kept.per_frame, kept.switches, table):
        assert not set(part["particle"]) & {0, 1}


def test_the_command_line_does_again_what_was_done_by_hand(
    folder: Path, analysis: Analysis, tmp_path: Path
) -> None:
    arguments = ["--curation", str(folder / "curation.yaml"), "--device", "cpu", "-o"]
    first = str(folder / "tracks_uncurated.csv")
    done = CliRunner().invoke(
        perrin_command, ["analyze", first, *arguments, str(tmp_path / "again")]
    )
    assert done.exit_code == 0, done.output
    assert "4 of them kept by filters and curation" in done.stdout
    again = open_saved(tmp_path / "again")
    for name in TABLES:
        assert_frame_equal(getattr(again.analysis, name), getattr(analysis, name))
    assert (tmp_path / "again/tracks.csv").read_bytes() == (folder / "tracks.csv").read_bytes()
    assert again.source.layer == "beads"
    # What was curated already is refused, and so is a folder that holds tracks.
    with pytest.raises(InputError, match="made on other tracks"):
        CliRunner().invoke(
            perrin_command,
            ["analyze", str(folder / "tracks.csv"), *arguments, str(tmp_path / "no")],
            catch_exceptions=False,
        )
    with pytest.raises(OutputError, match="holds earlier results"):
        CliRunner().invoke(
            perrin_command, ["analyze", first, *arguments, str(folder)], catch_exceptions=False
        )
    assert exit_code_of(perrin_command, ["analyze", first, "--curation", first, "-o", "x"]) == 1


def test_an_analysis_alone_finds_its_tracks_where_they_were(
    tracks: pd.DataFrame, tmp_path: Path
) -> None:
    file = tmp_path / "mine.csv"
    write_tracks(tracks, file)
    arguments = ["analyze", str(file), "-o", str(tmp_path / "out"), "--device", "cpu"]
    done = CliRunner().invoke(
        perrin_command, [*arguments, "--ranges", "{alpha: [0.1, null]}", "--models", "FBM"]
    )
    assert done.exit_code == 0, done.output
    saved = open_saved(tmp_path / "out")
    assert_frame_equal(saved.history.now.table(), read_tracks(file))
    assert saved.history.now.filters == TrackFilters(ranges={"alpha": (0.1, None)}, models=("FBM",))
    assert saved.analysis is not None
    assert saved.missing == ("Which movie it was is not known.",)
    file.unlink()
    with pytest.raises(InputError, match=r"incomplete: there is no tracks.csv.*mine.csv.* is gone"):
        open_saved(tmp_path / "out")


def test_what_is_a_folder_is_found_where_it_was_or_beside(
    tracks: pd.DataFrame, tmp_path: Path
) -> None:
    pytest.importorskip("geff")
    write_tracks(tracks, tmp_path / "foreign.geff")
    movie = tmp_path / "movie.zarr"
    movie.mkdir()
    out = tmp_path / "out"
    command = ["analyze", str(tmp_path / "foreign.geff"), "--out", str(out), "--device", "cpu"]
    assert CliRunner().invoke(perrin_command, command).exit_code == 0
    (out / "source.yaml").write_text(
        Source(movie="D:\\before\\movie.zarr\\", tracks="/gone/foreign.geff/").to_yaml()
    )
    opened = open_saved(out)
    assert len(opened.history.now.table()) == len(tracks)
    assert opened.movie == movie


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("recipe.yaml", "recipe.yaml is not there"),
        ("per_frame.csv", "per_frame.csv is not there, so that there is no analysis"),
        ("tracks_uncurated.csv", "the curation cannot be undone"),
        ("", "The movie .*movie.tif is not there any more"),
    ],
)
def test_what_is_missing_is_said_and_the_rest_is_opened(
    folder: Path, file: str, words: str
) -> None:
    if file:
        (folder / file).unlink()
    saved: Saved = open_saved(folder)
    assert pd.Series(saved.missing).str.contains(words, regex=True).any()
    assert len(saved.history.now.table()) == 199
    assert (saved.analysis is None) == file.startswith("per_")


def test_folders_that_hold_nothing_or_what_does_not_belong_together(
    folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="There is no folder"):
        open_saved(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert not is_saved(tmp_path / "empty")
    with pytest.raises(InputError, match="holds no results of Perrin"):
        open_saved(tmp_path / "empty")
    (folder / "curation.yaml").unlink()
    (folder / "tracks_uncurated.csv").unlink()
    table = read_tracks(folder / "tracks.csv")
    (folder / "tracks.csv").unlink()
    write_tracks(table[table["particle"] > 2], folder / "tracks.csv")
    with pytest.raises(InputError, match="do not belong together"):
        open_saved(folder)


def test_joined_tracks_are_saved_as_one(tracks: pd.DataFrame, tmp_path: Path) -> None:
    history = History(tracks.assign(frame=tracks["frame"] + 100 * tracks["particle"]))
    history.do(Join(particle=0, other=4))
    save_results(
        tmp_path / "joined",
        recipe=RECIPE.to_yaml(),
        tracks=history.now.table(),
        curation=history.curation,
        uncurated=history.now.original,
    )
    saved = open_saved(tmp_path / "joined")
    assert saved.history.now.frames(0).tolist() == [*range(40), *range(400, 440)]
    assert "analyze the tracks" in saved.missing[0]
