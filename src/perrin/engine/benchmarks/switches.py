"""Switches beyond the second AnDi challenge: van Velzen's questions, one switch, false alarms."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from perrin.engine.benchmarks.measures import mean_and_error, root_mean_square
from perrin.engine.benchmarks.switch_limits import (
    count_given_parameters,
    count_reportable,
    decide_given_parameters,
    frame_given_parameters,
)
from perrin.engine.benchmarks.switch_methods import cut_by_pelt
from perrin.engine.changes.data import one_switch
from perrin.engine.changes.inference import ask_changes
from perrin.engine.posterior import alpha_quantiles
from perrin.engine.switching.decode import WIDTHS
from perrin.engine.switching.inference import Frames, ask_frames
from perrin.engine.switching.methods import SwitchCalls
from perrin.engine.switching.pooling import Pooled, pooled
from perrin.engine.switching.segments import segments_of
from perrin.errors import Progress
from perrin.simulate.models import fbm as simulate_fbm
from perrin.simulate.models import sbm
from perrin.simulate.protocols import NoisePer, theory
from perrin.simulate.tables import table_of
from perrin.statistics import find_switches, fit_fbm

__all__ = ["switches"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Ask = Callable[..., Frames]

_DIGITS = 4
_RATIOS = (10.0, 5.0, 3.0, 2.0, 1.5)
_N_STEPS = 1000
_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_SHORTEST = SwitchCalls().min_segment
_LENGTHS = (20, 50, 100, 200, 500, 1000)
_ALPHAS = (0.2, 0.5, 1.0, 1.5, 1.9)
_NOISES = (0.0, 0.5, 1.0)
_FALSE_ALARMS = 0.05
_AGAIN = 5  # times as many tracks
_GRADUAL = (0.3, 0.7, 1.5, 1.9)
_ONE_SWITCH_POINTS = 200
_NOISE_OF_PARTS: dict[NoisePer, str] = {"axis": "before joining", "track": "after joining"}
_NEAR = 10
_PELT = "PELT, variance"
_SHARED = "network, tracks share states"
_LIKELIHOOD = "penalised likelihood (Perrin)"
_LEAST = 1e-30
_SOME = 40  # tracks of 1000 steps, for what takes a second each


class _Setting(NamedTuple):
    ask: Ask
    rng: np.random.Generator
    n_tracks: int
    device: str


def switches(
    n_tracks: int = 1000,
    *,
    device: str = "auto",
    seed: int = 0,
    weights: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, pd.DataFrame]:
    """Measure what is found of switches on simulated tracks of known truth.

    Parameters
    ----------
    n_tracks
        Tracks of each figure; the rarer and longer ones take a share, which their tables state.
    device, weights
        As for :func:`perrin.engine.switching.methods.find_switches`.
    seed
        Seed of the tracks.
    progress
        Called with the number of parts measured and to measure.

    Returns
    -------
    dict of pandas.DataFrame
        ``sigma``, ``presence``, ``time``, ``count``: van Velzen's four questions (2020, section 3)
        for ratios of the two standard deviations of 10 to 1.5: the network, also with what tracks
        share, since all have the same two; beside it penalised likelihood, and the best possible
        estimator, which is told all parameters;
        ``one_switch``: task 3 of the first AnDi challenge; ``false_switches``: share of tracks
        without a switch that are given one; ``gradual``: the same for scaled Brownian motion;
        ``trade_off``: false alarms and switches found against the threshold.

    Raises
    ------
    InputError
        If the device or the weights cannot be used.
    Cancelled
        If ``progress`` raises it.
    """
    ask = partial(ask_frames, exposure=0.0, device=device, weights=weights)
    setting = _Setting(ask, np.random.default_rng(seed), n_tracks, device)
    tables = {}
    for done, (name, measure) in enumerate(_PARTS.items()):
        if progress is not None:
            progress("Measuring switches", done, len(_PARTS))
        tables[name] = measure(setting).round(_DIGITS)
    return tables


def _walk(sigma: Array, rng: np.random.Generator) -> Array:
    """Displacements of these standard deviations, shape ``(n_tracks, n_steps)``."""
    return sigma * rng.standard_normal(sigma.shape)


def _walks(displacements: Array) -> pd.DataFrame:
    """Make a track table of displacements along one axis, shape ``(n_tracks, n_steps)``."""
    return table_of(np.pad(displacements, ((0, 0), (1, 0))).cumsum(1)[:, None])


def _ask(setting: _Setting, displacements: Array) -> Frames:
    return setting.ask(_walks(displacements))


def _by_likelihood(displacements: Array) -> tuple[Array, Ints]:
    """Probability of a switch at each localization, ``(n_tracks, n_points)``, and how many."""
    found = find_switches(_walks(displacements), exposure=0.0)
    counts = np.bincount(found.switches["particle"], minlength=len(displacements))
    return found.per_frame["p_switch"].to_numpy().reshape(len(displacements), -1), counts


def _pooled(frames: Frames, displacements: Array) -> Pooled:
    threshold = SwitchCalls().switch_threshold
    return pooled(
        frames, _walks(displacements), exposure=0.0, threshold=threshold, shortest=_SHORTEST
    )


def _by_shared_states(frames: Frames, displacements: Array) -> tuple[Array, Ints]:
    """Tell the same of tracks that share their states (:func:`~.pooling.pooled`)."""
    found = _pooled(frames, displacements)
    counts = np.bincount(found.states.segments.track, minlength=len(displacements)) - 1
    return found.frames.p_switch.reshape(len(displacements), -1), counts


def _sigma(setting: _Setting) -> pd.DataFrame:
    """How large is sigma: 100 steps, sigma from a Weibull distribution of shape 0.7."""
    n_steps = 100
    true = setting.rng.weibull(0.7, setting.n_tracks)
    steps = _walk(np.repeat(true[:, None], n_steps, 1), setting.rng)
    frames = _ask(setting, steps)
    segments = _pooled(frames, steps).states.segments
    alone, shared = (
        np.sqrt(2 * np.exp(np.median(log_d.reshape(setting.n_tracks, -1), 1)))
        for log_d in (
            frames.log_diffusivity,
            np.log(segments.diffusivity.clip(_LEAST))[segments.of_row],
        )
    )
    with_noise = fit_fbm(_walks(steps), alpha=1.0, exposure=0.0)["coefficient"].to_numpy()
    rows = []
    for name, found in (
        ("network, not told that there is no noise", alone),
        ("network, tracks share noise and states", shared),
        ("maximum likelihood, not told either", np.sqrt(2 * with_noise)),
        ("maximum likelihood", np.sqrt(np.square(steps).mean(1))),
    ):
        error, se = mean_and_error(np.abs(found / true - 1))
        rows.append({"method": name, "n_tracks": setting.n_tracks, "mape": error, "mape_se": se})
    # A Gaussian of the Cramér–Rao variance sigma² / 2n has this mean absolute deviation.
    rows.append({"method": "Cramér–Rao", "mape": np.sqrt(1 / (np.pi * n_steps))})
    return pd.DataFrame(rows)


def _presence(setting: _Setting) -> pd.DataFrame:
    """Is there a switch at step 500 of 1000, in every other track."""
    rows = []
    for ratio in _RATIOS:
        switched = setting.rng.random(_share(setting)) < 0.5
        low_first = setting.rng.random(len(switched)) < 0.5
        first = np.where(low_first, 1.0, ratio)
        second = np.where(switched, ratio / first, first)
        sigma = np.where(np.arange(_N_STEPS) < _N_STEPS // 2, first[:, None], second[:, None])
        steps = _walk(sigma, setting.rng)
        frames = _ask(setting, steps)
        answers = {
            "network": _count(frames) > 0,
            _SHARED: _by_shared_states(frames, steps)[1] > 0,
            _LIKELIHOOD: _by_likelihood(steps)[1] > 0,
            _PELT: np.array([cut_by_pelt(s[:, None]).size > 0 for s in steps[:_SOME]]),
            "told all parameters": decide_given_parameters(steps, ratio),
        }
        for method, said in answers.items():
            right, se = mean_and_error(said == switched[: len(said)])
            rows.append(
                {"ratio": ratio, "method": method, "n_tracks": len(said), "accuracy": right,
                 "accuracy_se": se}
            )  # fmt: skip
    return pd.DataFrame(rows)


def _time(setting: _Setting) -> pd.DataFrame:
    """When: one switch at a step that is uniform over 1 to 999."""
    rows = []
    for ratio in _RATIOS:
        at = setting.rng.integers(1, _N_STEPS, _share(setting))
        low_first = setting.rng.random(len(at)) < 0.5
        second = np.arange(_N_STEPS) >= at[:, None]
        sigma = np.where(second == low_first[:, None], ratio, 1.0)
        steps = _walk(sigma, setting.rng)
        frames = _ask(setting, steps)
        answers = {
            "network": _likeliest_frame(frames.p_switch.reshape(len(at), -1)),
            _SHARED: _likeliest_frame(_by_shared_states(frames, steps)[0]),
            _LIKELIHOOD: _likeliest_frame(_by_likelihood(steps)[0]),
            "maximum likelihood of one change of variance": np.array([_best_cut(s) for s in steps]),
            "told all parameters": frame_given_parameters(steps, ratio),
        }
        for method, said in answers.items():
            error, se = mean_and_error(np.abs(said - at))
            rows.append(
                {"ratio": ratio, "method": method, "n_tracks": len(at), "mae": error, "mae_se": se}
            )
    return pd.DataFrame(rows)


def _counts(setting: _Setting) -> pd.DataFrame:
    """How many: a switch in one of a hundred steps, 1000 steps."""
    rate = 0.01
    rows = []
    for ratio in _RATIOS:
        n = _share(setting)
        jumps = setting.rng.random((n, _N_STEPS)) < rate
        jumps[:, 0] = False
        fast = (jumps.cumsum(1) + setting.rng.integers(2, size=(n, 1))) % 2 == 1
        steps = _walk(np.where(fast, ratio, 1.0), setting.rng)
        frames = _ask(setting, steps)
        true = jumps.sum(1)
        p_switch, reported = _by_shared_states(frames, steps)
        answers = {
            "network": _count(frames),
            _SHARED: reported,
            "network, expected number": frames.p_switch.reshape(n, -1).sum(1).round(),
            f"{_SHARED}, expected number": p_switch.sum(1).round(),
            _LIKELIHOOD: _by_likelihood(steps)[1],
            _PELT: np.array([cut_by_pelt(s[:, None]).size for s in steps[:_SOME]]),
            "hidden Markov model, told all parameters": count_given_parameters(steps, ratio, rate),
            "told all switches, short segments left out": count_reportable(jumps, _SHORTEST),
        }
        for method, said in answers.items():
            error, se = mean_and_error(np.abs(said - true[: len(said)]))
            rows.append(
                {
                    "ratio": ratio,
                    "method": method,
                    "n_tracks": len(said),
                    "mae": error,
                    "mae_se": se,
                }
            )
    return pd.DataFrame(rows)


def _one_switch(setting: _Setting) -> pd.DataFrame:
    """Task 3 of the first AnDi challenge: when model or exponent change, 200 points."""
    rows = []
    generator = torch.Generator().manual_seed(int(setting.rng.integers(2**31)))
    for (noise_per, words), dim in product(_NOISE_OF_PARTS.items(), (1, 2, 3)):
        positions, true = one_switch(
            setting.n_tracks, dim, _ONE_SWITCH_POINTS, generator, noise_per=noise_per
        )
        said = ask_changes(table_of(positions), exposure=0.0, device=setting.device)
        p = said.p_at.reshape(setting.n_tracks, -1)
        at = true.at.numpy()
        rmse, se = root_mean_square((p * np.arange(p.shape[1])).sum(1) - at)
        row = {"noise": words, "dim": dim, "n_tracks": setting.n_tracks}
        row |= {"rmse": rmse, "rmse_se": se}
        # A change at the last frame leaves no second part.
        two = at < _ONE_SWITCH_POINTS - 1
        posterior = torch.from_numpy(np.concatenate((said.before[two], said.after[two])))
        answers = alpha_quantiles(posterior, (0.5,))[:, 0].numpy()
        alpha, model = (each[two].T.flatten().numpy() for each in (true.alpha, true.model))
        error, se = mean_and_error(np.abs(answers - alpha))
        right, right_se = mean_and_error(posterior.sum(2).argmax(1).numpy() == model)
        row |= {"n_segments": alpha.size, "alpha_mae": error, "alpha_mae_se": se}
        row |= {"model_accuracy": right, "model_accuracy_se": right_se}
        whole = theory(
            setting.n_tracks, dim, task="model", noise_per=noise_per, shortest=_ONE_SWITCH_POINTS,
            longest=_ONE_SWITCH_POINTS, generator=generator,
        )  # fmt: skip
        none = ask_changes(table_of(whole.positions), exposure=0.0, device=setting.device)
        for name, p_change in (("called", said.p_change), ("called_if_none", none.p_change)):
            share, se = mean_and_error(p_change >= SwitchCalls().switch_threshold)
            row |= {name: share, f"{name}_se": se}
        rows.append(row)
    return pd.DataFrame(rows)


def _false_switches(setting: _Setting) -> pd.DataFrame:
    """Fractional Brownian motion with noise in 2D: how many tracks are given a switch.

    Where that is too near to the limit to tell, more tracks are made, and those alone count.
    """
    rows = []
    generator = torch.Generator().manual_seed(int(setting.rng.integers(2**31)))
    for n_points, alpha, noise in product(_LENGTHS, _ALPHAS, _NOISES):
        for n in (setting.n_tracks, _AGAIN * setting.n_tracks):
            flagged = []
            for _ in range(n // setting.n_tracks):
                exponents = torch.full((setting.n_tracks,), alpha)
                steps = simulate_fbm(exponents, n_points, 2, generator)
                flagged.append(_count(setting.ask(_noisy(steps, noise, setting))) > 0)
            share, se = mean_and_error(np.concatenate(flagged))
            if abs(share - _FALSE_ALARMS) > 2 * se:
                break
        rows.append(
            {"n_points": n_points, "alpha": alpha, "noise": noise, "n_tracks": n,
             "flagged": share, "flagged_se": se}
        )  # fmt: skip
    return pd.DataFrame(rows)


def _gradual(setting: _Setting) -> pd.DataFrame:
    """Scaled Brownian motion in 2D, whose diffusivity changes all the time but never jumps."""
    rows = []
    generator = torch.Generator().manual_seed(int(setting.rng.integers(2**31)))
    for alpha in _GRADUAL:
        n = _share(setting)
        steps = sbm(torch.full((n,), alpha), 200, 2, generator)
        steps /= steps.square().mean((1, 2), keepdim=True).sqrt()
        share, se = mean_and_error(_count(setting.ask(_noisy(steps, 0.1, setting))) > 0)
        rows.append({"alpha": alpha, "n_tracks": n, "cut": share, "cut_se": se})
    return pd.DataFrame(rows)


def _trade_off(setting: _Setting) -> pd.DataFrame:
    """Two states in 2D whose diffusivities differ tenfold, dwell times of 50 frames, 200 points."""
    n, n_points = _share(setting), 200
    jumps = setting.rng.random((n, n_points - 1)) < 0.02
    jumps[:, 0] = False
    fast = (jumps.cumsum(1) + setting.rng.integers(2, size=(n, 1))) % 2 == 1
    sigma = np.where(fast, np.sqrt(10), 1.0)[:, None]
    moving = setting.rng.standard_normal((n, 2, n_points - 1)) * sigma
    still = setting.rng.standard_normal((n, 2, n_points - 1))
    two, one = (
        setting.ask(_noisy(torch.from_numpy(steps), 0.3, setting)) for steps in (moving, still)
    )
    rows = []
    for threshold in _THRESHOLDS:
        segments = segments_of(two, threshold, _SHORTEST)
        begun = segments.low >= 0
        found = _hits(jumps, segments.track[begun], segments.starts[begun] % n_points)
        row = {"threshold": threshold, "n_tracks": n, "n_switches": int(jumps.sum())}
        row |= {"recall": found / jumps.sum(), "precision": found / max(1, begun.sum())}
        rows.append(row | {"false_alarms": (_count(one, threshold) > 0).mean()})
    return pd.DataFrame(rows)


_PARTS: dict[str, Callable[[_Setting], pd.DataFrame]] = {
    "sigma": _sigma,
    "presence": _presence,
    "time": _time,
    "count": _counts,
    "one_switch": _one_switch,
    "false_switches": _false_switches,
    "gradual": _gradual,
    "trade_off": _trade_off,
}


def _share(setting: _Setting) -> int:
    """Say how many of the long tracks there are."""
    return max(20, setting.n_tracks // 5)


def _noisy(steps: torch.Tensor, noise: float, setting: _Setting) -> pd.DataFrame:
    path = np.pad(steps.numpy().astype(np.float64), ((0, 0), (0, 0), (1, 0))).cumsum(2)
    return table_of(path + noise * setting.rng.standard_normal(path.shape))


def _count(frames: Frames, threshold: float | None = None) -> Ints:
    """Count the switches that are reported in each track."""
    chosen = SwitchCalls().switch_threshold if threshold is None else threshold
    segments = segments_of(frames, chosen, _SHORTEST)
    return np.bincount(segments.track, minlength=len(frames.bounds) - 1) - 1


def _likeliest_frame(p: Array) -> Array:
    """Frame of the switch if there is exactly one: the median in the window that holds most."""
    reach = WIDTHS[-1]
    padded = np.pad(p, ((0, 0), (reach, reach)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=1)
    best = windows.sum(2).argmax(1)
    inside = windows[np.arange(len(p)), best].cumsum(1)
    return np.asarray(best - reach + (inside < inside[:, -1:] / 2).sum(1), np.float64)


def _best_cut(steps: Array) -> int:
    """Cut in two at the place of highest likelihood, variances unknown."""
    n = len(steps)
    sums = np.square(steps).cumsum()
    k = np.arange(_SHORTEST, n - _SHORTEST)
    cost = k * np.log(sums[k - 1] / k) + (n - k) * np.log((sums[-1] - sums[k - 1]) / (n - k))
    return int(k[cost.argmin()])


def _hits(jumps: npt.NDArray[np.bool_], track: Ints, frame: Ints) -> int:
    """Count switches within 10 frames of a true one, each true one counted once."""
    hits = 0
    for k in np.unique(track):
        true = np.flatnonzero(jumps[k]).tolist()
        for guess in frame[track == k]:
            near = [at for at in true if abs(at - guess) < _NEAR]
            if near:
                true.remove(min(near, key=lambda at: abs(at - guess)))
                hits += 1
    return hits
