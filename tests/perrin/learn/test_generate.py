"""Made tracks: densities are densities, no direction is preferred, flat stays flat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from scipy.stats import multivariate_t

from perrin.errors import InputError
from perrin.learn.generate import (
    LearntGenerator,
    generate_tracks,
    learn_generator,
    load_generator,
    save_generator,
)
from perrin.learn.generator import Architecture, Generator, Mixture
from perrin.learn.parameters import GeneratorTraining
from perrin.learn.resemblance import resemblance
from perrin.simulate import simulate_superstatistics
from perrin.tracks import validate_tracks


@pytest.fixture(scope="module")
def flat() -> pd.DataFrame:
    table = simulate_superstatistics(persistence=0.7, n_tracks=20, n_points=41)
    return table.assign(z=4.0)


@pytest.fixture(scope="module")
def learnt(flat: pd.DataFrame, quick_generator: GeneratorTraining) -> LearntGenerator:
    return learn_generator([flat], quick_generator)


def test_the_density_is_students_t() -> None:
    rng = np.random.default_rng(0)
    mean, scale, nu = rng.normal(size=2), np.array([0.5, 2.0]), 4.0
    at = rng.normal(size=(7, 2))
    mixture = Mixture(
        torch.zeros(1, 1), torch.tensor(mean)[None, None], torch.tensor(scale)[None, None].log(),
        torch.tensor([[nu]], dtype=torch.float64),
    )  # fmt: skip
    expected = multivariate_t(mean, np.diag(scale**2), df=nu).logpdf(at)
    np.testing.assert_allclose(mixture.log_density(torch.tensor(at)), expected)


def test_steps_are_drawn_from_the_density() -> None:
    """Weights of the components, and the variance nu / (nu - 2) of Student's t."""
    n, nu = 20_000, 8.0
    mixture = Mixture(
        torch.tensor([0.25, 0.75]).log().expand(n, 2),
        torch.tensor([[-5.0], [5.0]]).expand(n, 2, 1),
        torch.zeros(n, 2, 1),
        torch.full((n, 2), nu),
    )
    step = mixture.draw(torch.Generator().manual_seed(1)).numpy()[:, 0]
    assert (step < 0).mean() == pytest.approx(0.25, abs=0.01)
    assert step[step > 0].var() == pytest.approx(nu / (nu - 2), rel=0.05)


@pytest.mark.parametrize("axes", [("x",), ("y", "x"), ("z", "y", "x")])
def test_the_frame_of_the_track_turns_with_it_and_back(axes: tuple[str, ...]) -> None:
    network = Generator(Architecture(axes=axes, moving=axes))
    generator = torch.Generator().manual_seed(2)
    steps = torch.randn(6, 9, len(axes), generator=generator)
    steps[0, 3:5] = 0
    heading = torch.rand(6, generator=generator) * 6 * (len(axes) > 1)
    local = network.localised(steps, heading)
    back = network._unlocalised(local, torch.Generator().manual_seed(3))
    # Up to one rotation and mirror of each track: all lengths and angles are the same.
    torch.testing.assert_close(back @ back.mT, steps @ steps.mT, atol=1e-4, rtol=1e-4)


def test_made_tracks_are_tracks(flat: pd.DataFrame, learnt: LearntGenerator) -> None:
    made = generate_tracks(learnt.network, n_tracks=30, n_points=101, seed=4, field=50)
    assert validate_tracks(made)["particle"].value_counts().eq(101).all()
    assert (made["z"] == 0).all()
    assert made.groupby("particle")["x"].first().between(0, 50).all()
    pd.testing.assert_frame_equal(
        made, generate_tracks(learnt.network, n_tracks=30, n_points=101, seed=4, field=50)
    )
    usual = generate_tracks(learnt.network, n_tracks=2)
    assert usual["frame"].max() == 40


def test_no_direction_is_preferred(learnt: LearntGenerator) -> None:
    """The squared sum of directions of n tracks has mean n, and is exponentially distributed."""
    made = generate_tracks(learnt.network, n_tracks=2000, n_points=3)
    first = made[made["frame"] == 1][["y", "x"]].to_numpy()
    direction = first / np.linalg.norm(first, axis=1, keepdims=True)
    assert (direction.sum(0) ** 2).sum() / len(direction) < 7


def test_a_generator_is_saved_with_its_card(
    learnt: LearntGenerator, quick_generator: GeneratorTraining, tmp_path: Path
) -> None:
    path = tmp_path / "cells.safetensors"
    save_generator(path, learnt, quick_generator)
    card = yaml.safe_load(path.with_suffix(".yaml").read_text(encoding="utf-8"))
    assert card["trained_on"] == "20 stretches of tracks"
    pd.testing.assert_frame_equal(
        generate_tracks(load_generator(path), n_tracks=3),
        generate_tracks(learnt.network, n_tracks=3),
    )


def test_tracks_resemble_themselves_and_not_others() -> None:
    tables = [
        simulate_superstatistics(persistence=q, speed=speed, n_tracks=60, n_points=81, seed=seed)
        for q, speed, seed in ((0.7, 1.0, 0), (0.7, 1.0, 1), (0.0, 2.0, 2))
    ]
    same = resemblance(tables[0], tables[1]).set_index("measure")
    other = resemblance(tables[0], tables[2]).set_index("measure")["value"]
    assert same.loc["speed, largest distance", "value"] < 0.05
    assert same.loc["MSD ratio, lag 4", "value"] == pytest.approx(1, abs=0.15)
    assert other["speed, largest distance"] > 0.3
    assert other["MSD ratio, lag 1"] == pytest.approx(4, rel=0.1)
    assert other["velocity correlation, lag 1"] == pytest.approx(-0.7, abs=0.05)
    assert other["outliers (‰)"] > 50


def test_tracks_that_stay_or_are_few_are_refused(flat: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="None of these tracks moves"):
        learn_generator([flat.assign(x=0.0, y=0.0)])
    with pytest.raises(InputError, match="has 5 tracks"):
        learn_generator([flat[flat["particle"] < 5]])
