"""The bundled network: which model a track follows and how anomalous it is.

``features`` → ``network`` → ``posterior`` and ``scale`` is the way of an answer, ``verdict`` the
answer to a batch. ``inference`` walks it for a track table, which ``looks`` and ``batching``
divide; ``attribution`` walks it back. ``data`` and ``train`` make the weights, ``calibrate``
makes their probabilities true, ``benchmarks`` measures them.
"""

from __future__ import annotations

from typing import Any

__all__ = ["explain", "predict"]


def __getattr__(name: str) -> Any:
    # torch is loaded only when the engine is used.
    if name == "predict":
        from perrin.engine.inference import predict

        return predict
    if name == "explain":
        from perrin.engine.attribution import explain

        return explain
    raise AttributeError(f"module 'perrin.engine' has no attribute {name!r}")
