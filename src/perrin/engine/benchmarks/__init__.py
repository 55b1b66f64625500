"""How good the engine is: measured on fresh tracks, beside what others have published.

Each part measures one thing and returns tidy tables. ``andi1`` runs all that concern whole tracks,
``andi2`` and ``switches`` all that concern switches. ``plots`` draws the tables and ``views``
writes them for people.
"""

from perrin.engine.benchmarks.andi1 import andi1, check
from perrin.engine.benchmarks.andi2 import andi2
from perrin.engine.benchmarks.files import check_tables, save
from perrin.engine.benchmarks.switches import switches
from perrin.engine.benchmarks.views import as_text

__all__ = [
    "SWITCH_TABLES",
    "andi1",
    "andi2",
    "as_text",
    "check",
    "check_tables",
    "save",
    "switches",
]

SWITCH_TABLES = {
    "andi2": ("andi2", "states", "anchors"),
    "switches": (
        "sigma", "presence", "time", "count", "one_switch", "false_switches", "gradual",
        "trade_off",
    ),
}  # fmt: skip
"""Tables of each of the benchmarks of switches."""
