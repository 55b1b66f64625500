"""The whole benchmark, with a small network that has learnt nothing, on few tracks."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from perrin.engine.benchmarks import andi1, as_text, check, save
from perrin.engine.benchmarks.published import PUBLISHED, RANDI_BY_LENGTH, best_published
from perrin.engine.benchmarks.records import Setting, answer_set
from perrin.engine.benchmarks.views import VIEWS, as_markdown
from perrin.engine.network import Architecture, Network
from perrin.engine.weights import save_network
from perrin.errors import Cancelled, OutputError
from perrin.models import MODELS
from perrin.simulate.protocols import theory

SMALL = Architecture(width=16, stem_width=8, n_filters=4, n_blocks=1, n_heads=2, hidden=16)
N_TRACKS = 24


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(1)
    network = Network(SMALL).eval()
    network.farthest.fill_(3.0)
    return network


@pytest.fixture(scope="module")
def weights(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    path = folder / "weights.safetensors"
    save_network(path, network, {"name": "a test"})
    log = pd.DataFrame({"minutes": [1.0, 2.0], "views": [10_000, 20_000]})
    for dim in (1, 2, 3):
        log[f"alpha_mae_{dim}d"] = [0.3, 0.2]
        log[f"model_f1_{dim}d"] = [0.6, 0.7]
    log.to_csv(folder / "log.csv", index=False)
    return path


@pytest.fixture(scope="module")
def tables(weights: Path) -> dict[str, pd.DataFrame]:
    engines = ("perrin", "msd-plain")
    return andi1(N_TRACKS, full=True, engines=engines, device="cpu", weights=weights)


def setting(network: Network, **changes: int) -> Setting:
    return Setting(network, torch.device("cpu"), **{"n_tracks": 40, **changes})


def test_a_full_run_measures_everything(tables: dict[str, pd.DataFrame]) -> None:
    assert {source for source, *_ in VIEWS.values()} <= set(tables)
    figures = tables["figures"]
    assert figures.groupby("protocol", sort=False)["dim"].apply(list).to_dict() == {
        "theory-v1": [1, 2, 3], "theory-v2": [1, 2, 3], "short": [1, 2, 3],
    }  # fmt: skip
    assert (figures[["n_alpha", "n_model", "n_spread"]] == N_TRACKS).all(axis=None)
    assert figures.set_index(["protocol", "dim"])["published_alpha_mae"]["theory-v1", 2] == 0.132
    for table in tables.values():
        for name in table.columns[table.columns.str.endswith("_se")]:
            assert name.removesuffix("_se") in table.columns


def test_every_track_is_in_one_group_of_each_kind(tables: dict[str, pd.DataFrame]) -> None:
    counts = tables["breakdown"].groupby(["protocol", "dim", "by"])[["n_alpha", "n_model"]].sum()
    assert len(counts) == 9 * 4
    assert (counts == N_TRACKS).all(axis=None)
    confusion = tables["confusion"].groupby(["protocol", "dim"])["n_tracks"].sum()
    assert (confusion == N_TRACKS).all()
    reliability = tables["reliability"].groupby(["protocol", "dim"])["n_tracks"].sum()
    assert (reliability == N_TRACKS).all()


def test_the_confusion_matrix_holds_the_f1_score(tables: dict[str, pd.DataFrame]) -> None:
    confusion = tables["confusion"]
    right = confusion[confusion["model"] == confusion["called"]]
    f1 = right.groupby(["protocol", "dim"], sort=False)["n_tracks"].sum() / N_TRACKS
    np.testing.assert_allclose(f1, tables["figures"]["model_f1"], atol=1e-4)


def test_perrin_is_one_engine_among_others(tables: dict[str, pd.DataFrame]) -> None:
    engines = tables["engines"]
    assert set(engines["engine"]) == {"perrin", "msd-plain"}
    whole = engines[(engines["protocol"] == "theory-v1") & (engines["longest"] == 999)]
    assert (whole[whole["shortest"] == 10]["n_tracks"] == N_TRACKS).all()
    msd = engines[engines["engine"] == "msd-plain"]
    assert msd["model_f1"].isna().all()
    # A straight line through the MSD's logarithm beats a network that has learnt nothing.
    errors = engines[engines["shortest"] == 300].groupby("engine")["alpha_mae"].mean()
    assert errors["msd-plain"] < errors["perrin"]


def test_likelihood_is_nearer_to_the_truth_the_longer_the_track(
    tables: dict[str, pd.DataFrame],
) -> None:
    limits = tables["limits"].set_index(["quantity", "dim", "shortest"])["likelihood"]
    for quantity in ("alpha", "log_diffusivity", "noise"):
        assert limits[quantity, 2, 300] < limits[quantity, 1, 30]
    assert limits["alpha", 2, 300] < 0.15


def test_five_per_cent_of_ordinary_tracks_lie_beyond_the_limit_for_five_per_cent(
    tables: dict[str, pd.DataFrame],
) -> None:
    detection = tables["detection"]
    assert (detection[detection["kind"] == "ordinary"]["detected"] <= 0.25).all()
    assert detection["detected"].between(0, 1).all()


def test_everything_is_saved_or_nothing(
    tables: dict[str, pd.DataFrame], weights: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    wanted = {"full": True, "engines": ("perrin", "msd-plain"), "weights": weights}
    check(folder, **wanted)
    assert not folder.exists()
    files = {path.name for path in save(tables, folder)}
    assert files == {f"{name}.csv" for name in tables} | {
        "alpha.png", "confusion.png", "lengths.png", "reliability.png", "training.png",
    }  # fmt: skip
    for name, table in tables.items():
        numbers = table.select_dtypes("number")
        again = pd.read_csv(folder / f"{name}.csv")
        assert len(again.columns) == len(table.columns)
        pd.testing.assert_frame_equal(again[numbers.columns], numbers, check_dtype=False)
    for name in files:
        if name.endswith(".png"):
            assert (folder / name).read_bytes().startswith(b"\x89PNG")
    for name in files:
        with pytest.raises(OutputError, match="holds earlier results"):
            check(folder, **wanted)
        (folder / name).unlink()
    check(folder, **wanted)


def test_every_view_is_for_people(tables: dict[str, pd.DataFrame]) -> None:
    text = as_text(tables)
    for source, title, view in VIEWS.values():
        assert title in text
        lines = as_markdown(view(tables[source])).split("\n")
        assert lines[1].strip("| -") == ""
        assert len({line.count("|") for line in lines}) == 1
    assert "nan" not in text.lower().replace("wadnet", "")


def test_the_same_seed_makes_the_same_tracks_and_another_does_not(network: Network) -> None:
    first, again, other = (
        answer_set(one, partial(theory, dim=2), 5, one.generator("main", 2))
        for one in (setting(network), setting(network), setting(network, seed=1))
    )
    pd.testing.assert_frame_equal(first, again)
    assert (first["answer"] != other["answer"]).all()
    seeds = {
        setting(network, seed=seed).generator("main", dim).initial_seed()
        for seed in range(20)
        for dim in (1, 2, 3)
    }
    # A CPU's generator takes the lower half of its seed only.
    assert len({seed % 2**32 for seed in seeds}) == 60


def test_measuring_can_be_stopped(weights: Path) -> None:
    def stop(*_: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        andi1(3, device="cpu", weights=weights, progress=stop)


def test_the_best_published_figures_are_found() -> None:
    found = best_published("theory-v1", 3)
    assert (found["published_alpha_mae"], found["published_alpha_by"]) == (0.1109, "RANDI")
    assert (found["published_model_f1"], found["published_model_by"]) == (0.9454, "WADNet")
    assert best_published("short", 1)["published_alpha_mae"] == 0.453
    assert np.isnan(best_published("theory-v2", 1)["published_alpha_mae"])  # only measured by us


def test_what_is_published_is_plausible() -> None:
    for published in PUBLISHED:
        errors = [error for error in published.alpha_mae if error is not None]
        scores = [score for score in published.model_f1 if score is not None]
        assert all(0.1 < error < 0.5 for error in errors)
        assert all(1 / len(MODELS) < score < 1 for score in scores)
        assert published.source
    edges = RANDI_BY_LENGTH[["shortest", "longest"]].to_numpy()
    assert (edges[1:, 0] == edges[:-1, 1] + 1).all()
    assert (edges[0, 0], edges[-1, 1]) == (10, 999)
