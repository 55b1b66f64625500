r"""Write the tables and plots of docs/engine.md from the last run of the benchmark.

    perrin benchmark andi1 --full --engines perrin,msd,msd-plain,fbm,convtransformer \
        --tracks 10000 --out benchmarks/results/andi1 --overwrite
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
from perrin.engine.benchmarks.views import VIEWS, as_markdown

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "andi1"
TRAINING = HERE / "results" / "training.csv"
PAGE = HERE.parent / "docs" / "engine.md"
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
        source, _, view = VIEWS[found["name"]]
        if source not in tables:
            return found[0]
        return f"{found['begin']}\n{as_markdown(view(tables[source]))}\n{found['end']}"

    marked = r"(?P<begin><!-- table: (?P<name>\w+) -->)\n.*?(?P<end><!-- end -->)"
    return re.sub(marked, fill, page, flags=re.DOTALL)


def main() -> None:
    """Rewrite the page and its plots."""
    tables = {path.stem: pd.read_csv(path) for path in sorted(RESULTS.glob("*.csv"))}
    if TRAINING.exists():
        tables["training"] = pd.read_csv(TRAINING)
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), tables), encoding="utf-8")
    for name in PLOTS.keys() & tables.keys():
        (IMAGES / f"engine-{name}.png").write_bytes(as_png(PLOTS[name](tables[name])))
    print(f"{PAGE} and its plots show {', '.join(tables)}.")


if __name__ == "__main__":
    main()
