"""``perrin learn``: networks that are trained on one's own tracks."""

from __future__ import annotations

from pathlib import Path

import click

from perrin.cli._lazy import LazyGroup
from perrin.errors import InputError
from perrin.results import check_files

__all__ = ["check_weights", "learn_command", "weights_option"]

_COMMANDS = {
    "environments": (
        "_learn_environments:environments_command",
        "In which environment was this recorded?",
    ),
    "generate": ("_learn_generate:generate_command", "New tracks that look like mine."),
    "property": ("_learn_property:property_command", "Mobility or mass in a known potential."),
}


@click.group("learn", cls=LazyGroup, places=_COMMANDS)
def learn_command() -> None:
    """Train a small network on your own tracks, and use it.

    Training takes minutes on a laptop. A network is one .safetensors file, beside a card (.yaml)
    that says what it learnt from and how good it is on tracks it never saw.
    """


weights_option = click.option(
    "--out",
    "-o",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to save the network: a .safetensors file; its card goes beside it (.yaml).",
)


def check_weights(path: Path, *, overwrite: bool) -> None:
    """Make sure, before it is trained, that a network can be saved where it is wanted.

    Its folder is made if it does not exist.

    Raises
    ------
    InputError
        If the name has another ending than .safetensors.
    OutputError
        If the file or its card exists, or cannot be written.
    """
    if path.suffix != ".safetensors":
        raise InputError(f"{path} must end in .safetensors.")
    check_files(path.parent, [path.name, path.with_suffix(".yaml").name], overwrite=overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
