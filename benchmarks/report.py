r"""Write the tables and plots of the documentation from the last benchmarks.

    perrin benchmark andi1 --full --engines perrin,msd,msd-plain,fbm,convtransformer \
        --tracks 10000 --out benchmarks/results/andi1 --overwrite
    perrin benchmark andi2 --tracks 10000 --out benchmarks/results/andi2 --overwrite
    perrin benchmark switches --out benchmarks/results/switches --overwrite
    perrin benchmark learn --out benchmarks/results/learn --overwrite
    perrin benchmark property --out benchmarks/results/learn --overwrite
    python benchmarks/report.py

Each table stands between two comments, ``<!-- table: NAME -->`` and ``<!-- end -->``; what is
between them is replaced, so that no figure is ever copied by hand. Plots go to docs/images.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from _learn_views import LEARN_VIEWS
from perrin.engine.benchmarks.plots import PLOTS, as_png
from perrin.engine.benchmarks.views import SWITCH_TITLES, VIEWS, as_markdown, switch_view

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGES = [HERE.parent / "docs" / f"{name}.md" for name in ("engine", "switches", "learn")]
IMAGES = HERE.parent / "docs" / "images"


def with_tables(page: str, tables: Mapping[str, pd.DataFrame]) -> str:
    """Replace every marked table of a page.

    Parameters
    ----------
    page
        Markdown text.
    tables
        The benchmark's tables by name; a marked view of a table that is not among them stays.

    Raises
    ------
    KeyError
        If the page marks a table that no view makes.
    """

    def fill(found: re.Match[str]) -> str:
        name = found["name"]
        source, view = _view(name)
        if source not in tables:
            return found[0]
        return f"{found['begin']}\n{as_markdown(view(tables[source]))}\n{found['end']}"

    marked = r"(?P<begin><!-- table: (?P<name>\w+) -->)\n.*?(?P<end><!-- end -->)"
    return re.sub(marked, fill, page, flags=re.DOTALL)


def _view(name: str) -> tuple[str, Callable[[pd.DataFrame], pd.DataFrame]]:
    """Return the table that a marked view shows, and how."""
    if name in LEARN_VIEWS:
        return LEARN_VIEWS[name]
    if name in SWITCH_TITLES:
        return name, switch_view(name)
    source, _, view = VIEWS[name]
    return source, view


def main() -> None:
    """Rewrite the pages and their plots."""
    tables = {path.stem: pd.read_csv(path) for path in sorted(RESULTS.glob("*/*.csv"))}
    tables |= {path.stem: pd.read_csv(path) for path in sorted(RESULTS.glob("*.csv"))}
    for page in PAGES:
        page.write_text(with_tables(page.read_text(encoding="utf-8"), tables), encoding="utf-8")
    for name in PLOTS.keys() & tables.keys():
        (IMAGES / f"engine-{name}.png").write_bytes(as_png(PLOTS[name](tables[name])))
    print(f"The pages and plots show {', '.join(tables)}.")


if __name__ == "__main__":
    main()
