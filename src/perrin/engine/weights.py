"""Weights on disk: one safetensors file each, beside a card that says where they come from.

The card is a YAML file of the same name: what the network was trained on and for how long, the
command that made it, its figures on held-out data. Nothing is ever unpickled.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

import yaml

from perrin.errors import InputError
from perrin.io import atomic_write
from perrin.parameters import Parameters

if TYPE_CHECKING:
    from torch import Tensor

    from perrin.engine.changes.network import ChangeNetwork
    from perrin.engine.network import Network
    from perrin.engine.switching.network import SwitchNetwork

__all__ = [
    "BUNDLED",
    "BUNDLED_CHANGES",
    "BUNDLED_SWITCHES",
    "Storable",
    "load_as",
    "load_card",
    "load_change_network",
    "load_network",
    "load_switch_network",
    "load_tensors",
    "save_network",
    "save_tensors",
]

FORMAT = 2
BUNDLED = Path(str(files("perrin.engine"))) / "bundled" / "andi.safetensors"
"""The weights for whole tracks that come with Perrin."""

BUNDLED_SWITCHES = BUNDLED.with_name("switches.safetensors")
"""The weights for switches that come with Perrin."""

BUNDLED_CHANGES = BUNDLED.with_name("changes.safetensors")
"""The weights for changes of model that come with Perrin."""


class Storable(Protocol):
    """A network that can be saved: its architecture makes it, its state fills it.

    Attributes
    ----------
    sizes
        The model of its architecture.
    """

    sizes: ClassVar[type[Parameters]]

    def __init__(self, architecture: Any) -> None: ...

    @property
    def architecture(self) -> Parameters:
        """What the network was made from."""

    def state_dict(self) -> dict[str, Any]:
        """Return every tensor of the network by its name."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Take over the tensors of another network."""

    def eval(self) -> Self:
        """Make the network ready to answer."""


N = TypeVar("N", bound=Storable)


def save_tensors(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """Write tensors and a JSON-able description to one safetensors file, replacing it whole."""
    from safetensors.torch import save

    data = save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
        metadata={"perrin": json.dumps(about)},
    )
    with atomic_write(path, overwrite=True) as temporary:
        temporary.write_bytes(data)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`save_tensors` wrote.

    Raises
    ------
    InputError
        If the file is not there or is not one of Perrin's.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt") as file:
            about = json.loads((file.metadata() or {})["perrin"])
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118
    except FileNotFoundError:
        raise InputError(f"There are no weights at {path}.") from None
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise InputError(
            f"{path} does not hold weights written by Perrin ({error}). Give a .safetensors file "
            "made by 'perrin train'."
        ) from None


def save_network(path: Path, network: Storable, card: dict[str, Any]) -> None:
    """Write a network and its card.

    Parameters
    ----------
    path
        Ends in ``.safetensors``; the card gets the same name ending in ``.yaml``.
    network
        What to save, calibration included.
    card
        See the module's description.
    """
    about = {
        "format": FORMAT,
        "network": type(network).__name__,
        "architecture": network.architecture.model_dump(),
    }
    save_tensors(path, network.state_dict(), about)
    with atomic_write(path.with_suffix(".yaml"), overwrite=True) as temporary:
        temporary.write_text(
            yaml.safe_dump(card, sort_keys=False, allow_unicode=True), encoding="utf-8"
        )


def load_network(path: Path | None = None) -> Network:
    """Load a network for whole tracks, by default the bundled one, ready to answer.

    Raises
    ------
    InputError
        If the file is missing, not Perrin's, for another network, or of a newer format.
    """
    from perrin.engine.network import Network

    return load_as(Network, path or BUNDLED, "whole tracks", "perrin train")


def load_switch_network(path: Path | None = None) -> SwitchNetwork:
    """Load a network for switches, by default the bundled one, ready to answer.

    Raises
    ------
    InputError
        As for :func:`load_network`.
    """
    from perrin.engine.switching.network import SwitchNetwork

    return load_as(
        SwitchNetwork, path or BUNDLED_SWITCHES, "switches", "perrin train --engine switches"
    )


def load_change_network(path: Path | None = None) -> ChangeNetwork:
    """Load a network for changes of model, by default the bundled one, ready to answer.

    Raises
    ------
    InputError
        As for :func:`load_network`.
    """
    from perrin.engine.changes.network import ChangeNetwork

    return load_as(
        ChangeNetwork, path or BUNDLED_CHANGES, "changes of model", "perrin train --engine changes"
    )


def load_as(kind: type[N], path: Path, purpose: str, maker: str) -> N:
    """Load a network of one kind, ready to answer.

    Parameters
    ----------
    kind
        The network's class.
    path
        What :func:`save_network` wrote.
    purpose, maker
        What the network is for, and the command that makes such files, for the message of an error.

    Raises
    ------
    InputError
        If the file is missing, not Perrin's, for another network, or of a newer format.
    """
    tensors, about = load_tensors(path)
    if about.get("format") != FORMAT:
        raise InputError(
            f"{path} has weights of format {about.get('format')}, this version of Perrin reads "
            f"format {FORMAT}. Update napari-perrin or train again."
        )
    # The first weights did not say which network they are of; all were for whole tracks.
    if about.get("network", "Network") != kind.__name__:
        raise InputError(
            f"{path} holds weights of another network, not of the one for {purpose}. Give a file "
            f"made by '{maker}'."
        )
    network = kind(kind.sizes.checked(**about["architecture"]))
    network.load_state_dict(tensors)
    return network.eval()


def load_card(path: Path | None = None) -> dict[str, Any]:
    """Read the card beside the weights at ``path``, by default the bundled ones."""
    card = yaml.safe_load((path or BUNDLED).with_suffix(".yaml").read_text(encoding="utf-8"))
    assert isinstance(card, dict)
    return card
