"""Environments of their own for peers whose requirements differ from Perrin's."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
OUTPUT = HERE / "output"


def python_with(name: str, *requirements: str) -> Path:
    """Return the interpreter of an environment that holds ``requirements``, made if need be."""
    folder = OUTPUT / "environments" / name
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    done = folder / "complete"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements], check=True)
        done.touch()
    return python


def python_with_andi() -> Path:
    """Return the interpreter of an environment that holds andi-datasets 2."""
    return python_with("andi", "andi-datasets>=2.1,<2.2", "numpy<=1.26.4", "ipython")


def run_peer(python: Path, script: str, *arguments: str | Path) -> None:
    """Run ``benchmarks/peers/<script>`` in a peer's environment."""
    subprocess.run([python, HERE / "peers" / script, *map(str, arguments)], check=True)
