r"""Write the tables and plots of docs/engine.md and docs/switches.md from the last benchmarks.

    perrin benchmark andi1 --full --engines perrin,msd,msd-plain,fbm,convtransformer \
        --tracks 10000 --out benchmarks/results/andi1 --overwrite
    perrin benchmark andi2 --out benchmarks/results/andi2 --overwrite
    perrin benchmark switches --out benchmarks/results/switches --overwrite
    python benchmarks/engine_report.py

Each table stands between two comments, ``<!-- table: NAME -->`` and ``<!-- end -->``; what is
between them is replaced, so that no figure is ever copied by hand. Plots go to docs/images.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from perrin.engine.benchmarks.plots import PLOTS, as_png
from perrin.engine.benchmarks.views import SWITCH_TITLES, VIEWS, as_markdown, switch_view

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGES = [HERE.parent / "docs" / f"{name}.md" for name in ("engine", "switches")]
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
        source, _, view = (name, "", switch_view(name)) if name in SWITCH_TITLES else VIEWS[name]
        if source not in tables:
            return found[0]
        return f"{found['begin']}\n{as_markdown(view(tables[source]))}\n{found['end']}"

    marked = r"(?P<begin><!-- table: (?P<name>\w+) -->)\n.*?(?P<end><!-- end -->)"
    return re.sub(marked, fill, page, flags=re.DOTALL)


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
