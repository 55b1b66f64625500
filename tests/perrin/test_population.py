"""What tracks are together: counts, histograms, states."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from perrin import Calibration, InputError, analyze
from perrin.engine.switching.inference import ask_frames
from perrin.engine.switching.segments import Segments, segments_of, segments_of_tables
from perrin.population import count_models, histogram_edges, population_states
from perrin.quantities import Quantity, quantity_of
from perrin.simulate.switching import simulate_switching


@pytest.fixture(scope="module")
def two_states() -> pd.DataFrame:
    """Particles that switch between two diffusivities, 1:100, every 40 frames on average."""
    steps = simulate_switching(
        [0.02, 2.0],
        transition=[[1 - 1 / 40, 1 / 40], [1 / 40, 1 - 1 / 40]],
        n_tracks=15, n_points=120, seed=5,
    )  # fmt: skip
    return steps[["particle", "frame", "y", "x"]]


def test_intervals_of_shares_are_wilsons() -> None:
    # Brown, Cai, DasGupta (2001), Stat. Sci. 16, 101, eq. 4, with z of 90 %.
    per_track = pd.DataFrame({"model": ["FBM"] * 7 + ["LW"] * 2 + [None]})
    counts = count_models(per_track).set_index("model")
    z, n = 1.6448536269514722, 10
    for name, k in (("FBM", 7), ("LW", 2), ("CTRW", 0), ("not judged", 1)):
        middle = (k + z**2 / 2) / (n + z**2)
        half = z * np.sqrt(n) / (n + z**2) * np.sqrt(k / n * (1 - k / n) + z**2 / (4 * n))
        row = counts.loc[name]
        assert row["tracks"] == k
        assert row["share"] == pytest.approx(k / n)
        low, high = row[["share_lo", "share_hi"]]
        assert (low, high) == pytest.approx((middle - half, middle + half), abs=1e-12)
    assert count_models(per_track[:0])["tracks"].sum() == 0


@given(
    arrays(np.float64, st.integers(1, 40), elements=st.floats(1e-6, 1e6)),
    st.booleans(),
    st.booleans(),
)
def test_every_number_has_a_bin(values: np.ndarray, logarithmic: bool, whole: bool) -> None:
    if whole:
        values = np.round(values)
        logarithmic = logarithmic and bool((values > 0).all())
    edges = histogram_edges(
        np.append(values, np.nan), Quantity("anything", logarithmic=logarithmic)
    )
    assert (np.diff(edges) > 0).all()
    counts, _ = np.histogram(values, edges)
    assert counts.sum() == values.size
    assert edges.size < 70


def test_ranges_of_histograms() -> None:
    alpha = histogram_edges(np.array([0.9, 1.0, 1.1]), quantity_of("alpha"))
    assert (alpha[0], alpha[-1]) == (0, 2)
    switches = histogram_edges(np.array([0.0, 1, 1, 2, 3]), quantity_of("n_switches"))
    assert switches.tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5]
    decades = histogram_edges(np.array([0.01, 0.1, 1.0, np.nan, -1.0]), quantity_of("diffusivity"))
    np.testing.assert_allclose(np.diff(np.log10(decades)), 2 / (decades.size - 1), rtol=1e-6)


def test_the_tables_of_an_analysis_tell_its_segments(two_states: pd.DataFrame) -> None:
    calibration = Calibration(pixel_size=0.1, frame_interval=0.02, exposure=0)
    analysis = analyze(two_states, calibration, device="cpu")
    told = segments_of_tables(analysis.per_frame, analysis.switches)
    chosen = analysis.parameters
    frames = ask_frames(two_states, exposure=0, device="cpu")
    direct = segments_of(frames, chosen.switch_threshold, chosen.min_segment)
    assert direct.starts.size > 20
    same = ("of_row", "starts", "track", "low", "high", "n_points", "duration", "state", "level")
    for name in same:
        np.testing.assert_array_equal(getattr(told, name), getattr(direct, name), name)
    moving = direct.state > 0
    close = ("alpha", "alpha_scale", "log_diffusivity_scale")
    for name in close:
        np.testing.assert_allclose(_of(told, name)[moving], _of(direct, name)[moving], rtol=1e-9)
    scaled = told.log_diffusivity - np.log(calibration.diffusivity_scale)
    np.testing.assert_allclose(scaled[moving], direct.log_diffusivity[moving], rtol=1e-9)


def test_states_have_the_units_of_the_analysis(two_states: pd.DataFrame) -> None:
    calibration = Calibration(pixel_size=0.1, frame_interval=0.02, exposure=0)
    states = population_states(analyze(two_states, calibration, device="cpu"))
    assert states.n_tracks == 15
    table = states.table
    assert table["state"].tolist() == [0, 1]
    # Brownian, of 0.02 and 2 px²/frame, each left after 40 frames on average.
    ratio = table["diffusivity"] / (np.array([0.02, 2.0]) * calibration.diffusivity_scale)
    assert ratio.between(0.7, 1.4).all()
    assert table["alpha"].between(0.8, 1.2).all()
    expected = 40 * calibration.time_scale
    assert (table["dwell_lo"] < expected * 1.3).all()
    assert (table["dwell_hi"] > expected * 0.7).all()
    np.testing.assert_allclose(states.transition.sum(1), 1)
    np.testing.assert_allclose(states.shares.sum(1), 1)
    # All tracks are equally long.
    np.testing.assert_allclose(states.shares.mean(0), table["occupancy"])


def test_states_need_segments(two_states: pd.DataFrame) -> None:
    short = two_states[two_states["frame"] < 12]
    with pytest.raises(InputError, match="at least 20 points"):
        population_states(analyze(short, device="cpu"))


def _of(segments: Segments, name: str) -> np.ndarray:
    return np.asarray(getattr(segments, name))
