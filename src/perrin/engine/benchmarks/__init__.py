"""How good the engine is: measured on fresh tracks, beside what others have published.

Each part measures one thing and returns tidy tables; ``andi1`` runs them all, ``plots`` draws the
tables and ``views`` writes them for people.
"""

from perrin.engine.benchmarks.andi1 import andi1, check, save
from perrin.engine.benchmarks.views import as_text

__all__ = ["andi1", "as_text", "check", "save"]
