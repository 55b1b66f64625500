"""Fields of view, labels and experiments of the second AnDi challenge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perrin import InputError
from perrin.simulate import simulate_experiment
from perrin.simulate.phenomenological import (
    BENCHMARK,
    Experiment,
    ImmobileTraps,
    MultiState,
    Population,
    SingleState,
    challenge_experiment,
    filter_labels,
    in_field_of_view,
    simulate_fields,
)
from perrin.tracks import validate_tracks

FILTERED = [
    ("0", "0"),
    ("11", "11"),
    ("010", "000"),
    ("1000", "0000"),
    ("010001", "000000"),
    ("111220001", "111110000"),
    ("111111000000", "111111000000"),
    ("2000022002222000", "0000000222222000"),
    ("22122213033333331111", "22222223333333331111"),
    ("222222222221121110111222", "222222222222111111111222"),
    ("001111002222222120000011111222", "111111112222222200000011111222"),
    ("111111103332222222221122222223", "111111113332222222222222222222"),
]


@pytest.mark.parametrize(("labels", "expected"), FILTERED)
def test_labels_are_filtered_as_in_the_challenge(labels: str, expected: str) -> None:
    """Expected values are those of label_filter, andi-datasets 2.1.13."""
    values = 0.3 + 1.7 * np.array(list(labels), float)
    np.testing.assert_array_equal(
        filter_labels(values), 0.3 + 1.7 * np.array(list(expected), float)
    )


@given(st.lists(st.sampled_from([0.0, 0.5, 2.0]), min_size=3, max_size=40))
def test_filtered_segments_are_long_enough_and_of_known_values(labels: list[float]) -> None:
    filtered = filter_labels(labels)
    edges = np.flatnonzero(np.diff(filtered)) + 1
    segments = np.diff(np.concatenate(([0], edges, [len(labels)])))
    if np.unique(labels).size > 1:
        assert (segments >= 3).all()
    assert set(filtered) <= set(labels)
    np.testing.assert_array_equal(filter_labels(np.full(7, 3.0)), np.full(7, 3.0))


def test_filter_takes_one_track() -> None:
    with pytest.raises(InputError, match="one track"):
        filter_labels(np.zeros((2, 3)))


def test_stays_in_the_field_of_view() -> None:
    y = np.array([0, 1, 2, 3, 9, 3, 3, 3, 3, 0.5], float)
    x = np.full(10, 2.0)
    out = np.full(10, -1.0)
    positions = np.array([[y, x], [x, out], [x, x]])
    particle, start, stop = in_field_of_view(positions, (0.5, 0), 5, min_points=3)
    np.testing.assert_array_equal(particle, [0, 0, 2])
    np.testing.assert_array_equal(start, [1, 5, 0])
    np.testing.assert_array_equal(stop, [4, 9, 10])
    # Points on the edge are outside.
    assert in_field_of_view(positions, (2, 0), 1, min_points=1)[0].size == 0


def test_fields_side_by_side() -> None:
    long = Experiment(motion=MultiState(), n_particles=40)
    short = Experiment(motion=ImmobileTraps(radius=2, unbinding=0.1), n_particles=80, n_frames=60)
    tracks = simulate_fields([long, short, long], seed=1)
    n = len(tracks.lengths)
    assert tracks.positions.shape == (n, 2, 200)
    assert tracks.positions.dtype == np.float32
    assert tracks.state.dtype == np.int8
    assert set(np.unique(tracks.field)) == {0, 1, 2}
    assert (np.diff(tracks.field) >= 0).all()
    assert (tracks.lengths >= 20).all()
    last = np.where(tracks.field == 1, 60, 200)
    assert (tracks.first_frame + tracks.lengths <= last).all()
    seen = np.arange(200) < tracks.lengths[:, None]
    for name in ("diffusivity", "alpha"):
        assert (getattr(tracks, name)[~seen] == 0).all()
    for name in ("state", "population"):
        assert (getattr(tracks, name)[~seen] == -1).all()
        assert (getattr(tracks, name)[seen] >= 0).all()
    inside = tracks.positions.transpose(0, 2, 1)[seen]
    assert (tracks.positions.transpose(0, 2, 1)[~seen] == 0).all()
    assert inside.min() > -1
    assert inside.max() < 129
    # Tracks come in, go out, and fill the field evenly.
    assert (tracks.first_frame > 0).any()
    assert inside.mean(0) == pytest.approx(64, abs=12)
    again = simulate_fields([long, short, long], seed=1)
    np.testing.assert_array_equal(again.positions, tracks.positions)


def test_localization_noise() -> None:
    """Particles that never move show the noise alone, as strong along both axes."""
    still = Population(diffusivity=1e-12)
    experiment = Experiment(
        motion=SingleState(population=still), field_of_view=None, n_particles=60, noise=0.3
    )
    positions = simulate_fields([experiment], seed=2).positions
    assert positions.shape == (60, 2, 200)
    assert positions.std(2, ddof=1).mean(0) == pytest.approx(0.3, rel=0.02)
    steps = np.diff(positions, axis=2)
    assert np.square(steps).mean() == pytest.approx(2 * 0.3**2, rel=0.03)


def test_a_table_with_the_truth() -> None:
    table = simulate_experiment(motion=ImmobileTraps(unbinding=0.1), n_fields=2, seed=3)
    assert list(table.columns) == [
        "particle", "frame", "y", "x", "field", "diffusivity", "alpha", "state", "population",
    ]  # fmt: skip
    checked = validate_tracks(table)
    assert len(checked) == len(table)
    assert (table.groupby("particle")["field"].nunique() == 1).all()
    assert table.groupby("particle")["frame"].apply(lambda f: (f.diff().dropna() == 1).all()).all()
    bound = table["state"] == 0
    assert bound.any()
    assert (table.loc[bound, ["diffusivity", "alpha"]] == 0).all(axis=None)
    # Switches after the filter are at least three frames apart.
    for _, track in table.groupby("particle"):
        switches = np.flatnonzero(np.diff(track["state"])) + 1
        assert (np.diff(np.concatenate(([0], switches, [len(track)]))) >= 3).all()
    same = simulate_experiment(Experiment(motion=ImmobileTraps(unbinding=0.1)), n_fields=2, seed=3)
    assert same.equals(table)


def test_an_experiment_survives_yaml() -> None:
    for experiment in BENCHMARK:
        assert Experiment.from_yaml(experiment.to_yaml()) == experiment


@pytest.mark.parametrize(
    ("number", "published"),
    [
        (1, (0.31, 0.47, 0.22)),
        (2, (0.76, 0.24)),
        (3, (0.11, 0.89)),
        (4, (0.45, 0.55)),
        (5, (0.69, 0.31)),
        (6, (0.86, 0.14)),
        (7, (0.75, 0.25)),
        (9, (0.55, 0.45)),
    ],
)
def test_occupancies_of_the_benchmark(number: int, published: tuple[float, ...]) -> None:
    """Shares of the states in the challenge's own 30 fields, printed by its tutorial.

    Of traps it counts the immobile and the free, but not the directed.
    """
    experiment = BENCHMARK[number - 1]
    tracks = simulate_fields([experiment] * (5 if experiment.n_particles > 100 else 15), seed=4)
    number_of = tracks.population
    if isinstance(experiment.motion, ImmobileTraps):
        number_of = np.where(tracks.state == 3, -1, number_of)
    counts = np.bincount(number_of[number_of >= 0], minlength=len(published))
    assert counts / counts.sum() == pytest.approx(published, abs=0.035)


def test_the_challenges_defaults() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        motion = challenge_experiment("immobile_traps", rng).motion
        assert isinstance(motion, ImmobileTraps)
        assert 0.5 <= motion.free.alpha <= 1.5
        motion = challenge_experiment("multi_state", rng).motion
        assert isinstance(motion, MultiState)
        fast, slow = motion.populations
        assert 0.2 <= fast.alpha - slow.alpha <= 0.6
        assert 0.01 <= slow.diffusivity <= 0.01 + 0.09 * fast.diffusivity
        assert fast.diffusivity_variance == pytest.approx(0.01 * fast.diffusivity)
    models = ("single_state", "dimerization", "confinement")
    assert [challenge_experiment(m, 1).motion.model for m in models] == list(models)
    assert challenge_experiment("single_state", 1) == challenge_experiment("single_state", 1)


def test_impossible_experiments_are_refused() -> None:
    with pytest.raises(InputError, match="no room in a box"):
        simulate_experiment(box=100)
    with pytest.raises(InputError, match="at least one field"):
        simulate_experiment(n_fields=0)
    with pytest.raises(InputError, match="at least one experiment"):
        simulate_fields([])
    with pytest.raises(InputError, match="n_frames"):
        simulate_experiment(n_frames=1)
