"""The network that makes tracks: a mixture density network on recurrent layers.

At every step it gives the probability density of the next displacement, a mixture of 10
components, from which one is drawn (Bishop 1994; Graves 2013; for cell tracks Rieke 2016). It sees
steps in the frame of the track itself, so that no direction of the image is preferred; its
components may have heavy tails; and a few latent numbers per track, inferred as in a variational
autoencoder (Kingma & Welling 2014), hold what distinguishes one track from another.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from perrin.parameters import Parameters, parameter

__all__ = ["Architecture", "Generator", "Mixture"]

_LEAST_SPEED = 0.02
_LEAST_DEGREES = 3.0
_LEAST_LOG_SCALE = -7.0
_TINY = 1e-6


class Architecture(Parameters):
    """What a generator is made of, and which tracks it makes; stored beside its weights."""

    axes: tuple[str, ...] = parameter(("y", "x"), "Position columns.")
    moving: tuple[str, ...] = parameter(("y", "x"), "Those along which the tracks move at all.")
    interval: float = parameter(1.0, "Time of one step.", gt=0)
    length_unit: str = parameter("px", "Unit of lengths.")
    time_unit: str = parameter("frame", "Unit of times.")
    pixel_size: float | None = parameter(None, "Edge length of a pixel.", unit="µm")
    typical_steps: int = parameter(100, "Steps of the median track of the training.", ge=1)
    n_tracks: int = parameter(1, "Tracks of the training.", ge=1)
    units: int = parameter(64, "Units of the recurrent layer (LSTM).", ge=1)
    components: int = parameter(10, "Components of the mixture.", ge=1)
    latent: int = parameter(6, "Numbers that distinguish one track from another.", ge=0)
    frame: Literal["track", "image"] = parameter(
        "track", "Whether steps are seen along and across the step before, or along the axes."
    )
    tails: Literal["heavy", "normal"] = parameter(
        "heavy", "Student's t with a scale for each axis, or isotropic normal distributions."
    )


class Mixture(NamedTuple):
    """Density of the next displacement.

    Attributes
    ----------
    log_weight
        Shape ``(..., n_components)``.
    mean, log_scale
        Shape ``(..., n_components, n_axes)``.
    degrees
        Degrees of freedom of Student's t, shape ``(..., n_components)``; None for the normal.
    """

    log_weight: Tensor
    mean: Tensor
    log_scale: Tensor
    degrees: Tensor | None

    def log_density(self, step: Tensor) -> Tensor:
        """Logarithm of the density of steps, shape ``(..., n_axes)`` to ``(...)``."""
        n_axes = step.shape[-1]
        z = (step[..., None, :] - self.mean) * (-self.log_scale).exp()
        square, volume = z.square().sum(-1), self.log_scale.sum(-1)
        if self.degrees is None:
            log_p = -square / 2 - n_axes / 2 * math.log(2 * math.pi) - volume
        else:
            nu = self.degrees
            log_p = (
                torch.lgamma((nu + n_axes) / 2)
                - torch.lgamma(nu / 2)
                - n_axes / 2 * (nu * math.pi).log()
                - volume
                - (nu + n_axes) / 2 * torch.log1p(square / nu)
            )
        return torch.logsumexp(self.log_weight + log_p, -1)

    def draw(self, generator: torch.Generator) -> Tensor:
        """Draw a step for each density, shape ``(n, n_axes)``."""
        chosen = torch.multinomial(self.log_weight.exp(), 1, generator=generator)[:, 0]
        at = torch.arange(chosen.numel())
        mean, scale = self.mean[at, chosen], self.log_scale[at, chosen].exp()
        normal = torch.randn(mean.shape, generator=generator)
        if self.degrees is not None:
            nu = self.degrees[at, chosen]
            # A chi-squared variable is twice a gamma variable.
            chi = 2 * torch._standard_gamma(nu / 2, generator=generator)
            normal = normal * (nu / chi.clamp_min(1e-6)).sqrt()[:, None]
        return mean + scale * normal


class Generator(nn.Module):
    """Density of the next displacement, given those before.

    Parameters
    ----------
    architecture
        What it is made of.
    """

    sizes: ClassVar[type[Parameters]] = Architecture
    scale: Tensor
    longest: Tensor
    latent_mean: Tensor
    latent_log_spread: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = a = architecture
        n_axes = len(a.moving)
        self.n_axes = n_axes
        # Unit of lengths, and the longest step of the training in this unit.
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("longest", torch.ones(()))
        # The latent numbers of the training's tracks: what new tracks draw theirs from.
        self.register_buffer("latent_mean", torch.zeros(a.n_tracks, a.latent))
        self.register_buffer("latent_log_spread", torch.zeros(a.n_tracks, a.latent))
        width = n_axes + 3
        if a.latent:
            self.encoder = nn.Sequential(
                nn.Linear(2 * width + n_axes + 1, a.units),
                nn.GELU(),
                nn.Linear(a.units, 2 * a.latent),
            )
        self.decoder = nn.LSTM(width + a.latent, a.units, batch_first=True)
        n_scales = n_axes if a.tails == "heavy" else 1
        self.n_outputs = (1, n_axes, n_scales, int(a.tails == "heavy"))
        self.answer = nn.Linear(a.units + a.latent, a.components * sum(self.n_outputs))

    def inputs(self, local: Tensor) -> Tensor:
        """Describe steps for the recurrent layers, each where the next one is asked for.

        Parameters
        ----------
        local
            Steps in the frame of the track, shape ``(n, n_steps, n_axes)``.
        """
        plane = local[..., -2:] if self.n_axes == 3 else local
        log_speed = (plane.square().sum(-1, keepdim=True).sqrt() + _LEAST_SPEED).log()
        size = (local[..., :1].abs() + _LEAST_SPEED).log()
        begun = torch.ones_like(size)
        x = torch.cat((local.asinh(), log_speed, size, begun), 2)
        return functional.pad(x, (0, 0, 1, 0))[:, :-1]

    def encode(self, local: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """Infer the latent numbers of tracks: mean and log standard deviation ``(n, latent)``.

        Parameters
        ----------
        local
            Steps in the frame of the track, shape ``(n, n_steps, n_axes)``.
        there
            Which of them belong to the track, shape ``(n, n_steps)``.
        """
        x = self.inputs(local)
        weight = there[..., None] / there.sum(1)[:, None, None]
        mean = (x * weight).sum(1)
        spread = ((x - mean[:, None]).square() * weight).sum(1)
        count = there.sum(1, keepdim=True).log()
        kept = self._persistence(local, there)
        moments = torch.cat((mean, (spread + 1e-4).log(), kept, count), 1)
        latent, log_spread = self.encoder(moments).chunk(2, 1)
        return latent, log_spread.clamp(-5, 2)

    def _persistence(self, local: Tensor, there: Tensor) -> Tensor:
        """Compute how alike successive steps are, by axis, shape ``(n, n_axes)``."""
        before = local
        if self.architecture.frame == "track":
            # In the frame of the track the step before had one component, its length.
            length = _complex(local).abs()[..., None].expand(-1, -1, min(2, self.n_axes))
            before = torch.cat((local[..., :-2], length), 2)
        pair = (there[:, 1:] & there[:, :-1])[..., None]
        product = (local[:, 1:] * before[:, :-1] * pair).sum(1)
        return product / ((before.square() * there[..., None]).sum(1) + _TINY)

    def forward(self, local: Tensor, latent: Tensor) -> Mixture:
        """Density of every step, given the steps before it and the track's latent numbers."""
        x = self.inputs(local)
        repeated = latent[:, None].expand(-1, x.shape[1], -1)
        output, _ = self.decoder(torch.cat((x, repeated), 2))
        return self._mixture(torch.cat((output, repeated), 2))

    def _mixture(self, output: Tensor) -> Mixture:
        a, n_axes = self.architecture, self.n_axes
        numbers = self.answer(output).unflatten(-1, (a.components, -1))
        weight, mean, log_scale, degrees = numbers.split(self.n_outputs, -1)
        log_scale = log_scale.clamp_min(_LEAST_LOG_SCALE).expand(*mean.shape[:-1], n_axes)
        heavy = a.tails == "heavy"
        nu = _LEAST_DEGREES + functional.softplus(degrees[..., 0] + 3) if heavy else None
        return Mixture(weight[..., 0].log_softmax(-1), mean, log_scale, nu)

    def localised(self, steps: Tensor, heading: Tensor) -> Tensor:
        """Turn steps into the frame of the track: along and across the step before.

        Parameters
        ----------
        steps
            Scaled displacements along the moving axes, shape ``(n, n_steps, n_axes)``; the last
            two axes are the plane, in 3D the first is z, which stays as it is.
        heading
            Direction before the first step, an angle from the last axis, shape ``(n,)``; zero
            where there is one axis only.
        """
        if self.architecture.frame == "image":
            return steps
        plane = _complex(steps)
        first = torch.polar(torch.ones_like(heading), heading)
        before = torch.cat((first[:, None], plane), 1)
        # A step of no length leaves the direction as it was.
        moved = torch.arange(before.shape[1], device=steps.device) * (before.abs() > 0)
        direction = _direction(before).gather(1, moved.cummax(1).values)
        return _replaced(steps, plane * direction[:, :-1].conj())

    @torch.no_grad()
    def make(self, n_tracks: int, n_steps: int, seed: int) -> Tensor:
        """Make tracks: displacements along the moving axes, ``(n_tracks, n_steps, n_axes)``.

        Every track begins in a direction of its own and is mirrored or not at random, which makes
        all directions alike. Steps longer than twice the longest of the training are drawn anew.

        Parameters
        ----------
        n_tracks, n_steps
            How many, how long.
        seed
            Another seed makes other tracks.
        """
        a = self.architecture
        generator = torch.Generator().manual_seed(seed)
        kin = torch.randint(len(self.latent_mean), (n_tracks,), generator=generator)
        noise = torch.randn(n_tracks, a.latent, generator=generator)
        latent = self.latent_mean[kin] + self.latent_log_spread[kin].exp() * noise
        local = torch.zeros(n_tracks, n_steps, self.n_axes)
        state = None
        x = torch.zeros(n_tracks, 1, self.n_axes + 3)
        for t in range(n_steps):
            output, state = self.decoder(torch.cat((x, latent[:, None]), 2), state)
            mixture = self._mixture(torch.cat((output[:, 0], latent), 1))
            step = mixture.draw(generator)
            for _ in range(_TRIES):
                far = step.square().sum(1).sqrt() > 2 * self.longest
                if not far.any():
                    break
                step[far] = mixture.draw(generator)[far]
            local[:, t] = step
            x = self.inputs(torch.stack((step, step), 1))[:, 1:]
        return self.scale * self._unlocalised(local, generator)

    def _unlocalised(self, local: Tensor, generator: torch.Generator) -> Tensor:
        if self.architecture.frame == "image":
            return local
        n, n_axes = len(local), self.n_axes
        signs = torch.randint(2, (n, 1, n_axes), generator=generator) * 2.0 - 1.0
        heading = 2 * math.pi * torch.rand(n, generator=generator) * (n_axes > 1)
        plane = _complex(local)
        # Each turn is relative to the direction of the step before.
        turns = _direction(plane).cumprod(1)
        first = torch.polar(torch.ones_like(heading), heading)
        return signs * _replaced(local, plane.abs() * turns * first[:, None])


_TRIES = 20


def _complex(steps: Tensor) -> Tensor:
    """Return the last two axes as a complex number; of one axis, the real part alone."""
    x = steps[..., -1]
    return torch.complex(x, torch.zeros_like(x) if steps.shape[-1] == 1 else steps[..., -2])


def _replaced(steps: Tensor, plane: Tensor) -> Tensor:
    """Put other numbers in the place of what :func:`_complex` took."""
    inside = [plane.real] if steps.shape[-1] == 1 else [plane.imag, plane.real]
    return torch.cat((steps[..., :-2], torch.stack(inside, -1)), -1)


def _direction(plane: Tensor) -> Tensor:
    """Return unit vectors as complex numbers; 1 for steps of no length."""
    size = plane.abs()
    ones = torch.ones_like(plane)
    return torch.where(size > 0, plane / torch.where(size > 0, size, 1.0), ones)
