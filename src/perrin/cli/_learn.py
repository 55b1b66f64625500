"""``perrin learn``: networks that are trained on one's own tracks."""

from __future__ import annotations

import click

from perrin.cli._lazy import LazyGroup

__all__ = ["learn_command"]

_COMMANDS = {
    "environments": (
        "_learn_environments:environments_command",
        "In which environment was this recorded?",
    ),
    "generate": ("_learn_generate:generate_command", "New tracks that look like mine."),
}


@click.group("learn", cls=LazyGroup, places=_COMMANDS)
def learn_command() -> None:
    """Train a small network on your own tracks, and use it.

    Training takes minutes on a laptop. A network is one .safetensors file, beside a card (.yaml)
    that says what it learnt from and how good it is on tracks it never saw.
    """
