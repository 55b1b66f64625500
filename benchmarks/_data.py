"""Where the real recordings are; CONTRIBUTING.md says where to get them."""

from __future__ import annotations

import os
from pathlib import Path

DATA = Path(
    os.environ.get("PERRIN_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
)
