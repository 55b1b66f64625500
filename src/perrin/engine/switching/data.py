"""Tracks that switch, for training: simulated as they are needed and never stored.

Three sources take turns. *Fields*: what a camera sees of particles that follow one of the five
physical models of the second AnDi challenge, whose parameters are drawn anew for every field from
ranges far wider than the challenge's. *Pieces*: fractional Brownian motion in one to three
dimensions that changes diffusivity or exponent or both, once, at random, or never. *Theory*: tracks
of the first challenge, of which only the periods of an ATTM and the rests of a CTRW are switches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from perrin.engine.data import LONGEST, exposure_of, with_gaps
from perrin.errors import InputError
from perrin.models import MODELS
from perrin.simulate.models import attm_periods, ctrw, fbm, isotropic_steps, simulate_displacements
from perrin.simulate.phenomenological import (
    DIRECTED,
    DIRECTED_FROM,
    FREE,
    IMMOBILE,
    Confinement,
    Dimerization,
    Experiment,
    ImmobileTraps,
    Motion,
    MultiState,
    Population,
    SingleState,
    simulate_fields,
)
from perrin.simulate.phenomenological._filter import filter_rows
from perrin.simulate.protocols import (
    draw_cells,
    normalised,
    observe,
    spread_exponents,
)
from perrin.statistics._switches import MIN_POINTS_TO_SWITCH

__all__ = ["SHORTEST", "SwitchBatch", "batches"]

SHORTEST = MIN_POINTS_TO_SWITCH
"""Fewest localizations of a track that the network is trained on."""

_SHARES = (0.5, 0.3, 0.2)  # of the batches: fields, pieces, theory
_GAPPED = 0.1  # of the batches
_BLURRED = 0.4  # of the batches of pieces
_SUBFRAMES = 4
_PROJECTED = 0.1  # of the batches of fields, shown in one dimension
_POOL = 2048
_VIEWS = 8
_CHALLENGE = Experiment()
_LEAST = 1e-12


class SwitchBatch(NamedTuple):
    """Tracks of equal length and dimension with the truth about each displacement.

    Attributes
    ----------
    positions
        Shape ``(n_tracks, dim, n_points)``, gaps filled.
    seen
        Shape ``(n_tracks, n_points)``, or None if no frame is missing.
    switch
        Whether a new state begins with this displacement, shape ``(n_tracks, n_points - 1)``.
    diffusivity
        Generalised diffusivity, 0 where immobile, same shape; NaN where there is none.
    alpha
        Anomalous exponent, same shape; NaN where immobile.
    state
        Code of the state, same shape; -1 where it is not known.
    exposure
        Share of the frame interval during which the shutter was open.
    """

    positions: Tensor
    seen: Tensor | None
    switch: Tensor
    diffusivity: Tensor
    alpha: Tensor
    state: Tensor
    exposure: float = 0.0


def batches(
    seed: int, *, share: int = 0, n_points: int = 16_000, device: torch.device | str = "cpu"
) -> Iterator[SwitchBatch]:
    """Yield endless batches.

    Parameters
    ----------
    seed
        Every seed is another endless series.
    share
        Which of several processes asks. Their tracks differ; dimensions and lengths do not, so
        that none has to wait for another.
    n_points
        Localizations per batch; the number of tracks follows from their length.
    device
        Where they are wanted. Fields are simulated on the CPU.
    """
    generator = torch.Generator().manual_seed(seed + 7_919 * share)
    coin = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed + 7_919 * share)
    fields, pieces = _Fields(rng), _Pieces(generator)
    while True:
        source, length, gapped, projected, blurred = torch.rand(5, generator=coin).tolist()
        dim = 1 + int(torch.randint(3, (), generator=coin))
        if source < _SHARES[0]:
            points = (
                _CHALLENGE.n_frames
                if length < 0.3
                else _log_uniform((length - 0.3) / 0.7, _CHALLENGE.n_frames)
            )
            batch = fields.draw(max(16, n_points // points), points)
            if projected < _PROJECTED:
                batch = batch._replace(positions=batch.positions[:, :1])
        else:
            of_pieces = source < 1 - _SHARES[2]
            # Half of the shutters are open all the time, the others for some of it.
            opened = min(_SUBFRAMES, int(1 + 2 * _SUBFRAMES * blurred / _BLURRED))
            exposed = opened if of_pieces and blurred < _BLURRED else 0
            points = _log_uniform(length, LONGEST // _SUBFRAMES if exposed else LONGEST)
            n = min(512, max(16, n_points // points))
            if of_pieces:
                batch = pieces.draw(n, points, dim, exposed)
            else:
                batch = _theory(n, points, dim, generator)
        if gapped < _GAPPED:
            positions, seen = with_gaps(batch.positions, generator)
            batch = batch._replace(positions=positions, seen=seen)
        parts: dict[str, Any] = {
            name: part.to(device) if isinstance(part, Tensor) else part
            for name, part in batch._asdict().items()
        }
        yield SwitchBatch(**parts)


class _Fields:
    """Tracks in fields of view, of which windows are shown several times."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.left = rng, 0

    def draw(self, n: int, n_points: int) -> SwitchBatch:
        if self.left < n:
            self._refill()
        self.left -= n
        long = np.flatnonzero(self.tracks.lengths >= n_points)
        rows = self.rng.choice(long, n)
        room = self.tracks.lengths[rows] - n_points + 1
        first = (self.rng.random(n) * room).astype(np.int64)
        at = first[:, None] + np.arange(n_points)
        positions = self.tracks.positions[rows[:, None], :, at].transpose(0, 2, 1)
        diffusivity, alpha, state, population = (
            getattr(self.tracks, name)[rows[:, None], at[:, :-1]]
            for name in ("diffusivity", "alpha", "state", "population")
        )
        labels = (diffusivity, alpha, state, population)
        switched = np.zeros(state.shape, np.bool_)
        for label in labels:
            switched[:, 1:] |= label[:, 1:] != label[:, :-1]
        switch = torch.from_numpy(switched).float()
        return SwitchBatch(
            torch.from_numpy(np.ascontiguousarray(positions)),
            None,
            switch,
            torch.from_numpy(diffusivity),
            torch.from_numpy(np.where(state == IMMOBILE, np.nan, alpha)),
            torch.from_numpy(state.astype(np.float32)),
        )

    def _refill(self) -> None:
        experiments, n_tracks = [], 0
        while n_tracks < _POOL:
            experiment = _experiment(self.rng)
            try:
                field = simulate_fields([experiment], self.rng)
            except InputError:  # compartments that found no room
                continue
            experiments.append(field)
            n_tracks += len(field.lengths)
        joined = {
            name: np.concatenate([getattr(field, name) for field in experiments])
            for name in experiments[0].__dataclass_fields__
        }
        self.tracks = type(experiments[0])(**joined)
        self.left = _VIEWS * n_tracks


def _experiment(rng: np.random.Generator) -> Experiment:
    """Draw any experiment that a microscopist might make."""

    def log_uniform(low: float, high: float) -> float:
        return float(low * (high / low) ** rng.random())

    def population(diffusivity: float, alpha: float) -> Population:
        spread = rng.choice((0.0, log_uniform(1e-3, 0.3), log_uniform(1e-3, 3)))
        return Population(
            diffusivity=diffusivity,
            diffusivity_variance=(spread * diffusivity) ** 2,
            alpha=alpha,
            alpha_variance=float(rng.choice((0.0, log_uniform(1e-4, 0.1), log_uniform(1e-2, 4)))),
        )

    def exponent() -> float:
        ranges = ((1.0, 1.0), (0.05, 1.99), (0.5, 1.5), (DIRECTED_FROM, 1.99))
        low, high = ranges[rng.choice(4, p=(0.3, 0.3, 0.3, 0.1))]
        return float(rng.uniform(low, high))

    fast = log_uniform(0.03, 3)
    ratio = log_uniform(0.003, 1)
    first, second = population(fast, exponent()), population(fast * ratio, exponent())
    motion: Motion
    match rng.integers(5):
        case 0:
            motion = SingleState(population=population(log_uniform(0.01, 10), exponent()))
        case 1:
            several = [first, second]
            if rng.random() < 0.4:
                several.append(population(fast * log_uniform(0.01, 1), exponent()))
            rng.shuffle(several)
            motion = MultiState(
                populations=tuple(several), transition=_transition(len(several), rng)
            )
        case 2:
            motion = ImmobileTraps(
                free=first,
                n_traps=int(log_uniform(50, 1500)),
                radius=log_uniform(0.2, 2),
                binding=rng.uniform(0.2, 1),
                unbinding=log_uniform(0.005, 0.3),
            )
        case 3:
            pair = [first, second]
            if rng.random() < 0.3:
                pair.reverse()
            motion = Dimerization(
                free=pair[0],
                paired=pair[1],
                radius=log_uniform(0.3, 1.5),
                binding=rng.uniform(0.5, 1),
                unbinding=log_uniform(0.005, 0.2),
            )
        case _:
            radius = log_uniform(1, 10)
            most = 0.3 * _CHALLENGE.box**2 / (math.pi * radius**2)
            motion = Confinement(
                free=first,
                confined=second,
                n_compartments=int(min(log_uniform(10, 300), most)),
                radius=radius,
                transmittance=log_uniform(0.02, 0.5),
            )
    n_particles = log_uniform(50, 600) if isinstance(motion, Dimerization) else 100
    noise = _CHALLENGE.noise if rng.random() < 0.6 else log_uniform(0.01, 1)
    return Experiment(motion=motion, n_particles=int(n_particles), noise=noise)


def _transition(n_states: int, rng: np.random.Generator) -> tuple[tuple[float, ...], ...]:
    """Draw a transition matrix: each state lasts 4 to 300 frames on average."""
    leaving = 0.25 * (1 / 75) ** rng.random(n_states)
    goes = rng.dirichlet(np.ones(n_states - 1), n_states)
    rows = []
    for i in range(n_states):
        others = np.insert(goes[i] * leaving[i], i, 0.0)
        others[i] = 1 - others.sum()
        rows.append(tuple(others.tolist()))
    return tuple(rows)


class _Pieces:
    """Pieces of fractional Brownian motion, joined."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator
        self.left = [0, 0, 0]
        self.pools: list[tuple[Tensor, Tensor]] = [(torch.empty(0), torch.empty(0))] * 3

    def draw(self, n: int, n_points: int, dim: int, exposed: int = 0) -> SwitchBatch:
        """Draw tracks, blurred by a shutter that is open for ``exposed`` quarters of a frame."""
        g = self.generator
        if self.left[dim - 1] < n:
            alpha = 0.05 + 1.94 * torch.rand(_POOL // 2, generator=g)
            alpha = torch.where(torch.rand(alpha.shape, generator=g) < 0.4, 1.0, alpha)
            self.pools[dim - 1] = fbm(alpha, LONGEST + 1, dim, g), alpha
            self.left[dim - 1] = _VIEWS * _POOL // 2
        self.left[dim - 1] -= n
        steps, exponent = self.pools[dim - 1]
        n_steps, n_states = n_points - 1, 4
        state = _state_paths(n, n_steps, n_states, g)
        rows = torch.randint(len(steps), (n, n_states), generator=g)
        # Often all states have one exponent, most often 1.
        alike = torch.rand(n, 1, generator=g) < 0.5
        rows = torch.where(alike & (exponent[rows[:, :1]] != 1), rows[:, :1], rows)
        brownian = torch.nonzero(exponent == 1)[:, 0]
        pick = brownian[torch.randint(len(brownian), (n, n_states), generator=g)]
        rows = torch.where(torch.rand(n, 1, generator=g) < 0.3, pick, rows)
        # Diffusivities over up to four decades; the unit does not matter to the network.
        width = 4 * math.log(10) * torch.rand(n, 1, generator=g)
        log_d = width * (torch.rand(n, n_states, generator=g) - 0.5)
        # Sometimes only the exponent changes.
        log_d = torch.where(torch.rand(n, 1, generator=g) < 0.1, 0.0, log_d)
        still = torch.rand(n, n_states, generator=g) < 0.08
        still[:, 0] = False
        d = torch.where(still, 0.0, log_d.exp())
        parts = _SUBFRAMES if exposed else 1
        finely = state.repeat_interleave(parts, 1)
        row_of, d_of = rows.gather(1, finely), d.gather(1, finely)
        first = torch.randint(LONGEST - parts * n_steps + 1, (n, 1), generator=g)
        at = first + torch.arange(parts * n_steps)
        moved = steps.permute(0, 2, 1)[row_of, at].permute(0, 2, 1)
        # Fractional Brownian motion is self-similar.
        moved = moved * (2 * d_of * float(parts) ** -exponent[row_of]).sqrt()[:, None]
        typical = (2 * d_of).mean(1).sqrt()
        level = 0.03 * 60 ** torch.rand(n, generator=g)
        level = torch.where(torch.rand(n, generator=g) < 0.2, 0.0, level) * typical
        noise = level[:, None].expand(n, dim)
        positions = _exposed(moved, exposed, noise, g) if exposed else observe(moved, noise, g)
        labels = _filtered(state)
        d_of, alpha_of = d.gather(1, labels), exponent[rows.gather(1, labels)]
        switch = torch.zeros(n, n_steps)
        begins = (d_of[:, 1:] != d_of[:, :-1]) | (alpha_of[:, 1:] != alpha_of[:, :-1])
        switch[:, 1:] = begins.float()
        code = torch.where(alpha_of >= DIRECTED_FROM, float(DIRECTED), float(FREE))
        rests = d_of == 0
        return SwitchBatch(
            positions,
            None,
            switch,
            d_of,
            torch.where(rests, torch.nan, alpha_of),
            torch.where(rests, float(IMMOBILE), code),
            exposure_of(_SUBFRAMES, exposed) if exposed else 0.0,
        )


def _exposed(steps: Tensor, exposed: int, noise: Tensor, g: torch.Generator) -> Tensor:
    """Average the first positions of each frame and add noise; the last frame is still."""
    path = torch.nn.functional.pad(steps.cumsum(2), (1, _SUBFRAMES - 1), "replicate")
    path[..., 0] = 0
    frames = path.view(*noise.shape, -1, _SUBFRAMES)[..., :exposed].mean(3)
    return frames + noise[..., None] * torch.randn(frames.shape, generator=g)


def _state_paths(n: int, n_steps: int, n_states: int, g: torch.Generator) -> Tensor:
    """Draw the state at every step: never switching, once, or at random between two to four."""
    kind = torch.rand(n, 1, generator=g)
    time = torch.arange(n_steps)
    once = (time >= torch.randint(1, n_steps, (n, 1), generator=g)).long()
    # Dwell times of 5 to 500 frames on average, the same for all states of a track.
    rate = 0.2 * (1 / 100) ** torch.rand(n, 1, generator=g)
    jumps = torch.rand(n, n_steps, generator=g) < rate
    jumps[:, 0] = False
    used = torch.randint(2, n_states + 1, (n, 1), generator=g)
    # A jump leads to any state but the present one.
    leap = 1 + (torch.rand(n, n_steps, generator=g) * (used - 1)).long().clamp_max(n_states - 2)
    markov = torch.where(jumps, leap, 0).cumsum(1) % used
    state = torch.where(kind < 0.45, markov, once)
    return torch.where(kind > 0.7, 0, state)


def _filtered(labels: Tensor) -> Tensor:
    """Pass labels through the challenge's filter, see :func:`filter_labels`."""
    rows = labels.numpy().astype(np.float64)
    filter_rows(rows, np.full(len(rows), rows.shape[1]))
    return torch.from_numpy(rows).long()


def _theory(n: int, n_points: int, dim: int, g: torch.Generator) -> SwitchBatch:
    """Whole tracks of the first challenge."""
    model, alpha = draw_cells(n, "model", g)
    alpha = spread_exponents(model, alpha, g)
    n_steps = n_points - 1
    steps = torch.empty(n, dim, n_steps)
    switch, state = torch.zeros(n, n_steps), torch.full((n, n_steps), float(FREE))
    diffusivity = torch.full((n, n_steps), torch.nan)
    alphas = alpha[:, None].expand(n, n_steps).clone()
    for code, name in enumerate(MODELS):
        rows = torch.nonzero(model == code)[:, 0]
        if rows.numel() == 0:
            continue
        draw = _WITH_STATES.get(name)
        if draw is None:
            of_model = torch.full_like(rows, code)
            steps[rows] = normalised(
                simulate_displacements(of_model, alpha[rows], n_points, dim, g)
            )
            if name != "FBM":
                state[rows] = -1
            continue
        drawn, labels = draw(alpha[rows], n_points, dim, g)
        unit = drawn.square().mean((1, 2)).clamp_min(_LEAST)
        steps[rows] = drawn / unit.sqrt()[:, None, None]
        labels = labels / unit[:, None]
        switch[rows, 1:] = (labels[:, 1:] != labels[:, :-1]).float()
        diffusivity[rows] = labels
        state[rows] = torch.where(labels == 0, float(IMMOBILE), float(FREE))
        alphas[rows] = torch.nan
    noise = 0.03 * 60 ** torch.rand(n, 1, generator=g)
    positions = observe(steps, noise.expand(n, dim), g)
    return SwitchBatch(positions, None, switch, diffusivity, alphas, state)


def _ctrw_states(
    alpha: Tensor, n_points: int, dim: int, g: torch.Generator
) -> tuple[Tensor, Tensor]:
    """CTRW, and its diffusivity: zero while it rests for long, else that of its jumps."""
    steps = ctrw(alpha, n_points, dim, g)
    moving = _filtered((steps.abs().amax(1) > 0).long()).bool()
    jumps = (steps.square().mean(1) * moving).sum(1) / moving.sum(1).clamp_min(1)
    return steps, torch.where(moving, jumps[:, None] / 2, 0.0)


def _attm_states(
    alpha: Tensor, n_points: int, dim: int, g: torch.Generator
) -> tuple[Tensor, Tensor]:
    """ATTM, and the diffusivity of its periods."""
    scale, period = attm_periods(alpha, n_points, g)
    steps = isotropic_steps(len(alpha), dim, n_points - 1, g).mul_(scale[:, None])
    kept = _filtered(period)
    # Periods keep their order, so that the first step of each tells its diffusivity.
    begins = torch.searchsorted(period.contiguous(), kept.contiguous())
    # In 3D the length of a step is Gaussian, not each of its components.
    d = (scale.square() / (6 if dim == 3 else 2)).gather(1, begins.clamp_max(n_points - 2))
    return steps, d.clamp_min(_LEAST)


_WITH_STATES: dict[str, Callable[[Tensor, int, int, torch.Generator], tuple[Tensor, Tensor]]] = {
    "ATTM": _attm_states,
    "CTRW": _ctrw_states,
}


def _log_uniform(u: float, longest: int) -> int:
    return int(SHORTEST * ((longest + 1) / SHORTEST) ** u)
