"""Changes of model as tables: where, between which motions, gaps, ends, long and short tracks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import perrin
from perrin.analysis import AnalysisParameters
from perrin.engine.changes.inference import ask_changes
from perrin.engine.changes.network import ChangeNetwork
from perrin.engine.switching.methods import CHANGE_METHOD, SwitchCalls, find_switches
from perrin.engine.trunk import Architecture
from perrin.engine.weights import save_network
from perrin.errors import Cancelled, InputError
from perrin.models import MODELS
from perrin.simulate.models import fbm, lw
from perrin.simulate.tables import table_of

SMALL = Architecture(width=16, stem_width=8, n_filters=4, n_blocks=1, n_heads=2, hidden=16)
BY_MODEL = SwitchCalls(switch_method="model")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("weights") / "changes.safetensors"
    save_network(path, ChangeNetwork(SMALL), {})
    return path


@pytest.fixture(scope="module")
def changing() -> pd.DataFrame:
    """Thirty tracks in 2D: from frame 100 of 200 on, what crept back and forth flies."""
    g = torch.Generator().manual_seed(5)
    creeps = fbm(torch.full((30,), 0.3), 101, 2, g)
    flies = lw(torch.full((30,), 1.8), 100, 2, g)
    parts = [part / part.square().mean((1, 2), keepdim=True).sqrt() for part in (creeps, flies)]
    path = np.pad(torch.cat(parts, 2).double().numpy(), ((0, 0), (0, 0), (1, 0))).cumsum(2)
    noise = 0.1 * np.random.default_rng(1).standard_normal(path.shape)
    return table_of(path + noise)


def test_a_change_is_found_and_named(changing: pd.DataFrame) -> None:
    found = find_switches(changing, BY_MODEL, exposure=0.0)
    assert found.per_frame.attrs["method"] == found.switches.attrs["method"] == CHANGE_METHOD
    switches = found.switches
    assert switches["particle"].is_unique
    assert len(switches) >= 25
    assert np.median(np.abs(switches["frame"] - 100)) <= 5
    assert (switches["frame_lo"] <= switches["frame"]).all()
    assert (switches["frame_hi"] >= switches["frame"]).all()
    assert (switches["model_before"] == "FBM").mean() > 0.7
    assert (switches["model_after"] == "LW").mean() > 0.9
    assert switches["alpha_before"].median() == pytest.approx(0.3, abs=0.2)
    assert switches["alpha_after"].median() == pytest.approx(1.8, abs=0.2)
    p = found.per_frame.groupby("particle")["p_switch"].sum()
    assert (p <= 1 + 1e-6).all()
    assert p.median() > 0.9


def test_the_analysis_takes_it(changing: pd.DataFrame) -> None:
    parameters = AnalysisParameters(switch_method="model")
    analysis = perrin.analyze(changing, parameters=parameters, device="cpu")
    assert (analysis.switches["method"] == CHANGE_METHOD).all()
    assert set(analysis.switches["model_after"]) <= set(MODELS)
    assert analysis.per_track["n_switches"].max() == 1
    assert analysis.per_frame["alpha"].notna().all()
    # Nothing is said of what a particle does but its model.
    assert analysis.per_frame["motion"].isna().all()
    plain = perrin.analyze(changing.head(400), device="cpu")
    assert list(plain.switches.columns) == list(analysis.switches.columns)
    assert plain.switches["model_before"].isna().all()


def test_probabilities_lie_within_the_track(changing: pd.DataFrame, weights: Path) -> None:
    said = ask_changes(changing, weights=weights)
    p = said.p_at.reshape(30, 200)
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-9)
    assert (p >= 0).all()
    # The last localization begins nothing.
    assert (p[:, -1] == 0).all()
    for posterior in (said.before, said.after):
        np.testing.assert_allclose(posterior.sum((1, 2)), 1, atol=1e-6)
    assert ((said.p_change > 0) & (said.p_change < 1)).all()


def test_gaps_and_long_tracks_keep_their_probability(weights: Path) -> None:
    rng = np.random.default_rng(2)
    long = table_of(rng.standard_normal((2, 2, 2500)).cumsum(2))
    kept = rng.random(len(long)) > 0.2
    for table in (long, long[kept]):
        said = ask_changes(table, weights=weights)
        for k in range(2):
            p = said.p_at[said.bounds[k] : said.bounds[k + 1]]
            assert (p >= -1e-12).all()
            assert p.sum() == pytest.approx(1, abs=1e-6)


def test_no_change_is_told_within_a_segment_of_the_ends(
    changing: pd.DataFrame, weights: Path
) -> None:
    told = SwitchCalls(switch_method="model", switch_threshold=1e-9, min_segment=20)
    switches = find_switches(changing, told, weights=weights).switches
    assert len(switches) == 30
    assert switches["frame"].between(20, 180).all()


def test_nothing_is_said_of_short_and_of_motionless_tracks(weights: Path) -> None:
    short = table_of(np.random.default_rng(3).standard_normal((1, 2, 19)).cumsum(2))
    still = pd.DataFrame({"particle": 1, "frame": range(30), "y": 1.0, "x": 2.0})
    told = SwitchCalls(switch_method="model", switch_threshold=1e-9)
    per_frame, switches = find_switches(pd.concat([short, still]), told, weights=weights)
    assert len(switches) == 0
    assert {"model_before", "model_after"} <= set(switches.columns)
    assert per_frame[["p_switch", "alpha", "diffusivity"]].isna().all(axis=None)
    assert (per_frame["state"] == 0).all()


def test_batches_and_order_make_no_difference(changing: pd.DataFrame, weights: Path) -> None:
    whole = ask_changes(changing, weights=weights)
    some = changing[changing["particle"].isin([3, 7])].sample(frac=1, random_state=1)
    part = ask_changes(some, weights=weights)
    np.testing.assert_allclose(part.p_change, whole.p_change[[3, 7]], atol=1e-5)


def test_it_can_be_cancelled_and_refuses_what_it_cannot_use(
    changing: pd.DataFrame, weights: Path
) -> None:
    def stop(*_: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        ask_changes(changing, weights=weights, progress=stop)
    with pytest.raises(InputError, match="exposure"):
        ask_changes(changing, exposure=2.0, weights=weights)
    with pytest.raises(InputError, match="no weights"):
        ask_changes(changing, weights=Path("nowhere.safetensors"))
