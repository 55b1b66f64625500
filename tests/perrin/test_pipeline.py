from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from pandas.testing import assert_frame_equal

import perrin
from perrin import Calibration, Cancelled, InputError, OutputError, Recipe, Result
from perrin.linking import NearestLinker
from perrin.localization import TrackpyDetector
from perrin.models import MODELS
from perrin.results import check_folder, recipe_beside, save_results
from perrin.summary import describe, summarize

RECIPE = Recipe(detector=TrackpyDetector(diameter=7), linker=NearestLinker(search_range=4))
FILES = [
    "overview.png", "per_frame.csv", "per_track.csv", "recipe.yaml", "switches.csv", "tracks.csv"
]  # fmt: skip


@pytest.fixture(scope="module")
def result(spots_movie: Path) -> Result:
    return perrin.run(perrin.read_movie(spots_movie), RECIPE, device="cpu")


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_run_finds_the_particles_and_their_diffusivity(result: Result) -> None:
    long = result.analysis.per_track.query("n_points >= 30")
    assert len(long) == 6
    # 0.3 px²/frame at 0.1 µm and 0.05 s; six tracks of 40 points in 2D are good to about 12 %.
    assert long["diffusivity"].median() == pytest.approx(0.3 * 0.1**2 / 0.05, rel=0.3)


def test_run_uses_the_calibration_of_the_file(result: Result) -> None:
    assert result.recipe.calibration.pixel_size == pytest.approx(0.1)
    assert result.analysis.calibration == result.recipe.calibration
    assert result.tracks.attrs["calibration"] == result.recipe.calibration


def test_recipe_goes_before_the_file(spots_movie: Path) -> None:
    recipe = RECIPE.with_values({"calibration": {"pixel_size": 0.5}})
    tracks = perrin.track_movie(perrin.read_movie(spots_movie), recipe)
    assert tracks.attrs["calibration"].pixel_size == 0.5
    assert tracks.attrs["calibration"].frame_interval == pytest.approx(0.05)


def test_what_goes_before_the_file_is_said() -> None:
    recipe = Recipe(calibration=Calibration(pixel_size=0.1, frame_interval=0.05))
    own = Calibration(pixel_size=0.16, frame_interval=0.0502, z_step=0.3)
    (said,) = recipe.overruled(own, "a.tif")
    assert said == (
        "The pixel size that was given, 0.1 µm, goes before the 0.16 µm that a.tif states."
    )
    assert recipe.overruled(Calibration(), "a.tif") == recipe.overruled(None, "a.tif") == ()
    assert Recipe().overruled(own, "a.tif") == ()


def test_saved_recipe_gives_the_same_tables(
    result: Result, spots_movie: Path, tmp_path: Path
) -> None:
    result.save(tmp_path / "first")
    again = perrin.run(
        perrin.read_movie(spots_movie), Recipe.read(tmp_path / "first/recipe.yaml"), device="cpu"
    )
    again.save(tmp_path / "second")
    assert sorted(_contents(tmp_path / "first")) == FILES
    assert _contents(tmp_path / "first") == _contents(tmp_path / "second")


def test_saved_tracks_are_read_back_as_they_were(result: Result, tmp_path: Path) -> None:
    result.save(tmp_path)
    tracks = perrin.read_tracks(tmp_path / "tracks.csv")
    assert_frame_equal(tracks, result.tracks)
    assert tracks.attrs["calibration"] == result.recipe.calibration


def test_parquet_holds_the_same(result: Result, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="Parquet is an extra")
    paths = result.save(tmp_path, table_format="parquet")
    assert {path.suffix for path in paths} == {".parquet", ".png", ".yaml"}
    assert_frame_equal(pd.read_parquet(tmp_path / "per_frame.parquet"), result.analysis.per_frame)


def test_summary_counts_every_track_once(result: Result) -> None:
    summary = summarize(result.analysis).set_index("model")
    assert summary.loc["all", "tracks"] == len(result.analysis.per_track)
    assert summary["tracks"].drop("all").sum() == len(result.analysis.per_track)
    assert set(summary.index) <= {*MODELS, "not judged", "all"}
    assert "median D (µm²/s)" in describe(result.analysis)


def test_progress_names_each_step_and_ends_full(spots_movie: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    perrin.run(
        perrin.read_movie(spots_movie),
        RECIPE,
        device="cpu",
        progress=lambda *call: calls.append(call),
    )
    last = {what: (done, total) for what, done, total in calls}
    assert {"Localizing", "Linking"} <= set(last)
    assert all(done == total for done, total in last.values())


def test_cancel_ends_the_work(spots_movie: Path) -> None:
    seen: list[str] = []

    def cancel(what: str, done: int, total: int) -> None:
        seen.append(what)
        raise Cancelled

    with pytest.raises(Cancelled):
        perrin.run(perrin.read_movie(spots_movie), RECIPE, progress=cancel)
    assert len(seen) == 1


# Saving


def test_earlier_results_are_refused_and_left(result: Result, tmp_path: Path) -> None:
    result.save(tmp_path / "out")
    before = _contents(tmp_path / "out")
    with pytest.raises(OutputError, match="out holds earlier results"):
        result.save(tmp_path / "out")
    assert _contents(tmp_path / "out") == before


def test_overwriting_leaves_what_is_not_ours(result: Result, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "tracks.csv").write_text("old")
    result.save(tmp_path, overwrite=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert sorted(_contents(tmp_path)) == sorted([*FILES, "notes.txt"])
    assert (tmp_path / "tracks.csv").read_text() != "old"


def test_new_tracks_take_an_outdated_analysis_away(result: Result, tmp_path: Path) -> None:
    result.save(tmp_path)
    save_results(tmp_path, recipe="version: 1\n", tracks=result.tracks, overwrite=True)
    assert sorted(_contents(tmp_path)) == ["recipe.yaml", "tracks.csv"]


def test_a_full_disk_leaves_nothing(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: pd.DataFrame, *_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "old").mkdir()
    (tmp_path / "old/per_track.csv").write_text("old")
    monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    for folder in ("new/deep", "old"):
        with pytest.raises(OutputError, match=r"full.*Nothing that was there has been changed"):
            result.save(tmp_path / folder, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert _contents(tmp_path / "old") == {"per_track.csv": b"old"}


def test_folder_is_checked_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check_folder(tmp_path / "new" / "deep")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    with pytest.raises(OutputError, match="file is a file; choose a folder"):
        check_folder(tmp_path / "file")
    with pytest.raises(OutputError, match=r"The results in .*file.below cannot be written"):
        check_folder(tmp_path / "file" / "below")


def test_recipe_beside_a_table_of_ours(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("version: 1\n")
    assert recipe_beside(tmp_path / "tracks.csv") == tmp_path / "recipe.yaml"
    assert recipe_beside(tmp_path / "other.csv") is None


# The recipe


def test_recipe_survives_yaml() -> None:
    recipe = RECIPE.with_values(
        {"calibration": {"pixel_size": 0.1}, "drift": {"enabled": True, "smoothing": 3}}
    )
    again = Recipe.from_yaml(recipe.to_yaml(comment="made from spots.tif"))
    assert again == recipe
    assert again.detector.diameter == 7


def test_recipe_states_every_step() -> None:
    values = yaml.safe_load(Recipe().to_yaml())
    assert set(values) == set(Recipe.model_fields)
    assert values["version"] == 1
    assert "detector" not in yaml.safe_load(Recipe().to_yaml(leave_out=["detector"]))


def test_short_recipe_takes_defaults() -> None:
    recipe = Recipe.from_yaml("linker: {kind: nearest, search_range: 9}")
    assert recipe.linker == NearestLinker(search_range=9)
    assert recipe.detector == TrackpyDetector()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 2", "version 2; Perrin .* reads version 1"),
        ("- 1", "must hold 'name: value' lines"),
        ("a: [", "not valid YAML"),
        ("linkre: {}", "linkre"),
        ("linker: {kind: nearest, search_range: -1}", r"search_range.*greater than 0"),
        ("detector: {kind: trackpy, diametre: 5}", "diametre"),
    ],
)
def test_wrong_recipe_is_named(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=f"(?s)mine.yaml: .*{message}"):
        Recipe.read(path)


def test_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml cannot be read: No such file"):
        Recipe.read(tmp_path / "none.yaml")


def test_values_left_alone_give_way_to_the_file() -> None:
    recipe = Recipe().with_values({"calibration": {"pixel_size": 0.2}})
    own = Calibration(pixel_size=0.1, frame_interval=0.5, exposure=0.3)
    assert recipe.calibrated(own).calibration == Calibration(
        pixel_size=0.2, frame_interval=0.5, exposure=0.3
    )
    with pytest.raises(InputError, match="speed"):
        Recipe().with_values({"linker": {"speed": 1}})
    with pytest.raises(InputError, match="glue"):
        Recipe().with_values({"glue": {"speed": 1}})


# Real recordings


def test_beads_in_water(shared_data: Path) -> None:
    """1 µm spheres at room temperature: D by Stokes–Einstein is 0.43 to 0.45 µm²/s, alpha is 1.

    The recording went through a video codec, which makes steps uneven from frame to frame and
    alpha seem smaller.
    """
    recipes = Path(__file__).resolve().parents[2] / "docs" / "recipes"
    recipe = Recipe.read(recipes / "beads_in_water.yaml")
    result = perrin.run(perrin.read_movie(shared_data / "bulk_water.tif"), recipe, device="cpu")
    table = result.analysis.per_track
    assert table["diffusivity"].median() == pytest.approx(0.44, rel=0.15)
    assert table["alpha"].median() == pytest.approx(1, abs=0.15)


def test_short_live_cell_tracks_are_not_judged(shared_data: Path) -> None:
    tracks = perrin.read_tracks(shared_data / "live_cell_tracks.csv")
    table = perrin.analyze(
        tracks, Calibration(pixel_size=0.16, frame_interval=0.00748), device="cpu"
    ).per_track
    assert len(table) == 2387
    single = table[table["n_points"] == 1]
    assert single["flags"].str.contains("too_short").all()
    assert single[["model", "alpha", "diffusivity"]].isna().to_numpy().all()
    assert np.isin(table["model"].dropna(), MODELS).all()
