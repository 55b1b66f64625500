"""The engines by name, and those of them that are formulas."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perrin.engine.baselines import msd
from perrin.engine.baselines._tables import ANSWERS, equal_spans, theory_table
from perrin.engine.engines import ENGINES, EngineName, predict, train
from perrin.engine.train import Training
from perrin.errors import InputError
from perrin.simulate import simulate_tracks
from perrin.simulate.protocols import theory
from perrin.tracks import axes_of, index_tracks, validate_tracks

SAID = {
    "perrin": {"p_fbm", "alpha", "alpha_lo", "alpha_hi"},
    "msd": {"alpha", "alpha_lo", "alpha_hi", "diffusivity", "diffusivity_lo", "noise"},
    "msd-plain": {"alpha", "diffusivity"},
    "fbm": {"alpha", "alpha_lo", "alpha_hi", "diffusivity", "diffusivity_lo", "noise"},
    "convtransformer": {"p_fbm", "alpha"},
    "cnn": {"alpha"},
}


@pytest.mark.parametrize("engine", get_args(EngineName))
def test_every_engine_answers_in_the_same_columns(engine: EngineName) -> None:
    tracks = simulate_tracks(n_tracks=3, n_points=200, alpha=0.7)
    answers = predict(tracks, engine=engine, device="cpu")
    assert answers["particle"].tolist() == [0, 1, 2]
    assert answers["n_points"].tolist() == [200] * 3
    assert answers.columns.tolist() == ["particle", "n_points", *ANSWERS, "unlike_training"]
    assert answers[list(SAID[engine])].notna().all(axis=None)
    if engine != "perrin":
        assert not answers["unlike_training"].any()
        assert "p_fbm" in SAID[engine] or answers["p_fbm"].isna().all()
        assert "noise" in SAID[engine] or answers["noise"].isna().all()


@pytest.mark.parametrize("engine", get_args(EngineName))
def test_no_tracks_and_unusable_tracks_get_no_answers(engine: EngineName) -> None:
    none = pd.DataFrame({"particle": [], "frame": [], "y": [], "x": []})
    assert predict(none, engine=engine, device="cpu").empty
    still = pd.DataFrame({"particle": 4, "frame": range(220), "y": 1.0, "x": 2.0})
    single = pd.DataFrame({"particle": [7], "frame": [3], "y": [0.0], "x": [0.0]})
    answers = predict(pd.concat([still, single]), engine=engine, device="cpu")
    assert answers["particle"].tolist() == [4, 7]
    assert answers[list(ANSWERS)].isna().all(axis=None)


def test_what_is_asked_of_the_wrong_engine_is_refused_in_a_sentence(tmp_path: Path) -> None:
    tracks = simulate_tracks(n_tracks=1, n_points=20)
    with pytest.raises(InputError, match=r"no engine 'abacus'\. Choose one of perrin, msd, "):
        predict(tracks, engine="abacus")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="fbm has no weights; perrin, convtransformer, cnn have"):
        predict(tracks, engine="fbm", weights=tmp_path)
    with pytest.raises(InputError, match=r"nothing to train\. Choose one of perrin, conv"):
        train(Training(), tmp_path, engine="msd")
    with pytest.raises(InputError, match="cnn is trained without processes, weight_decay"):
        train(Training(processes=2, weight_decay=0.1), tmp_path, engine="cnn")


def test_every_engine_is_described() -> None:
    assert tuple(ENGINES) == get_args(EngineName)
    assert all(engine.description and engine.shortest > 0 for engine in ENGINES.values())


# Formulas


def line_through_msd(path: np.ndarray) -> float:
    """Exponent as the reference does it: polyfit over lags 1 ... max(4, T // 10) - 1."""
    lags = np.arange(1, max(4, int(len(path) * 0.1)))
    curve = [np.square(path[lag:] - path[:-lag]).sum(1).mean() for lag in lags]
    return float(np.polyfit(np.log(lags), np.log(curve), 1)[0])


@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.integers(5, 120), min_size=1, max_size=5),
    dim=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_plain_exponent_is_the_slope_of_the_logarithms(
    lengths: list[int], dim: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    paths = [rng.normal(size=(n, dim)).cumsum(0) for n in lengths]
    tables = [
        pd.DataFrame(path, columns=["z", "y", "x"][-dim:]).assign(
            particle=i, frame=range(len(path))
        )
        for i, path in enumerate(paths)
    ]
    answers = msd.plain(pd.concat(tables))
    np.testing.assert_allclose(answers["alpha"], [line_through_msd(p) for p in paths], atol=1e-9)


def test_the_plain_diffusivity_is_exact_on_a_straight_line() -> None:
    # MSD = v² t²: alpha is 2 and half the MSD at one frame, per axis, v² / 4 in 2D.
    line = pd.DataFrame({"particle": 0, "frame": range(30), "y": 0.0, "x": 3.0 * np.arange(30)})
    answers = msd.plain(line)
    assert answers.loc[0, "alpha"] == pytest.approx(2)
    assert answers.loc[0, "diffusivity"] == pytest.approx(9 / 4)


def test_noise_pulls_the_plain_exponent_down_and_the_fits_correct_for_it() -> None:
    tracks = simulate_tracks(alpha=1.0, n_tracks=60, n_points=200, noise=1.0, seed=5)
    found = {
        name: predict(tracks, engine=name, exposure=0.0)  # type: ignore[arg-type]
        for name in ("msd-plain", "msd", "fbm")
    }
    error = found["msd-plain"]["alpha"].sem()
    assert found["msd-plain"]["alpha"].mean() < 0.8
    for name in ("msd", "fbm"):
        assert found[name]["alpha"].mean() == pytest.approx(1, abs=0.1 + 2 * error)
        assert found[name]["noise"].median() == pytest.approx(1, abs=0.1)
        assert found[name]["diffusivity"].median() == pytest.approx(0.5, abs=0.15)


def test_the_interval_of_the_likelihood_holds_the_truth_as_often_as_it_says() -> None:
    tracks = simulate_tracks(alpha=1.0, n_tracks=100, n_points=200, noise=0.2, seed=7)
    answers = predict(tracks, engine="fbm", exposure=0.0)
    inside = (answers["alpha_lo"] <= 1) & (answers["alpha_hi"] >= 1)
    assert 0.8 < inside.mean() <= 0.98
    assert (answers["diffusivity_lo"] < answers["diffusivity"]).all()
    assert (answers["diffusivity"] < answers["diffusivity_hi"]).all()


# Tables


@st.composite
def gappy_tables(draw: st.DrawFn) -> pd.DataFrame:
    dim = draw(st.integers(1, 3))
    parts = []
    for particle in range(draw(st.integers(0, 5))):
        frames = sorted(draw(st.sets(st.integers(0, 40), min_size=1, max_size=12)))
        rng = np.random.default_rng(draw(st.integers(0, 1000)))
        place = rng.uniform(-50, 50, (len(frames), dim))
        part = pd.DataFrame(place, columns=["z", "y", "x"][-dim:])
        parts.append(part.assign(particle=3 * particle, frame=frames))
    empty = pd.DataFrame(columns=["particle", "frame", "z", "y", "x"][:2], dtype=np.int64)
    for axis in ["z", "y", "x"][-dim:]:
        empty[axis] = np.empty(0)
    return validate_tracks(pd.concat(parts) if parts else empty)


@settings(max_examples=40, deadline=None)
@given(table=gappy_tables(), shortest=st.integers(1, 6))
def test_tracks_are_laid_out_once_each_with_straight_lines_over_gaps(
    table: pd.DataFrame, shortest: int
) -> None:
    index = index_tracks(table)
    seen: list[int] = []
    for owners, positions in equal_spans(table, shortest):
        for owner, path in zip(owners, positions, strict=True):
            rows = table.iloc[index.starts[owner] : index.stops[owner]]
            time = rows["frame"].to_numpy() - rows["frame"].iloc[0]
            for axis, values in zip(axes_of(table), path, strict=True):
                away = rows[axis].to_numpy() - rows[axis].iloc[0]
                line = np.interp(np.arange(time[-1] + 1), time, away)
                np.testing.assert_allclose(values, line, rtol=1e-4, atol=1e-4)
        seen += owners.tolist()
    assert sorted(seen) == np.flatnonzero(index.lengths >= shortest).tolist()


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_tracks_of_the_challenge_become_a_table_of_even_axes(dim: int) -> None:
    tracks = theory(20, dim, generator=torch.Generator().manual_seed(3))
    table = theory_table(tracks)
    assert len(axes_of(table)) == dim
    assert index_tracks(validate_tracks(table)).lengths.tolist() == tracks.lengths.tolist()
    steps = table.groupby("particle")[list(axes_of(table))].diff()
    size = np.sqrt(np.square(steps).groupby(table["particle"]).mean())
    np.testing.assert_allclose(size, 1, rtol=1e-6)
