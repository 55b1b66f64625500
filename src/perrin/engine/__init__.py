"""The bundled network: which model a track follows and how anomalous it is.

``features`` → ``network`` → ``posterior`` is the way of an answer; ``inference`` walks it for a
track table, ``data`` and ``train`` make the weights, ``calibrate`` makes their probabilities true,
``benchmark`` measures them.
"""

from __future__ import annotations

from typing import Any

__all__ = ["predict"]


def __getattr__(name: str) -> Any:
    # torch is loaded only when the engine is used.
    if name == "predict":
        from perrin.engine.inference import predict

        return predict
    raise AttributeError(f"module 'perrin.engine' has no attribute {name!r}")
